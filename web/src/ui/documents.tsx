import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { createCollection, deleteCollection, originalUrl } from "../api/client";
import { asApiError } from "../api/errors";
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
import { notify } from "../state/notices";
import { passageUrl } from "../api/address";
import { collection, collections, refreshCollections } from "../state/server";
import { set, settings } from "../state/settings";
import { openDocument } from "../state/viewer";
import { AddButtons } from "./add";
import { Ago } from "./ago";
import { count, kindOf, shortName, size } from "./format";
import { Icon } from "./icons";
import { Confirm, Dialog, IconButton } from "./parts";
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

function CollectionBar(): JSX.Element {
  const [asking, setAsking] = useState<"none" | "new" | "delete">("none");
  const name = settings.value.collection;
  const known = collections.value.some((one) => one.name === name);
  return (
    <div class="collection-bar">
      <label class="field-select">
        <span class="visually-hidden">Collection</span>
        <select value={name} onChange={(event) => set({ collection: event.currentTarget.value })}>
          {!known && <option value={name}>{name}</option>}
          {collections.value.map((one) => (
            <option key={one.name} value={one.name}>
              {one.name} ({one.documents.toLocaleString("en-GB")})
            </option>
          ))}
        </select>
      </label>
      <IconButton icon="plus" label="New collection" onClick={() => setAsking("new")} />
      <IconButton
        icon="trash"
        label={`Delete the collection ${name}`}
        disabled={!known}
        onClick={() => setAsking("delete")}
      />
      {asking === "new" && <NewCollection onClose={() => setAsking("none")} />}
      {asking === "delete" && <DeleteCollection name={name} onClose={() => setAsking("none")} />}
    </div>
  );
}

/** What is wrong with the name of a new collection; empty: nothing. */
export function nameProblem(name: string, taken: readonly string[]): string {
  if (taken.includes(name)) return "There is a collection of that name already.";
  if (/^[a-z0-9][a-z0-9_-]{0,63}$/.test(name)) return "";
  return "Use small letters, digits, - and _, beginning with a letter or digit; 64 at most.";
}

function NewCollection({ onClose }: { readonly onClose: () => void }): JSX.Element {
  const [name, setName] = useState("");
  const [problem, setProblem] = useState("");
  const submit = async () => {
    const found = nameProblem(
      name,
      collections.value.map((one) => one.name),
    );
    setProblem(found);
    if (found !== "") return;
    try {
      await createCollection(name);
      await refreshCollections();
      set({ collection: name });
      onClose();
    } catch (error) {
      const failure = asApiError(error);
      setProblem(`${failure.message} ${failure.advice}`);
    }
  };
  return (
    <Dialog title="New collection" onClose={onClose} class="small">
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <label for="collection-name">Name</label>
        <input
          id="collection-name"
          value={name}
          maxLength={64}
          autocomplete="off"
          spellcheck={false}
          aria-invalid={problem !== ""}
          aria-describedby="collection-hint"
          onInput={(event) => {
            setName(event.currentTarget.value);
            setProblem("");
          }}
        />
        <p
          id="collection-hint"
          class={problem === "" ? "hint" : "hint error"}
          role={problem === "" ? undefined : "alert"}
        >
          {problem || "Documents of one subject, asked together and apart from the rest."}
        </p>
        <div class="dialog-actions">
          <button type="button" class="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary">
            Create
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function DeleteCollection({
  name,
  onClose,
}: {
  readonly name: string;
  readonly onClose: () => void;
}): JSX.Element {
  const documents = collection.value?.documents ?? 0;
  const run = async () => {
    onClose();
    try {
      await deleteCollection(name);
      await refreshCollections();
      await refreshDocuments();
      notify(`Deleted the collection ${name}.`);
    } catch (error) {
      const failure = asApiError(error);
      notify(`${name} was not deleted. ${failure.message} ${failure.advice}`, { tone: "error" });
    }
  };
  return (
    <Confirm
      title={`Delete “${name}”?`}
      action="Delete it"
      onConfirm={() => void run()}
      onClose={onClose}
    >
      <p>
        {documents === 0
          ? "It is empty."
          : `Its ${count(documents, "document")} and their originals are deleted from the server.`}{" "}
        This cannot be undone.
      </p>
    </Confirm>
  );
}
