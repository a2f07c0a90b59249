import type { JSX } from "preact";
import type { AnswerMode } from "../api/types";
import { dialog, type DialogName } from "../state/layout";
import { notify } from "../state/notices";
import { answeringModel, languageModels, signOut, system } from "../state/server";
import { set, settings, type Theme } from "../state/settings";
import { duration } from "./format";
import { Dialog } from "./parts";

const open = (name: DialogName) => {
  dialog.value = name;
};
const close = () => open("none");

/** The server's own choice is not stored, so that the page follows when it changes. */
function choose(model: string): void {
  set({ model: model === system.value?.defaultModel ? "" : model });
}

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
          <button type="button" class="link" onClick={() => open("shortcuts")}>
            Show all shortcuts
          </button>
        </p>
      </section>
      <About />
    </Dialog>
  );
}

function ModelSection(): JSX.Element {
  const { answerMode, temperature, maxTokens } = settings.value;
  return (
    <section class="form">
      <h3>Answers</h3>
      <label for="model">Model</label>
      <select
        id="model"
        value={answeringModel.value?.name ?? ""}
        onChange={(event) => choose(event.currentTarget.value)}
      >
        {languageModels.value.map((model) => (
          <option key={model.name} value={model.name}>
            {model.name}
            {model.demo ? ", for demonstration" : ""}
            {model.isDefault ? " (default)" : ""}
          </option>
        ))}
      </select>
      <p class="hint">
        <button type="button" class="link" onClick={() => open("better-model")}>
          Use a better model
        </button>
      </p>
      <label for="mode">Answers from documents</label>
      <select
        id="mode"
        value={answerMode}
        onChange={(event) => set({ answerMode: event.currentTarget.value as AnswerMode })}
      >
        <option value="auto">As suits the model</option>
        <option value="extractive">Quoted: sentences of the documents</option>
        <option value="generative">Written by the model</option>
      </select>
      {answerMode === "generative" && answeringModel.value?.demo === true && (
        <p class="hint">
          The model for demonstration is very small: what it writes is often wrong. What is quoted
          stands in your documents word for word.
        </p>
      )}
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
