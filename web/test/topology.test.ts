import { describe, expect, it } from "vitest";
import { decodeMove, decodeTopology } from "../src/api/topology";
import { flows, keepWindow, quantile, type Reading } from "../src/state/rates";
import {
  apart,
  balanced,
  nextRevision,
  readTopology,
  together,
  withNewRevision,
  withReplicas,
  withServiceIn,
  withWeights,
  writeTopology,
} from "../src/state/topology_text";
import { threadsOf, traysOf } from "../src/state/trays";
import { milliseconds, percent, perSecond } from "../src/ui/rate_text";
import { type Box, drawThreads } from "../src/ui/thread_paths";

const kThree = `groups:
  data:
    services: [retrieval, dataprep]
  front:
    services: [gateway, orchestration]
  inference:
    services: [inference]
    replicas: 2
    revision: "r1"
    cpus: 4
move:
  steps: [0, 10, 50, 100]
  step_time: 500ms
`;

const servicesOf = (yaml: string) =>
  readTopology(yaml).groups.map((group) => `${group.name}: ${group.services.join(" ")}`);

describe("a topology's text", () => {
  it("stays as it was when nothing changes", () => {
    expect(writeTopology(readTopology(kThree))).toBe(kThree);
  });

  it("moves a service, and a group without services goes", () => {
    const moved = withServiceIn(readTopology(kThree), "inference", "front");
    expect(servicesOf(writeTopology(moved))).toEqual([
      "data: retrieval dataprep",
      "front: gateway orchestration inference",
    ]);
    expect(writeTopology(moved)).toContain("\nmove:\n  steps: [0, 10, 50, 100]\n");
  });

  it("gives a service a process of its own, under a free name", () => {
    const alone = withServiceIn(readTopology(kThree), "dataprep", undefined);
    expect(servicesOf(writeTopology(alone))).toContain("dataprep: dataprep");
    const taken = readTopology("groups:\n  inference:\n    services: [gateway, inference]\n");
    expect(servicesOf(writeTopology(withServiceIn(taken, "inference", undefined)))).toEqual([
      "inference: gateway",
      "inference-2: inference",
    ]);
    const already = readTopology(kThree);
    expect(withServiceIn(already, "inference", undefined)).toBe(already);
  });

  it("brings together and takes apart", () => {
    expect(servicesOf(writeTopology(together(readTopology(kThree))))).toEqual([
      "front: gateway orchestration retrieval dataprep inference",
    ]);
    expect(servicesOf(writeTopology(apart(readTopology(kThree)))).sort()).toEqual([
      "data: dataprep",
      "front: gateway",
      "inference: inference",
      "orchestration: orchestration",
      "retrieval: retrieval",
    ]);
  });

  it("keeps the versions of a service, and moves one of them", () => {
    const shared = `groups:
  canary:
    services: [inference]
    revision: "b"
  front:
    services: [gateway, orchestration, retrieval, dataprep]
  stable:
    services: [inference]
versions:
  inference: {canary: 10, stable: 90}
move:
  steps: [100]
`;
    const text = readTopology(shared);
    expect(writeTopology(text)).toBe(shared);
    const moved = writeTopology(withServiceIn(text, "inference", "front", "stable"));
    expect(moved).toContain("\nversions:\n  inference: {canary: 10, front: 90}\nmove:\n");
    expect(servicesOf(moved)).toEqual([
      "canary: inference",
      "front: gateway orchestration retrieval dataprep inference",
    ]);
    const one = writeTopology(withServiceIn(text, "inference", "stable", "canary"));
    expect(one).not.toContain("versions:");
    expect(servicesOf(one)).toContain("stable: inference");
    expect(writeTopology(together(text))).not.toContain("versions:");
    expect(servicesOf(writeTopology(together(text)))).toHaveLength(1);
    expect(writeTopology(apart(text))).toContain("inference: {canary: 10, stable: 90}");
    const other = withWeights(text, "inference", balanced(text.versions[0]!.weights, "canary", 35));
    expect(writeTopology(other)).toBe(shared.replace("canary: 10, stable: 90", "canary: 35, stable: 65"));
  });

  it("keeps the parts of a service's calls at 100 percent together", () => {
    const three = [["a", 20], ["b", 60], ["c", 20]] as const;
    const parts = (group: string, percent: number) => [...balanced(three, group, percent).values()];
    expect(parts("a", 60)).toEqual([60, 30, 10]);
    expect(parts("b", 0)).toEqual([50, 0, 50]);
    expect(parts("c", 100)).toEqual([0, 0, 100]);
    expect(parts("c", 1000)).toEqual([0, 0, 100]);
    expect(parts("c", Number.NaN)).toEqual([25, 75, 0]);
    expect([...balanced([["a", 100], ["b", 0], ["c", 0]], "a", 33).values()]).toEqual([33, 34, 33]);
    for (let percent = 0; percent <= 100; percent += 1)
      expect(parts("b", percent).reduce((sum, one) => sum + one, 0)).toBe(100);
  });

  it("changes replicas and revisions and keeps the other fields", () => {
    const text = writeTopology(
      withNewRevision(withReplicas(readTopology(kThree), "inference", 3), "inference"),
    );
    expect(text).toContain("replicas: 3");
    expect(text).toContain('revision: "r2"');
    expect(text).toContain("cpus: 4");
    expect(["", "2", "r9", "blue", "blue-2"].map(nextRevision)).toEqual([
      "2",
      "3",
      "r10",
      "blue-2",
      "blue-3",
    ]);
  });
});

