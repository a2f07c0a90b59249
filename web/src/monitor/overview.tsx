import type { JSX } from "preact";
import { size } from "../ui/format";
import { Card, Spark } from "./card";
import { text } from "./chart";
import { filter, place, type Fed, useFeed } from "./feed";
import { pageUrl } from "./address";
import {
  byProcess,
  byRoute,
  dataOf,
  loadOverview,
  type Overview,
  type RouteRow,
  routeRows,
  total,
  whole,
  work,
} from "./figures";
import { ServiceMap } from "./map";
import { known, ratio, recent, type Series, told } from "./series";
import { Failure, Go } from "./shell_parts";
import { plain, rate, seconds, share, shortRoute } from "./words";

/** How the platform is: what it is asked, how it answers, and what it takes. */
export function OverviewPage(): JSX.Element {
  const route = place.value.query["route"] ?? "";
  const fed = useFeed(`overview ${route}`, (span, signal) => loadOverview(route, span, signal));
  const rows = fed.value === undefined ? undefined : routeRows(fed.value);
  return (
    <>
      <h1 class="visually-hidden">Overview</h1>
      {fed.error !== undefined && <Failure error={fed.error} stale={fed.value !== undefined} />}
      {route !== "" && (
        <p class="chosen-route">
          Requests to <code>{route}</code> only.{" "}
          <button type="button" class="link" onClick={() => filter({ route: "" })}>
            Show all
          </button>
        </p>
      )}
      <div class="cards">
        <Asked fed={fed} rows={rows} />
      </div>
      <div class="map-and-routes">
        <ServiceMap />
        <Routes rows={rows} chosen={route} />
      </div>
      <div class="cards">
        <Taken fed={fed} />
      </div>
    </>
  );
}

function memory(bytes: number): string {
  return bytes === 0 ? "0" : size(bytes);
}

interface PartProps {
  readonly fed: Fed<Overview>;
  readonly rows?: readonly RouteRow[] | undefined;
}

const kQuiet =
  "Nobody has asked anything in this time. Ask in the chat, and it shows up here within seconds.";

function latencySeries(rows: readonly RouteRow[], now: Overview): Series[] {
  const only = rows.length === 1 ? rows[0] : undefined;
  if (only === undefined)
    return rows
      .slice(0, 4)
      .map((row, tone) => ({ name: shortRoute(row.route), values: row.slowness, tone }));
  return [
    {
      name: "p50",
      values: now.p50.lines.find((line) => line.labels["route"] === only.route)?.values ?? [],
      tone: 0,
    },
    { name: "p99", values: only.slowness, tone: 1 },
  ];
}

function Asked({ fed, rows = [] }: PartProps): JSX.Element {
  const now = fed.value;
  const requests = now && total(work(now.requests));
  const faults = now && total(work(now.faults));
  const refusals = now && total(work(now.refusals));
  const failing = requests && faults ? recent(ratio(faults, requests), 12) : undefined;
  const busiest = rows[0];
  return (
    <>
      <Card
        title="Traffic"
        fed={fed}
        figure={text(recent(requests ?? []), rate)}
        data={now && dataOf(now.requests, rows.length === 0 ? [] : byRoute(work(now.requests)))}
        words={rate}
        empty={kQuiet}
        stacked
      />
      <Card
        title="Errors"
        fed={fed}
        figure={requests && known(requests).length > 0 ? share(failing ?? 0) : "–"}
        note="answered 5xx"
        {...((failing ?? 0) > 0 ? { tone: "bad" as const } : {})}
        data={
          now &&
          dataOf(
            now.faults,
            rows.length === 0
              ? []
              : [
                  { name: "5xx: failed", values: faults ?? [], tone: "bad" },
                  { name: "4xx: refused", values: refusals ?? [], tone: "warn" },
                ],
          )
        }
        words={rate}
        least={0.1}
        empty="No requests, no errors."
      />
      <Card
        title="Latency"
        fed={fed}
        figure={
          busiest === undefined
            ? "–"
            : `${text(busiest.p50, seconds)} · ${text(busiest.p99, seconds)}`
        }
        note={<abbr title={`of ${busiest?.route ?? "the busiest route"}`}>p50 · p99</abbr>}
        data={now && dataOf(now.p99, latencySeries(rows, now))}
        words={seconds}
        empty="There is nothing to measure yet."
      />
    </>
  );
}

