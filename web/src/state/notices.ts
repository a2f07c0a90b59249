import { signal } from "@preact/signals";

export interface Notice {
  readonly id: number;
  readonly text: string;
  readonly tone: "plain" | "error";
  readonly action?: { readonly label: string; readonly run: () => void };
}

export const notices = signal<readonly Notice[]>([]);
/** What a screen reader is told; not shown. */
export const spoken = signal("");

const kShownMs = 6000;
const kMost = 4;
let last = 0;

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

export function notify(
  text: string,
  options: Partial<Pick<Notice, "tone" | "action">> & { readonly forMs?: number } = {},
): number {
  const { forMs = kShownMs, tone = "plain", action } = options;
  last += 1;
  const id = last;
  notices.value = [
    ...notices.value,
    { id, text, tone, ...(action === undefined ? {} : { action }) },
  ].slice(-kMost);
  window.setTimeout(() => dismiss(id), forMs);
  return id;
}

export function say(text: string): void {
  spoken.value = text;
}
