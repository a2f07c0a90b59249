import type { ComponentChildren, JSX } from "preact";
import { Chart, type ChartData, text, toneClass } from "./chart";
import type { Fed } from "./feed";
import type { Value } from "./metrics";
import { known, latest, type Series, told } from "./series";

interface CardProps {
  readonly title: string;
  /** What the figure beside the title says; under it in small. */
  readonly figure: string;
  readonly note?: ComponentChildren;
  readonly fed: Fed<unknown>;
  readonly data: ChartData | undefined;
  readonly words: (value: number) => string;
  /** What to do to see something here. */
  readonly empty: ComponentChildren;
  readonly stacked?: boolean;
  readonly least?: number;
  readonly tone?: "bad";
}

/** A figure, what it was over the time on show, and what it is made of. */
export function Card(props: CardProps): JSX.Element {
  const { data, fed, words } = props;
  const has = told(data?.series ?? []).length > 0;
  return (
    <section
      class={`pane ${fed.error === undefined ? "" : "stale"}`}
      aria-label={props.title}
      data-card={props.title}
    >
      <header class="card-head">
        <h2>{props.title}</h2>
        <p class={`card-figure ${props.tone ?? ""}`}>
          {props.figure}
          {props.note !== undefined && <span class="meta"> {props.note}</span>}
        </p>
      </header>
      {data === undefined ? (
        fed.error === undefined ? (
          <div class="chart-space bones" aria-hidden="true" />
        ) : (
          <p class="chart-space chart-empty">{fed.error.message}</p>
        )
      ) : has ? (
        <Chart
          label={props.title}
          data={data}
          span={fed.span}
          words={words}
          stacked={props.stacked ?? false}
          least={props.least ?? 0}
        />
      ) : (
        <p class="chart-space chart-empty">{props.empty}</p>
      )}
      <Legend series={has ? (data?.series ?? []) : []} words={words} />
    </section>
  );
}

function Legend({
  series,
  words,
}: {
  readonly series: readonly Series[];
  readonly words: (value: number) => string;
}): JSX.Element {
  return (
    <ul class="legend">
      {series.map((one) => (
        <li key={one.name} title={one.name}>
          <i class={`swatch ${toneClass(one.tone)}`} aria-hidden="true" />
          <span class="legend-name">{one.name}</span>
          <span class="legend-value">{text(latest(one.values), words)}</span>
        </li>
      ))}
    </ul>
  );
}

const kWidth = 96;
const kHeight = 22;

/** A line without axes, in a row of a table. */
export function Spark({
  values,
  tone = 0,
}: {
  readonly values: readonly Value[];
  readonly tone?: Series["tone"];
}): JSX.Element {
  const most = Math.max(1e-9, ...known(values));
  const step = kWidth / Math.max(1, values.length - 1);
  const path = values
    .map((value, at) =>
      value === undefined
        ? ""
        : `${(at * step).toFixed(1)} ${(kHeight - 1.5 - (value / most) * (kHeight - 4)).toFixed(1)}`,
    )
    .filter((point) => point !== "");
  return (
    <svg
      class={`spark ${toneClass(tone)}`}
      width={kWidth}
      height={kHeight}
      aria-hidden="true"
      focusable="false"
    >
      {path.length > 1 && <path class="stroke" d={`M${path.join("L")}`} />}
    </svg>
  );
}
