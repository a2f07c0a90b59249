import { describe, expect, it } from "vitest";
import { decodeCitation } from "../src/api/decode";
import { chatUrl, parseRoute, passageAt, passageUrl } from "../src/api/address";

const passage = { documentId: "file-a b/ü", chunk: 3, start: 10, end: 25 };

describe("addresses", () => {
  it("name a passage and are read back", () => {
    const url = passageUrl(passage);
    expect(url).toBe("/documents/file-a%20b%2F%C3%BC?chunk=3&start=10&end=25");
    const { pathname, search } = new URL(url, "http://localhost");
    expect(parseRoute(pathname, search, "last")).toEqual({
      chat: "last",
      passage,
      documents: false,
      topology: false,
      monitor: false,
    });
    expect(passageAt(`http://other.example:8080${url}`)).toEqual(passage);
  });

  it("leave out what is not known", () => {
    const whole = { documentId: "file-1", chunk: -1, start: 0, end: 0 };
    expect(passageUrl(whole)).toBe("/documents/file-1");
    expect(parseRoute("/documents/file-1", "", "").passage).toEqual(whole);
    expect(chatUrl("")).toBe("/");
    expect(parseRoute("/", "?chat=c&panel=documents", "x")).toEqual({
      chat: "c",
      passage: undefined,
      documents: true,
      topology: false,
      monitor: false,
    });
    expect(chatUrl("c", true)).toBe("/?chat=c&panel=documents");
  });

  it("name the topology, with the chat kept behind it", () => {
    expect(parseRoute("/topology", "", "c")).toEqual({
      chat: "c",
      passage: undefined,
      documents: false,
      topology: true,
      monitor: false,
    });
    expect(parseRoute("/topology/x", "", "c").topology).toBe(false);
  });

  it("survive whatever is typed", () => {
    expect(parseRoute("/documents/%E0%A4%A", "?chunk=-1&start=x&end=1e99", "").passage).toEqual({
      documentId: "%E0%A4%A",
      chunk: -1,
      start: 0,
      end: 0,
    });
    expect(parseRoute("/documents/", "", "").passage).toBeUndefined();
    expect(passageAt("http://[")).toBeUndefined();
  });
});

describe("decodeCitation", () => {
  it("takes OpenAI's nested shape with an absolute address, and no page", () => {
    const annotation = {
      type: "url_citation",
      url_citation: {
        url: "http://127.0.0.1:8080/documents/file-1?chunk=2&start=5&end=9",
        title: "a.md",
        start_index: 3,
        end_index: 6,
      },
      number: 1,
      document: "a.md",
      document_id: "file-1",
      page: null,
      quote: "q",
    };
    expect(decodeCitation(annotation)).toEqual({
      number: 1,
      startIndex: 3,
      endIndex: 6,
      documentId: "file-1",
      title: "a.md",
      page: 0,
      chunk: 2,
      start: 5,
      end: 9,
      quote: "q",
    });
    expect(decodeCitation({ type: "file_citation" })).toBeUndefined();
  });
});
