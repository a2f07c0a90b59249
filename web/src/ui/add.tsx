import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { addFiles, addLinks } from "../state/uploads";
import { Icon } from "./icons";
import { FormDialog } from "./parts";

/** The two ways to add documents besides dropping them. */
export function AddButtons({ prominent = false }: { readonly prominent?: boolean }): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  const [asking, setAsking] = useState(false);
  return (
    <div class="add-buttons">
      <input
        ref={input}
        type="file"
        multiple
        class="visually-hidden"
        tabIndex={-1}
        aria-hidden="true"
        onChange={(event) => {
          addFiles([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = "";
        }}
      />
      <button
        type="button"
        class={`button ${prominent ? "primary" : ""}`}
        onClick={() => input.current?.click()}
      >
        <Icon name="upload" />
        Choose files
      </button>
      <button type="button" class="button" onClick={() => setAsking(true)}>
        <Icon name="link" />
        {prominent ? "Add a web page" : "Web page"}
      </button>
      {asking && <LinkDialog onClose={() => setAsking(false)} />}
    </div>
  );
}

/** The web addresses in a text, one a line; what is none is told apart. */
export function linksOf(source: string): { readonly good: string[]; readonly bad: string[] } {
  const good: string[] = [];
  const bad: string[] = [];
  for (const line of source.split(/\s+/).filter(Boolean)) {
    const address = /^[a-z][a-z0-9+.-]*:/i.test(line) ? line : `https://${line}`;
    const url = URL.canParse(address) ? new URL(address) : undefined;
    const usable =
      url !== undefined && /^https?:$/.test(url.protocol) && url.hostname.includes(".");
    (usable ? good : bad).push(usable ? url.href : line);
  }
  return { good, bad };
}

function LinkDialog({ onClose }: { readonly onClose: () => void }): JSX.Element {
  const [draft, setDraft] = useState("");
  const [problem, setProblem] = useState("");
  const submit = () => {
    const { good, bad } = linksOf(draft);
    if (bad.length > 0 || good.length === 0) {
      setProblem(
        bad.length > 0
          ? `Not a web address: ${bad.join(", ")}. It looks like https://example.org/page.`
          : "Type or paste at least one address.",
      );
      return;
    }
    addLinks(good);
    onClose();
  };
  return (
    <FormDialog
      title="Add web pages"
      hintId="links-hint"
      hint="The server fetches each page once. Addresses inside your own network are refused."
      problem={problem}
      action="Add"
      onSubmit={submit}
      onClose={onClose}
    >
      <label for="links">Addresses, one a line</label>
      <textarea
        id="links"
        rows={4}
        value={draft}
        placeholder="https://example.org/handbook"
        aria-invalid={problem !== ""}
        aria-describedby="links-hint"
        onInput={(event) => {
          setDraft(event.currentTarget.value);
          setProblem("");
        }}
      />
    </FormDialog>
  );
}
