// Where the marks of an axis stand.

/** Up to `most` round values from 0 to at least the highest; the last one is the top of the axis. */
export function valueTicks(highest: number, most = 4): number[] {
  if (!(highest > 0)) return [0, 1];
  const rough = highest / (most - 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough * 0.999);
  const used = step ?? power * 10;
  const count = Math.ceil(highest / used - 1e-9);
  return Array.from({ length: count + 1 }, (_, at) => Number((at * used).toPrecision(12)));
}

const kTimes = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200, 14_400].map(
  (minutes) => minutes * 60_000,
);

/** Round local times within a time, at most so many. */
export function timeTicks(fromMs: number, toMs: number, most: number): number[] {
  const step = kTimes.find((one) => (toMs - fromMs) / one <= most) ?? (toMs - fromMs) / 2;
  const shift = new Date(fromMs).getTimezoneOffset() * 60_000;
  const ticks: number[] = [];
  for (let at = Math.ceil((fromMs - shift) / step) * step + shift; at <= toMs; at += step)
    ticks.push(at);
  return ticks;
}

export function clock(ms: number, seconds = false): string {
  return new Date(ms).toLocaleTimeString("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
    ...(seconds ? { second: "2-digit" } : {}),
  });
}

/** The times that a trace's axis shows: 0, and up to `most` round parts of its duration, in nanoseconds. */
export function durationTicks(totalNs: number, most: number): number[] {
  return valueTicks(totalNs, most).filter((tick) => tick <= totalNs);
}

/** A time within so long a time: of days, the day. */
export function moment(ms: number, spanMs: number, seconds = false): string {
  if (spanMs < 36 * 3_600_000) return clock(ms, seconds);
  const day = new Date(ms).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return seconds ? `${day}, ${clock(ms)}` : day;
}
