import type { JSX } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
import { narrow } from "../state/layout";
import { picked } from "../state/topology";
import { type Thread, tileKey } from "../state/trays";
import { milliseconds, percent, perSecond } from "./rate_text";
import { type Box, drawThreads } from "./thread_paths";

interface Places {
  /** Of the tiles. */
  readonly boxes: ReadonlyMap<string, Box>;
  /** What else threads should not run over: the trays' names and processes. */
  readonly captions: readonly Box[];
  /** The same as text, to see whether anything has moved. */
  readonly text: string;
}

/** Around all of the elements, relative to the board. */
function boxOf(elements: readonly Element[], origin: DOMRect): Box {
  const all = elements.map((element) => element.getBoundingClientRect());
  return {
    left: Math.round(Math.min(...all.map((box) => box.left)) - origin.left),
    right: Math.round(Math.max(...all.map((box) => box.right)) - origin.left),
    top: Math.round(Math.min(...all.map((box) => box.top)) - origin.top),
    bottom: Math.round(Math.max(...all.map((box) => box.bottom)) - origin.top),
  };
}

function measure(board: HTMLElement, before: Places): Places {
  const origin = board.getBoundingClientRect();
  const boxes = new Map<string, Box>();
  for (const tile of board.querySelectorAll<HTMLElement>("[data-tile]")) {
    const key = tile.dataset["tile"] ?? "";
    const old = before.boxes.get(key);
    if (tile.classList.contains("dragged") && old !== undefined) {
      boxes.set(key, old); // its threads stay where it came from
      continue;
    }
    boxes.set(key, boxOf([tile], origin));
  }
  const captions = [...board.querySelectorAll(".tray")].map((tray) =>
    boxOf([...tray.querySelectorAll(".tray-title, .processes")], origin),
  );
  return { boxes, captions, text: JSON.stringify([[...boxes], captions]) };
}

const kNone: Places = { boxes: new Map(), captions: [], text: "" };

interface ThreadsProps {
  readonly board: { readonly current: HTMLElement | null };
  readonly threads: readonly Thread[];
}

/** Calls as threads between the tiles. What they say stands in the table below the board too. */
export function Threads({ board, threads }: ThreadsProps): JSX.Element {
  const [places, setPlaces] = useState(kNone);
  const look = () => {
    const root = board.current;
    if (root === null) return;
    setPlaces((before) => {
      const now = measure(root, before);
      return before.text === now.text ? before : now;
    });
  };
  useLayoutEffect(look);
  useLayoutEffect(() => {
    if (board.current === null) return undefined;
    const observer = new ResizeObserver(look);
    observer.observe(board.current);
    return () => observer.disconnect();
  }, []);
  const drawn = drawThreads(threads, places, narrow.value);
  return (
    <div class="threads" aria-hidden="true">
      <svg focusable="false">
        {drawn.map(({ thread, path }) => (
          <g
            key={thread.key}
            class={classOf(thread)}
            data-thread={`${thread.fromService} ${thread.toService}`}
          >
            <path class="line" d={path} style={{ strokeWidth: width(thread) }} />
            {thread.perSecond > 0 && <path class="flow" d={path} />}
          </g>
        ))}
        <Slot boxes={places.boxes} />
      </svg>
      {!narrow.value &&
        drawn
          .filter(({ thread }) => thread.perSecond > 0)
          .map(({ thread, label }) => (
            <span
              key={thread.key}
              class={`thread-label ${classOf(thread)}`}
              style={{ left: `${label.x}px`, top: `${label.y}px` }}
            >
              <Figures thread={thread} />
            </span>
          ))}
    </div>
  );
}

/** Where the tile that is dragged came from. */
function Slot({ boxes }: { readonly boxes: ReadonlyMap<string, Box> }): JSX.Element | null {
  const now = picked.value;
  const box = now?.held === false ? boxes.get(tileKey(now.tray, now.service)) : undefined;
  if (box === undefined) return null;
  const { left, top, right, bottom } = box;
  return <rect class="slot" x={left} y={top} width={right - left} height={bottom - top} rx={14} />;
}

function Figures({ thread }: { readonly thread: Thread }): JSX.Element {
  return (
    <>
      <strong>{perSecond(thread.perSecond)}</strong>
      {thread.faulty > 0 && <em>{percent(thread.faulty)} fail</em>}
      <span>
        {milliseconds(thread.p50Ms)}
        <span class="p99"> · p99 {milliseconds(thread.p99Ms)}</span>
      </span>
    </>
  );
}

function classOf(thread: Thread): string {
  if (thread.perSecond === 0) return "idle";
  return thread.faulty > 0 ? "faulty" : "busy";
}

/** Grows with the order of magnitude: 1/s … 1,000/s. */
function width(thread: Thread): string {
  if (thread.perSecond === 0) return "1.25px";
  const order = Math.max(0, Math.min(3, Math.log10(thread.perSecond)));
  return `${(1.75 + order * 1.1).toFixed(2)}px`;
}
