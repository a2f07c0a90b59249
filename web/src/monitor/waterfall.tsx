import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { Icon } from "../ui/icons";
import { failed, type Node, type Piece, rowsOf, type Tree, workOf } from "./span_tree";
import { durationTicks } from "./ticks";
import type { Lanes } from "./trace_page";
import { nanoseconds, shortCall } from "./words";

// Shorter pieces of the critical path are dots that say nothing.
const kShownPart = 0.004;

// Part of the line that a time takes on a narrow screen.
const kRoom = 0.28;

interface WaterfallProps {
  readonly tree: Tree;
  readonly path: readonly Piece[];
  readonly lanes: Lanes;
  readonly chosen: string;
  readonly choose: (node: Node) => void;
}

/** The spans as a tree beside a time line. Arrow keys walk it, left and right close and open. */
export function Waterfall({ tree, path, lanes, chosen, choose }: WaterfallProps): JSX.Element {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [at, setAt] = useState("");
  const list = useRef<HTMLUListElement>(null);
  const rows = rowsOf(tree, closed);
  const current = rows.find((row) => row.span.id === (at || chosen)) ?? rows[0];
  const toggle = (node: Node, close = !closed.has(node.span.id)) => {
    const next = new Set(closed);
    if (close) next.add(node.span.id);
    else next.delete(node.span.id);
    setClosed(next);
  };
  const focus = (node: Node | undefined) => {
    if (node === undefined) return;
    setAt(node.span.id);
    list.current?.querySelector<HTMLElement>(`[data-span="${node.span.id}"]`)?.focus();
  };
  const onKey = (event: KeyboardEvent) => {
    if (current === undefined) return;
    const place = rows.indexOf(current);
    const parent = rows
      .slice(0, place)
      .filter((row) => row.depth < current.depth)
      .at(-1);
    const open = current.children.length > 0 && !closed.has(current.span.id);
    const actions: Record<string, () => void> = {
      ArrowDown: () => focus(rows[place + 1]),
      ArrowUp: () => focus(rows[place - 1]),
      Home: () => focus(rows[0]),
      End: () => focus(rows.at(-1)),
      ArrowLeft: () => (open ? toggle(current, true) : focus(parent)),
      ArrowRight: () => (open ? focus(rows[place + 1]) : toggle(current, false)),
      Enter: () => choose(current),
      " ": () => choose(current),
    };
    const run = actions[event.key];
    if (run === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    run();
  };
  return (
    <div class="waterfall pane">
      <Axis totalNs={tree.totalNs} />
      <ul role="tree" aria-label="Spans" ref={list} onKeyDown={onKey}>
        {rows.map((row) => (
          <Row
            key={row.span.id}
            node={row}
            tree={tree}
            lane={lanes.get(workOf(row).process) ?? 0}
            critical={path.filter(
              (piece) =>
                piece.node === row && piece.toNs - piece.fromNs > tree.totalNs * kShownPart,
            )}
            open={row.children.length === 0 ? undefined : !closed.has(row.span.id)}
            chosen={row.hops.some((span) => span.id === chosen)}
            reachable={row === current}
            toggle={() => toggle(row)}
            choose={() => {
              setAt(row.span.id);
              choose(row);
            }}
          />
        ))}
      </ul>
      <p class="meta waterfall-key" aria-hidden="true">
        <i class="key-bar" /> in its process <i class="key-call" /> on the way to another{" "}
        <i class="key-critical" /> what the answer waited for
      </p>
    </div>
  );
}

export function Axis({ totalNs }: { readonly totalNs: number }): JSX.Element {
  return (
    <div class="axis" aria-hidden="true">
      <span class="axis-space" />
      <div class="axis-line">
        {durationTicks(totalNs, 5).map((tick) => (
          <span
            key={tick}
            style={{ left: `${(tick / totalNs) * 100}%` }}
            class={tick / totalNs > 0.93 ? "last" : ""}
          >
            {tick === 0 ? "0" : nanoseconds(tick)}
          </span>
        ))}
      </div>
    </div>
  );
}

interface RowProps {
  readonly node: Node;
  readonly tree: Tree;
  readonly lane: number;
  readonly critical: readonly Piece[];
  /** Undefined: there is nothing in it. */
  readonly open: boolean | undefined;
  readonly chosen: boolean;
  readonly reachable: boolean;
  readonly toggle: () => void;
  readonly choose: () => void;
}

function Row({
  node,
  tree,
  lane,
  critical,
  open,
  chosen,
  reachable,
  toggle,
  choose,
}: RowProps): JSX.Element {
  const work = workOf(node);
  const left = (ns: number) => `${(ns / tree.totalNs) * 100}%`;
  const workStart = (work.startUs - tree.startUs) * 1000;
  const bad = failed(node);
  const far = node.hops.some((span) => span.process !== node.span.process);
  const startPart = node.startNs / tree.totalNs;
  const endPart = node.endNs / tree.totalNs;
  const beside = endPart <= 1 - kRoom;
  return (
    <li
      role="treeitem"
      class={`span-row lane-${lane % 6} ${chosen ? "chosen" : ""} ${bad ? "failed" : ""}`}
      data-span={node.span.id}
      aria-level={node.depth + 1}
      aria-expanded={open}
      aria-selected={chosen}
      tabIndex={reachable ? 0 : -1}
      onClick={choose}
    >
      <span class="span-name" style={{ paddingLeft: `${Math.min(node.depth, 12) * 0.85}rem` }}>
        <i
          class={`twist ${open === undefined ? "none" : open ? "open" : ""}`}
          onClick={(event) => {
            if (open === undefined) return;
            event.stopPropagation();
            toggle();
          }}
        >
          {open !== undefined && <Icon name="right" />}
        </i>
        {bad && <Icon name="warn" />}
        <span class="ellipsis">{shortCall(node.span.name)}</span>
        <span class="span-process">
          {far && "→ "}
          {work.process}
        </span>
      </span>
      <span class="span-line">
        {far && (
          <i
            class="bar call"
            style={{ left: left(node.startNs), width: left(node.span.durationNs) }}
          />
        )}
        <i
          class={`bar ${work.unfinished ? "unfinished" : ""}`}
          style={{
            left: left(far ? workStart : node.startNs),
            width: left(far ? work.durationNs : node.span.durationNs),
          }}
        />
        {critical.map((piece) => (
          <i
            key={piece.fromNs}
            class="critical"
            style={{ left: left(piece.fromNs), width: left(piece.toNs - piece.fromNs) }}
          />
        ))}
        <span
          class="span-time"
          style={
            beside
              ? { left: `calc(${endPart * 100}% + 0.35rem)` }
              : { right: `calc(${100 - startPart * 100}% + 0.35rem)` }
          }
          data-inside={!beside && startPart < kRoom}
        >
          {nanoseconds(node.span.durationNs)}
        </span>
        <span class="visually-hidden">
          {bad && ", failed"}
          {critical.length > 0 && ", on the critical path"}
        </span>
      </span>
    </li>
  );
}
