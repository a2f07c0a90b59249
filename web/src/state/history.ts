import { type Fields, fields, flag, list, number, text } from "../api/json";
import type { Citation } from "../api/types";
import type { Shelf } from "./storage";

export type AnswerState = "streaming" | "done" | "stopped" | "failed";

export interface Answer {
  readonly text: string;
  readonly citations: readonly Citation[];
  readonly state: AnswerState;
  /** "extractive" or "generative"; empty for plain chat. */
  readonly mode: string;
  readonly nothingFound: boolean;
  /** The answer ended because it was as long as allowed. */
  readonly cut: boolean;
  readonly model: string;
  readonly error: string;
  readonly advice: string;
}

export interface Exchange {
  readonly id: string;
  readonly question: string;
  /** Collection that was asked; empty for plain chat. */
  readonly collection: string;
  readonly askedMs: number;
  readonly answer: Answer;
}

export interface Chat {
  readonly id: string;
  readonly title: string;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly exchanges: readonly Exchange[];
}

export const kEmptyAnswer: Answer = {
  text: "",
  citations: [],
  state: "streaming",
  mode: "",
  nothingFound: false,
  cut: false,
  model: "",
  error: "",
  advice: "",
};

/** What is kept at most, so that the browser's storage (5 MB as a rule) never fills up. */
export const kLimits = { chats: 100, exchanges: 200, characters: 2_000_000, quote: 600, title: 80 };

const kKey = "tessera.chats.v1";

export function titleOf(question: string): string {
  const line = question.trim().replace(/\s+/g, " ");
  return line.length <= kLimits.title ? line : `${line.slice(0, kLimits.title - 1).trimEnd()}…`;
}

/** Newest first, within the limits: the oldest chats go first. */
export function bounded(chats: readonly Chat[]): Chat[] {
  const kept: Chat[] = [];
  let characters = 0;
  for (const chat of [...chats].sort((a, b) => b.updatedMs - a.updatedMs).slice(0, kLimits.chats)) {
    const exchanges = chat.exchanges.slice(-kLimits.exchanges).map(trimmed);
    characters += JSON.stringify(exchanges).length;
    if (characters > kLimits.characters && kept.length > 0) break;
    kept.push({ ...chat, exchanges });
  }
  return kept;
}

function trimmed(exchange: Exchange): Exchange {
  const citations = exchange.answer.citations.map((citation) =>
    citation.quote.length > kLimits.quote
      ? { ...citation, quote: `${citation.quote.slice(0, kLimits.quote)}…` }
      : citation,
  );
  return { ...exchange, answer: { ...exchange.answer, citations } };
}

/** Adds an exchange to its chat, or replaces the one with its id; makes the chat when it is missing. */
export function withExchange(
  chats: readonly Chat[],
  chatId: string,
  exchange: Exchange,
  nowMs: number,
): Chat[] {
  const found = chats.find((chat) => chat.id === chatId);
  if (found === undefined) {
    const made = {
      id: chatId,
      title: titleOf(exchange.question),
      createdMs: nowMs,
      updatedMs: nowMs,
      exchanges: [exchange],
    };
    return bounded([made, ...chats]);
  }
  const known = found.exchanges.some((other) => other.id === exchange.id);
  const exchanges = known
    ? found.exchanges.map((other) => (other.id === exchange.id ? exchange : other))
    : [...found.exchanges, exchange];
  return bounded(
    chats.map((chat) => (chat.id === chatId ? { ...chat, exchanges, updatedMs: nowMs } : chat)),
  );
}

export function renamed(chats: readonly Chat[], id: string, title: string): Chat[] {
  const clean = titleOf(title);
  return chats.map((chat) => (chat.id === id && clean !== "" ? { ...chat, title: clean } : chat));
}

/** Chats in whose title, questions or answers every word occurs. */
export function matching(chats: readonly Chat[], query: string): Chat[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [...chats];
  return chats.filter((chat) => {
    const all = [chat.title, ...chat.exchanges.flatMap((one) => [one.question, one.answer.text])]
      .join("\n")
      .toLowerCase();
    return words.every((word) => all.includes(word));
  });
}

/** The other pages of this browser may have written: chats by id, the newer of two wins; `gone` stay deleted. */
export function merged(
  mine: readonly Chat[],
  theirs: readonly Chat[],
  gone: ReadonlySet<string>,
): Chat[] {
  const all = new Map<string, Chat>();
  for (const chat of [...theirs, ...mine]) {
    const other = all.get(chat.id);
    if (!gone.has(chat.id) && (other === undefined || chat.updatedMs >= other.updatedMs))
      all.set(chat.id, chat);
  }
  return bounded([...all.values()]);
}

export function loadChats(shelf: Shelf): Chat[] {
  return bounded(
    list(fields(shelf.get(kKey)), "chats")
      .map(decodeChat)
      .filter((chat) => chat.id !== ""),
  );
}

/** Stores the chats; when the browser refuses for lack of room, with fewer and fewer old ones. */
export function saveChats(shelf: Shelf, chats: readonly Chat[]): boolean {
  for (let kept = bounded(chats); ; kept = kept.slice(0, Math.floor(kept.length / 2))) {
    if (shelf.put(kKey, { chats: kept })) return true;
    if (kept.length === 0) return false;
  }
}

export function isChatsKey(key: string | null): boolean {
  return key === kKey;
}

function decodeChat(value: unknown): Chat {
  const from = fields(value);
  return {
    id: text(from, "id"),
    title: text(from, "title", "Untitled"),
    createdMs: number(from, "createdMs"),
    updatedMs: number(from, "updatedMs"),
    exchanges: list(from, "exchanges").map(decodeExchange),
  };
}

function decodeExchange(value: unknown): Exchange {
  const from = fields(value);
  return {
    id: text(from, "id"),
    question: text(from, "question"),
    collection: text(from, "collection"),
    askedMs: number(from, "askedMs"),
    answer: decodeAnswer(fields(from["answer"])),
  };
}

function decodeAnswer(from: Fields): Answer {
  const state = text(from, "state");
  return {
    text: text(from, "text"),
    citations: list(from, "citations").map(decodeStoredCitation),
    // Nobody is streaming any more when a page loads: the answer was cut off by leaving.
    state: state === "done" || state === "failed" ? state : "stopped",
    mode: text(from, "mode"),
    nothingFound: flag(from, "nothingFound"),
    cut: flag(from, "cut"),
    model: text(from, "model"),
    error: text(from, "error"),
    advice: text(from, "advice"),
  };
}

function decodeStoredCitation(value: unknown): Citation {
  const from = fields(value);
  return {
    number: number(from, "number"),
    startIndex: number(from, "startIndex"),
    endIndex: number(from, "endIndex"),
    documentId: text(from, "documentId"),
    title: text(from, "title"),
    page: number(from, "page"),
    chunk: number(from, "chunk"),
    start: number(from, "start"),
    end: number(from, "end"),
    quote: text(from, "quote"),
  };
}
