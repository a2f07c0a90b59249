import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ask, busy } from "../state/ask";
import { chatOf } from "../state/chats";
import { documentsLoaded, documentsThere } from "../state/documents";
import { currentChat } from "../state/route";
import { quoting } from "../state/server";
import { settings } from "../state/settings";
import { Composer } from "./composer";
import { AddButtons } from "./add";
import { ExchangeView } from "./exchange";
import { shortName } from "./format";
import { IconButton } from "./parts";
import { Frieze } from "./frieze";

const kNearPx = 80;

/** Brings the end of the transcript into sight when `key` changes; afterwards the reader alone moves it. */
function useEnd(key: string): {
  readonly scroller: preact.RefObject<HTMLDivElement>;
  readonly away: boolean;
  readonly jump: () => void;
} {
  const scroller = useRef<HTMLDivElement>(null);
  const [away, setAway] = useState(false);
  const jump = () => {
    scroller.current?.scrollTo({ top: scroller.current.scrollHeight });
  };
  useEffect(() => {
    const element = scroller.current;
    const content = element?.firstElementChild;
    if (element === null || content === null || content === undefined) return undefined;
    const look = () =>
      setAway(element.scrollHeight - element.scrollTop - element.clientHeight > kNearPx);
    const observer = new ResizeObserver(look);
    element.addEventListener("scroll", look, { passive: true });
    observer.observe(content);
    return () => {
      element.removeEventListener("scroll", look);
      observer.disconnect();
    };
  }, []);
  useLayoutEffect(jump, [key]);
  return { scroller, away, jump };
}

export function ChatView(): JSX.Element {
  const id = currentChat.value;
  const exchanges = chatOf(id)?.exchanges ?? [];
  const last = exchanges.at(-1)?.id ?? "";
  const { scroller, away, jump } = useEnd(`${id}/${last}`);
  return (
    <div class="chat">
      <div class="transcript" ref={scroller} tabIndex={0} role="region" aria-label="Conversation">
        <div
          class="transcript-inner"
          role="log"
          aria-label="Questions and answers"
          aria-live="off"
          aria-busy={busy.value}
        >
          {exchanges.length === 0 ? (
            <Welcome />
          ) : (
            exchanges.map((exchange) => (
              <ExchangeView key={exchange.id} chatId={id} exchange={exchange} />
            ))
          )}
        </div>
      </div>
      <div class="composer-dock">
        {away && exchanges.length > 0 && (
          <IconButton icon="down" label="Go to the latest answer" class="jump" onClick={jump} />
        )}
        <Composer />
        <p class="fineprint">{finePrint()}</p>
      </div>
    </div>
  );
}

function finePrint(): string {
  if (!settings.value.useDocuments)
    return "Written by the model from memory, without your documents. Check what matters.";
  return quoting.value
    ? "Answers are quoted from your documents. Follow the numbers to the passage."
    : "Answers rest on your documents. Follow the numbers to the passage.";
}

function Welcome(): JSX.Element | null {
  if (!documentsLoaded.value) return <div class="welcome" aria-hidden="true" />;
  return documentsThere.value.length === 0 && settings.value.useDocuments ? (
    <FirstSteps />
  ) : (
    <Examples />
  );
}

function FirstSteps(): JSX.Element {
  return (
    <section class="welcome">
      <Frieze />
      <h1>Ask your own documents</h1>
      <p class="lead">
        Drop a PDF anywhere on this page. A moment later you can ask about it, and every answer
        shows the passage it came from.
      </p>
      <AddButtons prominent />
      <ul class="teach">
        <li>
          <strong>Add</strong> PDF, Word, PowerPoint, HTML, Markdown, CSV, e-mail, source code, or a
          ZIP of them.
        </li>
        <li>
          <strong>Ask</strong> in plain words: “When does the contract end?”
        </li>
        <li>
          <strong>Check</strong> the numbers in the answer: each opens the document where it says
          so.
        </li>
      </ul>
    </section>
  );
}

/** Questions to begin with, about what is there. */
function examples(): string[] {
  if (!settings.value.useDocuments) {
    return [
      "Explain what a vector database does.",
      "Write a short, friendly reminder e-mail.",
      "What is the difference between TCP and UDP?",
    ];
  }
  const names = documentsThere.value
    .slice(0, 2)
    .map((one) => one.title || shortName(one.name).replace(/\.\w+$/, ""));
  return [
    ...names.map((name, at) =>
      at === 0 ? `What is “${name}” about?` : `What are the main points of “${name}”?`,
    ),
    "Which dates and deadlines are mentioned?",
    "What has to be done, and by whom?",
  ].slice(0, 4);
}

function Examples(): JSX.Element {
  return (
    <section class="welcome">
      <Frieze />
      <h1>What would you like to know?</h1>
      <ul class="examples" aria-label="Example questions">
        {examples().map((example) => (
          <li key={example}>
            <button type="button" class="example" onClick={() => void ask(example)}>
              {example}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