const edge = (process: string, calls: number, faults = 0, bucket = 0) => {
  const buckets = new Array<number>(29).fill(0);
  buckets[bucket] = calls;
  return { from: "gateway", service: "inference", process, calls, faults, buckets };
};
const reading = (atMs: number, ...edges: ReturnType<typeof edge>[]): Reading => ({ atMs, edges });

describe("rates", () => {
  it("are the difference of two readings", () => {
    const [flow] = flows([reading(0, edge("a", 100, 1, 10)), reading(2000, edge("a", 120, 3, 10))]);
    expect(flow).toMatchObject({ perSecond: 10, faulty: 0.1 });
    expect(flow?.p50Ms).toBeCloseTo(0.79, 1);
  });

  it("are none at the first reading, and begin anew with a process that does", () => {
    expect(flows([reading(0, edge("a", 100))])[0]?.perSecond).toBe(0);
    expect(flows([reading(0, edge("a", 100)), reading(1000, edge("a", 5))])[0]?.perSecond).toBe(5);
    expect(flows([reading(0), reading(1000, edge("b", 7))])[0]?.perSecond).toBe(7);
  });

  it("look back a few seconds and no further", () => {
    let kept: Reading[] = [];
    for (let at = 0; at <= 20_000; at += 1000) kept = keepWindow(kept, reading(at));
    expect(kept.map((one) => one.atMs)).toEqual([15_000, 16_000, 17_000, 18_000, 19_000, 20_000]);
  });

  it("have quantiles within a bucket", () => {
    expect(quantile([], 0.5)).toBe(0);
    expect(quantile([0, 4], 0.5)).toBeCloseTo(0.001536, 6);
    expect(quantile([99, 1], 0.99)).toBeCloseTo(0.001024, 6);
  });

  it("are written short", () => {
    expect([0, 0.04, 0.25, 9.96, 12.3, 1234].map(perSecond)).toEqual([
      "0/s",
      "<0.1/s",
      "0.3/s",
      "10/s",
      "12/s",
      "1,234/s",
    ]);
    expect([0.001, 0.123, 4.56, 78.9, 1234, 12_345].map(milliseconds)).toEqual([
      "<0.01 ms",
      "0.12 ms",
      "4.6 ms",
      "79 ms",
      "1.2 s",
      "12 s",
    ]);
    expect([0, 0.001, 0.5].map(percent)).toEqual(["0 %", "<1 %", "50 %"]);
  });
});

const process = (name: string, ...services: string[]) => ({
  name,
  pid: 7,
  state: "serving",
  instances: services.map((service) => ({
    service,
    instance: `${service}-1`,
    state: "INSTANCE_STATE_SERVING",
    in_flight: "2",
  })),
});
const cluster = (name: string, group: string, weight: number) => ({
  name,
  service: name.split("/")[0],
  group,
  weight,
});

