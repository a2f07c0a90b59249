import { describe, expect, test } from "vitest";
import { decodeCollection, decodeJob, decodeSystem } from "../src/api/decode";
import { differingEmbedder } from "../src/api/embedder";

const kSystem = decodeSystem({
  embedder: "new",
  models: [{ name: "new", kind: "embedder", digest: "d2" }],
});

function collection(model: string, digest: string, chunks = 3) {
  return decodeCollection({ name: "c", chunks, embedder: { model, digest } });
}

describe("the offer to embed a collection anew", () => {
  test("is made when the configured embedder, or its version, is another", () => {
    expect(differingEmbedder(collection("old", "d1"), kSystem)).toBe("new");
    expect(differingEmbedder(collection("new", "d1"), kSystem)).toBe("new");
    expect(differingEmbedder(collection("new", "d2"), kSystem)).toBe("");
  });

  test("is not made of an empty collection, or before anything is known", () => {
    expect(differingEmbedder(collection("old", "d1", 0), kSystem)).toBe("");
    expect(differingEmbedder(undefined, kSystem)).toBe("");
    expect(differingEmbedder(collection("old", "d1"), undefined)).toBe("");
  });

  test("jobs say what they do", () => {
    expect(decodeJob({ id: "j", kind: "reembed", chunks: 1, chunks_total: 4 })).toMatchObject({
      kind: "reembed",
      chunksTotal: 4,
    });
    expect(decodeJob({ id: "j" }).kind).toBe("ingest");
  });
});
