import type { JSX } from "preact";
import { openDocument } from "../state/viewer";
import { isOver, type Item } from "../state/upload_items";
import { cancel, clear, clearOver, items } from "../state/uploads";
import { count, shortName, size } from "./format";
import { Icon } from "./icons";
import { IconButton } from "./parts";

const kShownAtOnce = 60;

/** Files on their way: sending, reading, ready or failed, each with what to do. */
export function Uploads(): JSX.Element | null {
  const all = items.value;
  if (all.length === 0) return null;
  const over = all.filter((item) => isOver(item.phase)).length;
  // Those that need attention first, then those that move.
  const rank = (item: Item) => (item.phase === "failed" ? 0 : isOver(item.phase) ? 2 : 1);
  const shown = [...all].sort((a, b) => rank(a) - rank(b)).slice(0, kShownAtOnce);
  return (
    <section class="uploads" aria-label="Files being added">
      <header>
        <h3>
          {over === all.length
            ? "Added"
            : `Adding ${over + 1 > all.length ? all.length : over + 1} of ${all.length}`}
        </h3>
        {over > 0 && (
          <button type="button" class="quiet-button" onClick={clearOver}>
            Clear finished
          </button>
        )}
      </header>
      <ul>
        {shown.map((item) => (
          <Row key={item.id} item={item} />
        ))}
      </ul>
      {all.length > shown.length && (
        <p class="hint">and {count(all.length - shown.length, "more", "more")}</p>
      )}
    </section>
  );
}

function status(item: Item): string {
  switch (item.phase) {
    case "waiting":
      return "Waiting";
    case "sending":
      return `Sending ${Math.round(item.sent * 100)} %${item.bytes > 0 ? ` of ${size(item.bytes)}` : ""}`;
    case "reading": {
      const parts = [
        item.pages > 0 ? count(item.pages, "page") : "",
        item.chunks > 0 ? count(item.chunks, "passage") : "",
      ].filter(Boolean);
      return parts.length > 0 ? `Reading: ${parts.join(", ")}` : "Reading";
    }
    case "done":
      return item.chunks > 0 ? `Ready, ${count(item.chunks, "passage")}` : "Ready";
    case "unchanged":
      return "Already here, unchanged";
    case "cancelled":
      return "Cancelled";
    case "failed":
      return item.error;
  }
}

function Row({ item }: { readonly item: Item }): JSX.Element {
  const over = isOver(item.phase);
  const name = shortName(item.name);
  return (
    <li class={`upload ${item.phase}`}>
      <span class="upload-mark" aria-hidden="true">
        {item.phase === "failed" ? (
          <Icon name="warn" />
        ) : over ? (
          <Icon name="check" />
        ) : (
          <span class="tiles">
            <i />
            <i />
            <i />
          </span>
        )}
      </span>
      <span class="upload-text">
        {item.documentId !== "" && over ? (
          <button
            type="button"
            class="link upload-name"
            title={item.name}
            onClick={() => openDocument(item.documentId)}
          >
            {name}
          </button>
        ) : (
          <span class="upload-name" title={item.name}>
            {name}
          </span>
        )}
        <span class="meta">{status(item)}</span>
        {item.phase === "sending" && (
          <progress value={item.sent} max={1} aria-label={`Sending ${name}`} />
        )}
        {item.phase === "reading" && <progress aria-label={`Reading ${name}`} />}
      </span>
      {over ? (
        <IconButton
          icon="close"
          label={`Remove ${name} from this list`}
          onClick={() => clear(item.id)}
        />
      ) : (
        <IconButton icon="close" label={`Stop adding ${name}`} onClick={() => cancel(item)} />
      )}
    </li>
  );
}
