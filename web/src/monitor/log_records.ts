// The Logs contract: what the processes say, as it comes, and how much they say.

import { json, send } from "../api/client";
import { fields, number, parse, text, word } from "../api/json";
import { readEvents } from "../api/sse";

export const kLevels = ["debug", "info", "warning", "error"] as const;
export type Level = (typeof kLevels)[number];

export interface LogRecord {
  /** Of the platform's records, as they were gathered. */
  readonly sequence: number;
  readonly timeUs: number;
  readonly level: Level;
  readonly module: string;
  readonly message: string;
  readonly fields: readonly (readonly [key: string, value: string])[];
  readonly traceId: string;
  readonly requestId: string;
  readonly process: string;
  readonly place: string;
  /** Records of this place that were counted instead of written. */
  readonly suppressed: number;
}

export interface Levels {
  /** Of modules that are not named. */
  readonly others: Level;
  readonly modules: Readonly<Record<string, Level>>;
}

function levelOf(value: string): Level {
  return kLevels.find((level) => level === value) ?? "info";
}

export function decodeRecord(value: unknown): LogRecord {
  const from = fields(value);
  const extra = fields(from["fields"]);
  const file = text(from, "file");
  return {
    sequence: number(from, "sequence"),
    timeUs: number(from, "time_us"),
    level: levelOf(word(from, "level", "log_level_")),
    module: text(from, "module"),
    message: text(from, "message"),
    fields: Object.keys(extra)
      .sort()
      .map((key) => [key, text(extra, key)]),
    traceId: text(from, "trace_id"),
    requestId: text(from, "request_id"),
    process: text(from, "process"),
    place: file === "" ? "" : `${file}:${number(from, "line")}`,
    suppressed: number(from, "suppressed"),
  };
}

export function decodeLevels(value: unknown): Levels {
  const from = fields(value);
  const modules = fields(from["modules"]);
  const names = Object.keys(modules).sort();
  return {
    others: levelOf(word(from, "others", "log_level_")),
    modules: Object.fromEntries(
      names.map((name) => [name, levelOf(word(modules, name, "log_level_"))]),
    ),
  };
}

/** What the list is filtered by, as the address has it. */
export type LogFilters = Readonly<Record<string, string>>;

const kNames = ["level", "module", "trace", "request", "text", "process"];

export function eventsUrl(filters: LogFilters, after: number): string {
  const search = new URLSearchParams();
  for (const name of kNames) {
    const value = filters[name] ?? "";
    if (value !== "") search.set(name, value);
  }
  if (after > 0) search.set("after", String(after));
  else search.set("limit", "500");
  return `/admin/v1/logs/events?${search}`;
}

/** The last records that match, then those that come, until the signal. */
export async function* watchLogs(
  filters: LogFilters,
  after: number,
  signal: AbortSignal,
): AsyncGenerator<LogRecord> {
  const response = await send(eventsUrl(filters, after), { signal });
  if (response.body === null) return;
  for await (const event of readEvents(response.body)) {
    const record = fields(parse(event.data));
    if (record["message"] !== undefined) yield decodeRecord(record);
  }
}

export async function getLevels(signal?: AbortSignal): Promise<Levels> {
  const response = await send("/admin/v1/logs/levels", signal === undefined ? {} : { signal });
  return decodeLevels(parse(await response.text()));
}

/** Empty module: those that are not named. No level: the module is not named any more. */
export async function setLevel(module: string, level: Level | undefined): Promise<Levels> {
  const body = level === undefined ? { module } : { module, level };
  const response = await send("/admin/v1/logs/levels", json(body));
  return decodeLevels(parse(await response.text()));
}
