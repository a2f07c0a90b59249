import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import {
  aim,
  drop,
  letGo,
  picked,
  targetsFor,
  threads,
  topologyError,
  trays,
} from "../state/topology";
import { depthOf, type Tray } from "../state/trays";
import { Icon } from "./icons";
import { useDrag } from "./tile_drag";
import { Threads } from "./threads";
import { TrayBox } from "./tray";

/** The trays with their tiles, and the threads between those. */
export function Board(): JSX.Element {
  const board = useRef<HTMLElement>(null);
  useDrag(board);
  useLetGoOutside();
  const columns = [0, 1, 2]
    .map((column) => trays.value.filter((tray) => tray.column === column))
    .filter((list) => list.length > 0);
  const tiles = columns.reduce((sum, list) => sum + Math.max(...list.map(breadth)), 0);
  const stale = topologyError.value !== "";
  return (
    <div class="board-place">
      <section
        class={`board ${stale ? "stale" : ""} ${picked.value === undefined ? "" : "picking"}`}
        style={{ "--tiles": tiles, "--columns": columns.length, "--gaps": Math.max(1, tiles - 1) }}
        aria-label="Processes and the services in them"
        ref={board}
      >
        <div class="board-columns">
          {columns.map((list, at) => (
            <Column key={at} list={list} />
          ))}
        </div>
        <Threads board={board} threads={threads.value} />
        <NewProcess />
      </section>
    </div>
  );
}

/** How many tiles a tray has side by side. */
function breadth(tray: Tray): number {
  return new Set(tray.tiles.map((tile) => depthOf(tile.service))).size;
}

function Column({ list }: { readonly list: readonly Tray[] }): JSX.Element {
  return (
    <div class="board-column">
      {list.map((tray) => (
        <TrayBox key={tray.name} tray={tray} />
      ))}
    </div>
  );
}

/** Where a tile is dropped that shall have a process of its own. */
function NewProcess(): JSX.Element {
  const now = picked.value;
  const open = now !== undefined && targetsFor(now.service).includes(undefined);
  return (
    <div
      class={`new-process ${open ? "open" : ""} ${open && now.target === undefined ? "aimed" : ""}`}
      data-new-process={open}
      aria-hidden={!open}
      onClick={() => {
        if (!open) return;
        aim(undefined);
        drop();
      }}
    >
      <Icon name="plus" />
      <span>New process{open && <span class="meta"> for {now.service}</span>}</span>
    </div>
  );
}

/** A click beside the trays leaves a tile that is held where it was. */
function useLetGoOutside(): void {
  useEffect(() => {
    const onClick = (event: MouseEvent) => {
      if (picked.value?.held !== true || !(event.target instanceof Element)) return;
      if (event.target.closest("[data-tray], [data-new-process]") === null) letGo();
    };
    document.addEventListener("click", onClick);
    return () => document.removeEventListener("click", onClick);
  }, []);
}
