import { unplace } from "./citations";
import { parseInline } from "./inline";
import type { Align, Block, Inline } from "./tree";

const kDepthMost = 6;
const kFence = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const kHeading = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;
const kRule = /^ {0,3}([-*_])(\s*\1){2,}\s*$/;
const kQuote = /^ {0,3}> ?/;
const kItem = /^( {0,3})([-*+]|\d{1,9}[.)])( +|$)/;
const kTableRule = /^ {0,3}\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;

/** Parses a whole answer. Never throws; what it does not know stays text. */
export function parseMarkdown(source: string): Block[] {
  return parseBlocks(source.replace(/\r\n?/g, "\n").replace(/\t/g, "    ").split("\n"), 0);
}

function parseBlocks(lines: readonly string[], depth: number): Block[] {
  const blocks: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at] ?? "";
    if (line.trim() === "") {
      at += 1;
      continue;
    }
    const step =
      codeBlock(lines, at) ??
      single(line) ??
      table(lines, at) ??
      (depth < kDepthMost ? (quote(lines, at, depth) ?? listBlock(lines, at, depth)) : undefined) ??
      paragraph(lines, at);
    blocks.push(step.block);
    at += step.taken;
  }
  return blocks;
}

interface Step {
  readonly block: Block;
  readonly taken: number;
}

function codeBlock(lines: readonly string[], at: number): Step | undefined {
  const open = kFence.exec(lines[at] ?? "");
  if (open === null) return undefined;
  const fence = open[1] ?? "```";
  let end = at + 1;
  // An answer that is still coming has no closing fence yet: the block reaches to the end.
  while (end < lines.length && !(lines[end] ?? "").trim().startsWith(fence)) end += 1;
  const text = unplace(lines.slice(at + 1, end).join("\n"));
  return {
    block: { kind: "code", language: (open[2] ?? "").toLowerCase(), text },
    taken: end - at + 1,
  };
}

function single(line: string): Step | undefined {
  if (kRule.test(line)) return { block: { kind: "rule" }, taken: 1 };
  const heading = kHeading.exec(line);
  if (heading === null) return undefined;
  const children = parseInline(heading[2] ?? "");
  return { block: { kind: "heading", level: heading[1]?.length ?? 1, children }, taken: 1 };
}

function cellsOf(line: string): Inline[][] {
  const inner = line
    .trim()
    .replace(/^\|/, "")
    .replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => parseInline(cell.trim().replace(/\\\|/g, "|")));
}

function alignOf(rule: string): Align {
  const cell = rule.trim();
  if (cell.endsWith(":")) return cell.startsWith(":") ? "center" : "right";
  return cell.startsWith(":") ? "left" : "none";
}

function table(lines: readonly string[], at: number): Step | undefined {
  const rule = lines[at + 1] ?? "";
  if (!(lines[at] ?? "").includes("|") || !rule.includes("-") || !kTableRule.test(rule))
    return undefined;
  const align = rule
    .trim()
    .replace(/^\||\|$/g, "")
    .split("|")
    .map(alignOf);
  const head = cellsOf(lines[at] ?? "");
  if (head.length !== align.length) return undefined;
  const rows: Inline[][][] = [];
  let end = at + 2;
  while (end < lines.length && (lines[end] ?? "").includes("|")) {
    const cells = cellsOf(lines[end] ?? "");
    rows.push(align.map((_, column) => cells[column] ?? []));
    end += 1;
  }
  return { block: { kind: "table", align, head, rows }, taken: end - at };
}

function quote(lines: readonly string[], at: number, depth: number): Step | undefined {
  let end = at;
  while (end < lines.length && kQuote.test(lines[end] ?? "")) end += 1;
  if (end === at) return undefined;
  const inner = lines.slice(at, end).map((line) => line.replace(kQuote, ""));
  return { block: { kind: "quote", children: parseBlocks(inner, depth + 1) }, taken: end - at };
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function listBlock(lines: readonly string[], at: number, depth: number): Step | undefined {
  const first = kItem.exec(lines[at] ?? "");
  if (first === null) return undefined;
  const ordered = /\d/.test(first[2] ?? "");
  const items: Block[][] = [];
  let end = at;
  for (;;) {
    const item = kItem.exec(lines[end] ?? "");
    if (item === null || /\d/.test(item[2] ?? "") !== ordered || kRule.test(lines[end] ?? ""))
      break;
    const width = item[0].length;
    const content = [(lines[end] ?? "").slice(width)];
    end += 1;
    while (end < lines.length && belongs(lines, end, (item[1] ?? "").length)) {
      content.push((lines[end] ?? "").slice(Math.min(width, indentOf(lines[end] ?? ""))));
      end += 1;
    }
    items.push(parseBlocks(content, depth + 1));
    let next = end;
    while (next < lines.length && (lines[next] ?? "").trim() === "") next += 1;
    if (kItem.test(lines[next] ?? "")) end = next;
  }
  if (items.length === 0) return undefined;
  return {
    block: { kind: "list", ordered, start: ordered ? parseInt(first[2] ?? "1", 10) : 1, items },
    taken: end - at,
  };
}

/** A line is part of an item when it is indented below it, or continues its paragraph. */
function belongs(lines: readonly string[], at: number, indent: number): boolean {
  const line = lines[at] ?? "";
  if (line.trim() === "") {
    const next = lines[at + 1] ?? "";
    return next.trim() !== "" && indentOf(next) > indent + 1;
  }
  if (indentOf(line) > indent + 1) return true;
  return (lines[at - 1] ?? "").trim() !== "" && !startsBlock(line);
}

function startsBlock(line: string): boolean {
  return (
    kItem.test(line) ||
    kFence.test(line) ||
    kHeading.test(line) ||
    kRule.test(line) ||
    kQuote.test(line)
  );
}

function paragraph(lines: readonly string[], at: number): Step {
  let end = at + 1;
  while (end < lines.length && (lines[end] ?? "").trim() !== "" && !startsBlock(lines[end] ?? ""))
    end += 1;
  const source = lines
    .slice(at, end)
    .map((line) => line.trimStart())
    .join("\n")
    .trimEnd();
  return { block: { kind: "paragraph", children: parseInline(source) }, taken: end - at };
}
