import type { JSX } from "preact";
import { dismiss, notices, spoken } from "../state/notices";
import { reachable, reconnect } from "../state/server";
import { Icon } from "./icons";
import { IconButton } from "./parts";

export function Notices(): JSX.Element {
  return (
    <>
      <div class="notices" role="status" aria-live="polite">
        {notices.value.map((notice) => (
          <div key={notice.id} class={`notice ${notice.tone}`}>
            <span>{notice.text}</span>
            {notice.action !== undefined && (
              <button type="button" class="link" onClick={notice.action.run}>
                {notice.action.label}
              </button>
            )}
            <IconButton icon="close" label="Dismiss" onClick={() => dismiss(notice.id)} />
          </div>
        ))}
      </div>
      <p class="visually-hidden" role="status" aria-live="polite">
        {spoken.value}
      </p>
    </>
  );
}

/** Shown while the server cannot be reached; the page tries again by itself. */
export function Unreachable(): JSX.Element | null {
  if (reachable.value) return null;
  return (
    <div class="banner" role="alert">
      <Icon name="warn" />
      <span>
        Tessera does not answer. Is <code>tessera up</code> still running? Trying again every few
        seconds.
      </span>
      <button type="button" class="link" onClick={reconnect}>
        Try now
      </button>
    </div>
  );
}
