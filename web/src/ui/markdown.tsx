import type { ComponentChildren, JSX } from "preact";
import { useMemo } from "preact/hooks";
import type { Citation } from "../api/types";
import { parseMarkdown } from "../markdown/blocks";
import { placeCitations } from "../markdown/citations";
import { highlight } from "../markdown/highlight";
import type { Block, Inline } from "../markdown/tree";
import { passageOf, passageUrl } from "../api/address";
import { CopyButton } from "./parts";

interface MarkdownProps {
  readonly text: string;
  readonly citations: readonly Citation[];
  /** The answer is still coming: marks are shown before their citations are known. */
  readonly pending: boolean;
  readonly onCite: (citation: Citation) => void;
}

interface Scope {
  /** Level of the answer's highest heading, which stands right below the question. */
  readonly top: number;
  readonly citations: readonly Citation[];
  readonly onCite: (citation: Citation) => void;
}

/** An answer as elements. Text only ever becomes text nodes, so nothing in it can act. */
export function Markdown({ text, citations, pending, onCite }: MarkdownProps): JSX.Element {
  const blocks = useMemo(
    () => parseMarkdown(placeCitations(text, citations, pending)),
    [text, citations, pending],
  );
  const top = Math.min(6, ...blocks.map((block) => (block.kind === "heading" ? block.level : 6)));
  return (
    <div class="prose">
      {blocks.map((block, key) => renderBlock(block, { top, citations, onCite }, key))}
    </div>
  );
}

function renderBlock(block: Block, scope: Scope, key: number): JSX.Element {
  switch (block.kind) {
    case "paragraph":
      return <p key={key}>{renderInlines(block.children, scope)}</p>;
    case "heading":
      return (
        <Heading key={key} depth={block.level - scope.top}>
          {renderInlines(block.children, scope)}
        </Heading>
      );
    case "code":
      return <CodeBlock key={key} language={block.language} text={block.text} />;
    case "quote":
      return (
        <blockquote key={key}>
          {block.children.map((child, at) => renderBlock(child, scope, at))}
        </blockquote>
      );
    case "list":
      return <List key={key} block={block} scope={scope} />;
    case "table":
      return <Table key={key} block={block} scope={scope} />;
    case "rule":
      return <hr key={key} />;
  }
}

/** Headings of an answer stand below the page's own two levels: the chat's title and the question. */
function Heading({
  depth,
  children,
}: {
  readonly depth: number;
  readonly children: ComponentChildren;
}): JSX.Element {
  if (depth <= 0) return <h3>{children}</h3>;
  return depth === 1 ? <h4>{children}</h4> : <h5>{children}</h5>;
}

function List({
  block,
  scope,
}: {
  readonly block: Extract<Block, { kind: "list" }>;
  readonly scope: Scope;
}): JSX.Element {
  const items = block.items.map((item, key) => (
    <li key={key}>
      {item.map((child, at) =>
        item.length === 1 && child.kind === "paragraph"
          ? renderInlines(child.children, scope)
          : renderBlock(child, scope, at),
      )}
    </li>
  ));
  return block.ordered ? <ol start={block.start}>{items}</ol> : <ul>{items}</ul>;
}

function Table({
  block,
  scope,
}: {
  readonly block: Extract<Block, { kind: "table" }>;
  readonly scope: Scope;
}): JSX.Element {
  const aligned = (column: number) => `align-${block.align[column] ?? "none"}`;
  return (
    <div class="table-scroll" tabIndex={0} role="region" aria-label="Table">
      <table>
        <thead>
          <tr>
            {block.head.map((cell, at) => (
              <th key={at} scope="col" class={aligned(at)}>
                {renderInlines(cell, scope)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {block.rows.map((row, key) => (
            <tr key={key}>
              {row.map((cell, at) => (
                <td key={at} class={aligned(at)}>
                  {renderInlines(cell, scope)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function CodeBlock({
  language,
  text,
}: {
  readonly language: string;
  readonly text: string;
}): JSX.Element {
  return (
    <figure class="code">
      <figcaption>
        <span>{language || "code"}</span>
        <CopyButton text={() => text} label="Copy code" />
      </figcaption>
      <pre tabIndex={0} role="region" aria-label={`Code${language === "" ? "" : `, ${language}`}`}>
        <code>
          {highlight(text, language).map((token, key) =>
            token.kind === "plain" ? (
              token.text
            ) : (
              <span key={key} class={`token-${token.kind}`}>
                {token.text}
              </span>
            ),
          )}
        </code>
      </pre>
    </figure>
  );
}

function renderInlines(nodes: readonly Inline[], scope: Scope): ComponentChildren {
  return nodes.map((node, key) => renderInline(node, scope, key));
}

function renderInline(node: Inline, scope: Scope, key: number): ComponentChildren {
  switch (node.kind) {
    case "text":
      return node.text;
    case "break":
      return <br key={key} />;
    case "code":
      return <code key={key}>{node.text}</code>;
    case "strong":
      return <strong key={key}>{renderInlines(node.children, scope)}</strong>;
    case "em":
      return <em key={key}>{renderInlines(node.children, scope)}</em>;
    case "del":
      return <del key={key}>{renderInlines(node.children, scope)}</del>;
    case "link":
      return (
        <a key={key} href={node.href} target="_blank" rel="noopener noreferrer">
          {renderInlines(node.children, scope)}
        </a>
      );
    case "citation":
      return (
        <Chip
          key={key}
          number={node.number}
          citation={scope.citations[node.index]}
          onCite={scope.onCite}
        />
      );
  }
}

interface ChipProps {
  readonly number: number;
  readonly citation: Citation | undefined;
  readonly onCite: (citation: Citation) => void;
}

/** [n] in an answer: a link to the passage, opened beside the chat; a modified click opens it elsewhere. */
function Chip({ number, citation, onCite }: ChipProps): JSX.Element {
  if (citation === undefined) return <span class="chip pending">{number}</span>;
  const page = citation.page > 0 ? `, page ${citation.page}` : "";
  return (
    <a
      class="chip"
      href={passageUrl(passageOf(citation))}
      aria-label={`Source ${number}: ${citation.title}${page}`}
      title={`${citation.title}${page}`}
      onClick={(event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
        event.preventDefault();
        onCite(citation);
      }}
    >
      {number}
    </a>
  );
}
