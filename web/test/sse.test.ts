import { describe, expect, it } from "vitest";
import { eventsOfChunk } from "../src/api/chat";
import { type ServerEvent, SseParser, readEvents } from "../src/api/sse";

function all(pieces: readonly string[]): ServerEvent[] {
  const parser = new SseParser();
  return pieces.flatMap((piece) => parser.push(piece));
}

function body(pieces: readonly Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
}

describe("SseParser", () => {
  const stream =
    "\uFEFF: hello\r\ndata: one\r\n\r\nevent: step\ndata: two\ndata: lines\n\nid: 7\rdata:three\r\rdata\n\n";
  const events = [
    { event: "message", data: "one" },
    { event: "step", data: "two\nlines" },
    { event: "message", data: "three" },
    { event: "message", data: "" },
  ];

  it("knows every line end, comments, names and many data lines", () => {
    expect(all([stream])).toEqual(events);
  });

  it("finds the same events wherever the stream is cut", () => {
    for (let cut = 0; cut <= stream.length; cut += 1) {
      expect(all([stream.slice(0, cut), stream.slice(cut)]), `cut at ${cut}`).toEqual(events);
    }
    expect(all([...stream])).toEqual(events);
  });

  it("keeps what follows the first colon, and only one blank before it", () => {
    expect(all(['data:  {"a": ": b"}\n\n'])).toEqual([{ event: "message", data: ' {"a": ": b"}' }]);
  });

  it("makes no event of a block without data", () => {
    expect(all(["event: ping\n\ndata: x\n\n"])).toEqual([{ event: "message", data: "x" }]);
  });
});

describe("readEvents", () => {
  it("joins characters that were cut between two pieces", async () => {
    const bytes = new TextEncoder().encode("data: für – 日本\n\n");
    for (let cut = 1; cut < bytes.length; cut += 1) {
      const events: ServerEvent[] = [];
      for await (const event of readEvents(body([bytes.slice(0, cut), bytes.slice(cut)])))
        events.push(event);
      expect(events).toEqual([{ event: "message", data: "für – 日本" }]);
    }
  });

  it("closes the connection when the reader leaves early", async () => {
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode("data: x\n\n")),
      cancel: () => {
        cancelled = true;
      },
    });
    for await (const event of readEvents(endless)) {
      expect(event.data).toBe("x");
      break;
    }
    expect(cancelled).toBe(true);
  });
});

describe("eventsOfChunk", () => {
  it("reads steps, text, citations and the end", () => {
    const annotation = {
      type: "url_citation",
      url: "/documents/file-1?chunk=3&start=10&end=20",
      title: "a.pdf",
      start_index: 4,
      end_index: 7,
      page: 2,
      quote: "q",
      number: 1,
    };
    const chunk = {
      choices: [{ delta: { content: "Hi", annotations: [annotation] }, finish_reason: "stop" }],
      tessera: { step: "generate", answer_mode: "extractive", nothing_found: false },
    };
    expect(eventsOfChunk(chunk)).toEqual([
      { kind: "step", step: "generate" },
      { kind: "text", text: "Hi" },
      {
        kind: "citations",
        citations: [
          {
            number: 1,
            startIndex: 4,
            endIndex: 7,
            documentId: "file-1",
            title: "a.pdf",
            page: 2,
            chunk: 3,
            start: 10,
            end: 20,
            quote: "q",
          },
        ],
      },
      { kind: "end", finishReason: "stop", answerMode: "extractive", nothingFound: false },
    ]);
  });

  it("throws what an error in the stream says", () => {
    expect(() => eventsOfChunk({ error: { message: "the model failed" } })).toThrow(
      "The model failed.",
    );
  });
});
