// The Monitoring contract: the figures of all processes, over time.

import { send } from "../api/client";
import { fields, list, number, parse, text } from "../api/json";
import { ApiError } from "../api/errors";

export type Value = number | undefined;

export interface Line {
  readonly labels: Readonly<Record<string, string>>;
  /** One a step; undefined where nothing is known. */
  readonly values: readonly Value[];
}

export interface Lines {
  readonly fromMs: number;
  readonly stepMs: number;
  readonly lines: readonly Line[];
}

export interface Query {
  readonly name: string;
  readonly function: "value" | "rate" | "increase" | "mean" | "quantile";
  readonly quantile?: number;
  readonly by?: readonly string[];
  readonly where?: Readonly<Record<string, string>>;
}

export const kSteps = 120;
const kFinestMs = 5000;

/** How far apart the values of a time are. */
export function stepOf(fromMs: number, toMs: number): number {
  return Math.max(kFinestMs, Math.ceil((toMs - fromMs) / kSteps / 1000) * 1000);
}

export function queryUrl(query: Query, fromMs: number, toMs: number): string {
  const search = new URLSearchParams({ name: query.name, function: query.function });
  if (query.quantile !== undefined) search.set("quantile", String(query.quantile));
  for (const label of query.by ?? []) search.append("by", label);
  for (const [label, value] of Object.entries(query.where ?? {}))
    search.append("where", `${label}=${value}`);
  search.set("from_ms", String(Math.round(fromMs)));
  search.set("to_ms", String(Math.round(toMs)));
  search.set("step_ms", String(stepOf(fromMs, toMs)));
  return `/admin/v1/metrics/query?${search}`;
}

function valueOf(value: unknown): Value {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

export function decodeLines(value: unknown): Lines {
  const from = fields(value);
  return {
    fromMs: number(from, "from_ms"),
    stepMs: Math.max(1, number(from, "step_ms", 1)),
    lines: list(from, "lines").map((item) => {
      const labels = fields(fields(item)["labels"]);
      return {
        labels: Object.fromEntries(Object.keys(labels).map((key) => [key, text(labels, key)])),
        values: list(fields(item), "values").map(valueOf),
      };
    }),
  };
}

/** The values of a time; no lines where the server does not know that figure (yet). */
export async function queryMetrics(
  query: Query,
  fromMs: number,
  toMs: number,
  signal: AbortSignal,
): Promise<Lines> {
  try {
    const response = await send(queryUrl(query, fromMs, toMs), { signal });
    return decodeLines(parse(await response.text()));
  } catch (error) {
    if (error instanceof ApiError && error.failure === "missing")
      return { fromMs, stepMs: stepOf(fromMs, toMs), lines: [] };
    throw error;
  }
}

/** Names of what can be asked for. */
export async function listMetrics(signal: AbortSignal): Promise<Set<string>> {
  const response = await send("/admin/v1/metrics", { signal });
  const all = list(fields(parse(await response.text())), "metrics");
  return new Set(all.map((item) => text(fields(item), "name")));
}
