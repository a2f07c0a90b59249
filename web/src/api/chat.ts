import { json, send } from "./client";
import { decodeCitation } from "./decode";
import { ApiError, messageOf } from "./errors";
import { type Fields, fields, flag, list, parse, text } from "./json";
import { readEvents } from "./sse";
import type { AnswerMode, Citation } from "./types";

export interface Turn {
  readonly role: "user" | "assistant";
  readonly content: string;
}

export interface Question {
  /** "rag:COLLECTION" to answer from documents, or the name of a language model. */
  readonly model: string;
  readonly turns: readonly Turn[];
  /** Left out when the model answers without documents. */
  readonly answerMode?: AnswerMode;
  readonly temperature?: number;
  readonly maxTokens?: number;
}

export type ChatEvent =
  | { readonly kind: "step"; readonly step: string }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "citations"; readonly citations: readonly Citation[] }
  | { readonly kind: "model"; readonly model: string }
  | {
      readonly kind: "end";
      readonly finishReason: string;
      readonly answerMode: string;
      readonly nothingFound: boolean;
    };

function requestBody(question: Question): Record<string, unknown> {
  const body: Record<string, unknown> = {
    model: question.model,
    stream: true,
    messages: question.turns,
  };
  if (question.answerMode !== undefined) body["answer_mode"] = question.answerMode;
  if (question.temperature !== undefined) body["temperature"] = question.temperature;
  if (question.maxTokens !== undefined) body["max_tokens"] = question.maxTokens;
  return body;
}

/** What one chunk of the stream says. Throws when it is an error. */
export function eventsOfChunk(chunk: Fields): ChatEvent[] {
  if ("error" in chunk) {
    throw new ApiError(
      "server",
      messageOf(JSON.stringify(chunk)) || "The answer broke off.",
      "Try again.",
    );
  }
  const events: ChatEvent[] = [];
  const extra = fields(chunk["tessera"]);
  const step = text(extra, "step");
  if (step !== "") events.push({ kind: "step", step });
  const choice = fields(list(chunk, "choices")[0]);
  const delta = fields(choice["delta"]);
  const content = text(delta, "content");
  if (content !== "") events.push({ kind: "text", text: content });
  const citations = list(delta, "annotations")
    .map(decodeCitation)
    .filter((citation): citation is Citation => citation !== undefined);
  if (citations.length > 0) events.push({ kind: "citations", citations });
  const finishReason = text(choice, "finish_reason");
  if (finishReason !== "") {
    events.push({
      kind: "end",
      finishReason,
      answerMode: text(extra, "answer_mode"),
      nothingFound: flag(extra, "nothing_found"),
    });
  }
  return events;
}

/** The answer to a question, piece by piece. Aborting the signal cancels the work on the server. */
export async function* streamChat(
  question: Question,
  signal: AbortSignal,
): AsyncGenerator<ChatEvent> {
  const response = await send("/v1/chat/completions", { ...json(requestBody(question)), signal });
  if (response.body === null) return;
  let model = "";
  let ended = false;
  for await (const event of readEvents(response.body)) {
    if (event.data === "[DONE]") return;
    if (event.event === "error") {
      throw new ApiError("server", messageOf(event.data) || "The answer broke off.", "Try again.");
    }
    const chunk = fields(parse(event.data));
    const named = text(chunk, "model");
    if (named !== "" && named !== model) {
      model = named;
      yield { kind: "model", model };
    }
    for (const piece of eventsOfChunk(chunk)) {
      ended ||= piece.kind === "end";
      yield piece;
    }
  }
  if (!ended) throw new ApiError("network", "The answer broke off before its end.", "Ask again.");
}
