import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { count, exact } from "../ui/format";
import { Icon } from "../ui/icons";
import { idIn, type Place, pageUrl } from "./address";
import { filter, place, show, useFeed } from "./feed";
import { isOfWork } from "./series";
import { Failure, Go } from "./shell_parts";
import { Scatter } from "./scatter";
import { clock } from "./ticks";
import { kTracesShown, listTraces, type Trace } from "./traces";
import { nanoseconds } from "./words";

/** The requests that the platform has kept: searched, filtered, each a link to its spans. */
export function TracesPage(): JSX.Element {
  const { query } = place.value;
  const key = JSON.stringify(query);
  const fed = useFeed(`traces ${key}`, (span, signal) =>
    listTraces(query, span.fromMs, span.toMs, signal),
  );
  const all = fed.value?.filter(
    (trace) => query["own"] === "1" || isOfWork(trace.route) || query["route"] !== undefined,
  );
  return (
    <>
      <h1 class="visually-hidden">Traces</h1>
      <Filters
        query={query}
        routes={all === undefined ? [] : [...new Set(all.map((trace) => trace.route))].sort()}
      />
      {fed.error !== undefined && <Failure error={fed.error} stale={all !== undefined} />}
      <section class="pane scatter-pane" aria-label="Durations over time">
        <Scatter traces={all ?? []} span={fed.span} />
      </section>
      {all === undefined ? (
        <Bones />
      ) : all.length === 0 ? (
        <None query={query} />
      ) : (
        <List traces={all} />
      )}
    </>
  );
}

function Filters({
  query,
  routes,
}: {
  readonly query: Place["query"];
  readonly routes: readonly string[];
}): JSX.Element {
  const [words, setWords] = useState(query["text"] ?? query["request"] ?? "");
  useEffect(
    () => setWords(query["text"] ?? query["request"] ?? ""),
    [query["text"], query["request"]],
  );
  const search = () => {
    const id = idIn(words);
    if (id !== "") show({ ...place.value, page: "trace", trace: id, query: {} });
    else filter({ text: words.trim(), request: "" });
  };
  return (
    <form
      class="filters"
      role="search"
      aria-label="Traces"
      onSubmit={(event) => {
        event.preventDefault();
        search();
      }}
    >
      <label class="search filter-wide">
        <span class="visually-hidden">Words, or the id of a trace or request</span>
        <Icon name="search" />
        <input
          id="trace-search"
          type="search"
          placeholder="Words, or the id of a trace or request"
          value={words}
          onInput={(event) => setWords(event.currentTarget.value)}
          onSearch={search}
          onBlur={() => {
            if (idIn(words) === "" && words.trim() !== (query["text"] ?? "")) search();
          }}
        />
      </label>
      <label class="filter">
        <span>Route</span>
        <input
          list="routes-known"
          value={query["route"] ?? ""}
          placeholder="any"
          onChange={(event) => filter({ route: event.currentTarget.value.trim() })}
        />
        <datalist id="routes-known">
          {routes.map((route) => (
            <option key={route} value={route} />
          ))}
        </datalist>
      </label>
      <label class="filter narrow">
        <span>Status</span>
        <select
          value={query["status"] ?? ""}
          onChange={(event) => filter({ status: event.currentTarget.value })}
        >
          <option value="">any</option>
          <option value="2">2xx</option>
          <option value="4">4xx</option>
          <option value="5">5xx</option>
        </select>
      </label>
      <label class="filter narrow">
        <span>At least</span>
        <select
          value={query["min"] ?? ""}
          onChange={(event) => filter({ min: event.currentTarget.value })}
        >
          <option value="">any time</option>
          {["10", "50", "100", "500", "1000", "5000"].map((ms) => (
            <option key={ms} value={ms}>
              {nanoseconds(Number(ms) * 1e6)}
            </option>
          ))}
          {query["min"] !== undefined &&
            !["10", "50", "100", "500", "1000", "5000"].includes(query["min"]) && (
              <option value={query["min"]}>{query["min"]} ms</option>
            )}
        </select>
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={query["errors"] === "1"}
          onChange={(event) => filter({ errors: event.currentTarget.checked ? "1" : "" })}
        />
        Errors only
      </label>
      <label
        class="check"
        title="Requests by which the platform is looked at: /admin, /metrics, /health"
      >
        <input
          type="checkbox"
          checked={query["own"] === "1"}
          onChange={(event) => filter({ own: event.currentTarget.checked ? "1" : "" })}
        />
        Monitoring too
      </label>
    </form>
  );
}

