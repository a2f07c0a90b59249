import { h } from "preact";
import { render } from "preact-render-to-string";
import { describe, expect, it } from "vitest";
import type { Chunk, Citation } from "../src/api/types";
import { placeCitations, plainAnswer, sourcesOf } from "../src/markdown/citations";
import { headingOf, runsOf } from "../src/state/passages";
import { Markdown } from "../src/ui/markdown";

function citation(number: number, startIndex: number, chunk = number): Citation {
  return {
    number,
    startIndex,
    endIndex: startIndex + 3,
    documentId: "file-1",
    title: "a.pdf",
    page: 0,
    chunk,
    start: 0,
    end: 0,
    quote: "",
  };
}

/** Marks as "{number:index}", to be read by people. */
function placed(text: string, citations: readonly Citation[], pending = false): string {
  return placeCitations(text, citations, pending)
    .replaceAll("\uE000", "{")
    .replaceAll("\uE001", "}");
}

function html(text: string, citations: readonly Citation[]): string {
  return render(h(Markdown, { text, citations, pending: false, onCite: () => undefined }));
}

describe("placeCitations", () => {
  it("marks only numbers that are cited", () => {
    expect(placed("One [1], two [2].", [citation(2, 13)])).toBe("One [1], two {2:0}.");
  });

  it("takes, of two citations of one number, the one that stands there", () => {
    const text = "First [1]. Second [1].";
    expect(placed(text, [citation(1, 18, 8), citation(1, 6, 7)])).toBe(
      "First {1:1}. Second {1:0}.",
    );
  });

  it("counts code points, not UTF-16 units", () => {
    const text = "😀😀😀 [1] and [1]";
    expect(placed(text, [citation(1, 4, 8), citation(1, 12, 9)])).toBe("😀😀😀 {1:0} and {1:1}");
  });

  it("leaves links alone, unless a citation stands right there", () => {
    expect(placed("[1](https://a.example)", [citation(1, 40)])).toBe("[1](https://a.example)");
    expect(placed("[1]: so", [citation(1, 0)])).toBe("{1:0}: so");
  });

  it("marks everything while the citations are still to come", () => {
    expect(placed("a [1] b [12]", [], true)).toBe("a {1:-1} b {12:-1}");
  });

  it("is not fooled by its own marks in the text", () => {
    expect(placed("x \uE0001:0\uE001 [1]", [citation(1, 8)])).toBe("x  1:0  {1:0}");
    expect(plainAnswer("a\uE000b")).toBe("a b");
  });
});

describe("rendered citations", () => {
  it("are links to the passage", () => {
    const out = html("Yes. [1]", [{ ...citation(1, 5), chunk: 4, start: 100, end: 140, page: 3 }]);
    expect(out).toContain('href="/documents/file-1?chunk=4&amp;start=100&amp;end=140"');
    expect(out).toContain('aria-label="Source 1: a.pdf, page 3"');
    expect(out).toContain("Yes.\u00a0<a");
  });

  it("survive any Markdown around them, but not code", () => {
    const cited = [citation(1, 2)];
    for (const text of [
      "**b [1]**",
      "- i [1]",
      "> q [1]",
      "# h [1]",
      "| c [1] |\n|---|\n",
      "*e*[1]",
    ]) {
      expect(html(text, cited), text).toContain('class="chip"');
    }
    expect(html("`a[1]` and\n```\nb[1]\n```", cited)).not.toContain('class="chip"');
    expect(html("`a[1]`", cited)).toContain("a[1]");
  });
});

describe("sourcesOf", () => {
  it("lists every number once, in order", () => {
    expect(
      sourcesOf([citation(2, 9), citation(1, 5, 7), citation(1, 20, 8)]).map((one) => [
        one.number,
        one.chunk,
      ]),
    ).toEqual([
      [1, 7],
      [2, 2],
    ]);
  });
});

describe("runsOf", () => {
  const text = "Für alle: 100 € im Monat. Ende.";
  const length = new TextEncoder().encode(text).length;
  const chunk: Chunk = { ordinal: 0, text, heading: "", page: 0, start: 1000, end: 1000 + length };
  const at = (part: string) =>
    1000 + new TextEncoder().encode(text.slice(0, text.indexOf(part))).length;
  const marked = (start: number, end: number, from = 0) =>
    runsOf(chunk, start, end, from)
      .filter((run) => run.mark)
      .map((run) => run.text)
      .join("");

  it("cuts by bytes, not characters", () => {
    expect(marked(at("100"), at(" im"))).toBe("100 €");
    expect(
      runsOf(chunk, at("100"), at(" im"), 0)
        .map((run) => run.text)
        .join(""),
    ).toBe(text);
  });

  it("marks the part of a longer passage that lies in the chunk", () => {
    expect(marked(0, at("alle"))).toBe("Für ");
    expect(marked(at("Ende"), 5000)).toBe("Ende.");
    expect(marked(5000, 6000)).toBe("");
    expect(marked(0, 0)).toBe("");
  });

  it("leaves out what the chunk before has shown", () => {
    expect(
      runsOf(chunk, 0, 0, at("im"))
        .map((run) => run.text)
        .join(""),
    ).toBe("im Monat. Ende.");
  });

  it("never cuts through a character", () => {
    expect(marked(at("€") + 1, at("€") + 2)).not.toContain("\uFFFD");
  });

  it("looks for the quote when the text is not those bytes of the document", () => {
    const other = { ...chunk, end: 5000 };
    expect(runsOf(other, 1000, 1010, 0, "im Monat").find((run) => run.mark)?.text).toBe("im Monat");
    expect(runsOf(other, 1000, 1010, 0, "not there")).toEqual([{ text, mark: true }]);
  });
});

describe("headingOf", () => {
  const chunk = (heading: string, text = "Text."): Chunk => ({
    ordinal: 0,
    text,
    heading,
    page: 0,
    start: 0,
    end: 5,
  });

  it("leaves out the document's title and what the text says itself", () => {
    expect(headingOf(chunk("Lease > 3 Term > Early end"), "Lease")).toBe("3 Term › Early end");
    expect(headingOf(chunk("Lease"), "Lease")).toBe("");
    expect(headingOf(chunk("Lease > 3 Term", "3 Term\nThe lease begins"), "Lease")).toBe("");
    expect(headingOf(chunk(""), "")).toBe("");
  });
});
