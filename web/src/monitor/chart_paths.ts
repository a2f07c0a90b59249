// Lines and areas of a chart as SVG paths. What is not known is a gap.

import type { Value } from "./metrics";
import type { Series } from "./series";

type Place = (value: number) => number;

function runsOf(values: readonly Value[]): [first: number, last: number][] {
  const runs: [number, number][] = [];
  values.forEach((value, at) => {
    if (value === undefined) return;
    const run = runs.at(-1);
    if (run !== undefined && run[1] === at - 1) run[1] = at;
    else runs.push([at, at]);
  });
  return runs;
}

function points(values: readonly Value[], from: number, to: number, x: Place, y: Place): string[] {
  const found: string[] = [];
  for (let at = from; at <= to; at += 1)
    found.push(`${x(at).toFixed(1)} ${y(values[at] ?? 0).toFixed(1)}`);
  return found;
}

export function linePath(values: readonly Value[], x: Place, y: Place): string {
  return runsOf(values)
    .map(([from, to]) => {
      const all = points(values, from, to, x, y);
      // A value alone is a dot: a line as long as it is thick.
      return all.length === 1 ? `M${all[0]}h.1` : `M${all.join("L")}`;
    })
    .join("");
}

export function areaPath(
  top: readonly Value[],
  bottom: readonly Value[],
  x: Place,
  y: Place,
): string {
  return runsOf(top)
    .filter(([from, to]) => to > from)
    .map(([from, to]) => {
      const back = points(bottom, from, to, x, y).reverse();
      return `M${points(top, from, to, x, y).join("L")}L${back.join("L")}Z`;
    })
    .join("");
}

export interface Layer {
  readonly series: Series;
  readonly bottom: readonly number[];
  readonly top: readonly Value[];
}

/** Each series on top of those before it. */
export function stackOf(series: readonly Series[]): Layer[] {
  let below: number[] = [];
  return series.map((one) => {
    const bottom = one.values.map((_, at) => below[at] ?? 0);
    const top = one.values.map((value, at) =>
      value === undefined ? undefined : value + (bottom[at] ?? 0),
    );
    below = bottom.map((base, at) => top[at] ?? base);
    return { series: one, bottom, top };
  });
}
