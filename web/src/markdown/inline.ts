import { kPlaced, unplace } from "./citations";
import type { Inline } from "./tree";

const kDepthMost = 8;
const kAddressMost = 2000;
const kPunctuation = /[!-/:-@[-`{-~]/;
const kBareUrl = /^https?:\/\/[^\s<>"'`\uE000]+/;
const kWordChar = /[\p{L}\p{N}]/u;

/** The address when a link may lead there (web, mail, this server), else undefined. */
export function safeHref(href: string): string | undefined {
  // Browsers skip control characters and blanks inside a scheme: "java\nscript:" is one.
  const address = href.replace(/[\u0000-\u0020\u007f]/g, "");
  if (/^(https?:\/\/|mailto:)/i.test(address)) return address;
  return /^\/(?![/\\])/.test(address) || address.startsWith("#") ? address : undefined;
}

export function parseInline(source: string, depth = 0): Inline[] {
  return new InlineParser(source, depth).parse();
}

class InlineParser {
  private at = 0;
  private pending = "";
  private readonly out: Inline[] = [];
  /** Delimiters known to have no partner further on: keeps hostile input linear. */
  private readonly hopeless = new Set<string>();

  constructor(
    private readonly source: string,
    private readonly depth: number,
  ) {}

  parse(): Inline[] {
    while (this.at < this.source.length) {
      if (!this.special()) this.pending += this.source[this.at++] ?? "";
    }
    this.flush();
    return this.out;
  }

  private special(): boolean {
    switch (this.source[this.at]) {
      case "\uE000":
        return this.citation();
      case "\\":
        return this.escape();
      case "`":
        return this.code();
      case "\n":
        return this.newline();
      case "*":
      case "_":
        return (
          this.emphasis("**", "strong") ||
          this.emphasis("__", "strong") ||
          this.emphasis("*", "em") ||
          this.emphasis("_", "em")
        );
      case "~":
        return this.emphasis("~~", "del");
      case "!":
        return this.source[this.at + 1] === "[" && this.link(this.at + 1);
      case "[":
        return this.link(this.at);
      case "<":
        return this.angleLink();
      case "h":
        return this.bareLink();
      default:
        return false;
    }
  }

  private emit(node: Inline, length: number): true {
    this.flush();
    this.out.push(node);
    this.at += length;
    return true;
  }

  private flush(): void {
    if (this.pending !== "") this.out.push({ kind: "text", text: this.pending });
    this.pending = "";
  }

  private find(delimiter: string, from: number): number {
    if (this.hopeless.has(delimiter)) return -1;
    const found = this.source.indexOf(delimiter, from);
    if (found < 0) this.hopeless.add(delimiter);
    return found;
  }

  private citation(): boolean {
    const match = kPlaced.exec(this.source.slice(this.at, this.at + 16));
    if (match === null) return false;
    // A mark never begins a line of its own: it stays with the word that it follows.
    this.pending = this.pending.replace(/ $/, "\u00a0");
    return this.emit(
      { kind: "citation", number: Number(match[1]), index: Number(match[2]) },
      match[0].length,
    );
  }

  private escape(): boolean {
    const next = this.source[this.at + 1] ?? "";
    if (next === "\n") return this.emit({ kind: "break" }, 2);
    if (!kPunctuation.test(next)) return false;
    this.pending += next;
    this.at += 2;
    return true;
  }

  private newline(): boolean {
    if (!this.pending.endsWith("  ")) return false;
    this.pending = this.pending.trimEnd();
    return this.emit({ kind: "break" }, 1);
  }

  private code(): boolean {
    const ticks = /^`+/.exec(this.source.slice(this.at, this.at + 64))?.[0] ?? "`";
    const start = this.at + ticks.length;
    let end = this.find(ticks, start);
    while (end >= 0 && this.source[end + ticks.length] === "`") {
      let past = end;
      while (this.source[past] === "`") past += 1;
      end = this.find(ticks, past);
    }
    if (end < 0) {
      this.pending += ticks;
      this.at = start;
      return true;
    }
    const text = this.source.slice(start, end).replace(/\n/g, " ");
    const padded = /^ .*[^ ].* $/.test(text) || /^ `.*` $/.test(text);
    return this.emit(
      { kind: "code", text: unplace(padded ? text.slice(1, -1) : text) },
      end + ticks.length - this.at,
    );
  }

  private emphasis(mark: string, kind: "strong" | "em" | "del"): boolean {
    if (this.depth >= kDepthMost || !this.source.startsWith(mark, this.at)) return false;
    const start = this.at + mark.length;
    const inWord = mark.startsWith("_");
    if (!/\S/.test(this.source[start] ?? " ")) return false;
    if (inWord && kWordChar.test(this.source[this.at - 1] ?? " ")) return false;
    let end = this.find(mark, start);
    for (let tries = 0; end >= 0 && tries < 32; tries += 1) {
      const doubled =
        mark.length === 1 && (this.source[end + 1] === mark || this.source[end - 1] === mark);
      const closes =
        /\S/.test(this.source[end - 1] ?? " ") &&
        end > start &&
        !(inWord && kWordChar.test(this.source[end + mark.length] ?? " "));
      if (closes && !doubled) {
        const children = parseInline(this.source.slice(start, end), this.depth + 1);
        return this.emit({ kind, children }, end + mark.length - this.at);
      }
      end = this.find(mark, end + (doubled ? 2 : 1));
    }
    return false;
  }

  /** The bracket that closes an address, which may hold pairs of its own. */
  private closing(from: number): number {
    let open = 1;
    for (let at = from; at < this.source.length && at < from + kAddressMost; at += 1) {
      if (this.source[at] === "(") open += 1;
      if (this.source[at] === ")") open -= 1;
      if (open === 0) return at;
      if (this.source[at] === "\n") return -1;
    }
    return -1;
  }

  /** [text](address "title"), and the same of an image, which is never loaded: its text links to it. */
  private link(open: number): boolean {
    if (this.depth >= kDepthMost) return false;
    const middle = this.find("](", open + 1);
    const close = middle < 0 ? -1 : this.closing(middle + 2);
    if (close < 0 || middle - open > 1000) return false;
    const label = this.source.slice(open + 1, middle);
    if (label.includes("[") || label.includes("]")) return false;
    const target = this.source.slice(middle + 2, close).trim();
    const href = safeHref(target.replace(/\s+["'(].*$/s, "").replace(/^<(.*)>$/, "$1"));
    const children = parseInline(label === "" ? target : label, this.depth + 1);
    const length = close + 1 - this.at;
    if (href !== undefined) return this.emit({ kind: "link", href, children }, length);
    this.flush();
    this.out.push(...children);
    this.at += length;
    return true;
  }

  private angleLink(): boolean {
    const match = /^<((?:https?:\/\/|mailto:)[^\s<>]+)>/.exec(
      this.source.slice(this.at, this.at + 2048),
    );
    const href = safeHref(match?.[1] ?? "");
    if (match === null || href === undefined) return false;
    return this.emit(
      { kind: "link", href, children: [{ kind: "text", text: match[1] ?? href }] },
      match[0].length,
    );
  }

  private bareLink(): boolean {
    if (kWordChar.test(this.source[this.at - 1] ?? " ")) return false;
    const found = kBareUrl.exec(this.source.slice(this.at, this.at + 2048))?.[0];
    if (found === undefined) return false;
    let url = found.replace(/[.,;:!?*_~]+$/, "");
    if (url.endsWith(")") && !url.includes("(")) url = url.slice(0, -1);
    return this.emit(
      { kind: "link", href: url, children: [{ kind: "text", text: url }] },
      url.length,
    );
  }
}