const kReasons: Readonly<Record<string, string>> = {
  sampled: "chosen by chance",
  error: "kept because it failed",
  slow: "kept because it was slow",
  rare: "kept because its route is rare",
  recent: "kept because it is recent",
};

function List({ traces }: { readonly traces: readonly Trace[] }): JSX.Element {
  const longest = Math.max(...traces.map((trace) => trace.durationNs));
  return (
    <>
      <ul class="trace-list" aria-label="Traces, the newest first">
        {traces.map((trace) => (
          <li key={trace.id}>
            <Go
              to={pageUrl(place.value, "trace", {}, trace.id)}
              class={`trace-row ${trace.error ? "failed" : ""}`}
            >
              <time
                class="trace-time"
                dateTime={new Date(trace.startUs / 1000).toISOString()}
                title={exact(trace.startUs / 1000)}
              >
                {clock(trace.startUs / 1000, true)}
              </time>
              <span class="trace-route" title={trace.route}>
                <Route text={trace.route} />
              </span>
              <Status trace={trace} />
              <span class="trace-bar" aria-hidden="true">
                <i style={{ width: `${Math.max(0.5, (trace.durationNs / longest) * 100)}%` }} />
              </span>
              <span class="trace-duration">{nanoseconds(trace.durationNs)}</span>
              <span class="meta trace-spans">{count(trace.spanCount, "span")}</span>
              <span class="meta trace-reason" title={kReasons[trace.reason] ?? ""}>
                {trace.reason}
              </span>
            </Go>
          </li>
        ))}
      </ul>
      {traces.length >= kTracesShown / 2 && (
        <p class="hint">These are the newest. A shorter time or a filter shows others.</p>
      )}
    </>
  );
}

/** "POST /v1/chat/completions", with the method quieter than the path. */
export function Route({ text }: { readonly text: string }): JSX.Element {
  const [, method = "", path = text] = /^([A-Z]+) (.*)$/.exec(text) ?? [];
  return (
    <>
      {method !== "" && <span class="method">{method}</span>} {path}
    </>
  );
}

export function Status({ trace }: { readonly trace: Trace }): JSX.Element {
  const failed = trace.error || trace.httpStatus >= 500;
  const tone = failed ? "bad" : trace.httpStatus >= 400 ? "refused" : "";
  return (
    <span class={`status ${tone}`}>
      {failed && <span class="visually-hidden">failed: </span>}
      {trace.httpStatus === 0 ? (failed ? "failed" : "well") : trace.httpStatus}
    </span>
  );
}

function Bones(): JSX.Element {
  return (
    <div class="trace-list" aria-hidden="true">
      {Array.from({ length: 8 }, (_, at) => (
        <p key={at} class="trace-row">
          <span class="bones line" />
        </p>
      ))}
    </div>
  );
}

function None({ query }: { readonly query: Place["query"] }): JSX.Element {
  const filtered = Object.keys(query).length > 0;
  return (
    <div class="empty">
      <Icon name="search" />
      <h2>{filtered ? "No trace matches" : "No traces in this time"}</h2>
      <p class="hint">
        {filtered ? (
          <>
            Look at a longer time, or <Go to={pageUrl(place.value, "traces")}>drop the filters</Go>.
          </>
        ) : (
          "Ask something in the chat or add a document: what it took is listed here a moment later."
        )}
      </p>
    </div>
  );
}
