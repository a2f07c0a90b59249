import type { JSX } from "preact";
import { dialog } from "../state/layout";
import { CopyButton, Dialog } from "./parts";

const close = () => {
  dialog.value = "none";
};

const kUpstream = `services:
  inference:
    language_model: big
    models:
      big:
        base_url: https://models.example.org/v1
        upstream_model: their-model-name
        key: "\${env:BIG_KEY}"`;

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
        <Command label="terminal" text={"tessera models add FILE.gguf"} />
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
  ["T", "Which services share a process"],
  ["M", "How the platform is, and what it did"],
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
