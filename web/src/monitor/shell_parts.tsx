import type { ComponentChildren, JSX } from "preact";
import type { ApiError } from "../api/errors";
import { go } from "../state/route";
import { signOut } from "../state/server";
import { Icon } from "../ui/icons";
import { asked } from "./feed";

interface GoProps {
  readonly to: string;
  readonly children: ComponentChildren;
  readonly class?: string;
  readonly title?: string;
  readonly current?: boolean;
}

/** A link within the page. */
export function Go({
  to,
  children,
  class: extra = "",
  title,
  current = false,
}: GoProps): JSX.Element {
  return (
    <a
      href={to}
      class={extra}
      title={title}
      aria-current={current ? "page" : undefined}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
        event.preventDefault();
        go(to);
      }}
    >
      {children}
    </a>
  );
}

/** What went wrong and what to do about it. */
export function Failure({
  error,
  stale = false,
}: {
  readonly error: ApiError;
  readonly stale?: boolean;
}): JSX.Element {
  return (
    <p class="note error" role="alert">
      <Icon name="warn" />
      <span>
        {stale && "What is below is not fresh. "}
        {error.message} {error.advice}{" "}
        {error.failure === "signin" ? (
          <button type="button" class="link" onClick={() => void signOut().catch(() => undefined)}>
            Sign in as the owner
          </button>
        ) : (
          <button
            type="button"
            class="link"
            onClick={() => {
              asked.value += 1;
            }}
          >
            Try again
          </button>
        )}
      </span>
    </p>
  );
}
