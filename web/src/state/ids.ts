/** A random id. Not crypto.randomUUID: browsers give that to https and localhost only, and a phone comes by http. */
export function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
