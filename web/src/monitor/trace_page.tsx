import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { count, exact } from "../ui/format";
import { Icon } from "../ui/icons";
import { CopyButton } from "../ui/parts";
import { pageUrl } from "./address";
import { filter, place, useFeed } from "./feed";
import { Flame } from "./flame";
import { Failure, Go } from "./shell_parts";
import { SpanPanel } from "./span_panel";
import {
  criticalPath,
  type Node,
  processesOf,
  treeOf,
  whereTheTimeWent,
  workOf,
} from "./span_tree";
import { getTrace, type Trace } from "./traces";
import { Route, Status } from "./traces_page";
import { Waterfall } from "./waterfall";
import { nanoseconds, shortCall } from "./words";

/** One request: what was done for it, in which process, and what it waited for. */
export function TracePage(): JSX.Element {
  const { trace: id } = place.value;
  const fed = useFeed(`trace ${id}`, (_, signal) => getTrace(id, signal), 0);
  const back = (
    <Go to={pageUrl(place.value, "traces")} class="quiet-button back">
      <Icon name="left" />
      All traces
    </Go>
  );
  if (fed.value === undefined)
    return (
      <div class="trace-page">
        {back}
        {fed.error === undefined ? (
          <span class="bones block tall" aria-label="Loading the trace" role="status" />
        ) : fed.error.failure === "missing" ? (
          <div class="empty">
            <Icon name="search" />
            <h1>This trace is not kept</h1>
            <p class="hint">
              <code>{id}</code> was not recorded, or has made room for newer ones. Failed, slow and
              rare requests are kept longest; <code>traces.sample</code> in the configuration keeps
              more of the others.
            </p>
          </div>
        ) : (
          <Failure error={fed.error} />
        )}
      </div>
    );
  return (
    <div class="trace-page">
      {back}
      <Shown trace={fed.value} />
    </div>
  );
}

/** The process's number among the trace's own, which is its colour. */
export type Lanes = ReadonlyMap<string, number>;

function Shown({ trace }: { readonly trace: Trace }): JSX.Element {
  const { query } = place.value;
  const every = query["spans"] === "all";
  const flame = query["view"] === "flame";
  const tree = useMemo(() => treeOf(trace, !every), [trace, every]);
  const path = useMemo(() => criticalPath(tree), [tree]);
  const lanes: Lanes = useMemo(
    () => new Map(processesOf(trace).map((name, at) => [name, at])),
    [trace],
  );
  const chosen = query["span"] ?? "";
  const choose = (node: Node) =>
    filter({ span: chosen === node.span.id ? "" : node.span.id }, true);
  const node = find(tree.roots, chosen);
  return (
    <>
      <Head trace={trace} />
      <Went trace={trace} path={path} lanes={lanes} />
      <div class="trace-tools">
        <div class="segments" role="group" aria-label="How to show it">
          <button type="button" aria-pressed={!flame} onClick={() => filter({ view: "" }, true)}>
            Waterfall
          </button>
          <button
            type="button"
            aria-pressed={flame}
            onClick={() => filter({ view: "flame" }, true)}
          >
            Flame
          </button>
        </div>
        <label class="check">
          <input
            type="checkbox"
            checked={every}
            onChange={(event) =>
              filter({ spans: event.currentTarget.checked ? "all" : "", span: "" }, true)
            }
          />
          Both ends of every call
        </label>
      </div>
      <div class={`trace-body ${node === undefined ? "" : "with-panel"}`}>
        {flame ? (
          <Flame tree={tree} lanes={lanes} chosen={chosen} choose={choose} />
        ) : (
          <Waterfall tree={tree} path={path} lanes={lanes} chosen={chosen} choose={choose} />
        )}
        {node !== undefined && (
          <SpanPanel node={node} tree={tree} onClose={() => filter({ span: "" }, true)} />
        )}
      </div>
    </>
  );
}

function find(nodes: readonly Node[], id: string): Node | undefined {
  for (const node of nodes) {
    const found = node.hops.some((span) => span.id === id) ? node : find(node.children, id);
    if (found !== undefined) return found;
  }
  return undefined;
}

function Head({ trace }: { readonly trace: Trace }): JSX.Element {
  const processes = processesOf(trace).length;
  return (
    <header class="trace-head">
      <h1>
        <Route text={trace.route} /> <Status trace={trace} />
      </h1>
      <p class="meta trace-facts">
        <strong>{nanoseconds(trace.durationNs)}</strong>
        <span>{exact(trace.startUs / 1000)}</span>
        <span>{count(trace.spans.length, "span")}</span>
        <span>{count(processes, "process", "processes")}</span>
        <span>kept: {trace.reason}</span>
        {trace.dropped > 0 && <span class="warn-text">{trace.dropped} spans dropped</span>}
      </p>
      <p class="trace-links">
        <code title="trace id">{trace.id}</code>
        <CopyButton text={() => trace.id} label="Copy the trace id" />
        <Go to={pageUrl(place.value, "logs", { trace: trace.id })} class="quiet-button">
          <Icon name="files" />
          Its logs
        </Go>
      </p>
    </header>
  );
}

interface WentProps {
  readonly trace: Trace;
  readonly path: ReturnType<typeof criticalPath>;
  readonly lanes: Lanes;
}

/** The critical path's time by process as a bar, and what took most of it in words. */
function Went({ trace, path, lanes }: WentProps): JSX.Element | null {
  const parts = whereTheTimeWent(path);
  const totalNs = parts.reduce((sum, part) => sum + part.ns, 0);
  if (totalNs <= 0) return null;
  const byProcess = [...lanes.keys()].map((process) => ({
    process,
    ns: path.reduce(
      (sum, { node, fromNs, toNs }) => sum + (workOf(node).process === process ? toNs - fromNs : 0),
      0,
    ),
  }));
  const most = parts[0];
  return (
    <section class="went" aria-label="Where the time went">
      <div class="went-bar" aria-hidden="true">
        {byProcess
          .filter((one) => one.ns > 0)
          .map((one) => (
            <i
              key={one.process}
              class={`lane-${(lanes.get(one.process) ?? 0) % 6}`}
              style={{ width: `${(one.ns / totalNs) * 100}%` }}
            />
          ))}
      </div>
      <ul class="legend">
        {byProcess.map((one) => (
          <li key={one.process}>
            <i class={`swatch lane-${(lanes.get(one.process) ?? 0) % 6}`} aria-hidden="true" />
            <span class="legend-name">{one.process}</span>
            <span class="legend-value">{nanoseconds(one.ns)}</span>
          </li>
        ))}
      </ul>
      {most !== undefined && trace.spans.length > 1 && (
        <p class="hint">
          The answer waited longest for <strong>{shortCall(most.name)}</strong> in {most.process}:{" "}
          {nanoseconds(most.ns)} of {nanoseconds(totalNs)}, {Math.round((most.ns / totalNs) * 100)}{" "}
          %.
        </p>
      )}
    </section>
  );
}
