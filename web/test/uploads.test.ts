import { describe, expect, it } from "vitest";
import { decodeJob } from "../src/api/decode";
import {
  type Item,
  newItem,
  outcomeOf,
  reasonOf,
  sharesOf,
  withEnded,
  withJob,
} from "../src/state/upload_items";

function item(name: string, to: Partial<Item> = {}): Item {
  return { ...newItem(name, 10, "default"), phase: "reading", jobId: "j", ...to };
}

function job(state: string, ...progress: object[]) {
  return decodeJob({ id: "j", collection: "default", state, sources: progress.length, progress });
}

describe("uploads", () => {
  it("share out the bytes of a batch to its files, in order", () => {
    expect(sharesOf([100, 300, 0], 0)).toEqual([0, 0, 0]);
    expect(sharesOf([100, 300], 250)).toEqual([1, 0.5]);
    expect(sharesOf([100, 300, 0], 450)).toEqual([1, 1, 1]);
  });

  it("follow their job by name", () => {
    const items = [item("a.pdf"), item("b.pdf"), item("other", { jobId: "k" })];
    const after = withJob(
      items,
      job(
        "running",
        { name: "b.pdf", state: "failed", error_code: "encrypted" },
        { name: "a.pdf", state: "running", pages_done: 3, chunks: 9 },
      ),
      [],
    );
    expect(after.map((one) => [one.name, one.phase])).toEqual([
      ["a.pdf", "reading"],
      ["b.pdf", "failed"],
      ["other", "reading"],
    ]);
    expect(after[0]).toMatchObject({ pages: 3, chunks: 9 });
    expect(after[1]?.error).toMatch(/password/);
  });

  it("show what an archive held, and know a link by its only source", () => {
    const archive = withJob(
      [item("a.zip")],
      job(
        "running",
        { name: "a.zip", state: "running" },
        { name: "a.zip/x.md", state: "done", document_id: "file-1" },
      ),
      [],
    );
    expect(archive.map((one) => one.name)).toEqual(["a.zip/x.md", "a.zip"]);
    const link = withJob(
      [item("https://a.example/")],
      job("running", { name: "Title of the page", state: "done", document_id: "file-2" }),
      [],
    );
    expect(link).toHaveLength(1);
    expect(link[0]).toMatchObject({
      name: "https://a.example/",
      phase: "done",
      documentId: "file-2",
    });
    expect(
      withJob(archive, job("running", { name: "a.zip/x.md", state: "done" }), []),
    ).toHaveLength(2);
  });

  it("end with their job, but keep what was known", () => {
    const items = [item("a"), item("b", { phase: "failed" }), item("c", { jobId: "k" })];
    expect(withEnded(items, job("done"), []).map((one) => one.phase)).toEqual([
      "done",
      "failed",
      "reading",
    ]);
    expect(withEnded(items, job("cancelled"), []).map((one) => one.phase)).toEqual([
      "cancelled",
      "failed",
      "reading",
    ]);
    expect(outcomeOf(decodeJob({ succeeded: 1, failed: 2 }))).toBe(
      "1 document is ready, 2 failed.",
    );
  });

  it("say why a file failed and what to do", () => {
    expect(reasonOf({ error: "", errorCode: "no_text" })).toMatch(/tesseract/);
    expect(reasonOf({ error: "the file ends early", errorCode: "truncated" })).toBe(
      "The file ends early.",
    );
    expect(reasonOf({ error: "", errorCode: "new_kind" })).not.toBe("");
  });
});
