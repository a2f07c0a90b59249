import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { ask, busy, stop } from "../state/ask";
import { draftText, setDraft } from "../state/draft";
import { dialog } from "../state/layout";
import { answeringModel, collections, system } from "../state/server";
import { set, settings } from "../state/settings";
import { Icon } from "./icons";

const kModelOnly = "\u0000model";
const kQuestionMost = 16000;

function Source(): JSX.Element {
  const { useDocuments, collection } = settings.value;
  const known = collections.value.some((one) => one.name === collection);
  return (
    <label class="quiet-select">
      <span class="visually-hidden">Answer from</span>
      <Icon name="files" />
      <select
        value={useDocuments ? collection : kModelOnly}
        onChange={(event) => {
          const chosen = event.currentTarget.value;
          set(
            chosen === kModelOnly
              ? { useDocuments: false }
              : { useDocuments: true, collection: chosen },
          );
        }}
      >
        {!known && <option value={collection}>{collection}</option>}
        {collections.value.map((one) => (
          <option key={one.name} value={one.name}>
            {one.name}
          </option>
        ))}
        <option value={kModelOnly}>No documents</option>
      </select>
    </label>
  );
}

function ModelPill(): JSX.Element | null {
  const model = answeringModel.value;
  if (system.value === undefined || model === undefined) return null;
  return (
    <button
      type="button"
      class="quiet-button"
      onClick={() => {
        dialog.value = "settings";
      }}
    >
      <Icon name="settings" />
      <span class="visually-hidden">Model and settings: </span>
      <span class="ellipsis">{model.name}</span>
    </button>
  );
}

export function Composer(): JSX.Element {
  const draft = draftText.value;
  const field = useRef<HTMLTextAreaElement>(null);
  const { useDocuments } = settings.value;

  useLayoutEffect(() => {
    const area = field.current;
    if (area === null) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, 220)}px`;
  }, [draft]);

  const submit = () => {
    if (busy.value || draft.trim() === "") return;
    void ask(draft);
    setDraft("");
  };
  return (
    <form
      class="composer"
      aria-label="Ask a question"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <label class="visually-hidden" for="question">
        Your question
      </label>
      <textarea
        id="question"
        ref={field}
        rows={1}
        value={draft}
        maxLength={kQuestionMost}
        placeholder={useDocuments ? "Ask your documents…" : "Ask the model…"}
        enterkeyhint="send"
        onInput={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          submit();
        }}
      />
      <div class="composer-row">
        <Source />
        <ModelPill />
        <span class="spacer" />
        {busy.value ? (
          <button
            type="button"
            class="send stop"
            aria-label="Stop the answer"
            title="Stop the answer (Esc)"
            onClick={stop}
          >
            <span class="stop-square" />
          </button>
        ) : (
          <button
            type="submit"
            class="send"
            aria-label="Send"
            title="Send (Enter)"
            disabled={draft.trim() === ""}
          >
            <Icon name="send" />
          </button>
        )}
      </div>
    </form>
  );
}