describe("trays", () => {
  const during = decodeTopology({
    groups: [
      { name: "all", services: ["gateway", "inference"], processes: [process("all", "inference")] },
      { name: "apart", processes: [process("apart-0", "inference")] },
    ],
    clusters: [cluster("inference/1", "all", 90), cluster("inference/10", "apart", 10)],
    edges: [edge("all", 0)],
    move: { id: "1", state: "MOVE_STATE_SHIFTING", plan: [{ service: "inference" }] },
  });

  it("show both sides of a move", () => {
    const [all, apartTray] = traysOf(during);
    expect(all).toMatchObject({ name: "all", first: true, scales: false, column: 0 });
    expect(all?.tiles.map((tile) => [tile.service, tile.state, tile.inside])).toEqual([
      ["gateway", "here", 0],
      ["inference", "here", 2],
    ]);
    expect(all?.tiles[1]?.sides).toMatchObject([
      { isNew: false, shifting: true, cluster: { weight: 90 } },
    ]);
    expect(apartTray?.tiles).toMatchObject([{ state: "coming", sides: [{ isNew: true }] }]);
  });

  it("show the parts of two versions that are side by side", () => {
    const steady = { ...during, move: undefined };
    const [all, apartTray] = traysOf(steady);
    expect(all?.tiles[1]?.sides).toMatchObject([{ shifting: false, cluster: { weight: 90 } }]);
    expect(apartTray?.tiles[0]?.sides).toMatchObject([{ shifting: false, cluster: { weight: 10 } }]);
  });

  it("say that a service starts while no process has it", () => {
    const [alone] = traysOf(
      decodeTopology({
        groups: [{ name: "retrieval", services: ["retrieval"] }],
        clusters: [cluster("retrieval/1", "retrieval", 100)],
      }),
    );
    expect(alone?.tiles).toMatchObject([{ service: "retrieval", state: "starting" }]);
  });

  it("split a thread as the route is split", () => {
    const [a, b] = threadsOf(during, traysOf(during), [
      {
        from: "gateway",
        service: "inference",
        process: "all",
        perSecond: 10,
        faulty: 0.5,
        p50Ms: 1,
        p99Ms: 2,
        calls: 9,
      },
    ]);
    expect(a).toMatchObject({
      from: "all/gateway",
      to: "all/inference",
      perSecond: 9,
      faulty: 0.5,
    });
    expect(b).toMatchObject({ to: "apart/inference", perSecond: 1, p99Ms: 2 });
  });

  it("know a move's end", () => {
    expect(decodeMove({ id: "1", state: "rolled_back", reason: "x" })).toMatchObject({
      state: "rolled_back",
    });
    expect(decodeTopology({}).move).toBeUndefined();
  });
});

describe("threads", () => {
  const box = (left: number, top: number): Box => ({
    left,
    top,
    right: left + 100,
    bottom: top + 60,
  });
  const thread = (from: string, to: string) => ({
    key: `${from} ${to}`,
    from,
    to,
    fromService: from,
    toService: to,
    perSecond: 1,
    faulty: 0,
    p50Ms: 1,
    p99Ms: 1,
  });

  it("run around the tile between their ends", () => {
    const boxes = new Map([
      ["a", box(0, 0)],
      ["b", box(200, 0)],
      ["c", box(400, 0)],
    ]);
    const [drawn] = drawThreads([thread("a", "c")], { boxes, captions: [] }, false);
    const heights = [...(drawn?.path ?? "").matchAll(/[\d.-]+ ([\d.-]+)/g)].map((found) =>
      Number(found[1]),
    );
    expect(heights.some((y) => y < 0 || y > 60)).toBe(true);
  });

  it("are left out when an end is not shown, and put their figures apart", () => {
    const boxes = new Map([
      ["a", box(0, 0)],
      ["b", box(400, 0)],
      ["c", box(400, 80)],
    ]);
    expect(drawThreads([thread("a", "x")], { boxes, captions: [] }, false)).toEqual([]);
    const [one, two] = drawThreads(
      [thread("a", "b"), thread("a", "c")],
      { boxes, captions: [] },
      false,
    );
    const apartBy =
      Math.abs((one?.label.y ?? 0) - (two?.label.y ?? 0)) +
      Math.abs((one?.label.x ?? 0) - (two?.label.x ?? 0));
    expect(apartBy).toBeGreaterThan(20);
  });
});
