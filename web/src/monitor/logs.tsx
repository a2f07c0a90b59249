import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ApiError, asApiError, isAbort } from "../api/errors";
import { exact } from "../ui/format";
import { Icon } from "../ui/icons";
import { idIn, pageUrl, type Place } from "./address";
import { asked, filter, place } from "./feed";
import { LevelsDialog } from "./levels";
import { kLevels, type LogFilters, type LogRecord, watchLogs } from "./log_records";
import { Failure, Go } from "./shell_parts";
import { clock } from "./ticks";

const kMost = 2000;
const kRetryMs = 3000;
const kPaintMs = 200;

interface Tail {
  readonly records: readonly LogRecord[];
  readonly error: ApiError | undefined;
  /** The server has answered. */
  readonly begun: boolean;
}

/** The log as it comes; while it is held, what comes is kept back. */
function useTail(filters: LogFilters, held: boolean): Tail & { readonly kept: number } {
  const key = JSON.stringify(filters);
  const [tail, setTail] = useState<Tail>({ records: [], error: undefined, begun: false });
  const waiting = useRef<LogRecord[]>([]);
  const [kept, setKept] = useState(0);
  useEffect(() => {
    const controller = new AbortController();
    let timer = 0;
    let last = 0;
    waiting.current = [];
    setTail({ records: [], error: undefined, begun: false });
    const follow = async () => {
      try {
        for await (const record of watchLogs(filters, last, controller.signal)) {
          last = Math.max(last, record.sequence);
          waiting.current.push(record);
          if (waiting.current.length > kMost) waiting.current.shift();
        }
      } catch (error) {
        if (isAbort(error) || controller.signal.aborted) return;
        setTail((before) => ({ ...before, error: asApiError(error), begun: true }));
      }
      if (!controller.signal.aborted) timer = window.setTimeout(() => void follow(), kRetryMs);
    };
    void follow();
    const first = window.setTimeout(() => setTail((before) => ({ ...before, begun: true })), 1200);
    return () => {
      controller.abort();
      window.clearTimeout(timer);
      window.clearTimeout(first);
    };
  }, [key, asked.value]);
  useEffect(() => {
    const paint = () => {
      setKept(waiting.current.length);
      if (held || waiting.current.length === 0) return;
      const fresh = waiting.current;
      waiting.current = [];
      setKept(0);
      setTail((before) => ({
        records: [...before.records, ...fresh].slice(-kMost),
        error: undefined,
        begun: true,
      }));
    };
    const timer = window.setInterval(paint, kPaintMs);
    return () => window.clearInterval(timer);
  }, [held]);
  return { ...tail, kept };
}

/** What the processes say. */
export function LogsPage(): JSX.Element {
  const { query } = place.value;
  const [held, setHeld] = useState(false);
  const [levels, setLevels] = useState(false);
  const tail = useTail(query, held);
  return (
    <div class="logs">
      <h1 class="visually-hidden">Logs</h1>
      <Filters query={query} />
      <div class="log-tools">
        <button
          type="button"
          class={`quiet-button live ${held ? "" : "on"}`}
          aria-pressed={!held}
          onClick={() => setHeld(!held)}
        >
          <i class="live-dot" aria-hidden="true" />
          {held ? "Held" : "Live"}
        </button>
        <span class="meta" role="status">
          {held && tail.kept > 0 ? `${tail.kept.toLocaleString("en-GB")} kept back` : ""}
        </span>
        <span class="spacer" />
        <button type="button" class="quiet-button" onClick={() => setLevels(true)}>
          <Icon name="settings" />
          Levels
        </button>
      </div>
      {tail.error !== undefined && <Failure error={tail.error} stale={tail.records.length > 0} />}
      <List tail={tail} held={held} filtered={Object.keys(query).length > 0} hold={setHeld} />
      {levels && (
        <LevelsDialog
          onClose={() => setLevels(false)}
          modules={[...new Set(tail.records.map((record) => record.module))].sort()}
        />
      )}
    </div>
  );
}

