import { describe, expect, it } from "vitest";
import { decodeJob } from "../src/api/decode";
import { httpError, messageOf } from "../src/api/errors";
import { ago, kindOf, shortName, size } from "../src/ui/format";

describe("errors", () => {
  it("say what the server said, in any of its shapes", () => {
    expect(messageOf('{"error":{"message":"the queue is full"}}')).toBe("The queue is full.");
    expect(messageOf('{"title":"Bad","detail":"limit: at most 1000"}')).toBe(
      "Limit: at most 1000.",
    );
    expect(messageOf('{"title":"x","errors":[{"field":"name","message":"too long"}]}')).toBe(
      "Name: too long.",
    );
    expect(messageOf('{"detail":"a.pdf: too large"}')).toBe("a.pdf: too large.");
    expect(messageOf("<html>")).toBe("");
  });

  it("say what to do", () => {
    expect(httpError(429, "", "7")).toMatchObject({
      failure: "busy",
      retryAfter: 7,
      advice: "Wait 7 s, then try again.",
    });
    expect(httpError(413, "", null).failure).toBe("too_large");
    expect(httpError(401, "", null).failure).toBe("signin");
    expect(httpError(500, "", null).advice).not.toBe("");
  });
});

describe("decode", () => {
  it("takes enums in either spelling and 64-bit numbers as text", () => {
    const job = decodeJob({
      id: "j",
      state: "JOB_STATE_DONE",
      bytes_total: "12",
      progress: [{ name: "a", state: "failed" }, { state: "?" }],
    });
    expect(job).toMatchObject({
      state: "done",
      bytesTotal: 12,
      progress: [
        { name: "a", state: "failed" },
        { name: "", state: "queued" },
      ],
    });
  });
});

describe("format", () => {
  it("writes sizes, times and names as people do", () => {
    expect([0, 999, 1000, 88221, 1834221, 2e9].map(size)).toEqual([
      "0 B",
      "999 B",
      "1 kB",
      "88.2 kB",
      "1.8 MB",
      "2 GB",
    ]);
    const now = 1_700_000_000_000;
    expect([5, 90, 7200, 90000].map((seconds) => ago(now - seconds * 1000, now))).toEqual([
      "just now",
      "1 min ago",
      "2 hr ago",
      "yesterday",
    ]);
    expect(shortName("https://www.a.example/docs/page.html?x=1")).toBe("a.example/…/page.html?x=1");
    expect(shortName("https://a.example/")).toBe("a.example");
    expect(shortName("https://a.example/x")).toBe("a.example/x");
    expect(shortName("folder/a.pdf")).toBe("a.pdf");
    expect(kindOf("x.PDF", "")).toBe("PDF");
    expect(kindOf("README", "text/plain")).toBe("TXT");
  });
});
