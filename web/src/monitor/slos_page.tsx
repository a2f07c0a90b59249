import type { JSX } from "preact";
import { plain, share } from "./words";
import { Chart } from "./chart";
import { filter, place, useFeed } from "./feed";
import { Failure } from "./shell_parts";
import {
  type Alert,
  type BurnRate,
  burnDown,
  eventsOf,
  getSlo,
  lengthText,
  listSlos,
  type Slo,
  type SloState,
  spanOfPoints,
} from "./slos";
import { clock } from "./ticks";

const kEveryMs = 5000;

/** What the platform promises, what is left of the error budgets, and how fast it goes. */
export function SlosPage(): JSX.Element {
  const fed = useFeed("slos", (_, signal) => listSlos(signal), kEveryMs);
  const all = fed.value;
  const asked = place.value.query["slo"] ?? "";
  const chosen = all?.find((slo) => slo.name === asked) ?? worst(all ?? []);
  return (
    <>
      <h1 class="visually-hidden">SLOs</h1>
      {fed.error !== undefined && <Failure error={fed.error} stale={all !== undefined} />}
      {all?.length === 0 && (
        <p class="chart-empty slo-none">
          No objectives are configured. <code>slos.objectives</code> in the configuration names them.
        </p>
      )}
      <div class="slo-cards" role="group" aria-label="Objectives">
        {all?.map((slo) => (
          <SloCard key={slo.name} slo={slo} chosen={slo.name === chosen?.name} />
        ))}
        {all === undefined &&
          fed.error === undefined &&
          [0, 1].map((at) => <div key={at} class="pane bones slo-bones" aria-hidden="true" />)}
      </div>
      {chosen !== undefined && <Detail key={chosen.name} name={chosen.name} />}
    </>
  );
}

const kWeight: Record<SloState, number> = { missed: 3, burning: 2, met: 1, not_enough_data: 0 };

/** The one to look at first. */
function worst(all: readonly Slo[]): Slo | undefined {
  return [...all].sort((a, b) => kWeight[b.state] - kWeight[a.state])[0];
}

const kStateWords: Record<SloState, string> = {
  met: "Met",
  burning: "Burning",
  missed: "Missed",
  not_enough_data: "Not enough data",
};

function StateChip({ state }: { readonly state: SloState }): JSX.Element {
  return <span class={`slo-state ${state}`}>{kStateWords[state]}</span>;
}

function promise(slo: Slo): string {
  const what =
    slo.indicator === "availability"
      ? "answered"
      : `${slo.indicator === "latency" ? "answered" : "begun"} within ${lengthText(slo.thresholdSeconds)}`;
  return `${Number(slo.target.toFixed(3))} % ${what}, over ${lengthText(slo.windowSeconds)}`;
}

function SloCard({ slo, chosen }: { readonly slo: Slo; readonly chosen: boolean }): JSX.Element {
  return (
    <button
      type="button"
      class={`pane slo-card ${chosen ? "chosen-card" : ""}`}
      aria-pressed={chosen}
      data-slo={slo.name}
      data-state={slo.state}
      onClick={() => filter({ slo: slo.name })}
    >
      <Gauge slo={slo} />
      <span class="slo-card-text">
        <span class="slo-card-head">
          <b>{slo.name}</b>
          <StateChip state={slo.state} />
        </span>
        <span class="slo-promise">{promise(slo)}</span>
        <span class="meta">{slo.reason}</span>
      </span>
    </button>
  );
}

const kRadius = 32;
const kAround = 2 * Math.PI * kRadius;

/** A ring: what is left of the error budget. */
function Gauge({ slo }: { readonly slo: Slo }): JSX.Element {
  const known = slo.enough;
  const left = Math.min(1, Math.max(0, slo.left));
  const figure = known ? budgetText(slo.left) : "–";
  return (
    <span class={`gauge ${slo.state}`}>
      <svg width="80" height="80" viewBox="0 0 80 80" aria-hidden="true" focusable="false">
        <circle class={`gauge-base ${known ? "" : "unknown"}`} cx="40" cy="40" r={kRadius} />
        {known && left > 0 && (
          <circle
            class="gauge-left"
            cx="40"
            cy="40"
            r={kRadius}
            stroke-dasharray={`${left * kAround} ${kAround}`}
            transform="rotate(-90 40 40)"
          />
        )}
      </svg>
      <span class="gauge-figure">
        <span aria-hidden="true">{figure}</span>
        <span class="visually-hidden">
          {known ? `${figure} of the error budget is left.` : "Nothing can be said of the budget."}
        </span>
      </span>
    </span>
  );
}

/** "84 %", "−3.5×": of a budget, or how many times it is used up beyond. */
function budgetText(left: number): string {
  if (left >= 0) return share(left);
  const over = 1 - left;
  return `${over < 10 ? over.toFixed(1) : Math.round(over)}×`;
}