function Filters({ query }: { readonly query: Place["query"] }): JSX.Element {
  return (
    <form
      class="filters"
      role="search"
      aria-label="Logs"
      onSubmit={(event) => event.preventDefault()}
    >
      <label class="search filter-wide">
        <span class="visually-hidden">A part of the message or of a field</span>
        <Icon name="search" />
        <input
          id="log-search"
          type="search"
          placeholder="A part of the message or of a field"
          value={query["text"] ?? ""}
          onChange={(event) => filter({ text: event.currentTarget.value.trim() })}
        />
      </label>
      <label class="filter narrow">
        <span>From level</span>
        <select
          value={query["level"] ?? ""}
          onChange={(event) => filter({ level: event.currentTarget.value })}
        >
          <option value="">all</option>
          {kLevels.map((level) => (
            <option key={level} value={level}>
              {level}
            </option>
          ))}
        </select>
      </label>
      <label class="filter">
        <span>Module</span>
        <input
          placeholder="any"
          value={query["module"] ?? ""}
          onChange={(event) => filter({ module: event.currentTarget.value.trim() })}
        />
      </label>
      <label class="filter">
        <span>Trace or request</span>
        <input
          placeholder="any"
          value={query["trace"] ?? query["request"] ?? ""}
          onChange={(event) => {
            const id = idIn(event.currentTarget.value);
            filter({ trace: id.length === 32 ? id : "", request: id.length === 32 ? "" : id });
          }}
        />
      </label>
    </form>
  );
}

interface ListProps {
  readonly tail: Tail;
  readonly held: boolean;
  readonly filtered: boolean;
  readonly hold: (held: boolean) => void;
}

const kNearPx = 40;

function List({ tail, held, filtered, hold }: ListProps): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    const element = box.current;
    if (element !== null && atEnd.current && !held) element.scrollTop = element.scrollHeight;
  }, [tail.records, held]);
  if (tail.records.length === 0)
    return tail.begun ? (
      tail.error === undefined ? (
        <div class="empty">
          <Icon name="files" />
          <h2>{filtered ? "No record matches" : "Nothing has been said yet"}</h2>
          <p class="hint">
            {filtered ? (
              <>
                New ones show up here as they come.{" "}
                <Go to={pageUrl(place.value, "logs")}>Drop the filters</Go> to see all.
              </>
            ) : (
              "What the processes write shows up here as it comes. To see more, set a lower level under “Levels”."
            )}
          </p>
        </div>
      ) : (
        <div />
      )
    ) : (
      <div class="log-list pane" aria-hidden="true">
        {Array.from({ length: 10 }, (_, at) => (
          <p key={at} class="log-row">
            <span class="bones line" />
          </p>
        ))}
      </div>
    );
  return (
    <div
      class="log-list pane"
      ref={box}
      tabIndex={0}
      role="log"
      aria-live="off"
      aria-label="Log, the newest last"
      onScroll={(event) => {
        const element = event.currentTarget;
        const end = element.scrollHeight - element.scrollTop - element.clientHeight < kNearPx;
        // Whoever scrolls up reads: the list stays where it is until they come back to its end.
        if (atEnd.current && !end) hold(true);
        else if (!atEnd.current && end) hold(false);
        atEnd.current = end;
      }}
    >
      {tail.records.map((record) => (
        <Row key={record.sequence} record={record} />
      ))}
    </div>
  );
}

function Row({ record }: { readonly record: LogRecord }): JSX.Element {
  const ms = record.timeUs / 1000;
  return (
    <p class={`log-row level-${record.level}`}>
      <time dateTime={new Date(ms).toISOString()} title={exact(ms)}>
        {clock(ms, true)}.{String(Math.floor(ms) % 1000).padStart(3, "0")}
      </time>
      <span class="log-level">{record.level}</span>
      <span class="log-process">{record.process}</span>
      <button
        type="button"
        class="log-module"
        title={`${record.place || record.module}: only this module`}
        onClick={() => filter({ module: record.module })}
      >
        {record.module}
      </button>
      <span class="log-message">
        {record.message}
        {record.fields.map(([key, value]) => (
          <span key={key} class="log-field">
            {" "}
            <span class="log-key">{key}=</span>
            {value}
          </span>
        ))}
        {record.suppressed > 0 && <span class="meta"> and {record.suppressed} like it</span>}
        {record.traceId !== "" && (
          <>
            {" "}
            <Go
              to={pageUrl(place.value, "trace", {}, record.traceId)}
              class="log-trace"
              title="The trace of this request"
            >
              trace {record.traceId.slice(0, 8)}
            </Go>
          </>
        )}
      </span>
    </p>
  );
}
