import type { Collection, System } from "./types";

/** The configured embedder when it is not the one of the collection; else empty. */
export function differingEmbedder(one: Collection | undefined, facts: System | undefined): string {
  if (one === undefined || facts === undefined || one.chunks === 0 || one.embedder === "") return "";
  const model = facts.models.find((known) => known.name === facts.embedder);
  if (model === undefined) return "";
  const same =
    one.embedder === model.name &&
    (one.embedderDigest === "" || model.digest === "" || one.embedderDigest === model.digest);
  return same ? "" : model.name;
}
