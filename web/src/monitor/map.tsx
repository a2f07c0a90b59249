import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { kTopologyUrl } from "../api/address";
import {
  beginLooking,
  endLooking,
  threads,
  topology,
  topologyError,
  trays,
} from "../state/topology";
import { depthOf, type Thread, type Tray } from "../state/trays";
import { count, size } from "../ui/format";
import { milliseconds, percent, perSecond } from "../ui/rate_text";
import { Threads } from "../ui/threads";
import { Go } from "./shell_parts";

/** What calls what right now, and where the processes end. */
export function ServiceMap(): JSX.Element {
  const board = useRef<HTMLDivElement>(null);
  useEffect(() => {
    beginLooking();
    return endLooking;
  }, []);
  const columns = [0, 1, 2]
    .map((column) => trays.value.filter((tray) => tray.column === column))
    .filter((list) => list.length > 0);
  return (
    <section class="pane map" aria-label="Service map">
      <header class="card-head">
        <h2>Service map</h2>
        <p class="meta">
          calls of the last seconds · <Go to={kTopologyUrl}>move services</Go>
        </p>
      </header>
      {topology.value === undefined ? (
        <p class="map-space chart-empty">{topologyError.value || <span class="bones block" />}</p>
      ) : (
        <div
          class={`map-board ${columns.length === 1 ? "together" : ""} ${topologyError.value === "" ? "" : "stale"}`}
          ref={board}
        >
          {columns.map((list, at) => (
            <div key={at} class="board-column">
              {list.map((tray) => (
                <MapTray key={tray.name} tray={tray} />
              ))}
            </div>
          ))}
          <Threads board={board} threads={threads.value} />
        </div>
      )}
      <MapText threads={threads.value} />
    </section>
  );
}

function MapTray({ tray }: { readonly tray: Tray }): JSX.Element {
  const columns = [...new Set(tray.tiles.map((tile) => depthOf(tile.service)))].sort();
  const memory = tray.processes.reduce((sum, process) => sum + process.memoryBytes, 0);
  return (
    <div class={`tray ${tray.processes.length > 1 ? "stacked" : ""}`} data-map-tray={tray.name}>
      <p class="tray-title">
        <strong>{tray.name}</strong>
        <span class="meta">
          {tray.processes.length > 1
            ? `${count(tray.processes.length, "process", "processes")}, `
            : ""}
          {size(memory)}
        </span>
      </p>
      <div class="tray-tiles">
        {columns.map((depth) => (
          <div key={depth} class="tile-column">
            {tray.tiles
              .filter((tile) => depthOf(tile.service) === depth)
              .map((tile) => (
                <div key={tile.key} class={`tile is-${tile.state}`} data-tile={tile.key}>
                  <span class="tile-head">
                    <i class={`tile-mark mark-${tile.service}`} aria-hidden="true" />
                    {tile.service}
                  </span>
                  <span class={`meta ${tile.inside > 0 ? "inside" : ""}`}>
                    {tile.inside > 0 ? `${tile.inside} inside` : "idle"}
                  </span>
                </div>
              ))}
          </div>
        ))}
      </div>
    </div>
  );
}

/** The threads for those who do not see them. */
function MapText({ threads: all }: { readonly threads: readonly Thread[] }): JSX.Element {
  return (
    <ul class="visually-hidden">
      {all
        .filter((thread) => thread.perSecond > 0)
        .map((thread) => (
          <li key={thread.key}>
            {thread.from.replace("/", ": ")} calls {thread.to.replace("/", ": ")}{" "}
            {perSecond(thread.perSecond)}, p99 {milliseconds(thread.p99Ms)}
            {thread.faulty > 0 ? `, ${percent(thread.faulty)} fail` : ""}
          </li>
        ))}
    </ul>
  );
}
