import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { ago, exact } from "./format";

const kTickMs = 30_000;
const now = signal(Date.now());
window.setInterval(() => {
  now.value = Date.now();
}, kTickMs);

/** How long ago something was, kept up to date; the exact time on hover. */
export function Ago({ ms }: { readonly ms: number }): JSX.Element {
  return (
    <time dateTime={new Date(ms).toISOString()} title={exact(ms)}>
      {ago(ms, now.value)}
    </time>
  );
}
