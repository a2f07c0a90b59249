// Reading JSON that came over the wire: nothing is trusted to have the shape we hope for.

export type Fields = Readonly<Record<string, unknown>>;

/** The value as an object; an empty one when it is something else. */
export function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : {};
}

export function text(from: Fields, key: string, fallback = ""): string {
  const value = from[key];
  return typeof value === "string" ? value : fallback;
}

/** Numbers; protobuf's JSON may write 64-bit ones as strings. */
export function number(from: Fields, key: string, fallback = 0): number {
  const value = from[key];
  const result = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof result === "number" && Number.isFinite(result) ? result : fallback;
}

export function flag(from: Fields, key: string): boolean {
  return from[key] === true;
}

export function list(from: Fields, key: string): readonly unknown[] {
  const value = from[key];
  return Array.isArray(value) ? value : [];
}

export function texts(from: Fields, key: string): string[] {
  return list(from, key).filter((item): item is string => typeof item === "string");
}

/** A short lower-case word of an enum, whether it came as "done" or as "JOB_STATE_DONE". */
export function word(from: Fields, key: string, prefix: string): string {
  const value = text(from, key).toLowerCase();
  return value.startsWith(prefix) ? value.slice(prefix.length) : value;
}

/** Parses JSON; undefined when it is none. */
export function parse(source: string): unknown {
  try {
    return JSON.parse(source) as unknown;
  } catch {
    return undefined;
  }
}
