// Rates and times of calls, short.

export function perSecond(rate: number): string {
  if (rate === 0) return "0/s";
  if (rate < 0.1) return "<0.1/s";
  return `${rate < 10 ? rate.toFixed(1).replace(/\.0$/, "") : Math.round(rate).toLocaleString("en-GB")}/s`;
}

export function milliseconds(ms: number): string {
  if (ms >= 10_000) return `${Math.round(ms / 1000)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms >= 10) return `${Math.round(ms)} ms`;
  if (ms >= 1) return `${ms.toFixed(1)} ms`;
  return ms >= 0.01 ? `${ms.toFixed(2)} ms` : "<0.01 ms";
}

export function percent(part: number): string {
  const value = part * 100;
  return value > 0 && value < 1 ? "<1 %" : `${Math.round(value)} %`;
}
