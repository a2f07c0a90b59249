// The objectives of the platform, as the Monitoring contract tells of them.

import { send } from "../api/client";
import { type Fields, fields, flag, list, number, parse, text, texts, word } from "../api/json";
import type { ChartData } from "./chart";

export type SloState = "not_enough_data" | "met" | "burning" | "missed";
export type Level = "page" | "ticket";

export interface BurnRate {
  readonly level: Level;
  readonly longSeconds: number;
  readonly shortSeconds: number;
  readonly limit: number;
  readonly longRate: number;
  readonly shortRate: number;
  readonly enough: boolean;
  readonly burns: boolean;
}

export interface Alert {
  readonly id: number;
  readonly slo: string;
  readonly level: Level;
  readonly sinceMs: number;
  /** 0: it fires. */
  readonly untilMs: number;
  readonly text: string;
}

export interface Point {
  readonly atMs: number;
  readonly good: number;
  readonly total: number;
  readonly seen: boolean;
  readonly left: number;
}

export interface Slo {
  readonly name: string;
  readonly description: string;
  readonly indicator: "availability" | "latency" | "first_token";
  readonly of: readonly string[];
  readonly target: number;
  readonly windowSeconds: number;
  readonly thresholdSeconds: number;
  readonly countedSeconds: number;
  readonly good: number;
  readonly total: number;
  readonly seenSeconds: number;
  readonly left: number;
  /** False: too few were asked for a budget. */
  readonly enough: boolean;
  readonly state: SloState;
  readonly reason: string;
  readonly burnRates: readonly BurnRate[];
  readonly alerts: readonly Alert[];
  readonly points: readonly Point[];
}

const kStates: readonly SloState[] = ["met", "burning", "missed"];

function levelOf(from: Fields): Level {
  return word(from, "level", "alert_level_") === "page" ? "page" : "ticket";
}

function decodeBurn(value: unknown): BurnRate {
  const from = fields(value);
  return {
    level: levelOf(from),
    longSeconds: number(from, "long_s"),
    shortSeconds: number(from, "short_s"),
    limit: number(from, "limit", 1),
    longRate: number(from, "long_rate"),
    shortRate: number(from, "short_rate"),
    enough: flag(from, "enough_data"),
    burns: flag(from, "burns"),
  };
}

function decodeAlert(value: unknown): Alert {
  const from = fields(value);
  return {
    id: number(from, "id"),
    slo: text(from, "slo"),
    level: levelOf(from),
    sinceMs: number(from, "since_ms"),
    untilMs: number(from, "until_ms"),
    text: text(from, "text"),
  };
}

export function decodeSlo(value: unknown): Slo {
  const from = fields(value);
  const indicator = word(from, "indicator", "slo_indicator_kind_");
  const state = word(from, "state", "slo_state_");
  return {
    name: text(from, "name"),
    description: text(from, "description"),
    indicator: indicator === "latency" || indicator === "first_token" ? indicator : "availability",
    of: [...texts(from, "routes"), ...texts(from, "contracts")],
    target: number(from, "target"),
    windowSeconds: number(from, "window_s"),
    thresholdSeconds: number(from, "threshold_s"),
    countedSeconds: number(from, "counted_threshold_s"),
    good: number(from, "good"),
    total: number(from, "total"),
    seenSeconds: number(from, "seen_s"),
    left: number(from, "budget_left"),
    enough: flag(from, "enough_data"),
    state: kStates.find((one) => one === state) ?? "not_enough_data",
    reason: text(from, "reason"),
    burnRates: list(from, "burn_rates").map(decodeBurn),
    alerts: list(from, "alerts").map(decodeAlert),
    points: list(from, "points").map((item) => {
      const point = fields(item);
      return {
        atMs: number(point, "at_ms"),
        good: number(point, "good"),
        total: number(point, "total"),
        seen: number(point, "seen_s") > 0,
        left: number(point, "budget_left"),
      };
    }),
  };
}

export async function listSlos(signal: AbortSignal): Promise<Slo[]> {
  const response = await send("/admin/v1/slos", { signal });
  return list(fields(parse(await response.text())), "slos").map(decodeSlo);
}

export async function getSlo(name: string, signal: AbortSignal): Promise<Slo> {
  const response = await send(`/admin/v1/slos/${encodeURIComponent(name)}`, { signal });
  return decodeSlo(parse(await response.text()));
}

function stepOf(slo: Slo): number {
  const [first, second] = slo.points;
  return first !== undefined && second !== undefined ? Math.max(1, second.atMs - first.atMs) : 1;
}

/** The time that the points are of. */
export function spanOfPoints(slo: Slo): { readonly fromMs: number; readonly toMs: number } {
  const [first, last] = [slo.points[0], slo.points.at(-1)];
  const fromMs = (first?.atMs ?? 1) - stepOf(slo);
  return { fromMs, toMs: Math.max(last?.atMs ?? 1, fromMs + 1) };
}

/** What was left of the budget, from the first moment that was watched on; never below 0. */
export function burnDown(slo: Slo): ChartData {
  const first = slo.points.findIndex((point) => point.seen);
  return {
    fromMs: spanOfPoints(slo).fromMs,
    stepMs: stepOf(slo),
    series: [
      {
        name: "left of the error budget",
        values: slo.points.map((point, at) =>
          first < 0 || at < first ? undefined : Math.max(0, point.left),
        ),
        tone: slo.state === "missed" ? "bad" : slo.state === "burning" ? "warn" : 0,
      },
    ],
  };
}

/** Good and bad events, step by step. */
export function eventsOf(slo: Slo): ChartData {
  const of = (value: (point: Point) => number) =>
    slo.points.map((point) => (point.seen || point.total > 0 ? value(point) : undefined));
  return {
    fromMs: spanOfPoints(slo).fromMs,
    stepMs: stepOf(slo),
    series: [
      {
        name: slo.indicator === "availability" ? "failed" : "too slow",
        values: of((point) => point.total - point.good),
        tone: "bad",
      },
      { name: "good", values: of((point) => point.good), tone: 0 },
    ],
  };
}

/** "30 d", "1 h", "5 min". */
export function lengthText(seconds: number): string {
  const units: readonly (readonly [number, string])[] = [
    [86_400, "d"],
    [3600, "h"],
    [60, "min"],
  ];
  for (const [length, unit] of units)
    if (seconds >= length) return `${Number((seconds / length).toFixed(1))} ${unit}`;
  return `${Math.round(seconds)} s`;
}
