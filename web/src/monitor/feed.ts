// Reading from the server again and again while a page shows it.

import { computed, signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { type ApiError, asApiError, isAbort } from "../api/errors";
import { go, route } from "../state/route";
import { system } from "../state/server";
import {
  kRanges,
  parsePlace,
  type Place,
  placeUrl,
  type Range,
  type Span,
  spanOf,
  suitingRange,
} from "./address";
import { stepOf } from "./metrics";

/** What the address names. */
export const place = computed<Place>(() => {
  void route.value;
  return parsePlace(
    location.pathname,
    location.search,
    suitingRange(system.value?.uptimeSeconds),
  );
});

export function show(next: Place, replace = false): void {
  go(placeUrl(next), replace);
}

export function look(range: Range): void {
  show({ ...place.value, range });
}

/** Sets filters of the address; empty: not filtered by that. */
export function filter(change: Place["query"], replace = false): void {
  show({ ...place.value, query: { ...place.value.query, ...change } }, replace);
}

/** Goes up when a person wants to see what is new. */
export const asked = signal(0);

const kFastestMs = 5000;

/** How long until the next look at a time; 0: it does not change any more. */
export function roundMs(range: Range): number {
  if (range.kind === "fixed") return 0;
  return Math.min(60_000, Math.max(kFastestMs, stepOf(0, kRanges[range.name]) / 2));
}

export interface Fed<T> {
  readonly value: T | undefined;
  /** Of the last look; the value may be older. */
  readonly error: ApiError | undefined;
  readonly busy: boolean;
  /** The time that the value is of. */
  readonly span: Span;
}

/**
 * What `load` gives for the time on show, loaded again as it goes on. `key` says when it is something else: then what
 * was there before stays on show until the new is there.
 */
export function useFeed<T>(
  key: string,
  load: (span: Span, signal: AbortSignal) => Promise<T>,
  everyMs?: number,
): Fed<T> {
  const { range } = place.value;
  const [fed, setFed] = useState<Fed<T>>(() => ({
    value: undefined,
    error: undefined,
    busy: true,
    span: spanOf(range, Date.now()),
  }));
  const round = everyMs ?? roundMs(range);
  const rangeKey = range.kind === "last" ? range.name : `${range.fromMs} ${range.toMs}`;
  useEffect(() => {
    const controller = new AbortController();
    let timer = 0;
    const next = async () => {
      const span = spanOf(range, Date.now());
      if (!document.hidden) {
        try {
          const value = await load(span, controller.signal);
          if (controller.signal.aborted) return;
          setFed({ value, error: undefined, busy: false, span });
        } catch (error) {
          if (isAbort(error) || controller.signal.aborted) return;
          setFed((before) => ({ ...before, error: asApiError(error), busy: false }));
        }
      }
      if (round > 0 && !controller.signal.aborted)
        timer = window.setTimeout(() => void next(), round);
    };
    setFed((before) => ({ ...before, busy: true }));
    void next();
    const onShown = () => {
      if (document.hidden || round === 0) return;
      window.clearTimeout(timer);
      void next();
    };
    document.addEventListener("visibilitychange", onShown);
    return () => {
      controller.abort();
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", onShown);
    };
  }, [key, rangeKey, round, asked.value]);
  return fed;
}
