import { describe, expect, it } from "vitest";
import { idIn, pageUrl, parsePlace, placeUrl, spanOf, suitingRange } from "../src/monitor/address";
import { areaPath, linePath, stackOf } from "../src/monitor/chart_paths";
import { routeRows, weighted, type Overview } from "../src/monitor/figures";
import { decodeLevels, decodeRecord, eventsUrl } from "../src/monitor/log_records";
import { decodeLines, type Lines, queryUrl, stepOf, type Value } from "../src/monitor/metrics";
import { byName, isOfWork, largest, latest, ratio, recent, sum } from "../src/monitor/series";
import { burnDown, decodeSlo, eventsOf, lengthText, spanOfPoints } from "../src/monitor/slos";
import { durationTicks, timeTicks, valueTicks } from "../src/monitor/ticks";
import {
  nanoseconds,
  plain,
  rate,
  seconds,
  share,
  shortCall,
  shortRoute,
} from "../src/monitor/words";

describe("an address below /monitor", () => {
  const place = (url: string) => {
    const { pathname, search } = new URL(url, "http://localhost");
    return parsePlace(pathname, search);
  };

  it("is read back as it was written", () => {
    for (const url of [
      "/monitor",
      "/monitor?range=15m",
      "/monitor?from=1000&to=61000",
      "/monitor/traces?route=POST+%2Fv1%2Fchat&errors=1&range=6h",
      "/monitor/traces/abc%2Fd?span=12&view=flame",
      "/monitor/logs?level=warning&text=a%26b",
      "/monitor/models?range=24h",
    ])
      expect(placeUrl(place(url))).toBe(url);
  });

  it("stays usable when it says nonsense", () => {
    expect(place("/monitor/nothing?range=toString&from=9&to=3")).toEqual({
      page: "overview",
      trace: "",
      range: { kind: "last", name: "1h", unasked: true },
      query: {},
    });
  });

  it("keeps the time from page to page, but not the filters", () => {
    expect(pageUrl(place("/monitor/traces?errors=1&range=6h"), "models")).toBe(
      "/monitor/models?range=6h",
    );
  });

  it("is a time: one that stays, or one that follows the clock", () => {
    expect(spanOf(place("/monitor?from=5&to=7").range, 100)).toMatchObject({ fromMs: 5, toMs: 7 });
    expect(spanOf(place("/monitor?range=15m").range, 1e6)).toEqual({ fromMs: 1e5, toMs: 1e6 });
  });

  it("shows a young platform's minutes, unless somebody asked for more", () => {
    const young = suitingRange(90);
    expect(parsePlace("/monitor", "", young).range).toMatchObject({ name: "15m" });
    expect(placeUrl(parsePlace("/monitor", "", young))).toBe("/monitor");
    expect(parsePlace("/monitor", "?range=1h", young).range).toEqual({ kind: "last", name: "1h" });
    expect(suitingRange(undefined)).toBe("1h");
    expect(suitingRange(86_400)).toBe("1h");
  });

  it("tells ids from words", () => {
    expect(idIn(" 4BF92F3577B34DA6A3CE929D0E0E4736 ")).toBe("4bf92f3577b34da6a3ce929d0e0e4736");
    expect(idIn("4c2df92a5eecd9d4")).toBe("4c2df92a5eecd9d4");
    expect(idIn("4c2df92a5eecd9d")).toBe("");
    expect(idIn("roof")).toBe("");
  });
});

