import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Span } from "./address";
import { areaPath, linePath, stackOf } from "./chart_paths";
import { look } from "./feed";
import type { Value } from "./metrics";
import { highest, latest, type Series } from "./series";
import { clock, moment, timeTicks, valueTicks } from "./ticks";

export interface ChartData {
  readonly fromMs: number;
  readonly stepMs: number;
  readonly series: readonly Series[];
}

interface ChartProps {
  readonly label: string;
  readonly data: ChartData;
  readonly span: Span;
  readonly words: (value: number) => string;
  /** The series lie on one another: together they are the whole. */
  readonly stacked?: boolean;
  /** What the axis shows at least. */
  readonly least?: number;
  readonly height?: number;
  /** The time on show is not to be chosen here. */
  readonly fixed?: boolean;
}

/** The time under the pointer, of all charts together; 0: none. */
export const pointedMs = signal(0);

const kTop = 8;
const kBottom = 20;
const kLeft = 46;
const kRight = 6;
const kDragPx = 8;
const kDaysMs = 36 * 3_600_000;

export function toneClass(tone: Series["tone"]): string {
  return typeof tone === "number" ? `tone-${tone % 6}` : `tone-${tone}`;
}

function useWidth(): [{ current: HTMLDivElement | null }, number] {
  const element = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const box = element.current;
    if (box === null) return undefined;
    const measure = () => setWidth(Math.round(box.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(box);
    return () => observer.disconnect();
  }, []);
  return [element, width];
}

/** Lines over time. The arrow keys go through it; dragging chooses a time to look at. */
export function Chart(props: ChartProps): JSX.Element {
  const { data, span, words, stacked = false, height = 168 } = props;
  const [element, width] = useWidth();
  const [dragged, setDragged] = useState<readonly [number, number] | undefined>(undefined);
  const most = stacked
    ? highest(stackOf(data.series).at(-1)?.top ?? [])
    : Math.max(0, ...data.series.map((one) => highest(one.values)));
  const ticks = valueTicks(Math.max(most, props.least ?? 0));
  const top = ticks.at(-1) ?? 1;
  const inner = Math.max(1, width - kLeft - kRight);
  const spanMs = span.toMs - span.fromMs;
  const scale = {
    x: (ms: number) => kLeft + ((ms - span.fromMs) / (span.toMs - span.fromMs)) * inner,
    y: (value: number) => kTop + (1 - value / top) * (height - kTop - kBottom),
  };
  const steps = Math.max(1, ...data.series.map((one) => one.values.length));
  const msAt = (at: number) => data.fromMs + (at + 0.5) * data.stepMs;
  const stepAt = (ms: number) =>
    Math.min(steps - 1, Math.max(0, Math.floor((ms - data.fromMs) / data.stepMs)));
  const pointed = pointedMs.value === 0 ? undefined : stepAt(pointedMs.value);
  const msOf = (event: PointerEvent) => {
    const left = (element.current?.getBoundingClientRect().left ?? 0) + kLeft;
    const part = Math.min(1, Math.max(0, (event.clientX - left) / inner));
    return span.fromMs + part * (span.toMs - span.fromMs);
  };
  const onKey = (event: KeyboardEvent) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (event.key === "Escape") pointedMs.value = 0;
    if (by === undefined) return;
    event.preventDefault();
    const next = Math.min(steps - 1, Math.max(0, (pointed ?? steps) + by));
    pointedMs.value = msAt(next);
  };
  return (
    <div
      ref={element}
      class="chart"
      style={{ height: `${height}px` }}
      tabIndex={0}
      role="slider"
      aria-label={`${props.label}: values over time`}
      aria-valuemin={0}
      aria-valuemax={steps - 1}
      aria-valuenow={pointed ?? steps - 1}
      aria-valuetext={spoken(data.series, pointed, words, msAt)}
      onKeyDown={onKey}
      onBlur={() => {
        pointedMs.value = 0;
      }}
      onPointerMove={(event) => {
        pointedMs.value = msOf(event);
        if (dragged !== undefined) setDragged([dragged[0], msOf(event)]);
      }}
      onPointerLeave={() => {
        pointedMs.value = 0;
        setDragged(undefined);
      }}
      onPointerDown={(event) => {
        if (props.fixed !== true && event.pointerType === "mouse" && event.button === 0)
          setDragged([msOf(event), msOf(event)]);
      }}
      onPointerUp={() => {
        if (dragged === undefined) return;
        const [from, to] = dragged[0] < dragged[1] ? dragged : [dragged[1], dragged[0]];
        setDragged(undefined);
        if (scale.x(to) - scale.x(from) < kDragPx) return;
        look({
          kind: "fixed",
          fromMs: Math.round(from),
          toMs: Math.round(Math.max(to, from + 60_000)),
        });
      }}
    >
      {width > 0 && (
        <svg width={width} height={height} aria-hidden="true" focusable="false">
          {ticks.map((tick) => (
            <g key={tick}>
              <line
                class={tick === 0 ? "base" : "grid"}
                x1={kLeft}
                x2={width - kRight}
                y1={scale.y(tick)}
                y2={scale.y(tick)}
              />
              <text class="tick" x={kLeft - 7} y={scale.y(tick) + 3.5} text-anchor="end">
                {words(tick)}
              </text>
            </g>
          ))}
          {timeTicks(span.fromMs, span.toMs, Math.max(2, Math.floor(inner / 74))).map((ms) => (
            <text
              class="tick"
              key={ms}
              x={Math.min(scale.x(ms), width - kRight - 15)}
              y={height - 4}
              text-anchor="middle"
            >
              {moment(ms, spanMs)}
            </text>
          ))}
          {stacked ? (
            <Stack series={data.series} scale={scale} msAt={msAt} />
          ) : (
            <Plain series={data.series} scale={scale} msAt={msAt} />
          )}
          {dragged !== undefined && (
            <rect
              class="chosen"
              x={Math.min(scale.x(dragged[0]), scale.x(dragged[1]))}
              width={Math.abs(scale.x(dragged[1]) - scale.x(dragged[0]))}
              y={kTop}
              height={height - kTop - kBottom}
            />
          )}
          {pointed !== undefined && (
            <Pointer
              series={
                stacked
                  ? stackOf(data.series).map((layer, at) => ({
                      ...layer.series,
                      values: layer.top,
                      tone: data.series[at]?.tone ?? 0,
                    }))
                  : data.series
              }
              at={pointed}
              x={scale.x(msAt(pointed))}
              y={scale.y}
              bottom={height - kBottom}
            />
          )}
        </svg>
      )}
      {pointed !== undefined && width > 0 && (
        <Tip
          {...{ data, pointed, words, width, stacked, spanMs }}
          x={scale.x(msAt(pointed))}
          ms={msAt(pointed)}
        />
      )}
    </div>
  );
}

