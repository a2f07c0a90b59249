// Where threads run between tiles, and where their figures stand.

import type { Thread } from "../state/trays";

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export interface Drawn {
  readonly thread: Thread;
  readonly path: string;
  /** Where its figures stand: where they cover least. */
  readonly label: Point;
}

interface Point {
  readonly x: number;
  readonly y: number;
}
type Curve = readonly [Point, Point, Point, Point];
type Path = readonly Curve[];

const kPlaces = [0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82, 0.12, 0.88];
const kLabelWidth = 132;
const kLabelHeight = 38;
const kTileCounts = 4; // a covered tile is worse than another label that is touched
const kMargin = 20; // between a thread and a tile that it passes
const kTurn = 24; // what a thread needs beside a tile to change its height
const kApart = 7; // between threads that pass through the same gap

function middleY(box: Box): number {
  return (box.top + box.bottom) / 2;
}

/** The n-th of m places along a side; tiles that are higher get higher places, so that threads cross less. */
function along(from: number, to: number, at: number, of: number): number {
  return from + ((to - from) * (at + 1)) / (of + 1);
}

function onCurve(curve: Curve, t: number): Point {
  const s = 1 - t;
  const [a, b, c, d] = [s * s * s, 3 * s * s * t, 3 * s * t * t, t * t * t];
  const mix = (key: "x" | "y") =>
    curve[0][key] * a + curve[1][key] * b + curve[2][key] * c + curve[3][key] * d;
  return { x: mix("x"), y: mix("y") };
}

function pointAt(path: Path, t: number): Point {
  const at = Math.min(path.length - 1, Math.floor(t * path.length));
  const curve = path[at];
  return curve === undefined ? { x: 0, y: 0 } : onCurve(curve, t * path.length - at);
}

/** From one point to another, level at both ends. */
function level(a: Point, b: Point): Curve {
  const reach = Math.max(10, Math.abs(b.x - a.x) * 0.5);
  return [a, { x: a.x + reach, y: a.y }, { x: b.x - reach, y: b.y }, b];
}

/** The height nearest to `wanted` at which nothing stands in the way. */
function freeHeight(wanted: number, inTheWay: readonly Box[]): number {
  const blocked = (y: number) =>
    inTheWay.some((box) => y > box.top - kMargin && y < box.bottom + kMargin);
  const heights = [
    wanted,
    ...inTheWay.flatMap((box) => [box.top - kMargin, box.bottom + kMargin]),
    // The middle of a gap is calmer than its edge.
    ...inTheWay.flatMap((box) =>
      inTheWay
        .filter((other) => other.top > box.bottom)
        .map((other) => (box.bottom + other.top) / 2),
    ),
  ];
  const cost = (y: number) => Math.abs(y - wanted) + (blocked(y) ? 10_000 : 0);
  return heights.reduce((best, y) => (cost(y) < cost(best) ? y : best), wanted);
}

/** The height at which a thread passes the tiles between its ends; undefined: none is in its way. */
function passingHeight(a: Point, b: Point, tiles: readonly Box[]): number | undefined {
  const between = tiles.filter((box) => box.left > a.x + 4 && box.right < b.x - 4);
  const hit = (box: Box) => {
    const y = a.y + ((b.y - a.y) * ((box.left + box.right) / 2 - a.x)) / (b.x - a.x);
    return y > box.top - kMargin && y < box.bottom + kMargin;
  };
  return between.some(hit) ? freeHeight((a.y + b.y) / 2, between) : undefined;
}

/** To the right, around the tiles that stand between the two. */
function across(a: Point, b: Point, tiles: readonly Box[], lane: number): Path {
  const height = passingHeight(a, b, tiles);
  if (height === undefined) return [level(a, b)];
  const y = height + lane;
  const between = tiles.filter((box) => box.left > a.x + 4 && box.right < b.x - 4);
  const begin = Math.min(...between.map((box) => box.left)) - kMargin;
  const end = Math.max(...between.map((box) => box.right)) + kMargin;
  const left = { x: Math.max(begin, a.x + kTurn), y };
  const right = { x: Math.min(end, b.x - kTurn), y };
  return [level(a, left), [left, left, right, right], level(right, b)];
}

