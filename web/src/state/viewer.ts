import { signal } from "@preact/signals";
import { getDocument, listChunks } from "../api/client";
import { asApiError, isAbort } from "../api/errors";
import type { Chunk, Citation, Document } from "../api/types";
import { chatUrl, type Passage, passageOf, passageUrl } from "../api/address";
import { currentChat, go, route } from "./route";

export interface View {
  readonly passage: Passage;
  readonly document: Document | undefined;
  /** Consecutive, in order. */
  readonly chunks: readonly Chunk[];
  readonly total: number;
  readonly loading: boolean;
  readonly error: string;
}

export const view = signal<View | undefined>(undefined);
/** The sources of the answer that the passage was opened from, to step through. */
export const sourcesAround = signal<readonly Citation[]>([]);

const kBefore = 6;
const kPage = 40;
let loading: AbortController | undefined;

export function openCitation(citation: Citation, around: readonly Citation[]): void {
  sourcesAround.value = around;
  go(passageUrl(passageOf(citation)), route.value.passage !== undefined);
}

export function openDocument(id: string): void {
  sourcesAround.value = [];
  go(
    passageUrl({ documentId: id, chunk: -1, start: 0, end: 0 }),
    route.value.passage !== undefined,
  );
}

/** Back to the chat; on a narrow screen to the documents, if that is where the reader came from. */
export function closeViewer(): void {
  sourcesAround.value = [];
  go(chatUrl(currentChat.value));
}

function covers(shown: View, passage: Passage): boolean {
  return (
    shown.passage.documentId === passage.documentId &&
    shown.document !== undefined &&
    shown.chunks.some((chunk) => chunk.ordinal === Math.max(0, passage.chunk))
  );
}

/** Shows a passage: reads the chunks around it, unless they are on show already. */
export async function load(passage: Passage): Promise<void> {
  const shown = view.value;
  if (shown !== undefined && covers(shown, passage)) {
    view.value = { ...shown, passage };
    return;
  }
  loading?.abort();
  const mine = new AbortController();
  loading = mine;
  view.value = { passage, document: undefined, chunks: [], total: 0, loading: true, error: "" };
  try {
    const first = Math.max(0, passage.chunk - kBefore);
    const [document, page] = await Promise.all([
      getDocument(passage.documentId, mine.signal),
      listChunks(passage.documentId, first, kPage, mine.signal),
    ]);
    view.value = {
      passage,
      document,
      chunks: page.chunks,
      total: page.total,
      loading: false,
      error: "",
    };
  } catch (error) {
    if (isAbort(error)) return;
    const failure = asApiError(error);
    const message =
      failure.failure === "missing"
        ? "This document is not here any more. It may have been deleted or replaced by a newer version."
        : `${failure.message} ${failure.advice}`;
    view.value = {
      passage,
      document: undefined,
      chunks: [],
      total: 0,
      loading: false,
      error: message,
    };
  }
}

async function extend(
  first: number,
  limit: number,
  join: (shown: View, page: readonly Chunk[]) => readonly Chunk[],
): Promise<void> {
  const before = view.value;
  if (before === undefined || before.loading || limit <= 0) return;
  view.value = { ...before, loading: true };
  try {
    const page = await listChunks(before.passage.documentId, first, limit);
    const now = view.value;
    if (now.passage.documentId !== before.passage.documentId) return;
    view.value = { ...now, chunks: join(now, page.chunks), total: page.total, loading: false };
  } catch (error) {
    const failure = asApiError(error);
    if (view.value !== undefined)
      view.value = { ...view.value, loading: false, error: `${failure.message} ${failure.advice}` };
  }
}

export function loadEarlier(): Promise<void> {
  const first = view.value?.chunks[0]?.ordinal ?? 0;
  const from = Math.max(0, first - kPage);
  return extend(from, first - from, (shown, page) => [...page, ...shown.chunks]);
}

export function loadLater(): Promise<void> {
  const last = view.value?.chunks.at(-1)?.ordinal ?? -1;
  return extend(last + 1, kPage, (shown, page) => [...shown.chunks, ...page]);
}

export function closeView(): void {
  loading?.abort();
  view.value = undefined;
}
