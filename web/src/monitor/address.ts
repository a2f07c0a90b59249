// What an address below /monitor names: a page, what it is filtered by, and the time it looks at.

import { decoded } from "../api/address";

export type Page = "overview" | "traces" | "trace" | "logs" | "models" | "slos";

export const kRanges = { "15m": 900_000, "1h": 3_600_000, "6h": 21_600_000, "24h": 86_400_000 };
export type RangeName = keyof typeof kRanges;

/** The last so long, following the clock; or a time that stays. */
export type Range =
  | {
      readonly kind: "last";
      readonly name: RangeName;
      /** Nobody chose it: what suits the platform's age. */
      readonly unasked?: true;
    }
  | { readonly kind: "fixed"; readonly fromMs: number; readonly toMs: number };

export interface Place {
  readonly page: Page;
  /** Of the page "trace": the id of a trace or of a request. */
  readonly trace: string;
  readonly range: Range;
  /** What the page is filtered by, as the address has it. */
  readonly query: Readonly<Record<string, string>>;
}

const kPages: readonly Page[] = ["traces", "logs", "models", "slos"];
const kOfRange = ["range", "from", "to"];

/** Of a platform of minutes an hour would show a single point. */
export function suitingRange(uptimeSeconds: number | undefined): RangeName {
  return uptimeSeconds !== undefined && uptimeSeconds < 1200 ? "15m" : "1h";
}

export function rangeOf(query: URLSearchParams, otherwise: RangeName = "1h"): Range {
  const [fromMs, toMs] = [Number(query.get("from") ?? ""), Number(query.get("to") ?? "")];
  if (Number.isSafeInteger(fromMs) && Number.isSafeInteger(toMs) && fromMs > 0 && toMs > fromMs)
    return { kind: "fixed", fromMs, toMs };
  const name = query.get("range") ?? "";
  return Object.hasOwn(kRanges, name)
    ? { kind: "last", name: name as RangeName }
    : { kind: "last", name: otherwise, unasked: true };
}

export function parsePlace(pathname: string, search: string, otherwise?: RangeName): Place {
  const found = new URLSearchParams(search);
  const range = rangeOf(found, otherwise);
  for (const key of kOfRange) found.delete(key);
  const query = Object.fromEntries([...found].filter(([, value]) => value !== ""));
  const steps = pathname.split("/").filter((step) => step !== "");
  const page = kPages.find((one) => one === steps[1]) ?? "overview";
  const trace = page === "traces" && steps[2] !== undefined ? decoded(steps[2]) : "";
  return { page: trace === "" ? page : "trace", trace, range, query };
}

function pathOf({ page, trace }: Place): string {
  if (page === "overview") return "/monitor";
  return page === "trace" ? `/monitor/traces/${encodeURIComponent(trace)}` : `/monitor/${page}`;
}

export function placeUrl(place: Place): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(place.query)) if (value !== "") search.set(key, value);
  const { range } = place;
  if (range.kind === "fixed") {
    search.set("from", String(range.fromMs));
    search.set("to", String(range.toMs));
  } else if (range.unasked !== true) {
    search.set("range", range.name);
  }
  const text = search.toString();
  return pathOf(place) + (text === "" ? "" : `?${text}`);
}

/** Another page of the same time. */
export function pageUrl(from: Place, page: Page, query: Place["query"] = {}, trace = ""): string {
  return placeUrl({ page, trace, range: from.range, query });
}

export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

export function spanOf(range: Range, nowMs: number): Span {
  if (range.kind === "fixed") return range;
  return { fromMs: nowMs - kRanges[range.name], toMs: nowMs };
}

/** What a search that is an id looks for; empty: it is words. */
export function idIn(search: string): string {
  const text = search.trim().toLowerCase();
  return /^[0-9a-f]{32}$/.test(text) || /^[0-9a-f]{16}$/.test(text) ? text : "";
}
