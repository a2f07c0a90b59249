import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { pageUrl, type Span } from "./address";
import { place } from "./feed";
import { go } from "../state/route";
import { clock, timeTicks } from "./ticks";
import type { Trace } from "./traces";
import { nanoseconds } from "./words";

const kHeight = 150;
const kLeft = 56;
const kRight = 10;
const kTop = 10;
const kBottom = 22;

/** Powers of ten around the durations, in nanoseconds. */
export function decades(traces: readonly Trace[]): [least: number, most: number] {
  const all = traces.map((trace) => Math.max(1000, trace.durationNs));
  if (all.length === 0) return [6, 9];
  const least = Math.floor(Math.log10(Math.min(...all)));
  return [least, Math.max(least + 2, Math.ceil(Math.log10(Math.max(...all)) + 1e-9))];
}

/** Each trace as a dot: when, and how long (ten times as long is one line higher). The list below has them all too. */
export function Scatter({
  traces,
  span,
}: {
  readonly traces: readonly Trace[];
  readonly span: Span;
}): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (box.current === null) return undefined;
    const element = box.current;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    setWidth(element.clientWidth);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const [least, most] = decades(traces);
  const inner = Math.max(1, width - kLeft - kRight);
  const x = (ms: number) => kLeft + ((ms - span.fromMs) / (span.toMs - span.fromMs)) * inner;
  const y = (ns: number) =>
    kTop +
    (1 - (Math.log10(Math.max(1000, ns)) - least) / (most - least)) * (kHeight - kTop - kBottom);
  const powers = Array.from({ length: most - least + 1 }, (_, at) => 10 ** (least + at));
  return (
    <div class="scatter" ref={box} style={{ height: `${kHeight}px` }} aria-hidden="true">
      {width > 0 && (
        <svg width={width} height={kHeight} focusable="false">
          {powers.map((ns, at) => (
            <g key={ns}>
              <line
                class={at === 0 ? "base" : "grid"}
                x1={kLeft}
                x2={width - kRight}
                y1={y(ns)}
                y2={y(ns)}
              />
              <text class="tick" x={kLeft - 8} y={y(ns) + 3.5} text-anchor="end">
                {nanoseconds(ns)}
              </text>
            </g>
          ))}
          {timeTicks(span.fromMs, span.toMs, Math.max(2, Math.floor(inner / 90))).map((ms) => (
            <text
              class="tick"
              key={ms}
              x={Math.min(x(ms), width - kRight - 14)}
              y={kHeight - 5}
              text-anchor="middle"
            >
              {clock(ms)}
            </text>
          ))}
          {[...traces].reverse().map((trace) => (
            <circle
              key={trace.id}
              class={`mark ${trace.error || trace.httpStatus >= 500 ? "bad" : trace.httpStatus >= 400 ? "refused" : ""}`}
              cx={Math.max(kLeft, x(trace.startUs / 1000))}
              cy={y(trace.durationNs)}
              r={Math.min(9, 3 + Math.sqrt(trace.spanCount) * 0.55)}
              onClick={() => go(pageUrl(place.value, "trace", {}, trace.id))}
            >
              <title>{`${trace.route}, ${nanoseconds(trace.durationNs)}`}</title>
            </circle>
          ))}
        </svg>
      )}
    </div>
  );
}
