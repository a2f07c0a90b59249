import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import type { Citation } from "../api/types";
import { plainAnswer, sourcesOf } from "../markdown/citations";
import { askAgain, busy, live } from "../state/ask";
import type { Answer, Exchange } from "../state/history";
import { dialog } from "../state/layout";
import { passageOf, passageUrl, samePassage } from "../api/address";
import { route } from "../state/route";
import { answeringModel } from "../state/server";
import { openCitation } from "../state/viewer";
import { Icon } from "./icons";
import { Markdown } from "./markdown";
import { CopyButton, Working } from "./parts";
import { shortName } from "./format";

const kSteps: Record<string, string> = {
  rewrite: "Reading the question",
  embed: "Reading the question",
  retrieve: "Searching your documents",
  rerank: "Choosing passages",
  prompt: "Reading the passages",
  generate: "Writing the answer",
  extract: "Choosing sentences",
  cite: "Checking the sources",
};

function stepLabel(step: string, withDocuments: boolean): string {
  return kSteps[step] ?? (withDocuments ? "Searching your documents" : "Thinking");
}

interface ExchangeProps {
  readonly chatId: string;
  readonly exchange: Exchange;
}

/** A question and its answer; the one that is coming in is drawn from `live`. */
export function ExchangeView({ chatId, exchange: stored }: ExchangeProps): JSX.Element {
  const { id } = stored;
  // Computed, so that only the answer that grows is drawn again and again.
  const now = useComputed(() => (live.value?.exchange.id === id ? live.value : undefined)).value;
  const exchange = now?.exchange ?? stored;
  const { answer } = exchange;
  const streaming = now !== undefined;
  const sources = sourcesOf(answer.citations);
  const cite = (citation: Citation) => openCitation(citation, sources);
  return (
    <article class="exchange" aria-label={`Question: ${exchange.question}`}>
      <h2 class="question">
        <span class="visually-hidden">You asked: </span>
        {exchange.question}
      </h2>
      <div class={`answer ${streaming ? "streaming" : ""}`} aria-busy={streaming}>
        <span class="visually-hidden">Answer: </span>
        {streaming && answer.text === "" && (
          <Working label={`${stepLabel(now.step, exchange.collection !== "")}…`} />
        )}
        {answer.text !== "" && (
          <Markdown
            text={answer.text}
            citations={answer.citations}
            pending={streaming && exchange.collection !== ""}
            onCite={cite}
          />
        )}
        {answer.nothingFound && <NothingFound />}
        <Outcome answer={answer} streaming={streaming} />
        {sources.length > 0 && <Sources sources={sources} onCite={cite} />}
        {!streaming && <Actions chatId={chatId} exchange={exchange} />}
      </div>
    </article>
  );
}

function NothingFound(): JSX.Element {
  return (
    <p class="note">
      <Icon name="search" />
      <span>Try other words, choose another collection, or add a document that covers it.</span>
    </p>
  );
}

function Outcome({
  answer,
  streaming,
}: {
  readonly answer: Answer;
  readonly streaming: boolean;
}): JSX.Element | null {
  if (streaming) return null;
  if (answer.state === "failed") {
    return (
      <p class="note error" role="alert">
        <Icon name="warn" />
        <span>
          <strong>{answer.error}</strong> {answer.advice}
        </span>
      </p>
    );
  }
  if (answer.state === "stopped")
    return <p class="aside">Stopped{answer.text === "" ? " before the answer began" : ""}.</p>;
  return answer.cut ? (
    <p class="aside">The answer reached its longest length. Raise it in the settings for more.</p>
  ) : null;
}

interface SourcesProps {
  readonly sources: readonly Citation[];
  readonly onCite: (citation: Citation) => void;
}

function Sources({ sources, onCite }: SourcesProps): JSX.Element {
  const shown = route.value.passage;
  return (
    <section class="sources" aria-label="Sources">
      <h3>{sources.length === 1 ? "Source" : "Sources"}</h3>
      <ol>
        {sources.map((source) => (
          <li key={source.number}>
            <a
              class="source"
              href={passageUrl(passageOf(source))}
              aria-current={
                shown !== undefined && samePassage(shown, passageOf(source)) ? "true" : undefined
              }
              onClick={(event) => {
                if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
                event.preventDefault();
                onCite(source);
              }}
            >
              <span class="source-head">
                <span class="chip" aria-hidden="true">
                  {source.number}
                </span>
                <span class="source-name" title={source.title}>
                  {shortName(source.title)}
                </span>
                {source.page > 0 && <span class="source-page">page {source.page}</span>}
              </span>
              {source.quote !== "" && <q class="source-quote">{source.quote}</q>}
            </a>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Actions({ chatId, exchange }: ExchangeProps): JSX.Element {
  const { answer } = exchange;
  const demo = answer.mode === "extractive" && answeringModel.value?.demo === true;
  return (
    <div class="actions">
      {answer.text !== "" && (
        <CopyButton text={() => plainAnswer(answer.text)} label="Copy answer" />
      )}
      <button
        type="button"
        class="quiet-button"
        disabled={busy.value}
        onClick={() => askAgain(chatId, exchange)}
      >
        <Icon name="redo" />
        {answer.state === "failed" ? "Try again" : "Ask again"}
      </button>
      {answer.mode === "extractive" && !answer.nothingFound && (
        <span class="mode">
          Quoted from your documents.{" "}
          {demo && (
            <button
              type="button"
              class="link"
              onClick={() => {
                dialog.value = "better-model";
              }}
            >
              Use a better model
            </button>
          )}
        </span>
      )}
    </div>
  );
}
