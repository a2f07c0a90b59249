import type { Citation } from "./types";

/** A place in a document that a URL can name. */
export interface Passage {
  readonly documentId: string;
  /** Ordinal of the chunk; -1: the beginning. */
  readonly chunk: number;
  /** Byte offsets in the document's normalised text; equal: nothing to highlight. */
  readonly start: number;
  readonly end: number;
}

export interface Route {
  /** Chat on show; empty: a new one. */
  readonly chat: string;
  readonly passage: Passage | undefined;
  /** The documents cover a narrow screen. */
  readonly documents: boolean;
  /** Which services share a process, instead of the chat. */
  readonly topology: boolean;
  /** How the platform is, instead of the chat. */
  readonly monitor: boolean;
}

/** A path segment as text; what is no valid encoding stays as it is. */
export function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function count(query: URLSearchParams, key: string, fallback: number): number {
  const value = Number(query.get(key) ?? "");
  return query.has(key) && Number.isSafeInteger(value) && value >= 0 ? value : fallback;
}

/** The passage that a path and its query name. */
function passageOfPath(pathname: string, query: URLSearchParams): Passage | undefined {
  const id = /^\/documents\/([^/]+)\/?$/.exec(pathname)?.[1];
  if (id === undefined) return undefined;
  return {
    documentId: decoded(id),
    chunk: count(query, "chunk", -1),
    start: count(query, "start", 0),
    end: count(query, "end", 0),
  };
}

/** The passage that a whole address names, of this server or, as far as one can tell, of any. */
export function passageAt(address: string): Passage | undefined {
  if (!URL.canParse(address, "http://localhost")) return undefined;
  const { pathname, searchParams } = new URL(address, "http://localhost");
  return passageOfPath(pathname, searchParams);
}

/** The route of an address. The chat stays the one on show while a document is opened over it. */
export function parseRoute(pathname: string, search: string, lastChat: string): Route {
  const query = new URLSearchParams(search);
  const passage = passageOfPath(pathname, query);
  const topology = /^\/topology\/?$/.test(pathname);
  const monitor = /^\/monitor(\/|$)/.test(pathname);
  if (passage !== undefined || topology || monitor)
    return { chat: lastChat, passage, documents: false, topology, monitor };
  return {
    chat: query.get("chat") ?? "",
    passage: undefined,
    documents: query.get("panel") === "documents",
    topology: false,
    monitor: false,
  };
}

export function passageUrl(passage: Passage): string {
  const query = new URLSearchParams();
  if (passage.chunk >= 0) query.set("chunk", String(passage.chunk));
  if (passage.end > passage.start) {
    query.set("start", String(passage.start));
    query.set("end", String(passage.end));
  }
  const search = query.toString();
  return `/documents/${encodeURIComponent(passage.documentId)}${search === "" ? "" : `?${search}`}`;
}

export const kTopologyUrl = "/topology";
export const kMonitorUrl = "/monitor";

export function chatUrl(chat: string, documents = false): string {
  const query = new URLSearchParams();
  if (chat !== "") query.set("chat", chat);
  if (documents) query.set("panel", "documents");
  const search = query.toString();
  return search === "" ? "/" : `/?${search}`;
}

export function passageOf(citation: Citation): Passage {
  return {
    documentId: citation.documentId,
    chunk: citation.chunk,
    start: citation.start,
    end: citation.end,
  };
}

export function samePassage(a: Passage, b: Passage): boolean {
  return passageUrl(a) === passageUrl(b);
}
