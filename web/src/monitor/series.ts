// Arithmetic with lines of figures.

import type { Line, Lines, Value } from "./metrics";

export interface Series {
  readonly name: string;
  readonly values: readonly Value[];
  /** Which of the colours; "bad" is the colour of what failed. */
  readonly tone: number | "bad" | "warn";
}

export function known(values: readonly Value[]): number[] {
  return values.filter((value): value is number => value !== undefined);
}

/** Those of which anything is known. */
export function told(series: readonly Series[]): Series[] {
  return series.filter((one) => known(one.values).length > 0);
}

/** The last value that is known. */
export function latest(values: readonly Value[]): Value {
  return known(values).at(-1);
}

export function mean(values: readonly Value[]): Value {
  const all = known(values);
  return all.length === 0 ? undefined : all.reduce((sum, one) => sum + one, 0) / all.length;
}

/** The mean of the last values, so that one of them does not make a figure jump. */
export function recent(values: readonly Value[], count = 3): Value {
  return mean(known(values).slice(-count));
}

export function highest(values: readonly Value[]): number {
  return known(values).reduce((most, one) => Math.max(most, one), 0);
}

/** Step by step; known where any is. */
export function sum(lines: readonly (readonly Value[])[]): Value[] {
  const length = lines.reduce((most, one) => Math.max(most, one.length), 0);
  return Array.from({ length }, (_, at) => {
    const here = known(lines.map((one) => one[at]));
    return here.length === 0 ? undefined : here.reduce((total, one) => total + one, 0);
  });
}

/** Step by step; unknown where there is nothing to divide by. */
export function ratio(above: readonly Value[], below: readonly Value[]): Value[] {
  return below.map((value, at) => (value ? (above[at] ?? 0) / value : undefined));
}

/** The lines that matter most, largest first; the others as one. */
export function largest(
  lines: readonly Line[],
  name: (line: Line) => string,
  most: number,
): Series[] {
  const sorted = lines
    .map((line) => ({ line, size: mean(line.values) ?? 0, name: name(line) }))
    .filter((one) => known(one.line.values).length > 0)
    .sort((a, b) => b.size - a.size || a.name.localeCompare(b.name));
  const alone = sorted.length > most ? sorted.slice(0, most - 1) : sorted;
  const others = sorted.slice(alone.length);
  const series: Series[] = alone.map((one, at) => ({
    name: one.name,
    values: one.line.values,
    tone: at,
  }));
  if (others.length > 0)
    series.push({
      name: `${others.length} others`,
      values: sum(others.map((one) => one.line.values)),
      tone: alone.length,
    });
  return series;
}

/** A line each, in the order of the names, so that each keeps its colour; no more than `most`. */
export function byName(
  lines: readonly Line[],
  name: (line: Line) => string,
  most: number,
): Series[] {
  const series = largest(lines, name, most);
  const others = series.length === most && lines.length > most ? series.slice(-1) : [];
  return [
    ...series.slice(0, series.length - others.length).sort((a, b) => a.name.localeCompare(b.name)),
    ...others,
  ].map((one, tone) => ({ ...one, tone }));
}

/** Whether any value is known, and more than nothing. */
export function isThere(lines: Lines | undefined): boolean {
  return lines?.lines.some((line) => known(line.values).length > 0) ?? false;
}

const kOwnRoutes =
  /^([A-Z]+ )?(\/admin\/|\/metrics|\/health|\/openapi|\/login|page$|\/assets|\/api\/v1\/(session|system))/;

/** Whether people and programs ask for it: not a route by which the platform is looked at. */
export function isOfWork(route: string): boolean {
  return !kOwnRoutes.test(route);
}

export function isWork(line: Line): boolean {
  return isOfWork(line.labels["route"] ?? "");
}