describe("figures", () => {
  it("are asked for by name, labels and time", () => {
    const url = queryUrl(
      {
        name: "a",
        function: "quantile",
        quantile: 0.99,
        by: ["x", "y"],
        where: { route: "/v1/b" },
      },
      1000,
      3_601_000,
    );
    const search = new URL(url, "http://localhost").searchParams;
    expect(search.getAll("by")).toEqual(["x", "y"]);
    expect(search.get("where")).toBe("route=/v1/b");
    expect(search.get("step_ms")).toBe("30000");
    expect(stepOf(0, 60_000)).toBe(5000);
  });

  it("are undefined where nothing is known", () => {
    const lines = decodeLines({
      from_ms: "1000",
      step_ms: 5000,
      lines: [{ labels: { a: "b", c: 3 }, values: [1, null, "x", 0] }, "nonsense"],
    });
    expect(lines.fromMs).toBe(1000);
    expect(lines.lines[0]).toEqual({
      labels: { a: "b", c: "" },
      values: [1, undefined, undefined, 0],
    });
    expect(lines.lines[1]?.values).toEqual([]);
  });

  it("are added up and divided step by step", () => {
    expect(
      sum([
        [1, undefined, 3],
        [1, undefined],
      ]),
    ).toEqual([2, undefined, 3]);
    expect(ratio([1, 1], [4, 0, 2])).toEqual([0.25, undefined, 0]);
    expect(latest([1, 2, undefined])).toBe(2);
    expect(recent([9, 1, 2, 3, undefined])).toBe(2);
    expect(weighted([1, 9, undefined], [3, 1, 5])).toBe(3);
    expect(weighted([1], [0])).toBeUndefined();
  });

  it("are the largest few, and the others as one", () => {
    const line = (name: string, value: number) => ({ labels: { name }, values: [value] });
    const lines = [line("a", 1), line("b", 5), line("c", 2), line("d", 3)];
    const name = (one: { labels: Readonly<Record<string, string>> }) => one.labels["name"] ?? "";
    expect(largest(lines, name, 3).map((one) => [one.name, one.values[0]])).toEqual([
      ["b", 5],
      ["d", 3],
      ["2 others", 3],
    ]);
    expect(byName(lines, name, 6).map((one) => one.name)).toEqual(["a", "b", "c", "d"]);
    expect(byName(lines, name, 3).map((one) => one.name)).toEqual(["b", "d", "2 others"]);
  });

  it("leave out the requests by which the platform is looked at", () => {
    expect(["/admin/v1/traces", "/metrics", "page", "GET /health/ready"].some(isOfWork)).toBe(
      false,
    );
    expect(["/v1/chat/completions", "POST /api/v1/jobs"].every(isOfWork)).toBe(true);
  });

  it("make a table of the routes, the busiest first", () => {
    const lines = (rows: Record<string, Value[]>): Lines => ({
      fromMs: 0,
      stepMs: 1,
      lines: Object.entries(rows).map(([route, values]) => ({ labels: { route }, values })),
    });
    const none = lines({});
    const overview = {
      requests: lines({ "/v1/a": [1, 1], "/v1/b": [4, undefined], "/metrics": [9], "/v1/c": [0] }),
      faults: lines({ "/v1/a": [0.5, 0.5] }),
      refusals: none,
      p50: lines({ "/v1/b": [0.2] }),
      p99: none,
    } as unknown as Overview;
    expect(
      routeRows(overview).map((row) => [row.route, row.perSecond, row.faulty, row.p50]),
    ).toEqual([
      ["/v1/b", 4, 0, 0.2],
      ["/v1/a", 1, 0.5, undefined],
    ]);
  });
});

describe("a chart", () => {
  it("has round marks that reach above the highest value", () => {
    expect(valueTicks(7.4)).toEqual([0, 2.5, 5, 7.5]);
    expect(valueTicks(0)).toEqual([0, 1]);
    for (const highest of [0.00017, 0.3, 1, 99, 12345, 7e9]) {
      const ticks = valueTicks(highest);
      expect(ticks.at(-1)).toBeGreaterThanOrEqual(highest * 0.999);
      expect(ticks.length).toBeLessThanOrEqual(5);
    }
    expect(durationTicks(50_200_000, 5).every((tick) => tick <= 50_200_000)).toBe(true);
  });

  it("has times that are round", () => {
    const from = Date.UTC(2026, 0, 1, 12, 3);
    const ticks = timeTicks(from, from + 3_600_000, 5);
    expect(ticks.length).toBeGreaterThan(2);
    expect(ticks.every((tick) => tick % 900_000 === 0)).toBe(true);
  });

  it("has a gap where nothing is known", () => {
    const same = (value: number) => value;
    expect(linePath([1, 2, undefined, 4], same, same)).toBe("M0.0 1.0L1.0 2.0M3.0 4.0h.1");
    expect(areaPath([1, 2, undefined], [0, 0, 0], same, same)).toBe(
      "M0.0 1.0L1.0 2.0L1.0 0.0L0.0 0.0Z",
    );
  });

  it("stacks one on another, and what is unknown adds nothing", () => {
    const series = [
      { name: "a", tone: 0, values: [1, undefined] },
      { name: "b", tone: 1, values: [2, 3] },
    ];
    expect(stackOf(series).map((layer) => layer.top)).toEqual([
      [1, undefined],
      [3, 3],
    ]);
  });
});

