import { computed, signal } from "@preact/signals";
import { chatUrl } from "../api/address";
import { currentChat, go, route } from "./route";
import { set, settings } from "./settings";

// Narrow: one thing at a time. Middle: chat and what is beside it; the history is a drawer.
const narrowQuery = window.matchMedia("(max-width: 760px)");
const middleQuery = window.matchMedia("(max-width: 1180px)");

export const narrow = signal(narrowQuery.matches);
export const middle = signal(middleQuery.matches);
/** The history as a drawer over the page, where there is no room beside it. */
export const drawer = signal(false);

export type DialogName = "none" | "settings" | "better-model" | "shortcuts";
export const dialog = signal<DialogName>("none");

narrowQuery.addEventListener("change", (event) => {
  narrow.value = event.matches;
});
middleQuery.addEventListener("change", (event) => {
  middle.value = event.matches;
  drawer.value = false;
});

export const historyShown = computed(() =>
  middle.value ? drawer.value : settings.value.historyOpen,
);
export const documentsShownBeside = computed(() =>
  narrow.value ? route.value.documents : route.value.documents || settings.value.documentsOpen,
);

export function toggleHistory(): void {
  if (middle.value) drawer.value = !drawer.value;
  else set({ historyOpen: !settings.value.historyOpen });
}

export function toggleDocuments(): void {
  const open = documentsShownBeside.value && route.value.passage === undefined;
  if (narrow.value || route.value.documents) go(chatUrl(currentChat.value, narrow.value && !open));
  else if (route.value.passage !== undefined) {
    set({ documentsOpen: true });
    go(chatUrl(currentChat.value));
    return;
  }
  if (!narrow.value) set({ documentsOpen: !open });
}

export function openChat(id: string): void {
  drawer.value = false;
  go(chatUrl(id));
}

/** Puts the focus into the question field once the page has drawn itself. */
export function focusComposer(): void {
  requestAnimationFrame(() => document.getElementById("question")?.focus());
}
