// What the overview and the models' page ask for, and what they make of it.

import type { Span } from "./address";
import type { ChartData } from "./chart";
import {
  type Line,
  type Lines,
  listMetrics,
  queryMetrics,
  type Query,
  type Value,
} from "./metrics";
import { byName, highest, isWork, largest, ratio, type Series, sum } from "./series";
import { shortRoute } from "./words";

type Asked<K extends string> = Readonly<Record<K, Query>>;

/** All of them at once. */
async function ask<K extends string>(
  queries: Asked<K>,
  span: Span,
  signal: AbortSignal,
): Promise<Record<K, Lines>> {
  const names = Object.keys(queries) as K[];
  const found = await Promise.all(
    names.map((name) => queryMetrics(queries[name], span.fromMs, span.toMs, signal)),
  );
  return Object.fromEntries(names.map((name, at) => [name, found[at]])) as Record<K, Lines>;
}

const gauge = (name: string, by?: string): Query => ({
  name,
  function: "value",
  ...(by === undefined ? {} : { by: [by] }),
});
const rateOf = (name: string, by?: string): Query => ({
  name,
  function: "rate",
  ...(by === undefined ? {} : { by: [by] }),
});

const kRequests = "tessera_http_requests_total";
const kSeconds = "tessera_http_seconds";

function overviewQueries(route: string) {
  const where = route === "" ? {} : { where: { route } };
  const by = ["route"];
  return {
    requests: { name: kRequests, function: "rate", by, ...where },
    faults: { name: kRequests, function: "rate", by, where: { ...where.where, status: "5xx" } },
    refusals: { name: kRequests, function: "rate", by, where: { ...where.where, status: "4xx" } },
    p50: { name: kSeconds, function: "quantile", quantile: 0.5, by, ...where },
    p99: { name: kSeconds, function: "quantile", quantile: 0.99, by, ...where },
    cpu: rateOf("process_cpu_seconds_total", "instance"),
    memory: gauge("process_resident_memory_bytes", "instance"),
    active: gauge("tessera_llm_active"),
    waiting: gauge("tessera_llm_waiting"),
    between: gauge("tessera_mesh_in_flight"),
    betweenWaiting: gauge("tessera_mesh_waiting"),
    completion: rateOf("tessera_llm_completion_tokens_total"),
    prompt: rateOf("tessera_llm_prompt_tokens_total"),
    documents: rateOf("tessera_ingest_documents_total"),
    passages: rateOf("tessera_ingest_passages_total"),
    ingestFailures: rateOf("tessera_ingest_failures_total"),
    texts: rateOf("tessera_embedder_texts_total"),
  } satisfies Asked<string>;
}

export type Overview = Record<keyof ReturnType<typeof overviewQueries>, Lines>;

export function loadOverview(route: string, span: Span, signal: AbortSignal): Promise<Overview> {
  return ask<keyof Overview>(overviewQueries(route), span, signal);
}

const kFirstToken = [
  "tessera_llm_first_token_seconds",
  "gen_ai_server_time_to_first_token",
  "tessera_megaservice_first_token_seconds",
];

export interface Models {
  readonly lines: Record<
    | "completion"
    | "prompt"
    | "cached"
    | "steps"
    | "active"
    | "waiting"
    | "texts"
    | "embedded"
    | "first50"
    | "first99",
    Lines
  >;
  /** Which figure the time to the first token was read from. */
  readonly firstToken: string;
}

export async function loadModels(span: Span, signal: AbortSignal): Promise<Models> {
  const names = await listMetrics(signal);
  const firstToken = kFirstToken.find((name) => names.has(name)) ?? kFirstToken[0] ?? "";
  const lines = await ask<keyof Models["lines"]>(
    {
      completion: rateOf("tessera_llm_completion_tokens_total", "model"),
      prompt: rateOf("tessera_llm_prompt_tokens_total", "model"),
      cached: rateOf("tessera_llm_cached_tokens_total", "model"),
      steps: rateOf("tessera_llm_steps_total", "model"),
      active: gauge("tessera_llm_active", "model"),
      waiting: gauge("tessera_llm_waiting", "model"),
      texts: rateOf("tessera_embedder_texts_total", "model"),
      embedded: rateOf("tessera_embedder_tokens_total", "model"),
      first50: { name: firstToken, function: "quantile", quantile: 0.5 },
      first99: { name: firstToken, function: "quantile", quantile: 0.99 },
    },
    span,
    signal,
  );
  return { lines, firstToken };
}

