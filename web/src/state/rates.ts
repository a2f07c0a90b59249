// Live figures of the calls between services: the difference of two readings of the server's counts.

import type { Edge, Topology } from "../api/topology";

export interface Reading {
  readonly atMs: number;
  readonly edges: readonly Edge[];
}

/** Of one calling process (its name) and the pair of services. */
export interface Flow {
  readonly from: string;
  readonly service: string;
  readonly process: string;
  readonly perSecond: number;
  /** Part of the calls that failed, [0, 1]. */
  readonly faulty: number;
  /** Milliseconds; 0 when nothing was called. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Since the process started. */
  readonly calls: number;
}

const kWindowMs = 5000;
const kFirstBit = 10;

/** The readings of the last seconds; the oldest is the one before the window begins. */
export function keepWindow(readings: readonly Reading[], next: Reading): Reading[] {
  const all = [...readings, next];
  const older = all.filter((one) => one.atMs <= next.atMs - kWindowMs).length;
  return all.slice(Math.max(0, older - 1));
}

/** The q-th part of the calls took at most so many milliseconds; interpolated within a bucket. */
export function quantile(buckets: readonly number[], q: number): number {
  const calls = buckets.reduce((sum, count) => sum + count, 0);
  if (calls === 0) return 0;
  const wanted = q * calls;
  let before = 0;
  for (const [at, here] of buckets.entries()) {
    if (here > 0 && before + here >= wanted) {
      const end = 2 ** (at + kFirstBit) / 1e6;
      const begin = at === 0 ? 0 : end / 2;
      return begin + ((end - begin) * (wanted - before)) / here;
    }
    before += here;
  }
  return 2 ** (buckets.length - 1 + kFirstBit) / 1e6;
}

function keyOf(edge: Edge): string {
  return `${edge.process} ${edge.from} ${edge.service}`;
}

/** Counts that went down are of a process that came anew: they began at 0. */
function since(now: number, before: number): number {
  return now < before ? now : now - before;
}

export function flows(readings: readonly Reading[]): Flow[] {
  const last = readings.at(-1);
  const first = readings[0];
  if (last === undefined || first === undefined) return [];
  const seconds = (last.atMs - first.atMs) / 1000;
  const then = new Map(first.edges.map((edge) => [keyOf(edge), edge]));
  return last.edges.map((edge) => {
    const before = then.get(keyOf(edge));
    const anew = before === undefined || edge.calls < before.calls;
    // A process that appears within the window: all that it has counted is new.
    const calls = readings.length < 2 ? 0 : since(edge.calls, anew ? 0 : before.calls);
    const faults = since(edge.faults, anew ? 0 : before.faults);
    const buckets = edge.buckets.map((count, at) =>
      since(count, anew ? 0 : (before.buckets[at] ?? 0)),
    );
    return {
      from: edge.from,
      service: edge.service,
      process: edge.process,
      perSecond: seconds > 0 ? calls / seconds : 0,
      faulty: calls > 0 ? Math.min(1, faults / calls) : 0,
      p50Ms: calls > 0 ? quantile(buckets, 0.5) : 0,
      p99Ms: calls > 0 ? quantile(buckets, 0.99) : 0,
      calls: edge.calls,
    };
  });
}

export function readingOf(topology: Topology, atMs: number): Reading {
  return { atMs, edges: topology.edges };
}
