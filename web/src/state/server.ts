import { computed, signal } from "@preact/signals";
import {
  getSystem,
  listCollections,
  observe,
  signIn as postKey,
  signOut as deleteSession,
} from "../api/client";
import { asApiError } from "../api/errors";
import type { Collection, System } from "../api/types";
import { set, settings } from "./settings";

export const system = signal<System | undefined>(undefined);
export const collections = signal<readonly Collection[]>([]);
export const signInNeeded = signal(false);
export const reachable = signal(true);
export const started = signal(false);
/** Why the page could not start, other than a missing key. */
export const startError = signal("");

const kRetryMs = 3000;
let retry = 0;

export const languageModels = computed(
  () => system.value?.models.filter((model) => model.kind === "language") ?? [],
);

/** The language model that answers: the chosen one if it still exists, else the server's default. */
export const answeringModel = computed(() => {
  const chosen = languageModels.value.find((model) => model.name === settings.value.model);
  return (
    chosen ??
    languageModels.value.find((model) => model.name === system.value?.defaultModel) ??
    languageModels.value[0]
  );
});

/** Answers from documents are sentences of the documents, not written by the model. */
export const quoting = computed(() => {
  const { answerMode } = settings.value;
  return (
    answerMode === "extractive" || (answerMode === "auto" && answeringModel.value?.demo === true)
  );
});

export const collection = computed(() =>
  collections.value.find((one) => one.name === settings.value.collection),
);

export async function refreshCollections(): Promise<void> {
  const found = await listCollections();
  collections.value = [...found].sort((a, b) => a.name.localeCompare(b.name));
  const fallback = found.find((one) => one.name === "default") ?? found[0];
  if (collection.value === undefined && fallback !== undefined) set({ collection: fallback.name });
}

/** Asks the server what it is; afterwards the page is started, or knows why not. */
export async function connect(): Promise<void> {
  try {
    const [facts] = await Promise.all([getSystem(), refreshCollections()]);
    system.value = facts;
    signInNeeded.value = false;
    startError.value = "";
    started.value = true;
  } catch (error) {
    const failure = asApiError(error);
    if (failure.failure === "signin") signInNeeded.value = true;
    else if (failure.failure !== "network")
      startError.value = `${failure.message} ${failure.advice}`;
  }
}

export async function signIn(key: string): Promise<void> {
  await postKey(key);
  await connect();
}

export async function signOut(): Promise<void> {
  await deleteSession();
  started.value = false;
  signInNeeded.value = true;
}

async function knock(): Promise<void> {
  const alive = await fetch("/health/live", { cache: "no-store" }).then(
    (response) => response.ok,
    () => false,
  );
  if (alive) {
    reachable.value = true;
    await connect();
  } else {
    retry = window.setTimeout(() => void knock(), kRetryMs);
  }
}

/** Tries again now and every few seconds, until the server answers. */
export function reconnect(): void {
  window.clearTimeout(retry);
  void knock();
}

observe(
  () => {
    signInNeeded.value = true;
  },
  (reached) => {
    if (!reached && reachable.value) {
      reachable.value = false;
      retry = window.setTimeout(() => void knock(), kRetryMs);
    } else if (reached) {
      reachable.value = true;
    }
  },
);
