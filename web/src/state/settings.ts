import { effect, signal } from "@preact/signals";
import { type Fields, fields, flag, number, text } from "../api/json";
import type { AnswerMode } from "../api/types";
import { localShelf } from "./storage";

export type Theme = "system" | "light" | "dark";

export interface Settings {
  readonly theme: Theme;
  readonly collection: string;
  /** Answer from the collection; else plain chat with the model. */
  readonly useDocuments: boolean;
  readonly answerMode: AnswerMode;
  /** Language model of plain chat; empty: the server's default. */
  readonly model: string;
  /** Undefined: what the server thinks right. */
  readonly temperature: number | undefined;
  readonly maxTokens: number | undefined;
  readonly singleKeys: boolean;
  readonly documentsOpen: boolean;
  readonly historyOpen: boolean;
}

const kKey = "tessera.settings.v1";
const kThemes: readonly Theme[] = ["system", "light", "dark"];
const kModes: readonly AnswerMode[] = ["auto", "extractive", "generative"];

function optional(from: Fields, key: string): number | undefined {
  return typeof from[key] === "number" ? number(from, key) : undefined;
}

function load(): Settings {
  const from = fields(localShelf.get(kKey));
  return {
    theme: kThemes.find((theme) => theme === text(from, "theme")) ?? "system",
    collection: text(from, "collection", "default"),
    useDocuments: from["useDocuments"] !== false,
    answerMode: kModes.find((mode) => mode === text(from, "answerMode")) ?? "auto",
    model: text(from, "model"),
    temperature: optional(from, "temperature"),
    maxTokens: optional(from, "maxTokens"),
    singleKeys: from["singleKeys"] === undefined || flag(from, "singleKeys"),
    documentsOpen: from["documentsOpen"] !== false,
    historyOpen: from["historyOpen"] !== false,
  };
}

export const settings = signal<Settings>(load());

export function set(change: Partial<Settings>): void {
  settings.value = { ...settings.value, ...change };
  localShelf.put(kKey, settings.value);
}

effect(() => {
  const { theme } = settings.value;
  if (theme === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
});
