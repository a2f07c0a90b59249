import type { JSX } from "preact";
import { failed, layersOf, type Node, type Tree, workOf } from "./span_tree";
import type { Lanes } from "./trace_page";
import { Axis } from "./waterfall";
import { nanoseconds, shortCall } from "./words";

const kRowPx = 26;
const kNamedPart = 0.03; // what is narrower has no room for a letter

interface FlameProps {
  readonly tree: Tree;
  readonly lanes: Lanes;
  readonly chosen: string;
  readonly choose: (node: Node) => void;
}

/** The spans lying on what called them: as wide as they took. */
export function Flame({ tree, lanes, chosen, choose }: FlameProps): JSX.Element {
  const layers = layersOf(tree);
  const levels = Math.max(...layers.map((layer) => layer.level)) + 1;
  return (
    <div class="flame pane">
      <Axis totalNs={tree.totalNs} />
      <div class="flame-boxes" style={{ height: `${levels * kRowPx}px` }}>
        {layers.map(({ node, level }) => {
          const work = workOf(node);
          return (
            <button
              key={node.span.id}
              type="button"
              class={`flame-box lane-${(lanes.get(work.process) ?? 0) % 6} ${failed(node) ? "failed" : ""}`}
              aria-pressed={node.hops.some((span) => span.id === chosen)}
              title={`${shortCall(node.span.name)}\n${work.process}, ${nanoseconds(node.span.durationNs)}`}
              style={{
                top: `${level * kRowPx}px`,
                left: `${(node.startNs / tree.totalNs) * 100}%`,
                width: `${(node.span.durationNs / tree.totalNs) * 100}%`,
              }}
              onClick={() => choose(node)}
            >
              <span
                class={node.span.durationNs < tree.totalNs * kNamedPart ? "visually-hidden" : ""}
              >
                {shortCall(node.span.name)}
              </span>
              <span class="visually-hidden">
                {" "}
                in {work.process}, {nanoseconds(node.span.durationNs)}
              </span>
            </button>
          );
        })}
      </div>
    </div>
  );
}