/** The height that a thread has where it leaves or arrives, as others see it there. */
function heading(
  one: { readonly from: Box; readonly to: Box },
  far: Box,
  tiles: readonly Box[],
): number {
  const a = { x: one.from.right, y: middleY(one.from) };
  const b = { x: one.to.left, y: middleY(one.to) };
  return (a.x < b.x ? passingHeight(a, b, tiles) : undefined) ?? middleY(far);
}

interface Ends {
  readonly from: Box;
  readonly to: Box;
  readonly startY: number;
  readonly endY: number;
}

/** One column of tiles: an arc in the margin on the right. */
function arc({ from, to, startY, endY }: Ends): Path {
  const bulge = Math.max(from.right, to.right) + 14 + Math.min(16, Math.abs(endY - startY) / 24);
  return [
    [
      { x: from.right, y: startY },
      { x: bulge, y: startY },
      { x: bulge, y: endY },
      { x: to.right, y: endY },
    ],
  ];
}

/** Above or below one another, or backwards. */
function upOrDown({ from, to }: Ends): Path {
  const down = middleY(to) > middleY(from);
  const [x1, x2] = [(from.left + from.right) / 2, (to.left + to.right) / 2];
  const [y1, y2] = down ? [from.bottom, to.top] : [from.top, to.bottom];
  const reach = Math.max(24, Math.abs(y2 - y1) * 0.5) * (down ? 1 : -1);
  return [
    [
      { x: x1, y: y1 },
      { x: x1, y: y1 + reach },
      { x: x2, y: y2 - reach },
      { x: x2, y: y2 },
    ],
  ];
}

function around(point: Point): Box {
  return {
    left: point.x - kLabelWidth / 2,
    right: point.x + kLabelWidth / 2,
    top: point.y - kLabelHeight / 2,
    bottom: point.y + kLabelHeight / 2,
  };
}

function covered(a: Box, b: Box): number {
  const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
  const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
  return width > 0 && height > 0 ? width * height : 0;
}

function placeOf(path: Path, tiles: readonly Box[], labels: readonly Box[]): Point {
  let best = pointAt(path, 0.5);
  let least = Infinity;
  for (const t of kPlaces) {
    const point = pointAt(path, t);
    const here = around(point);
    const sum =
      tiles.reduce((total, box) => total + kTileCounts * covered(here, box), 0) +
      labels.reduce((total, box) => total + covered(here, box), 0);
    if (sum < least) [best, least] = [point, sum];
    if (least === 0) break;
  }
  return best;
}

function textOf(path: Path): string {
  return path
    .map(
      ([a, b, c, d], at) =>
        `${at === 0 ? `M${a.x} ${a.y}` : ""}C${b.x} ${b.y} ${c.x} ${c.y} ${d.x} ${d.y}`,
    )
    .join("");
}

export function drawThreads(
  threads: readonly Thread[],
  places: { readonly boxes: ReadonlyMap<string, Box>; readonly captions: readonly Box[] },
  stacked: boolean,
): Drawn[] {
  const { boxes } = places;
  const known = threads.flatMap((thread) => {
    const from = boxes.get(thread.from);
    const to = boxes.get(thread.to);
    return from === undefined || to === undefined ? [] : [{ thread, from, to }];
  });
  const tiles = [...boxes.values(), ...places.captions];
  const paths = known.map((one) => {
    const leaving = known
      .filter((other) => other.thread.from === one.thread.from)
      .sort((a, b) => heading(a, a.to, tiles) - heading(b, b.to, tiles));
    const arriving = known
      .filter((other) => other.thread.to === one.thread.to)
      .sort((a, b) => heading(a, a.from, tiles) - heading(b, b.from, tiles));
    const ends = {
      from: one.from,
      to: one.to,
      startY: along(one.from.top, one.from.bottom, leaving.indexOf(one), leaving.length),
      endY: along(one.to.top, one.to.bottom, arriving.indexOf(one), arriving.length),
    };
    if (stacked) return arc(ends);
    if (one.to.left < one.from.right + 16) return upOrDown(ends);
    const lane = (leaving.indexOf(one) - (leaving.length - 1) / 2) * kApart;
    return across(
      { x: one.from.right, y: ends.startY },
      { x: one.to.left, y: ends.endY },
      tiles,
      lane,
    );
  });
  const labels: Box[] = [];
  return known.map(({ thread }, at) => {
    const path = paths[at] ?? [];
    const label = placeOf(path, tiles, labels);
    if (thread.perSecond > 0) labels.push(around(label));
    return { thread, label, path: textOf(path) };
  });
}
