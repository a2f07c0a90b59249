import { computed, signal } from "@preact/signals";
import { type ChatEvent, type Question, type Turn, streamChat } from "../api/chat";
import { asApiError, isAbort } from "../api/errors";
import { chatUrl } from "../api/address";
import { sourcesOf } from "../markdown/citations";
import { chatOf, putExchange, removeExchangesFrom } from "./chats";
import { type Answer, type Chat, type Exchange, kEmptyAnswer } from "./history";
import { newId } from "./ids";
import { say } from "./notices";
import { currentChat, go, route } from "./route";
import { answeringModel, system } from "./server";
import { settings } from "./settings";

export interface Live {
  readonly chatId: string;
  readonly exchange: Exchange;
  /** What the server is doing: "retrieve", "generate", …; empty before it said. */
  readonly step: string;
}

/** The answer that is coming in. One at a time: the page has one composer. */
export const live = signal<Live | undefined>(undefined);
export const busy = computed(() => live.value !== undefined);

const kTurnsMost = 12;
const kSaveEveryMs = 1000;
let stopper: AbortController | undefined;

/** The conversation so far, as the server wants it; failed exchanges are left out. */
export function turnsOf(chat: Chat | undefined, question: string): Turn[] {
  const turns: Turn[] = [];
  for (const { question: asked, answer } of chat?.exchanges ?? []) {
    if (answer.text === "" || answer.state === "failed") continue;
    turns.push({ role: "user", content: asked }, { role: "assistant", content: answer.text });
  }
  return [...turns.slice(-kTurnsMost), { role: "user", content: question }];
}

/** Names what answers from documents: the collection, and the model when it is not the server's own choice. */
export function ragModel(collection: string, model: string): string {
  return model === "" || model === system.value?.defaultModel
    ? `rag:${collection}`
    : `rag:${collection}:${model}`;
}

function questionOf(chat: Chat | undefined, question: string): Question {
  const { useDocuments, collection, answerMode, temperature, maxTokens } = settings.value;
  const model = answeringModel.value?.name ?? "";
  return {
    model: useDocuments ? ragModel(collection, model) : model,
    turns: turnsOf(chat, question),
    ...(useDocuments ? { answerMode } : {}),
    ...(temperature === undefined ? {} : { temperature }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
  };
}

/** The answer after one more event of its stream. */
export function grown(answer: Answer, event: ChatEvent): Answer {
  switch (event.kind) {
    case "text":
      return { ...answer, text: answer.text + event.text };
    case "citations":
      return { ...answer, citations: [...answer.citations, ...event.citations] };
    case "model":
      return { ...answer, model: event.model };
    case "end":
      return {
        ...answer,
        state: "done",
        mode: event.answerMode,
        nothingFound: event.nothingFound,
        cut: event.finishReason === "length",
      };
    case "step":
      return answer;
  }
}

function outcome(answer: Answer): string {
  if (answer.state === "stopped") return "Answer stopped.";
  if (answer.state === "failed") return `${answer.error} ${answer.advice}`;
  const sources = sourcesOf(answer.citations).length;
  return `Answer complete${sources > 0 ? `, ${sources} ${sources === 1 ? "source" : "sources"}` : ""}.`;
}

function failed(answer: Answer, error: unknown): Answer {
  if (isAbort(error)) return { ...answer, state: "stopped" };
  const failure = asApiError(error);
  return { ...answer, state: "failed", error: failure.message, advice: failure.advice };
}

/** Puts a question to the current chat and lets the answer grow. Returns when it has ended, whichever way. */
export async function ask(question: string): Promise<void> {
  const clean = question.trim();
  if (clean === "" || busy.value) return;
  const chatId = currentChat.value || newId();
  const before = chatOf(chatId);
  const base: Exchange = {
    id: newId(),
    question: clean,
    collection: settings.value.useDocuments ? settings.value.collection : "",
    askedMs: Date.now(),
    answer: kEmptyAnswer,
  };
  const request = questionOf(before, clean);
  stopper = new AbortController();
  live.value = { chatId, exchange: base, step: "" };
  putExchange(chatId, base);
  if (currentChat.value !== chatId && route.value.passage === undefined) go(chatUrl(chatId), true);
  say("Question sent.");

  let answer = kEmptyAnswer;
  let step = "";
  let frame = 0;
  let savedMs = Date.now();
  const show = () => {
    frame = 0;
    live.value = { chatId, exchange: { ...base, answer }, step };
  };
  try {
    for await (const event of streamChat(request, stopper.signal)) {
      if (event.kind === "step") step = event.step;
      answer = grown(answer, event);
      if (frame === 0) frame = requestAnimationFrame(show);
      if (Date.now() - savedMs > kSaveEveryMs) {
        savedMs = Date.now();
        putExchange(chatId, { ...base, answer });
      }
    }
    if (answer.state === "streaming") answer = { ...answer, state: "done" };
  } catch (error) {
    answer = failed(answer, error);
  }
  cancelAnimationFrame(frame);
  putExchange(chatId, { ...base, answer });
  live.value = undefined;
  stopper = undefined;
  say(outcome(answer));
}

/** Ends the answer that is coming in; the server stops working on it. */
export function stop(): void {
  stopper?.abort();
}

/** Asks a question again in place: what came after it is dropped. */
export function askAgain(chatId: string, exchange: Exchange): void {
  if (busy.value) return;
  removeExchangesFrom(chatId, exchange.id);
  void ask(exchange.question);
}
