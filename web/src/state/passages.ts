import type { Chunk } from "../api/types";

/** A run of a chunk's text; `mark`: it is what the citation points at. */
export interface Run {
  readonly text: string;
  readonly mark: boolean;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function overlaps(chunk: Chunk, start: number, end: number): boolean {
  return start < end && chunk.start < end && start < chunk.end;
}

/**
 * Cuts a chunk's text where the marked bytes [start, end) of the document's normalised text begin and end, leaving
 * out the bytes below `from` that an overlapping chunk has shown already. When the chunk's text is not exactly those
 * bytes of the document, the quote is looked for instead, and failing that the whole chunk is marked.
 */
export function runsOf(chunk: Chunk, start: number, end: number, from: number, quote = ""): Run[] {
  const bytes = encoder.encode(chunk.text);
  if (bytes.length !== chunk.end - chunk.start)
    return inexactRuns(chunk, overlaps(chunk, start, end), quote);
  const local = (offset: number) =>
    boundary(bytes, Math.max(0, Math.min(bytes.length, offset - chunk.start)));
  const first = local(from);
  const markFrom = Math.max(first, local(start));
  const markTo = Math.max(markFrom, local(end));
  const cut = (a: number, b: number) => decoder.decode(bytes.subarray(a, b));
  const runs = overlaps(chunk, start, end)
    ? [
        { text: cut(first, markFrom), mark: false },
        { text: cut(markFrom, markTo), mark: true },
        { text: cut(markTo, bytes.length), mark: false },
      ]
    : [{ text: cut(first, bytes.length), mark: false }];
  return runs.filter((run) => run.text !== "");
}

/** The offset itself, or the beginning of the character that it falls into. */
function boundary(bytes: Uint8Array, offset: number): number {
  let at = offset;
  while (at > 0 && at < bytes.length && ((bytes[at] ?? 0) & 0xc0) === 0x80) at -= 1;
  return at;
}

function inexactRuns(chunk: Chunk, marked: boolean, quote: string): Run[] {
  const at = marked && quote !== "" ? chunk.text.indexOf(quote) : -1;
  if (at < 0) return [{ text: chunk.text, mark: marked }];
  return [
    { text: chunk.text.slice(0, at), mark: false },
    { text: quote, mark: true },
    { text: chunk.text.slice(at + quote.length), mark: false },
  ].filter((run) => run.text !== "");
}

/**
 * The headings above a chunk as a reader wants them: without the document's title, which stands above all of it, and
 * not again where the text itself begins with the last one.
 */
export function headingOf(chunk: Chunk, title: string): string {
  const parts = chunk.heading.split(" > ");
  if (title !== "" && parts[0] === title) parts.shift();
  const last = parts.at(-1) ?? "";
  if (last !== "" && chunk.text.trimStart().startsWith(last)) parts.pop();
  return parts.join(" › ");
}
