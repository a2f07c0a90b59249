// Numbers with units and relative times, as people write them.

const kUnits = ["B", "kB", "MB", "GB", "TB"];

export function size(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < kUnits.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits).replace(/\.0$/, "")} ${kUnits[unit] ?? "B"}`;
}

export function count(value: number, one: string, many = `${one}s`): string {
  return `${value.toLocaleString("en-GB")} ${value === 1 ? one : many}`;
}

const kSteps: readonly (readonly [
  limit: number,
  seconds: number,
  unit: Intl.RelativeTimeFormatUnit,
])[] = [
  [3600, 60, "minute"],
  [86400, 3600, "hour"],
  [7 * 86400, 86400, "day"],
  [30 * 86400, 7 * 86400, "week"],
  [365 * 86400, 30 * 86400, "month"],
  [Infinity, 365 * 86400, "year"],
];
const relative = new Intl.RelativeTimeFormat("en-GB", { numeric: "auto", style: "short" });

export function ago(ms: number, nowMs = Date.now()): string {
  const seconds = Math.max(0, (nowMs - ms) / 1000);
  if (seconds < 60) return "just now";
  const step = kSteps.find(([limit]) => seconds < limit);
  return step === undefined ? "" : relative.format(-Math.floor(seconds / step[1]), step[2]);
}

export function exact(ms: number): string {
  return new Date(ms).toLocaleString("en-GB", { dateStyle: "full", timeStyle: "medium" });
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400)
    return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return count(Math.floor(seconds / 86400), "day");
}

/** The part of a path or address that tells most: a file's name; a page's host and last step. */
export function shortName(name: string): string {
  const isAddress = /^https?:\/\//.test(name);
  const steps = name
    .replace(/^https?:\/\/(www\.)?/, "")
    .replace(/[/?#]+$/, "")
    .split("/");
  const last = steps.at(-1) || name;
  if (!isAddress || steps.length === 1) return last;
  return `${steps[0]}/${steps.length > 2 ? "…/" : ""}${last}`;
}

/** Up to four letters for the badge of a document. */
export function kindOf(name: string, mediaType: string): string {
  const known: Record<string, string> = {
    "application/pdf": "PDF",
    "text/html": "HTML",
    "text/markdown": "MD",
    "message/rfc822": "EML",
  };
  const extension = /\.([a-z0-9]{1,5})$/i.exec(name)?.[1]?.toUpperCase();
  return (
    known[mediaType] ??
    (extension !== undefined && extension.length <= 4
      ? extension
      : (extension?.slice(0, 4) ?? "TXT"))
  );
}
