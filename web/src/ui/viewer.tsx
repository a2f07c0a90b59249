import type { ComponentChildren, JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { originalUrl } from "../api/client";
import { narrow } from "../state/layout";
import { notify } from "../state/notices";
import { headingOf, runsOf } from "../state/passages";
import { type Passage, passageOf, passageUrl, samePassage } from "../api/address";
import {
  closeViewer,
  loadEarlier,
  loadLater,
  openCitation,
  sourcesAround,
  type View,
  view,
} from "../state/viewer";
import { copyText } from "./clipboard";
import { count, shortName } from "./format";
import { Icon } from "./icons";
import { IconButton, Working } from "./parts";

export function Viewer({ passage }: { readonly passage: Passage }): JSX.Element {
  const shown = view.value;
  const head = useRef<HTMLHeadingElement>(null);
  useEffect(() => head.current?.focus({ preventScroll: true }), [passage.documentId]);
  const name = shown?.document?.name ?? "";
  const Panel = narrow.value ? "main" : "aside";
  return (
    <Panel class="panel viewer" aria-label="Document">
      {narrow.value && <h1 class="visually-hidden">Tessera</h1>}
      <header class="panel-head">
        <IconButton
          icon={narrow.value ? "left" : "close"}
          label="Close the document"
          onClick={closeViewer}
        />
        <div class="viewer-title">
          <h2 ref={head} tabIndex={-1} title={name}>
            {name === "" ? "Document" : shortName(name)}
          </h2>
          {shown?.document !== undefined && <p class="meta">{describe(shown)}</p>}
        </div>
        <IconButton
          icon="link"
          label="Copy a link to this passage"
          onClick={() => void copyLink(passage)}
        />
        <a
          class="icon-button"
          href={originalUrl(passage.documentId, markedPage(shown))}
          target="_blank"
          rel="noopener"
          aria-label="Open the original"
          title="Open the original"
        >
          <Icon name="open" />
        </a>
      </header>
      <SourceSteps passage={passage} />
      {shown === undefined ? null : <Body shown={shown} />}
    </Panel>
  );
}

function describe({ document, total }: View): string {
  if (document === undefined) return "";
  const title = document.title !== "" && document.title !== document.name ? document.title : "";
  return [
    title,
    document.pages > 0 ? count(document.pages, "page") : "",
    count(total || document.chunks, "passage"),
  ]
    .filter(Boolean)
    .join(" · ");
}

function markedPage(shown: View | undefined): number {
  return shown?.chunks.find((chunk) => chunk.ordinal === shown.passage.chunk)?.page ?? 0;
}

async function copyLink(passage: Passage): Promise<void> {
  const done = await copyText(new URL(passageUrl(passage), location.href).href);
  notify(
    done
      ? "Link copied. Whoever may sign in here can open it."
      : "The browser did not allow copying. Copy the address bar instead.",
  );
}

/** Steps through the sources of the answer that the passage was opened from. */
function SourceSteps({ passage }: { readonly passage: Passage }): JSX.Element | null {
  const sources = sourcesAround.value;
  const at = sources.findIndex((source) => samePassage(passageOf(source), passage));
  if (sources.length < 2 || at < 0) return null;
  const step = (by: number) => {
    const next = sources[(at + by + sources.length) % sources.length];
    if (next !== undefined) openCitation(next, sources);
  };
  return (
    <div class="source-steps" role="group" aria-label="Sources of this answer">
      <IconButton icon="left" label="Previous source" onClick={() => step(-1)} />
      <span aria-live="polite">
        Source {at + 1} of {sources.length}
      </span>
      <IconButton icon="right" label="Next source" onClick={() => step(1)} />
    </div>
  );
}

function Body({ shown }: { readonly shown: View }): JSX.Element {
  const scroller = useRef<HTMLDivElement>(null);
  const { passage, chunks, total, loading, error } = shown;
  const first = chunks[0]?.ordinal ?? 0;
  const last = chunks.at(-1)?.ordinal ?? -1;
  const place = `${passageUrl(passage)} ${chunks.length > 0}`;
  useLayoutEffect(() => {
    const target =
      scroller.current?.querySelector("mark") ??
      scroller.current?.querySelector(".passage.current");
    target?.scrollIntoView({ block: "center" });
  }, [place]);
  useKeepPlace(scroller, first);
  if (error !== "" && chunks.length === 0) {
    return (
      <p class="note error" role="alert">
        <Icon name="warn" />
        <span>{error}</span>
      </p>
    );
  }
  return (
    <div
      class="panel-scroll viewer-text"
      ref={scroller}
      tabIndex={0}
      role="region"
      aria-label="Text of the document"
    >
      {first > 0 && (
        <button
          type="button"
          class="button wide"
          disabled={loading}
          onClick={() => void loadEarlier()}
        >
          <Icon name="up" />
          Earlier
        </button>
      )}
      {loading && chunks.length === 0 && <Working label="Opening…" />}
      {passages(
        shown,
        sourcesAround.value.find((source) => samePassage(passageOf(source), passage))?.quote ?? "",
      )}
      {total > last + 1 && (
        <button
          type="button"
          class="button wide"
          disabled={loading}
          onClick={() => void loadLater()}
        >
          <Icon name="down" />
          Later
        </button>
      )}
      {error !== "" && (
        <p class="note error" role="alert">
          <Icon name="warn" />
          <span>{error}</span>
        </p>
      )}
    </div>
  );
}

/** Text that is put in above must not push away what is being read. */
function useKeepPlace(scroller: preact.RefObject<HTMLDivElement>, first: number): void {
  const before = useRef({ first, height: 0 });
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const grown = element.scrollHeight - before.current.height;
    if (first < before.current.first && before.current.height > 0) element.scrollTop += grown;
    before.current = { first, height: element.scrollHeight };
  });
}

function passages(shown: View, quote: string): ComponentChildren {
  const { chunks, passage, document } = shown;
  let page = -1;
  let heading = "";
  let shownTo = 0;
  return chunks.map((chunk) => {
    const newPage = chunk.page > 0 && chunk.page !== page;
    const above = chunk.heading === heading ? "" : headingOf(chunk, document?.title ?? "");
    page = chunk.page;
    heading = chunk.heading;
    const runs = runsOf(chunk, passage.start, passage.end, shownTo, quote);
    shownTo = Math.max(shownTo, chunk.end);
    return (
      <section
        key={chunk.ordinal}
        class={`passage ${chunk.ordinal === passage.chunk ? "current" : ""}`}
      >
        {newPage && (
          <p class="page-mark">
            <span>Page {chunk.page}</span>
          </p>
        )}
        {above !== "" && <h3>{above}</h3>}
        <p>{runs.map((run, key) => (run.mark ? <mark key={key}>{run.text}</mark> : run.text))}</p>
      </section>
    );
  });
}
