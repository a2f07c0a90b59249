import type { JSX } from "preact";
import type { AnswerMode } from "../api/types";
import { dialog } from "../state/layout";
import { notify } from "../state/notices";
import { answeringModel, languageModels, signOut, system } from "../state/server";
import { set, settings, type Theme } from "../state/settings";
import { duration } from "./format";
import { CopyButton, Dialog } from "./parts";

const close = () => {
  dialog.value = "none";
};

export function SettingsDialog(): JSX.Element {
  const { theme, singleKeys } = settings.value;
  return (
    <Dialog title="Model and settings" onClose={close}>
      <ModelSection />
      <section class="form">
        <h3>This page</h3>
        <label for="theme">Colours</label>
        <select
          id="theme"
          value={theme}
          onChange={(event) => set({ theme: event.currentTarget.value as Theme })}
        >
          <option value="system">As the system</option>
          <option value="light">Light</option>
          <option value="dark">Dark</option>
        </select>
        <label class="check">
          <input
            type="checkbox"
            checked={singleKeys}
            onChange={(event) => set({ singleKeys: event.currentTarget.checked })}
          />
          Single-key shortcuts
        </label>
        <p class="hint">
          <button
            type="button"
            class="link"
            onClick={() => {
              dialog.value = "shortcuts";
            }}
          >
            Show all shortcuts
          </button>
        </p>
      </section>
      <About />
    </Dialog>
  );
}

function ModelSection(): JSX.Element {
  const { answerMode, temperature, maxTokens, useDocuments } = settings.value;
  const ownModel = answeringModel.value?.name ?? "";
  return (
    <section class="form">
      <h3>Answers</h3>
      <label for="mode">From documents</label>
      <select
        id="mode"
        value={answerMode}
        onChange={(event) => set({ answerMode: event.currentTarget.value as AnswerMode })}
      >
        <option value="auto">As suits the model</option>
        <option value="extractive">Quoted: sentences from the documents</option>
        <option value="generative">Written: by the model, from the documents</option>
      </select>
      {answerMode === "generative" && system.value?.demo === true && (
        <p class="hint">
          The demo model is very small: what it writes is often wrong. Quoted answers are not.
        </p>
      )}
      <label for="model">Without documents</label>
      <select
        id="model"
        value={ownModel}
        onChange={(event) => set({ model: event.currentTarget.value })}
        aria-describedby="model-hint"
      >
        {languageModels.value.map((model) => (
          <option key={model.name} value={model.name}>
            {model.name}
            {model.demo ? " (demo)" : ""}
            {model.isDefault ? " – default" : ""}
          </option>
        ))}
      </select>
      <p class="hint" id="model-hint">
        {useDocuments
          ? `Answers from documents are written by ${system.value?.defaultModel || "the default model"}. `
          : ""}
        <button
          type="button"
          class="link"
          onClick={() => {
            dialog.value = "better-model";
          }}
        >
          Use a better model
        </button>
      </p>
      <div class="pair">
        <NumberField
          id="temperature"
          label="Temperature"
          value={temperature}
          min={0}
          max={2}
          step={0.1}
          onChange={(value) => set({ temperature: value })}
        />
        <NumberField
          id="length"
          label="Longest answer, tokens"
          value={maxTokens}
          min={16}
          max={32768}
          step={16}
          onChange={(value) => set({ maxTokens: value })}
        />
      </div>
    </section>
  );
}

interface NumberFieldProps {
  readonly id: string;
  readonly label: string;
  readonly value: number | undefined;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly onChange: (value: number | undefined) => void;
}

function NumberField({
  id,
  label,
  value,
  min,
  max,
  step,
  onChange,
}: NumberFieldProps): JSX.Element {
  return (
    <div>
      <label for={id}>{label}</label>
      <input
        id={id}
        type="number"
        inputMode="decimal"
        min={min}
        max={max}
        step={step}
        placeholder="as the server"
        value={value ?? ""}
        onChange={(event) => {
          const typed = event.currentTarget.value;
          const wanted = Number(typed);
          onChange(
            typed === "" || !Number.isFinite(wanted)
              ? undefined
              : Math.min(max, Math.max(min, wanted)),
          );
        }}
      />
    </div>
  );
}

function About(): JSX.Element | null {
  const facts = system.value;
  if (facts === undefined) return null;
  const leave = async () => {
    close();
    await signOut().catch(() =>
      notify("Signing out did not work. Close the browser instead.", { tone: "error" }),
    );
  };
  return (
    <section class="about">
      <h3>This server</h3>
      <dl>
        <dt>Version</dt>
        <dd>{facts.version || "unknown"}</dd>
        <dt>Running for</dt>
        <dd>{duration(facts.uptimeSeconds)}</dd>
        <dt>Search model</dt>
        <dd>{facts.embedder || "none"}</dd>
        <dt>For programs</dt>
        <dd>
          <a href="/openapi.json" target="_blank" rel="noopener">
            API description
          </a>
        </dd>
      </dl>
      {facts.auth && (
        <button type="button" class="button" onClick={() => void leave()}>
          Sign out
        </button>
      )}
    </section>
  );
}

const kUpstream = `services:
  inference:
    upstreams:
      - name: big
        base_url: https://models.example.org/v1
        api_key: \${env:MODEL_KEY}
        model: their-model-name
    default_model: big`;

function Command({ text, label }: { readonly text: string; readonly label: string }): JSX.Element {
  return (
    <figure class="code">
      <figcaption>
        <span>{label}</span>
        <CopyButton text={() => text} label={`Copy ${label}`} />
      </figcaption>
      <pre tabIndex={0} role="region" aria-label={label}>
        <code>{text}</code>
      </pre>
    </figure>
  );
}

export function BetterModelDialog(): JSX.Element {
  return (
    <Dialog title="Use a better model" onClose={close}>
      <div class="prose">
        <p>
          Tessera comes with a very small model, so that it works at once and anywhere. It cannot be
          trusted to write, so answers are
          <strong> quoted</strong>: the best sentences of your documents, word for word. A larger
          model writes answers in its own words, with the same numbered sources.
        </p>
        <h3>A model on this machine</h3>
        <p>
          Any GGUF file: about 1 GB of memory for each billion parameters at 8 bits, half of that at
          4 bits. Then restart.
        </p>
        <Command label="terminal" text={"tessera models add FILE.gguf --default"} />
        <h3>A model on another server</h3>
        <p>
          Anything that speaks OpenAI’s API. The passages that answer a question are sent to it.
        </p>
        <Command label="tessera.yaml" text={kUpstream} />
        <Command label="start" text={"tessera up --config tessera.yaml"} />
      </div>
    </Dialog>
  );
}

const kShortcuts: readonly (readonly [keys: string, does: string])[] = [
  ["/", "Write a question"],
  ["Enter", "Send it; Shift+Enter begins a new line"],
  ["Esc", "Stop the answer, or close what is open"],
  ["N", "New chat"],
  ["H", "Show or hide conversations"],
  ["D", "Show or hide documents"],
  ["Ctrl K", "Search conversations"],
  ["?", "This list"],
];

export function ShortcutsDialog(): JSX.Element {
  return (
    <Dialog title="Keyboard shortcuts" onClose={close} class="small">
      <dl class="shortcuts">
        {kShortcuts.map(([keys, does]) => (
          <div key={keys}>
            <dt>
              <kbd>{keys}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <p class="hint">
        Single keys work outside text fields and can be turned off in the settings.
      </p>
    </Dialog>
  );
}
