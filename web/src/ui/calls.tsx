import type { JSX } from "preact";
import { threads } from "../state/topology";
import { milliseconds, percent, perSecond } from "./rate_text";

/** The threads as a table: for those who do not see them, and for exact figures. */
export function Calls(): JSX.Element | null {
  const all = [...threads.value].sort(
    (a, b) => b.perSecond - a.perSecond || a.key.localeCompare(b.key),
  );
  if (all.length === 0) return null;
  return (
    <details class="calls">
      <summary>Calls of the last seconds, as a table</summary>
      <div class="calls-scroll" tabIndex={0} role="region" aria-label="Calls between services">
        <table>
          <thead>
            <tr>
              <th scope="col">from</th>
              <th scope="col">to</th>
              <th scope="col">calls</th>
              <th scope="col">failed</th>
              <th scope="col">p50</th>
              <th scope="col">p99</th>
            </tr>
          </thead>
          <tbody>
            {all.map((thread) => (
              <tr key={thread.key}>
                <th scope="row">{thread.from.replace("/", ": ")}</th>
                <td>{thread.to.replace("/", ": ")}</td>
                <td>{perSecond(thread.perSecond)}</td>
                <td class={thread.faulty > 0 ? "warn-text" : ""}>
                  {thread.perSecond > 0 ? percent(thread.faulty) : "–"}
                </td>
                <td>{thread.perSecond > 0 ? milliseconds(thread.p50Ms) : "–"}</td>
                <td>{thread.perSecond > 0 ? milliseconds(thread.p99Ms) : "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="hint">
        Times run until a call has ended; an answer that streams counts when it is complete.
      </p>
    </details>
  );
}
