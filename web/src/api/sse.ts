export interface ServerEvent {
  /** "message" unless the server named it. */
  readonly event: string;
  readonly data: string;
}

/**
 * Cuts a stream of text pieces into server-sent events, as the WHATWG specification has it: pieces may end anywhere,
 * lines end in CR, LF or CRLF, data lines join by LF, comments and unknown fields are skipped, an event without data
 * is none.
 */
export class SseParser {
  private rest = "";
  private data: string[] = [];
  private event = "";
  private started = false;

  push(piece: string): ServerEvent[] {
    this.rest += piece;
    if (!this.started && this.rest.length > 0) {
      if (this.rest.charCodeAt(0) === 0xfeff) this.rest = this.rest.slice(1);
      this.started = true;
    }
    const events: ServerEvent[] = [];
    for (;;) {
      const end = this.rest.search(/[\r\n]/);
      if (end < 0) return events;
      // A CR at the very end may be half of a CRLF: wait for the next piece.
      if (this.rest[end] === "\r" && end + 1 === this.rest.length) return events;
      const width = this.rest.startsWith("\r\n", end) ? 2 : 1;
      const line = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + width);
      const event = this.take(line);
      if (event !== undefined) events.push(event);
    }
  }

  private take(line: string): ServerEvent | undefined {
    if (line === "") {
      const event =
        this.data.length > 0
          ? { event: this.event || "message", data: this.data.join("\n") }
          : undefined;
      this.data = [];
      this.event = "";
      return event;
    }
    if (line.startsWith(":")) return undefined;
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.data.push(value);
    if (name === "event") this.event = value;
    return undefined;
  }
}

/** The events of a response, in order. Ends when the stream ends; throws when the connection breaks. */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new SseParser();
  let ended = false;
  try {
    while (!ended) {
      const { done, value } = await reader.read();
      ended = done;
      const piece = done ? `${decoder.decode()}\n\n` : decoder.decode(value, { stream: true });
      yield* parser.push(piece);
    }
  } finally {
    // Leaving early (stop, an error) closes the connection, and the server stops working for it.
    if (!ended) await reader.cancel().catch(() => undefined);
  }
}
