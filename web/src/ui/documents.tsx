import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { originalUrl } from "../api/client";
import type { Document } from "../api/types";
import {
  documentOrder,
  documentQuery,
  documentsError,
  documentsLoaded,
  documentsShown,
  documentsThere,
  type Order,
  refreshDocuments,
  remove,
} from "../state/documents";
import { narrow, toggleDocuments } from "../state/layout";
import { passageUrl } from "../api/address";
import { openDocument } from "../state/viewer";
import { AddButtons } from "./add";
import { Ago } from "./ago";
import { CollectionBar } from "./collections";
import { count, kindOf, shortName, size } from "./format";
import { Icon } from "./icons";
import { IconButton } from "./parts";
import { ReembedOffer } from "./reembed";
import { Uploads } from "./uploads";

export function DocumentsPanel(): JSX.Element {
  const total = documentsThere.value.length;
  const Panel = narrow.value ? "main" : "aside";
  return (
    <Panel class="panel documents" aria-label="Documents">
      {narrow.value && <h1 class="visually-hidden">Tessera</h1>}
      <header class="panel-head">
        <h2>Documents</h2>
        <span class="spacer" />
        <IconButton
          icon={narrow.value ? "left" : "close"}
          label={narrow.value ? "Back to the chat" : "Hide documents"}
          onClick={toggleDocuments}
        />
      </header>
      <CollectionBar />
      <div class="panel-scroll">
        <div class="drop-hint">
          <p class="with-mouse">Drop files anywhere on this page</p>
          <AddButtons />
        </div>
        <ReembedOffer />
        <Uploads />
        {documentsError.value !== "" && (
          <p class="note error" role="alert">
            <Icon name="warn" />
            <span>
              {documentsError.value}{" "}
              <button type="button" class="link" onClick={() => void refreshDocuments()}>
                Try again
              </button>
            </span>
          </p>
        )}
        {total > 1 && <Tools />}
        <List />
      </div>
    </Panel>
  );
}

function Tools(): JSX.Element {
  return (
    <div class="tools">
      <label class="search">
        <span class="visually-hidden">Filter documents</span>
        <Icon name="search" />
        <input
          type="search"
          placeholder={`Filter ${count(documentsThere.value.length, "document")}`}
          value={documentQuery.value}
          onInput={(event) => {
            documentQuery.value = event.currentTarget.value;
          }}
        />
      </label>
      <label class="quiet-select">
        <span class="visually-hidden">Sort documents</span>
        <select
          value={documentOrder.value}
          onChange={(event) => {
            documentOrder.value = event.currentTarget.value as Order;
          }}
        >
          <option value="newest">Newest</option>
          <option value="name">Name</option>
          <option value="largest">Largest</option>
        </select>
      </label>
    </div>
  );
}

const kShownAtOnce = 200;

function List(): JSX.Element {
  const [most, setMost] = useState(kShownAtOnce);
  const all = documentsShown.value;
  if (!documentsLoaded.value) return <p class="hint">Loading…</p>;
  if (all.length === 0) {
    return (
      <p class="hint">
        {documentQuery.value === ""
          ? "Nothing here yet. What you add can be asked about as soon as it has been read."
          : "No document matches."}
      </p>
    );
  }
  return (
    <>
      <ul class="document-list">
        {all.slice(0, most).map((document) => (
          <Row key={document.id} document={document} />
        ))}
      </ul>
      {all.length > most && (
        <button type="button" class="button wide" onClick={() => setMost(most + kShownAtOnce)}>
          Show more ({(all.length - most).toLocaleString("en-GB")} left)
        </button>
      )}
    </>
  );
}

function Row({ document }: { readonly document: Document }): JSX.Element {
  const { id, name, title, pages, chunks, bytes, createdMs } = document;
  const subtitle = title !== "" && title !== name ? title : "";
  return (
    <li class="document">
      <a
        class="document-open"
        href={passageUrl({ documentId: id, chunk: -1, start: 0, end: 0 })}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          openDocument(id);
        }}
      >
        <span class="badge" aria-hidden="true">
          {kindOf(name, document.mediaType)}
        </span>
        <span class="document-text">
          <span class="document-name" title={name}>
            {shortName(name)}
          </span>
          {subtitle !== "" && <span class="document-title">{subtitle}</span>}
          <span class="meta">
            {pages > 0 && <span>{count(pages, "page")} ·</span>}{" "}
            <span title="A passage is what is searched and cited">
              {count(chunks, "passage")} ·{" "}
            </span>{" "}
            <span>{size(bytes)} ·</span> <Ago ms={createdMs} />
          </span>
        </span>
      </a>
      <span class="item-actions">
        <a
          class="icon-button"
          href={originalUrl(id)}
          target="_blank"
          rel="noopener"
          aria-label={`Open the original of ${name}`}
          title="Open the original"
        >
          <Icon name="open" />
        </a>
        <IconButton icon="trash" label={`Delete ${name}`} onClick={() => remove(document)} />
      </span>
    </li>
  );
}
