import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { IconButton } from "../ui/parts";
import type { Node, Tree } from "./span_tree";
import type { TraceSpan } from "./traces";
import { nanoseconds, shortCall } from "./words";

interface SpanPanelProps {
  readonly node: Node;
  readonly tree: Tree;
  readonly onClose: () => void;
}

const kEnds: Readonly<Record<string, string>> = {
  internal: "as it was asked for",
  client: "on its way out",
  server: "where it was done",
  producer: "handed on",
  consumer: "taken up",
};

/** All that is known of a span; of a call, of each of its ends. */
export function SpanPanel({ node, tree, onClose }: SpanPanelProps): JSX.Element {
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape") onClose();
    };
    window.addEventListener("keydown", onKey);
    return () => window.removeEventListener("keydown", onKey);
  }, [onClose]);
  useEffect(() => {
    if (window.matchMedia("(max-width: 900px)").matches)
      panel.current?.scrollIntoView({ block: "nearest" });
  }, [node.span.id]);
  return (
    <aside class="span-panel pane" aria-label="The chosen span" ref={panel}>
      <header class="span-panel-head">
        <h2>{shortCall(node.span.name)}</h2>
        <IconButton icon="close" label="Close" onClick={onClose} />
      </header>
      {node.hops.map((span) => (
        <Facts key={span.id} span={span} tree={tree} alone={node.hops.length === 1} />
      ))}
    </aside>
  );
}

function Facts({
  span,
  tree,
  alone,
}: {
  readonly span: TraceSpan;
  readonly tree: Tree;
  readonly alone: boolean;
}): JSX.Element {
  const rows: (readonly [string, string])[] = [
    ["took", nanoseconds(span.durationNs) + (span.unfinished ? ", not ended" : "")],
    ["began after", nanoseconds((span.startUs - tree.startUs) * 1000)],
    [
      "process",
      span.group === "" || span.group === span.process
        ? span.process
        : `${span.process} of ${span.group}`,
    ],
    ...(span.status === "" ? [] : [["status", span.status] as const]),
    ...span.attributes.map((one) => [one.key, one.value] as const),
  ];
  return (
    <section>
      {!alone && (
        <h3>
          {span.process} <span class="meta">{kEnds[span.kind] ?? span.kind}</span>
        </h3>
      )}
      <dl class="facts">
        {rows.map(([key, value]) => (
          <div key={key} class={key === "status" && span.error ? "warn-text" : ""}>
            <dt>{key}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
