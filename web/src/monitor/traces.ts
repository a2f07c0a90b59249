// The Traces contract: what the platform recorded of its own requests.

import { send } from "../api/client";
import { type Fields, fields, flag, list, number, parse, text, texts, word } from "../api/json";

export interface Attribute {
  readonly key: string;
  readonly value: string;
}

export interface TraceSpan {
  readonly id: string;
  readonly parentId: string;
  readonly name: string;
  /** internal, server, client, producer, consumer */
  readonly kind: string;
  readonly startUs: number;
  readonly durationNs: number;
  /** Empty: well. */
  readonly status: string;
  readonly error: boolean;
  readonly unfinished: boolean;
  readonly attributes: readonly Attribute[];
  readonly group: string;
  readonly process: string;
}

export interface Trace {
  readonly id: string;
  readonly requestId: string;
  readonly route: string;
  readonly startUs: number;
  readonly durationNs: number;
  readonly httpStatus: number;
  readonly error: boolean;
  /** Why it was kept: sampled, error, slow, rare, recent. */
  readonly reason: string;
  readonly spanCount: number;
  readonly spans: readonly TraceSpan[];
  readonly processes: readonly string[];
  readonly dropped: number;
}

function attributeOf(value: unknown): Attribute {
  const from = fields(value);
  const found = ["text", "integer", "number", "flag"].find((key) => from[key] !== undefined);
  return { key: text(from, "key"), value: found === undefined ? "" : String(from[found]) };
}

function decodeSpan(value: unknown): TraceSpan {
  const from = fields(value);
  return {
    id: text(from, "id"),
    parentId: text(from, "parent_id"),
    name: text(from, "name"),
    kind: word(from, "kind", "span_kind_"),
    startUs: number(from, "start_us"),
    durationNs: Math.max(0, number(from, "duration_ns")),
    status: text(from, "status"),
    error: flag(from, "error"),
    unfinished: flag(from, "unfinished"),
    attributes: list(from, "attributes").map(attributeOf),
    group: text(from, "group"),
    process: text(from, "process"),
  };
}

export function decodeTrace(value: unknown): Trace {
  const from: Fields = fields(value);
  return {
    id: text(from, "trace_id"),
    requestId: text(from, "request_id"),
    route: text(from, "route"),
    startUs: number(from, "start_us"),
    durationNs: Math.max(0, number(from, "duration_ns")),
    httpStatus: number(from, "http_status"),
    error: flag(from, "error"),
    reason: text(from, "reason"),
    spanCount: number(from, "span_count"),
    spans: list(from, "spans").map(decodeSpan),
    processes: texts(from, "processes"),
    dropped: number(from, "dropped"),
  };
}

/** What a list of traces is filtered by, as the address has it. */
export type TraceFilters = Readonly<Record<string, string>>;

const kSent: Readonly<Record<string, string>> = {
  route: "route",
  status: "http_status",
  min: "duration_ms_min",
  max: "duration_ms_max",
  text: "text",
  request: "request_id",
};

export const kTracesShown = 500;

export function tracesUrl(filters: TraceFilters, sinceMs: number, untilMs: number): string {
  const search = new URLSearchParams({ limit: String(kTracesShown) });
  for (const [key, name] of Object.entries(kSent)) {
    const value = filters[key] ?? "";
    const numeric = name.startsWith("duration") || name === "http_status";
    if (value !== "" && (!numeric || /^\d{1,9}$/.test(value))) search.set(name, value);
  }
  if (filters["errors"] === "1") search.set("error", "true");
  search.set("since_ms", String(Math.round(sinceMs)));
  search.set("until_ms", String(Math.round(untilMs)));
  return `/admin/v1/traces?${search}`;
}

export async function listTraces(
  filters: TraceFilters,
  sinceMs: number,
  untilMs: number,
  signal: AbortSignal,
): Promise<Trace[]> {
  const response = await send(tracesUrl(filters, sinceMs, untilMs), { signal });
  return list(fields(parse(await response.text())), "traces").map(decodeTrace);
}

/** By its own id or by that of its request. */
export async function getTrace(id: string, signal: AbortSignal): Promise<Trace> {
  const response = await send(`/admin/v1/traces/${encodeURIComponent(id)}`, { signal });
  return decodeTrace(parse(await response.text()));
}
