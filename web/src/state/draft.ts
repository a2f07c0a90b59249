import { signal } from "@preact/signals";

// The question that is being written; it survives a reload of the tab.

const kKey = "tessera.draft";

function stored(): string {
  try {
    return sessionStorage.getItem(kKey) ?? "";
  } catch {
    return "";
  }
}

export const draftText = signal(stored());

export function setDraft(text: string): void {
  draftText.value = text;
  try {
    sessionStorage.setItem(kKey, text);
  } catch {
    // Private windows may forbid it.
  }
}