export function dataOf(lines: Lines, series: readonly Series[]): ChartData {
  return { fromMs: lines.fromMs, stepMs: lines.stepMs, series };
}

export function total(lines: Lines): Value[] {
  return sum(lines.lines.map((line) => line.values));
}

/** One series of all lines together. */
export function whole(name: string, lines: Lines, tone: Series["tone"]): Series {
  return { name, values: total(lines), tone };
}

export function byLabel(lines: Lines, label: string, most = 6): Series[] {
  return largest(lines.lines, (line) => line.labels[label] || "all", most);
}

export function byRoute(lines: Lines): Series[] {
  const asked = lines.lines.filter((line) => highest(line.values) > 0);
  return largest(asked, (line) => shortRoute(line.labels["route"] ?? ""), 5);
}

/** The same process has the same colour in every chart. */
export function byProcess(lines: Lines): Series[] {
  return byName(lines.lines, (line) => line.labels["instance"] || "all", 6);
}

/** Only the requests of people and programs. */
export function work(lines: Lines): Lines {
  return { ...lines, lines: lines.lines.filter(isWork) };
}

export interface RouteRow {
  readonly route: string;
  readonly requests: readonly Value[];
  readonly perSecond: number;
  /** Parts of the requests, [0, 1]. */
  readonly faulty: number;
  readonly refused: number;
  readonly p50: Value;
  readonly p99: Value;
  readonly slowness: readonly Value[];
}

function average(values: readonly Value[] | undefined): number {
  const all = (values ?? []).filter((value): value is number => value !== undefined);
  return all.length === 0 ? 0 : all.reduce((total, one) => total + one, 0) / all.length;
}

/** The mean of a quantile over the steps, each as heavy as it had requests. */
export function weighted(values: readonly Value[] | undefined, weights: readonly Value[]): Value {
  let [above, below] = [0, 0];
  (values ?? []).forEach((value, at) => {
    const weight = weights[at] ?? 0;
    if (value === undefined || weight <= 0) return;
    above += value * weight;
    below += weight;
  });
  return below > 0 ? above / below : undefined;
}

/** The routes that were asked within the time, the busiest first. */
export function routeRows(overview: Overview): RouteRow[] {
  const find = (lines: Lines, route: string): Line | undefined =>
    lines.lines.find((line) => line.labels["route"] === route);
  return overview.requests.lines
    .filter(isWork)
    .map((line) => {
      const route = line.labels["route"] ?? "";
      const perSecond = average(line.values);
      const part = (lines: Lines) =>
        perSecond > 0 ? Math.min(1, average(find(lines, route)?.values) / perSecond) : 0;
      const p99 = find(overview.p99, route)?.values;
      return {
        route,
        requests: line.values,
        perSecond,
        faulty: part(overview.faults),
        refused: part(overview.refusals),
        p50: weighted(find(overview.p50, route)?.values, line.values),
        p99: weighted(p99, line.values),
        slowness: p99 ?? [],
      };
    })
    .filter((row) => row.perSecond > 0)
    .sort((a, b) => b.perSecond - a.perSecond || a.route.localeCompare(b.route));
}

/** Answers that a batch computes a token of: tokens by batches. */
export function batchOf(models: Models): Series[] {
  const { completion, steps } = models.lines;
  return byLabel(completion, "model").map((series) => {
    const below = steps.lines.find((line) => (line.labels["model"] || "all") === series.name);
    return { ...series, values: ratio(series.values, below?.values ?? []) };
  });
}
