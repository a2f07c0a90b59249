import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { notify } from "../state/notices";
import { copyText } from "./clipboard";
import { Icon, type IconName } from "./icons";

interface IconButtonProps {
  readonly icon: IconName;
  readonly label: string;
  readonly onClick: () => void;
  readonly class?: string;
  readonly pressed?: boolean;
  readonly expanded?: boolean;
  readonly disabled?: boolean;
}

export function IconButton(props: IconButtonProps): JSX.Element {
  return (
    <button
      type="button"
      class={`icon-button ${props.class ?? ""}`}
      aria-label={props.label}
      title={props.label}
      aria-pressed={props.pressed}
      aria-expanded={props.expanded}
      disabled={props.disabled}
      onClick={props.onClick}
    >
      <Icon name={props.icon} />
    </button>
  );
}

export function CopyButton({
  text,
  label,
}: {
  readonly text: () => string;
  readonly label: string;
}): JSX.Element {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = window.setTimeout(() => setCopied(false), 2000);
    return () => window.clearTimeout(timer);
  }, [copied]);
  const copy = async () => {
    const done = await copyText(text());
    setCopied(done);
    if (!done)
      notify("The browser did not allow copying. Select the text and press Ctrl+C.", {
        tone: "error",
      });
  };
  return (
    <button type="button" class="quiet-button" onClick={() => void copy()} title={label}>
      <Icon name={copied ? "check" : "copy"} />
      <span aria-live="polite">{copied ? "Copied" : "Copy"}</span>
      <span class="visually-hidden"> {label.replace(/^Copy /, "")}</span>
    </button>
  );
}

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  readonly class?: string;
}

/**
 * A modal dialog: the browser traps the focus, closes it on Escape and gives the focus back, at once and by itself.
 * Whoever gave it back once more when the dialog leaves the page would take it from where a person has gone since.
 */
export function Dialog({ title, onClose, children, class: extra = "" }: DialogProps): JSX.Element {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={element}
      class={`dialog ${extra}`}
      aria-label={title}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onClose={() => {
        // The browser closed it without asking. One that left the page already has no element.
        if (element.current?.open === false) onClose();
      }}
      onClick={(event) => {
        if (event.target === element.current) onClose();
      }}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2>{title}</h2>
          <IconButton icon="close" label="Close" onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}

interface ConfirmProps {
  readonly title: string;
  readonly action: string;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

export function Confirm({
  title,
  action,
  onConfirm,
  onClose,
  children,
}: ConfirmProps): JSX.Element {
  return (
    <Dialog title={title} onClose={onClose} class="small">
      <div class="prose">{children}</div>
      <div class="dialog-actions">
        <button type="button" class="button" onClick={onClose}>
          Keep it
        </button>
        <button type="button" class="button danger" onClick={onConfirm}>
          {action}
        </button>
      </div>
    </Dialog>
  );
}

/** Three tiles that fill one after another: something is being done. */
export function Working({ label }: { readonly label: string }): JSX.Element {
  return (
    <p class="working">
      <span class="tiles" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      {label}
    </p>
  );
}

interface FormDialogProps extends DialogProps {
  /** Id of the hint, for the field's aria-describedby. */
  readonly hintId: string;
  readonly hint: string;
  /** What is wrong with the field; stands in the hint's place. */
  readonly problem: string;
  readonly action: string;
  readonly onSubmit: () => void;
}

/** A dialog that asks for one thing; the label and the field are its children. */
export function FormDialog(props: FormDialogProps): JSX.Element {
  const { problem } = props;
  return (
    <Dialog title={props.title} onClose={props.onClose} class="small">
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          props.onSubmit();
        }}
      >
        {props.children}
        <p
          id={props.hintId}
          class={problem === "" ? "hint" : "hint error"}
          role={problem === "" ? undefined : "alert"}
        >
          {problem || props.hint}
        </p>
        <div class="dialog-actions">
          <button type="button" class="button" onClick={props.onClose}>
            Cancel
          </button>
          <button type="submit" class="button primary">
            {props.action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