function Detail({ name }: { readonly name: string }): JSX.Element {
  const fed = useFeed(`slo ${name}`, (_, signal) => getSlo(name, signal), kEveryMs);
  const slo = fed.value;
  if (slo === undefined)
    return fed.error === undefined ? (
      <div class="pane bones block" aria-hidden="true" />
    ) : (
      <Failure error={fed.error} />
    );
  const firing = slo.alerts
    .filter((alert) => alert.untilMs === 0)
    .sort((a, b) => a.level.localeCompare(b.level));
  return (
    <section class="slo-detail" aria-label={slo.name}>
      {firing.map((alert) => (
        <p key={alert.id} class={`note slo-fires ${alert.level}`} role="status">
          <b>{alert.level === "page" ? "Page" : "Ticket"}</b>
          <span>
            {alert.text}. Since {clock(alert.sinceMs, true)}.
          </span>
        </p>
      ))}
      <div class="slo-charts">
        <BudgetPane slo={slo} />
        <EventsPane slo={slo} />
      </div>
      <div class="slo-tables">
        <Burns rates={slo.burnRates} />
        <Alerts alerts={slo.alerts} />
      </div>
      <p class="meta slo-facts">
        {slo.description} Counted over{" "}
        {slo.of.length === 0
          ? "all answers of language models"
          : slo.of.map((one, at) => (
              <>
                {at > 0 && ", "}
                <code key={one}>{one}</code>
              </>
            ))}
        {slo.countedSeconds > 0 &&
          `; the threshold of ${lengthText(slo.thresholdSeconds)} is counted at ${Number(slo.countedSeconds.toFixed(3))} s`}
        . {lengthText(slo.seenSeconds)} of {lengthText(slo.windowSeconds)} were watched.
      </p>
    </section>
  );
}

function BudgetPane({ slo }: { readonly slo: Slo }): JSX.Element {
  return (
    <section class="pane" aria-label="Error budget" data-card="Error budget">
      <header class="card-head">
        <h2>Error budget</h2>
        <p class={`card-figure ${slo.state === "missed" ? "bad" : ""}`}>
          {slo.enough ? budgetText(slo.left) : "–"}
          <span class="meta"> {slo.left < 0 && slo.enough ? "of what may fail" : "left"}</span>
        </p>
      </header>
      {slo.enough ? (
        <Chart
          label="Error budget"
          data={burnDown(slo)}
          span={spanOfPoints(slo)}
          words={share}
          least={1}
          height={200}
          fixed
        />
      ) : (
        <p class="chart-space chart-empty">
          Too few were asked for a budget: what may fail of them is less than one.
        </p>
      )}
    </section>
  );
}

function EventsPane({ slo }: { readonly slo: Slo }): JSX.Element {
  const failed = slo.total - slo.good;
  return (
    <section class="pane" aria-label="What was counted" data-card="Events">
      <header class="card-head">
        <h2>What was counted</h2>
        <p class="card-figure">
          {plain(failed)}
          <span class="meta">
            {" "}
            {slo.indicator === "availability" ? "failed" : "too slow"} of {plain(slo.total)}
          </span>
        </p>
      </header>
      {slo.total > 0 ? (
        <Chart
          label="What was counted"
          data={eventsOf(slo)}
          span={spanOfPoints(slo)}
          words={plain}
          stacked
          least={4}
          height={200}
          fixed
        />
      ) : (
        <p class="chart-space chart-empty">{slo.reason}</p>
      )}
    </section>
  );
}

/** A rate against its limit, which is at two thirds of the bar. */
function Meter({ rate, limit }: { readonly rate: number; readonly limit: number }): JSX.Element {
  const part = Math.min(1, (rate / limit) * (2 / 3));
  return (
    <span class={`meter ${rate >= limit ? "over" : ""}`}>
      <span class="meter-bar" aria-hidden="true">
        <i style={{ width: `${part * 100}%` }} />
        <b />
      </span>
      <span class="meter-figure">{plain(rate)}</span>
    </span>
  );
}

function Burns({ rates }: { readonly rates: readonly BurnRate[] }): JSX.Element {
  return (
    <section class="pane" aria-label="Burn rates">
      <header class="card-head">
        <h2>Burn rates</h2>
        <p class="meta">1 uses up the budget in exactly the window</p>
      </header>
      <table class="slo-table">
        <thead>
          <tr>
            <th scope="col">alert</th>
            <th scope="col">fires at</th>
            <th scope="col">long window</th>
            <th scope="col">short window</th>
          </tr>
        </thead>
        <tbody>
          {rates.map((burn, at) => (
            <tr key={at} class={burn.burns ? "burns" : ""}>
              <th scope="row">
                <span class={`level ${burn.level}`}>{burn.level}</span>
              </th>
              <td>{plain(burn.limit)}</td>
              <td>
                <Meter rate={burn.longRate} limit={burn.limit} />
                <span class="meta">
                  {lengthText(burn.longSeconds)}
                  {!burn.enough && ", not enough data"}
                </span>
              </td>
              <td>
                <Meter rate={burn.shortRate} limit={burn.limit} />
                <span class="meta">{lengthText(burn.shortSeconds)}</span>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function when(ms: number): string {
  const day = new Date(ms);
  const today = new Date().toDateString() === day.toDateString();
  const date = day.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return today ? clock(ms, true) : `${date}, ${clock(ms)}`;
}

function Alerts({ alerts }: { readonly alerts: readonly Alert[] }): JSX.Element {
  return (
    <section class="pane" aria-label="Alerts">
      <header class="card-head">
        <h2>Alerts</h2>
        <p class="meta">the last of this objective</p>
      </header>
      {alerts.length === 0 ? (
        <p class="chart-space chart-empty">No alert has fired.</p>
      ) : (
        <ul class="slo-alerts" tabIndex={0} aria-label="Alerts, the newest first">
          {alerts.map((alert) => (
            <li key={alert.id}>
              <span class={`level ${alert.level}`}>{alert.level}</span>
              <span class="alert-time">
                {when(alert.sinceMs)}
                <span class="meta">
                  {alert.untilMs === 0
                    ? " fires"
                    : ` for ${lengthText((alert.untilMs - alert.sinceMs) / 1000)}`}
                </span>
              </span>
              <span class="alert-text">{alert.text}</span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