interface DrawnProps {
  readonly series: readonly Series[];
  readonly scale: { readonly x: (ms: number) => number; readonly y: (value: number) => number };
  readonly msAt: (at: number) => number;
}

function Plain({ series, scale, msAt }: DrawnProps): JSX.Element {
  const x = (at: number) => scale.x(msAt(at));
  return (
    <>
      {series.length === 1 &&
        series.map((one) => (
          <path
            key={one.name}
            class={`area ${toneClass(one.tone)}`}
            d={areaPath(
              one.values,
              one.values.map(() => 0),
              x,
              scale.y,
            )}
          />
        ))}
      {series.map((one) => (
        <path
          key={one.name}
          class={`stroke ${toneClass(one.tone)}`}
          d={linePath(one.values, x, scale.y)}
        />
      ))}
    </>
  );
}

function Stack({ series, scale, msAt }: DrawnProps): JSX.Element {
  const x = (at: number) => scale.x(msAt(at));
  return (
    <>
      {stackOf(series).map(({ series: one, bottom, top }) => (
        <g key={one.name} class={toneClass(one.tone)}>
          <path class="area" d={areaPath(top, bottom, x, scale.y)} />
          <path class="stroke thin" d={linePath(top, x, scale.y)} />
        </g>
      ))}
    </>
  );
}

function Pointer({
  series,
  at,
  x,
  y,
  bottom,
}: {
  readonly series: readonly Series[];
  readonly at: number;
  readonly x: number;
  readonly y: (value: number) => number;
  readonly bottom: number;
}): JSX.Element {
  return (
    <g>
      <line class="pointer" x1={x} x2={x} y1={kTop} y2={bottom} />
      {series.map((one) => {
        const value = one.values[at];
        return value === undefined ? null : (
          <circle
            key={one.name}
            class={`dot-mark ${toneClass(one.tone)}`}
            cx={x}
            cy={y(value)}
            r={3.5}
          />
        );
      })}
    </g>
  );
}

interface TipProps {
  readonly data: ChartData;
  readonly pointed: number;
  readonly words: (value: number) => string;
  readonly width: number;
  readonly x: number;
  readonly ms: number;
  readonly stacked: boolean;
  readonly spanMs: number;
}

/** The values under the pointer. */
function Tip({ data, pointed, words, width, x, ms, stacked, spanMs }: TipProps): JSX.Element {
  const side = x > width / 2 ? { right: `${width - x + 10}px` } : { left: `${x + 10}px` };
  const rows = stacked ? [...data.series].reverse() : data.series;
  return (
    <div class="chart-tip" style={side} aria-hidden="true">
      <p>{moment(ms, spanMs, data.stepMs < 60_000 || spanMs >= kDaysMs)}</p>
      {rows.map((one) => (
        <p key={one.name}>
          <i class={`swatch ${toneClass(one.tone)}`} />
          <span>{one.name}</span>
          <b>{text(one.values[pointed], words)}</b>
        </p>
      ))}
    </div>
  );
}

export function text(value: Value, words: (value: number) => string): string {
  return value === undefined ? "–" : words(value);
}

function spoken(
  series: readonly Series[],
  at: number | undefined,
  words: (value: number) => string,
  msAt: (at: number) => number,
): string {
  if (series.length === 0) return "nothing is known yet";
  const when = at === undefined ? "now" : clock(msAt(at), true);
  const values = series.map(
    (one) => `${one.name} ${text(at === undefined ? latest(one.values) : one.values[at], words)}`,
  );
  return `${when}: ${values.join(", ")}`;
}