describe("words", () => {
  it("are short", () => {
    expect([0, 0.001, 0.25, 3, 12.34, 1234, 56_000, 2.5e6].map(plain)).toEqual([
      "0",
      "<0.01",
      "0.25",
      "3",
      "12.3",
      "1,234",
      "56 k",
      "2.5 M",
    ]);
    expect(rate(0)).toBe("0");
    expect([0, 0.0004, 0.004, 0.5, 1].map(share)).toEqual([
      "0 %",
      "<0.1 %",
      "0.4 %",
      "50 %",
      "100 %",
    ]);
    expect([0, 740, 2133, 21_282_881, 1.5e9, 61e9].map(nanoseconds)).toEqual([
      "0",
      "740 ns",
      "2.13 µs",
      "21.3 ms",
      "1.5 s",
      "1 min 1 s",
    ]);
    expect(seconds(0.05)).toBe("50 ms");
    expect(shortCall("tessera.v1.Inference/Embed")).toBe("Inference/Embed");
    expect(shortRoute("/api/v1/collections/{collection}/search")).toBe("collections/…/search");
    expect(shortRoute("/v1/chat/completions")).toBe("/v1/chat/completions");
  });
});

describe("log records", () => {
  it("are read, whatever is missing", () => {
    const record = decodeRecord({
      sequence: "7",
      time_us: 1_700_000_000_000_000,
      level: "LOG_LEVEL_WARNING",
      message: "slow",
      fields: { ms: "12", odd: 3 },
      trace_id: "ab",
      file: "src/a.cc",
      line: 4,
    });
    expect(record).toMatchObject({
      sequence: 7,
      level: "warning",
      place: "src/a.cc:4",
      traceId: "ab",
    });
    expect(record.fields).toEqual([
      ["ms", "12"],
      ["odd", ""],
    ]);
    expect(decodeRecord("nonsense").level).toBe("info");
  });

  it("are asked for by the filters of the address, and from where one was", () => {
    expect(eventsUrl({ level: "error", other: "x", text: "" }, 0)).toBe(
      "/admin/v1/logs/events?level=error&limit=500",
    );
    expect(eventsUrl({}, 12)).toBe("/admin/v1/logs/events?after=12");
  });

  it("have levels by module", () => {
    expect(decodeLevels({ others: "info", modules: { b: "debug", a: "LOG_LEVEL_ERROR" } })).toEqual(
      {
        others: "info",
        modules: { a: "error", b: "debug" },
      },
    );
  });
});

describe("an objective", () => {
  const slo = decodeSlo({
    name: "chats",
    indicator: "availability",
    state: "missed",
    good: 98,
    total: "100",
    budget_left: -1,
    enough_data: true,
    burn_rates: [{ level: "page", limit: 14.4, burns: true }, { level: "ticket" }],
    alerts: [{ id: 1, level: "ALERT_LEVEL_PAGE", since_ms: 5 }],
    points: [
      { at_ms: 2000, budget_left: 1 },
      { at_ms: 3000, good: 50, total: 50, seen_s: 1, budget_left: 1 },
      { at_ms: 4000, good: 48, total: 50, seen_s: 1, budget_left: -1 },
    ],
  });

  it("is read as the server tells it", () => {
    expect(slo).toMatchObject({ total: 100, state: "missed", left: -1, enough: true });
    expect(slo.burnRates.map((burn) => [burn.level, burn.burns])).toEqual([
      ["page", true],
      ["ticket", false],
    ]);
    expect(slo.alerts[0]).toMatchObject({ level: "page", untilMs: 0 });
    expect(decodeSlo({ state: "invented", burn_rates: 3 })).toMatchObject({
      state: "not_enough_data",
      burnRates: [],
    });
  });

  it("burns down from its first watched moment, and not below nothing", () => {
    expect(burnDown(slo)).toMatchObject({ fromMs: 1000, stepMs: 1000 });
    expect(burnDown(slo).series[0]?.values).toEqual([undefined, 1, 0]);
    expect(eventsOf(slo).series[0]?.values).toEqual([undefined, 0, 2]);
    expect(spanOfPoints(slo)).toEqual({ fromMs: 1000, toMs: 4000 });
    expect(burnDown(decodeSlo({})).series[0]?.values).toEqual([]);
  });

  it("has windows that people can read", () => {
    expect([10, 90, 300, 3600, 302_400, 2_592_000].map(lengthText)).toEqual([
      "10 s",
      "1.5 min",
      "5 min",
      "1 h",
      "3.5 d",
      "30 d",
    ]);
  });
});
