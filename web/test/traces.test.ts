import { describe, expect, it } from "vitest";
import {
  criticalPath,
  layersOf,
  processesOf,
  rowsOf,
  treeOf,
  whereTheTimeWent,
  workOf,
} from "../src/monitor/span_tree";
import { decodeTrace, type Trace, tracesUrl } from "../src/monitor/traces";

/** id, parent, name, process, start (µs), duration (µs) */
type Short = readonly [string, string, string, string, number, number];

function trace(...spans: readonly Short[]): Trace {
  return decodeTrace({
    trace_id: "t",
    start_us: 1000,
    duration_ns: 100_000,
    spans: spans.map(([id, parent_id, name, process, start, duration]) => ({
      id,
      parent_id,
      name,
      process,
      start_us: 1000 + start,
      duration_ns: duration * 1000,
    })),
  });
}

// front asks embed of model (10 to 60, the work 15 to 55), and meanwhile search of data (20 to 40); then writes.
const kAsked = trace(
  ["r", "", "POST /ask", "front", 0, 100],
  ["a", "r", "Embed", "front", 10, 50],
  ["b", "a", "Embed", "front", 11, 48],
  ["c", "b", "Embed", "model", 15, 40],
  ["d", "c", "compute", "model", 20, 30],
  ["e", "r", "Search", "data", 20, 20],
  ["f", "r", "write", "front", 70, 30],
);

describe("a trace", () => {
  it("is read from what the server sends", () => {
    const read = decodeTrace({
      trace_id: "ab",
      http_status: 500,
      spans: [
        {
          id: "1",
          kind: "SPAN_KIND_SERVER",
          duration_ns: "12",
          attributes: [
            { key: "n", integer: 3 },
            { key: "s", text: "" },
            { key: "f", flag: false },
            {},
          ],
        },
        "nonsense",
      ],
    });
    expect(read.httpStatus).toBe(500);
    expect(read.spans[0]).toMatchObject({ kind: "server", durationNs: 12, parentId: "" });
    expect(read.spans[0]?.attributes).toEqual([
      { key: "n", value: "3" },
      { key: "s", value: "" },
      { key: "f", value: "false" },
      { key: "", value: "" },
    ]);
  });

  it("is searched by the filters of the address", () => {
    const search = new URL(
      tracesUrl({ route: "/v1", errors: "1", min: "5", max: "x", odd: "y" }, 10, 20),
      "http://localhost",
    ).searchParams;
    expect(Object.fromEntries(search)).toEqual({
      limit: "500",
      route: "/v1",
      error: "true",
      duration_ms_min: "5",
      since_ms: "10",
      until_ms: "20",
    });
  });

  it("is a tree in which both ends of a call are one, unless one wants both", () => {
    const folded = rowsOf(treeOf(kAsked, true), new Set());
    expect(folded.map((row) => `${row.depth} ${row.span.name}`)).toEqual([
      "0 POST /ask",
      "1 Embed",
      "2 compute",
      "1 Search",
      "1 write",
    ]);
    expect(folded[1]?.hops.map((span) => span.id)).toEqual(["a", "b", "c"]);
    expect(workOf(folded[1]!).process).toBe("model");
    expect(rowsOf(treeOf(kAsked, false), new Set())).toHaveLength(7);
  });

  it("hides what lies in a closed one", () => {
    const rows = rowsOf(treeOf(kAsked, true), new Set(["a"]));
    expect(rows.map((row) => row.span.id)).toEqual(["r", "a", "e", "f"]);
  });

  it("stands even without its parents, and when spans go in a ring", () => {
    const broken = trace(
      ["a", "b", "x", "p", 0, 10],
      ["b", "a", "y", "p", 0, 10],
      ["c", "gone", "z", "p", 5, 5],
      ["d", "d", "self", "p", 5, 5],
    );
    const rows = rowsOf(treeOf(broken, true), new Set());
    expect(rows.map((row) => row.span.id).sort()).toEqual(["a", "b", "c", "d"]);
  });

  it("knows what the answer waited for", () => {
    const path = criticalPath(treeOf(kAsked, true));
    expect(
      path.map(({ node, fromNs, toNs }) => `${node.span.name} ${fromNs / 1000}-${toNs / 1000}`),
    ).toEqual([
      "POST /ask 0-10",
      "Embed 10-20",
      "compute 20-50",
      "Embed 50-60",
      "POST /ask 60-70",
      "write 70-100",
    ]);
    const parts = whereTheTimeWent(path);
    expect(parts.map((part) => `${part.name} ${part.process} ${part.ns / 1000}`)).toEqual([
      "compute model 30",
      "write front 30",
      "POST /ask front 20",
      "Embed model 20",
    ]);
    expect(parts.reduce((sum, part) => sum + part.ns, 0)).toBe(100_000);
  });

  it("names its processes as it came to them", () => {
    expect(processesOf(kAsked)).toEqual(["front", "model", "data"]);
  });

  it("lies in layers; what runs at the same time lies one lower", () => {
    const levels = layersOf(treeOf(kAsked, true)).map(
      ({ node, level }) => `${node.span.name} ${level}`,
    );
    expect(levels).toEqual(["POST /ask 0", "Embed 1", "compute 2", "Search 3", "write 1"]);
  });
});
