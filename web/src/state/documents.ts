import { computed, signal } from "@preact/signals";
import { deleteDocument, listDocuments } from "../api/client";
import { asApiError, isAbort } from "../api/errors";
import type { Document } from "../api/types";
import { dismiss, notify } from "./notices";
import { refreshCollections } from "./server";
import { settings } from "./settings";

export type Order = "newest" | "name" | "largest";

export const documents = signal<readonly Document[]>([]);
export const documentsLoaded = signal(false);
export const documentsError = signal("");
export const documentQuery = signal("");
export const documentOrder = signal<Order>("newest");
/** Deleted here but not yet on the server: it can still be undone. */
const leaving = signal<ReadonlySet<string>>(new Set());

const kUndoMs = 6000;

const kOrders: Record<Order, (a: Document, b: Document) => number> = {
  newest: (a, b) => b.createdMs - a.createdMs,
  name: (a, b) => a.name.localeCompare(b.name, undefined, { numeric: true, sensitivity: "base" }),
  largest: (a, b) => b.bytes - a.bytes,
};

export const documentsThere = computed(() =>
  documents.value.filter((one) => !leaving.value.has(one.id)),
);

export const documentsShown = computed(() => {
  const words = documentQuery.value.toLowerCase().split(/\s+/).filter(Boolean);
  return documentsThere.value
    .filter((one) => words.every((word) => `${one.name} ${one.title}`.toLowerCase().includes(word)))
    .sort(kOrders[documentOrder.value]);
});

let loading: AbortController | undefined;

/** Reads the list of the current collection again; an older read still under way is dropped. */
export async function refreshDocuments(): Promise<void> {
  loading?.abort();
  const mine = new AbortController();
  loading = mine;
  try {
    documents.value = await listDocuments(settings.value.collection, mine.signal);
    documentsError.value = "";
    documentsLoaded.value = true;
  } catch (error) {
    if (isAbort(error)) return;
    const failure = asApiError(error);
    if (failure.failure === "missing")
      documents.value = []; // the collection is made by its first upload
    else documentsError.value = `${failure.message} ${failure.advice}`;
    documentsLoaded.value = true;
  }
}

function without(set: ReadonlySet<string>, id: string): ReadonlySet<string> {
  return new Set([...set].filter((other) => other !== id));
}

async function reallyDelete(document: Document, keepalive = false): Promise<void> {
  try {
    await deleteDocument(document.id, keepalive);
    documents.value = documents.value.filter((one) => one.id !== document.id);
    await refreshCollections();
  } catch (error) {
    const failure = asApiError(error);
    if (failure.failure !== "missing")
      notify(`${document.name} was not deleted. ${failure.message} ${failure.advice}`, {
        tone: "error",
      });
  }
  leaving.value = without(leaving.value, document.id);
}

/** Takes a document off the list at once and off the server a few seconds later, unless that is undone. */
export function remove(document: Document): void {
  leaving.value = new Set([...leaving.value, document.id]);
  const finish = () => {
    window.clearTimeout(timer);
    window.removeEventListener("pagehide", leave);
  };
  const leave = () => {
    finish();
    void reallyDelete(document, true);
  };
  const timer = window.setTimeout(() => {
    finish();
    void reallyDelete(document);
  }, kUndoMs);
  window.addEventListener("pagehide", leave);
  const notice = notify(`Deleted ${document.name}.`, {
    forMs: kUndoMs,
    action: {
      label: "Undo",
      run: () => {
        finish();
        dismiss(notice);
        leaving.value = without(leaving.value, document.id);
      },
    },
  });
}
