import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { createCollection, deleteCollection } from "../api/client";
import { asApiError } from "../api/errors";
import { refreshDocuments } from "../state/documents";
import { notify } from "../state/notices";
import { collection, collections, refreshCollections } from "../state/server";
import { set, settings } from "../state/settings";
import { count } from "./format";
import { Confirm, FormDialog, IconButton } from "./parts";

/** Which collection is on show; making and deleting collections. */
export function CollectionBar(): JSX.Element {
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
    <FormDialog
      title="New collection"
      hintId="collection-hint"
      hint="Documents of one subject, asked together and apart from the rest."
      problem={problem}
      action="Create"
      onSubmit={() => void submit()}
      onClose={onClose}
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
    </FormDialog>
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