function Taken({ fed }: PartProps): JSX.Element {
  const now = fed.value;
  const waiting = now && recent(total(now.waiting), 1);
  return (
    <>
      <Card
        title="Processor"
        fed={fed}
        figure={text(now && recent(total(now.cpu)), plain)}
        note="cores busy"
        data={now && dataOf(now.cpu, byProcess(now.cpu))}
        words={plain}
        stacked
        least={0.1}
        empty="The processes have not been looked at in this time."
      />
      <Card
        title="Memory"
        fed={fed}
        figure={text(now && recent(total(now.memory), 1), size)}
        data={now && dataOf(now.memory, byProcess(now.memory))}
        words={memory}
        stacked
        empty="The processes have not been looked at in this time."
      />
      <Card
        title="Queues"
        fed={fed}
        figure={text(waiting, plain)}
        note="answers waiting"
        data={
          now &&
          dataOf(
            now.active,
            told([
              whole("answers being computed", now.active, 0),
              whole("answers waiting", now.waiting, "warn"),
              whole("calls between processes", now.between, 2),
              whole("calls waiting", now.betweenWaiting, 3),
            ]),
          )
        }
        words={plain}
        least={4}
        empty="No model has been loaded, and no process calls another."
      />
      <Card
        title="Tokens"
        fed={fed}
        figure={text(now && recent(total(now.completion)), rate)}
        note="written"
        data={
          now &&
          dataOf(
            now.completion,
            told([whole("read", now.prompt, 1), whole("written", now.completion, 0)]),
          )
        }
        words={rate}
        least={1}
        empty="No model has written yet. Quoted answers take none."
      />
      <Card
        title="Ingest"
        fed={fed}
        figure={text(now && recent(total(now.passages)), rate)}
        note="passages"
        data={
          now &&
          dataOf(
            now.passages,
            told([
              whole("passages", now.passages, 0),
              whole("documents", now.documents, 1),
              whole("failures", now.ingestFailures, "bad"),
            ]),
          )
        }
        words={rate}
        least={1}
        empty="No document has been added in this time."
      />
      <Card
        title="Embeddings"
        fed={fed}
        figure={text(now && recent(total(now.texts)), rate)}
        note="texts"
        data={
          now &&
          dataOf(
            now.texts,
            told([whole("texts", now.texts, 2)]),
          )
        }
        words={rate}
        least={1}
        empty="Nothing was embedded in this time."
      />
    </>
  );
}

function Routes({
  rows,
  chosen,
}: {
  readonly rows: readonly RouteRow[] | undefined;
  readonly chosen: string;
}): JSX.Element {
  return (
    <section class="pane routes" aria-label="Routes">
      <header class="card-head">
        <h2>Routes</h2>
        <p class="meta">means over the time on show</p>
      </header>
      {rows?.length === 0 ? (
        <p class="chart-empty">{kQuiet}</p>
      ) : (
        <div class="routes-scroll" tabIndex={0} role="region" aria-label="Figures by route">
          <table>
            <thead>
              <tr>
                <th scope="col">route</th>
                <th scope="col" class="wide-only">
                  <span class="visually-hidden">requests over time</span>
                </th>
                <th scope="col">requests</th>
                <th scope="col">failed</th>
                <th scope="col">p50</th>
                <th scope="col">p99</th>
              </tr>
            </thead>
            <tbody>
              {(rows ?? []).slice(0, 30).map((row) => (
                <tr key={row.route} class={row.route === chosen ? "current" : ""}>
                  <th scope="row">
                    <button
                      type="button"
                      class="row-button"
                      title={`Only ${row.route}`}
                      aria-pressed={row.route === chosen}
                      onClick={() => filter({ route: row.route === chosen ? "" : row.route })}
                    >
                      {shortRoute(row.route)}
                    </button>
                  </th>
                  <td class="wide-only">
                    <Spark values={row.requests} />
                  </td>
                  <td>{rate(row.perSecond)}</td>
                  <td class={row.faulty > 0 ? "warn-text" : ""}>
                    <Go
                      to={pageUrl(place.value, "traces", {
                        route: row.route,
                        ...(row.faulty > 0 ? { errors: "1" } : {}),
                      })}
                      title="Its traces"
                    >
                      {share(row.faulty)}
                    </Go>
                  </td>
                  <td>{text(row.p50, seconds)}</td>
                  <td>{text(row.p99, seconds)}</td>
                </tr>
              ))}
              {rows === undefined &&
                [0, 1, 2, 3, 4].map((at) => (
                  <tr key={at} aria-hidden="true">
                    <td colSpan={6}>
                      <span class="bones line" />
                    </td>
                  </tr>
                ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
