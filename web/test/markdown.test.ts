import { h } from "preact";
import { render } from "preact-render-to-string";
import { describe, expect, it } from "vitest";
import type { Citation } from "../src/api/types";
import { parseMarkdown } from "../src/markdown/blocks";
import { highlight } from "../src/markdown/highlight";
import { parseInline, safeHref } from "../src/markdown/inline";
import { Markdown } from "../src/ui/markdown";

function html(text: string, citations: readonly Citation[] = []): string {
  return render(h(Markdown, { text, citations, pending: false, onCite: () => undefined }));
}

describe("safety", () => {
  it("turns every tag into text", () => {
    for (const hostile of [
      "<script>alert(1)</script>",
      "<img src=x onerror=alert(1)>",
      "**<b onclick=x>**",
      "`<i>`",
      "```\n<svg onload=x>\n```",
      "| <td> |\n|---|\n| <u> |",
      "# <h1>",
      "> <q>",
      "- <li>",
      "[<em>](https://a.example)",
      "</div></body>",
    ]) {
      const out = html(hostile);
      expect(out, hostile).not.toMatch(/<(script|img|b |i>|svg onload|u>|q>|em>|h1|\/body)/);
      expect(out, hostile).toContain("&lt;");
    }
  });

  it("makes links of web, mail and own addresses only", () => {
    for (const bad of [
      "javascript:alert(1)",
      "JaVaScRiPt:alert(1)",
      "java\nscript:alert(1)",
      "\u0001javascript:alert(1)",
      " javascript:x",
      "data:text/html,<script>",
      "vbscript:x",
      "file:///etc/passwd",
      "//evil.example",
      "/\\evil.example",
      "blob:x",
    ]) {
      expect(safeHref(bad), bad).toBeUndefined();
      expect(html(`[label](${bad})`), bad).not.toContain("href");
    }
    for (const good of [
      "https://a.example/b?c=d#e",
      "http://a.example",
      "mailto:a@b.example",
      "/documents/file-1?chunk=2",
    ]) {
      expect(safeHref(good)).toBe(good);
    }
  });

  it("keeps attributes closed", () => {
    expect(html('[x](https://a.example/"onmouseover="alert(1))')).not.toMatch(/" ?onmouseover/);
    expect(html('```"><script>\nx\n```')).not.toContain("<script");
  });

  it("links open elsewhere and tell nothing about this page", () => {
    expect(html("[x](https://a.example)")).toContain('rel="noopener noreferrer"');
  });

  it("loads no picture", () => {
    expect(html("![alt](https://a.example/p.png)")).toBe(
      '<div class="prose"><p><a href="https://a.example/p.png" target="_blank" rel="noopener noreferrer">alt</a></p></div>',
    );
  });

  it("stays quick on hostile input", () => {
    const began = performance.now();
    for (const unit of [
      "**",
      "*a ",
      "_a",
      "[",
      "![",
      "](",
      "`",
      "``` ",
      "> ",
      "- ",
      "| ",
      "(",
      "<h",
      "\\",
      "~~",
      "[a](b",
    ]) {
      parseMarkdown(unit.repeat(20000));
      parseMarkdown(`${unit}\n`.repeat(3000));
    }
    expect(performance.now() - began).toBeLessThan(5000);
  });
});

describe("blocks", () => {
  it("reads lists within lists", () => {
    expect(html("1. one\n2. two\n   - inner\n   - more\n3. three")).toBe(
      '<div class="prose"><ol start="1"><li>one</li><li><p>two</p><ul><li>inner</li><li>more</li></ul></li><li>three</li></ol></div>',
    );
  });

  it("reads tables with alignment", () => {
    const [table] = parseMarkdown("| a | b |\n|:--|--:|\n| x \\| y | 1 |\n| only |");
    expect(table).toMatchObject({ kind: "table", align: ["left", "right"] });
    expect(table?.kind === "table" && table.rows).toEqual([
      [[{ kind: "text", text: "x | y" }], [{ kind: "text", text: "1" }]],
      [[{ kind: "text", text: "only" }], []],
    ]);
  });

  it("shows a code block that is still being written", () => {
    expect(parseMarkdown("Look:\n```cpp\nint a = 1;")).toEqual([
      { kind: "paragraph", children: [{ kind: "text", text: "Look:" }] },
      { kind: "code", language: "cpp", text: "int a = 1;" },
    ]);
  });

  it("lifts the highest heading to the level below the question", () => {
    expect(html("## A\n### B")).toContain("<h3>A</h3><h4>B</h4>");
  });
});

describe("inline", () => {
  it("nests emphasis and leaves lone marks alone", () => {
    expect(html("**bold *both* end** 2 * 3 * 4 snake_case_name __init__")).toContain(
      "<strong>bold <em>both</em> end</strong> 2 * 3 * 4 snake_case_name <strong>init</strong>",
    );
  });

  it("keeps code as it was written", () => {
    expect(parseInline("`a*b*` and ``x`y``")).toEqual([
      { kind: "code", text: "a*b*" },
      { kind: "text", text: " and " },
      { kind: "code", text: "x`y" },
    ]);
  });

  it("finds bare addresses without the full stop", () => {
    expect(html("See https://a.example/x_y (or https://b.example).")).toMatch(
      /x_y<\/a> \(or .*b\.example<\/a>\)\./,
    );
  });
});

describe("highlight", () => {
  it("loses no character", () => {
    const source = 'int a = 0x1F; // "no"\nconst char* s = "a\\"b"; /* open';
    const tokens = highlight(source, "cpp");
    expect(tokens.map((token) => token.text).join("")).toBe(source);
    expect(tokens).toContainEqual({ kind: "comment", text: '// "no"' });
    expect(tokens).toContainEqual({ kind: "string", text: '"a\\"b"' });
    expect(tokens).toContainEqual({ kind: "keyword", text: "const" });
  });
});
