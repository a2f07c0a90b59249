// A trace as a tree: what called what, on which path the time went, and in which process.

import type { Trace, TraceSpan } from "./traces";

export interface Node {
  readonly span: TraceSpan;
  /** Spans of the same call, from the caller's to the callee's: shown as one. The first is `span`. */
  readonly hops: readonly TraceSpan[];
  readonly children: readonly Node[];
  readonly depth: number;
  /** Nanoseconds since the trace began. */
  readonly startNs: number;
  readonly endNs: number;
}

export interface Tree {
  readonly roots: readonly Node[];
  readonly totalNs: number;
  readonly startUs: number;
}

/** Children by parent; a span whose parent is not there begins a tree of its own, and a ring is cut. */
function childrenOf(spans: readonly TraceSpan[]): Map<string, TraceSpan[]> {
  const ids = new Set(spans.map((span) => span.id));
  const children = new Map<string, TraceSpan[]>();
  for (const span of spans) {
    const parent = span.parentId !== span.id && ids.has(span.parentId) ? span.parentId : "";
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  for (const list of children.values()) list.sort((a, b) => a.startUs - b.startUs);
  return children;
}

/** The tree of a trace. Folded: a call, its client and its server are one node. */
export function treeOf(trace: Trace, folded: boolean): Tree {
  const children = childrenOf(trace.spans);
  const startUs = trace.spans.reduce(
    (least, span) => Math.min(least, span.startUs),
    trace.startUs || Infinity,
  );
  const seen = new Set<string>();
  const build = (span: TraceSpan, depth: number): Node => {
    seen.add(span.id);
    const hops = [span];
    let inner = children.get(span.id) ?? [];
    while (folded && inner.length === 1 && inner[0]?.name === span.name && !seen.has(inner[0].id)) {
      hops.push(inner[0]);
      seen.add(inner[0].id);
      inner = children.get(inner[0].id) ?? [];
    }
    const startNs = (span.startUs - startUs) * 1000;
    return {
      span,
      hops,
      depth,
      startNs,
      endNs: startNs + span.durationNs,
      children: inner.filter((one) => !seen.has(one.id)).map((one) => build(one, depth + 1)),
    };
  };
  const roots = (children.get("") ?? []).map((span) => build(span, 0));
  for (const span of trace.spans) if (!seen.has(span.id)) roots.push(build(span, 0));
  const ends = trace.spans.map((span) => (span.startUs - startUs) * 1000 + span.durationNs);
  return { roots, startUs, totalNs: Math.max(1, trace.durationNs, ...ends) };
}

/** The nodes from above to below, without what lies in a closed one. */
export function rowsOf(tree: Tree, closed: ReadonlySet<string>): Node[] {
  const rows: Node[] = [];
  const add = (node: Node) => {
    rows.push(node);
    if (!closed.has(node.span.id)) node.children.forEach(add);
  };
  tree.roots.forEach(add);
  return rows;
}

/** The span in which a node's work is done: the callee's, where that is known. */
export function workOf(node: Node): TraceSpan {
  return node.hops.at(-1) ?? node.span;
}

export function failed(node: Node): boolean {
  return node.hops.some((span) => span.error);
}

export interface Piece {
  readonly node: Node;
  readonly fromNs: number;
  readonly toNs: number;
}

/**
 * The critical path: at each moment the node that the end waited for. Walked from the end to the beginning, always
 * into the child that ended last.
 */
export function criticalPath(tree: Tree): Piece[] {
  const pieces: Piece[] = [];
  const walk = (node: Node, limitNs: number) => {
    let at = Math.min(node.endNs, limitNs);
    const waiting = [...node.children].sort((a, b) => b.endNs - a.endNs);
    for (const child of waiting) {
      if (child.startNs >= at || child.endNs <= node.startNs) continue;
      const end = Math.min(child.endNs, at);
      if (end < at) pieces.push({ node, fromNs: end, toNs: at });
      walk(child, end);
      at = Math.max(node.startNs, child.startNs);
    }
    if (at > node.startNs) pieces.push({ node, fromNs: node.startNs, toNs: at });
  };
  const root = tree.roots[0];
  if (root !== undefined) walk(root, root.endNs);
  return pieces.reverse();
}

export interface Part {
  readonly name: string;
  readonly process: string;
  readonly ns: number;
}

/** The critical path's time by what was done, the most first. */
export function whereTheTimeWent(path: readonly Piece[]): Part[] {
  const parts = new Map<string, Part>();
  for (const { node, fromNs, toNs } of path) {
    const { name, process } = workOf(node);
    const key = `${name}\n${process}`;
    const before = parts.get(key)?.ns ?? 0;
    parts.set(key, { name, process, ns: before + toNs - fromNs });
  }
  return [...parts.values()].sort((a, b) => b.ns - a.ns);
}

/** The processes of a trace in the order in which it came to them. */
export function processesOf(trace: Trace): string[] {
  const byStart = [...trace.spans].sort((a, b) => a.startUs - b.startUs);
  return [...new Set(byStart.map((span) => span.process))];
}

export interface Layer {
  readonly node: Node;
  readonly level: number;
}

// Beginnings are known to the microsecond only.
const kClockNs = 2000;

/** A flame view's boxes: like the tree, but what does not overlap shares a level. */
export function layersOf(tree: Tree): Layer[] {
  const layers: Layer[] = [];
  const ends: number[] = [];
  const add = (node: Node, above: number) => {
    let level = above + 1;
    while ((ends[level] ?? 0) > node.startNs + kClockNs) level += 1;
    ends[level] = Math.max(ends[level] ?? 0, node.endNs);
    layers.push({ node, level });
    node.children.forEach((child) => add(child, level));
  };
  tree.roots.forEach((root) => add(root, -1));
  return layers;
}
