import { sentence } from "../api/errors";
import type { Job, SourceProgress } from "../api/types";
import { newId } from "./ids";

// What is known of files on their way, and how what a job says changes it. No side effects.

export const kItemsMost = 500;

export type Phase =
  "waiting" | "sending" | "reading" | "done" | "unchanged" | "failed" | "cancelled";

/** One file or link on its way to being searchable. */
export interface Item {
  readonly id: string;
  readonly name: string;
  readonly collection: string;
  readonly bytes: number;
  readonly phase: Phase;
  /** Of the bytes sent, [0, 1]. */
  readonly sent: number;
  readonly pages: number;
  readonly chunks: number;
  readonly documentId: string;
  readonly error: string;
  readonly jobId: string;
}

export function isOver(phase: Phase): boolean {
  return phase === "done" || phase === "unchanged" || phase === "failed" || phase === "cancelled";
}

export function newItem(name: string, bytes: number, collection: string): Item {
  return {
    id: newId(),
    name,
    collection,
    bytes,
    phase: "waiting",
    sent: 0,
    pages: 0,
    chunks: 0,
    documentId: "",
    error: "",
    jobId: "",
  };
}

/** Shares the bytes sent of a whole batch out to its files, in their order. */
export function sharesOf(sizes: readonly number[], sent: number): number[] {
  let left = sent;
  return sizes.map((size) => {
    const share = size === 0 ? (left > 0 ? 1 : 0) : Math.max(0, Math.min(1, left / size));
    left -= size;
    return share;
  });
}

function phaseOf(source: SourceProgress): Phase {
  return source.state === "queued" || source.state === "running" ? "reading" : source.state;
}

const kAdvice: Record<string, string> = {
  encrypted: "It is protected by a password. Save a copy without one and add that.",
  truncated: "The file is incomplete. Copy or download it again.",
  unsupported: "This kind of file cannot be read. Save it as PDF or text and add that.",
  too_large: "It is larger than this server accepts.",
  zip_bomb: "The archive unpacks to far more than its size, so it was refused.",
  no_text:
    "It holds pictures of text only. Install tesseract-ocr on the server, then add it again.",
};

/** What went wrong with a file and what to do about it. */
export function reasonOf(source: Pick<SourceProgress, "error" | "errorCode">): string {
  const advice = kAdvice[source.errorCode] ?? "";
  if (source.error === "") return advice || "It could not be read.";
  return sentence(source.error);
}

/**
 * The items after a job said how far it is: its sources are matched with the items that wait for it by name. What an
 * archive held gets items of its own, in front.
 */
export function withJob(items: readonly Item[], job: Job, ids: readonly string[]): Item[] {
  const mine = items.filter((item) => ids.includes(item.id) || item.jobId === job.id);
  const byName = new Map(mine.map((item) => [item.name, item]));
  const changed = new Map<string, Item>();
  const extra: Item[] = [];
  for (const source of job.progress) {
    const only = mine.length === 1 && job.sources <= 1 ? mine[0] : undefined;
    const known = byName.get(source.name) ?? only;
    const item = known ?? { ...newItem(source.name, source.bytes, job.collection), jobId: job.id };
    const next: Item = {
      ...item,
      phase: phaseOf(source),
      sent: 1,
      pages: source.pagesDone,
      chunks: source.chunks,
      documentId: source.documentId,
      error: source.state === "failed" ? reasonOf(source) : "",
    };
    if (known === undefined) extra.push(next);
    else changed.set(item.id, next);
  }
  return [...extra, ...items.map((item) => changed.get(item.id) ?? item)].slice(0, kItemsMost);
}

/** After a job ended its items have too, also those that it did not list (it lists at most 1000). */
export function withEnded(items: readonly Item[], job: Job, ids: readonly string[]): Item[] {
  const phase: Phase = job.state === "cancelled" ? "cancelled" : "done";
  const mine = (item: Item) => ids.includes(item.id) || item.jobId === job.id;
  return items.map((item) => (mine(item) && !isOver(item.phase) ? { ...item, phase } : item));
}

/** What a job that has ended came to, as a sentence. */
export function outcomeOf(job: Job): string {
  const ready = `${job.succeeded} ${job.succeeded === 1 ? "document is" : "documents are"} ready`;
  return job.failed > 0 ? `${ready}, ${job.failed} failed.` : `${ready}.`;
}
