// Figures as people read them: short, with a unit.

function digits(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en-GB");
  return value.toFixed(size >= 10 ? 1 : 2).replace(/\.?0+$/, "");
}

export function plain(value: number): string {
  if (value >= 1e9) return `${digits(value / 1e9)} G`;
  if (value >= 1e6) return `${digits(value / 1e6)} M`;
  if (value >= 1e4) return `${digits(value / 1e3)} k`;
  return value > 0 && value < 0.005 ? "<0.01" : digits(value);
}

export function rate(value: number): string {
  if (value === 0) return "0";
  return `${plain(value)}/s`;
}

export function share(value: number): string {
  const percent = value * 100;
  if (percent > 0 && percent < 0.1) return "<0.1 %";
  return `${percent.toFixed(percent < 10 && percent > 0 ? 1 : 0).replace(/\.0$/, "")} %`;
}

export function seconds(value: number): string {
  return nanoseconds(value * 1e9);
}

export function nanoseconds(value: number): string {
  if (value === 0) return "0";
  if (value < 1e3) return `${Math.round(value)} ns`;
  if (value < 1e6) return `${three(value / 1e3)} µs`;
  if (value < 1e9) return `${three(value / 1e6)} ms`;
  if (value < 60e9) return `${three(value / 1e9)} s`;
  const minutes = Math.floor(value / 60e9);
  return `${minutes} min ${Math.round((value - minutes * 60e9) / 1e9)} s`;
}

function three(value: number): string {
  return value >= 100 ? String(Math.round(value)) : Number(value.toPrecision(3)).toString();
}

/** A method of a contract without the package: "tessera.v1.Inference/Embed" is "Inference/Embed". */
export function shortCall(name: string): string {
  return name.replace(/^tessera\.(v\d+|internal)\./, "");
}

/** A route with what tells it from others: "/api/v1/collections/{collection}/search" is "collections/…/search". */
export function shortRoute(route: string): string {
  return route.replace(/^\/api\/v\d+\//, "").replace(/\{[^}]*\}/g, "…");
}
