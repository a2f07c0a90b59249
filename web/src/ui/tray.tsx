import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Process } from "../api/topology";
import { narrow } from "../state/layout";
import { say } from "../state/notices";
import { aim, aimBy, drop, letGo, moving, pick, picked, propose, threads } from "../state/topology";
import { kGateway, withNewRevision, withReplicas } from "../state/topology_text";
import { depthOf, type Side, type Tile, type Tray } from "../state/trays";
import { count, duration, size } from "./format";
import { Icon } from "./icons";
import { IconButton } from "./parts";
import { milliseconds, percent, perSecond } from "./rate_text";

export function TrayBox({ tray }: { readonly tray: Tray }): JSX.Element {
  const now = picked.value;
  const aimed = now !== undefined && now.target === tray.name && now.tray !== tray.name;
  const columns = [...new Set(tray.tiles.map((tile) => depthOf(tile.service)))].sort();
  const titleId = `tray-${tray.name}`;
  return (
    <section
      class={`tray ${tray.first ? "first" : ""} ${aimed ? "aimed" : ""} ${tray.processes.length > 1 ? "stacked" : ""}`}
      aria-labelledby={titleId}
      data-tray={tray.name}
      onClick={() => {
        if (picked.value?.held !== true || picked.value.tray === tray.name) return;
        aim(tray.name);
        drop();
      }}
    >
      <header class="tray-head">
        <div class="tray-title">
          <h2 id={titleId}>{tray.name}</h2>
          {tray.first && <span class="tray-mark">gateway</span>}
          {tray.revision !== "" && <span class="tray-mark">revision {tray.revision}</span>}
          {tray.versions.length > 0 && (
            <span class="tray-mark" title="The version of the program that runs here">
              version {tray.versions.join(" and ")}
            </span>
          )}
        </div>
        <TrayActions tray={tray} />
      </header>
      <ul class="processes">
        {tray.processes.map((process) => (
          <ProcessLine
            key={`${process.name} ${process.pid}`}
            process={process}
            versions={tray.versions.length}
          />
        ))}
        {tray.processes.length === 0 && <li class="meta">starting…</li>}
      </ul>
      <div class="tray-tiles">
        {columns.map((depth) => (
          <div key={depth} class="tile-column">
            {tray.tiles
              .filter((tile) => depthOf(tile.service) === depth)
              .map((tile) => (
                <TileButton key={tile.key} tile={tile} />
              ))}
          </div>
        ))}
      </div>
    </section>
  );
}

function ProcessLine({
  process,
  versions,
}: {
  readonly process: Process;
  /** How many of them its tray has. */
  readonly versions: number;
}): JSX.Element {
  const serving = process.state === "serving";
  const upSeconds = Math.max(0, (Date.now() - process.startedMs) / 1000);
  return (
    <li class="process meta" title={`${process.name}, running for ${duration(upSeconds)}`}>
      <i class={`dot ${serving ? "" : "busy"}`} aria-hidden="true" />
      <span>
        pid <span class="pid">{process.pid}</span>
      </span>
      <span>{size(process.memoryBytes)}</span>
      {versions > 1 && process.version !== "" && <span>{process.version}</span>}
      {!serving && <span class="warn-text">{process.state}</span>}
      {process.restarts > 0 && <span>{count(process.restarts, "restart")}</span>}
    </li>
  );
}

function TrayActions({ tray }: { readonly tray: Tray }): JSX.Element | null {
  if (tray.tiles.every((tile) => tile.state !== "here")) return null;
  const scale = (replicas: number) =>
    void propose(
      `Run ${tray.name} in ${count(replicas, "process", "processes")}?`,
      "Change",
      (text) => withReplicas(text, tray.name, replicas),
    );
  return (
    <div class="tray-actions">
      {tray.scales && (
        <span class="stepper" role="group" aria-label={`Processes of ${tray.name}`}>
          <IconButton
            icon="minus"
            label={`One process of ${tray.name} fewer`}
            disabled={moving.value || tray.replicas <= 1}
            onClick={() => scale(tray.replicas - 1)}
          />
          <span class="stepper-count" aria-label={count(tray.replicas, "process", "processes")}>
            {tray.replicas}
          </span>
          <IconButton
            icon="plus"
            label={`One process of ${tray.name} more`}
            disabled={moving.value}
            onClick={() => scale(tray.replicas + 1)}
          />
        </span>
      )}
      <IconButton
        icon="redo"
        label={`Replace ${tray.name} by new processes`}
        disabled={moving.value}
        onClick={() =>
          void propose(`Replace the processes of ${tray.name} by new ones?`, "Replace", (text) =>
            withNewRevision(text, tray.name),
          )
        }
      />
    </div>
  );
}

const kDoes: Readonly<Record<string, string>> = {
  gateway: "takes what comes from outside",
  orchestration: "answers, step by step",
  dataprep: "reads files",
  inference: "runs the models",
  retrieval: "keeps and searches passages",
};
const kStays = "stays here: it holds the connections";
const kStates: Readonly<Record<Tile["state"], string>> = {
  here: "",
  starting: "starting",
  coming: "coming",
  leaving: "leaving",
};

function onTileKey(event: KeyboardEvent, tile: Tile): void {
  if (picked.value?.held !== true || picked.value.service !== tile.service) return;
  const steps: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  const step = steps[event.key];
  if (event.key === "Escape") letGo();
  else if (step !== undefined) aimBy(step);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

function TileButton({ tile }: { readonly tile: Tile }): JSX.Element {
  const stays = tile.service === kGateway;
  const held = picked.value?.service === tile.service && picked.value.tray === tile.tray;
  const dragged = held && picked.value?.held === false;
  const press = (event: MouseEvent) => {
    event.stopPropagation();
    if (picked.value?.held === true) {
      if (!held) aim(tile.tray);
      drop();
    } else if (stays) say(`The gateway ${kStays}.`);
    else if (moving.value) say("A move is under way; wait until it has ended, or cancel it.");
    else if (tile.state === "here") pick(tile.service, tile.tray, true);
  };
  const element = useFocusAfterMove(tile);
  return (
    <button
      ref={element}
      type="button"
      class={`tile is-${tile.state} ${dragged ? "dragged" : held ? "held" : ""} ${stays ? "stays" : ""}`}
      data-tile={tile.key}
      data-service={tile.service}
      aria-pressed={stays ? undefined : held}
      aria-disabled={stays || undefined}
      aria-describedby={stays ? undefined : "tile-help"}
      onClick={press}
      onKeyDown={(event) => onTileKey(event, tile)}
      onBlur={(event) => {
        // Without another element that takes the focus it was a tap, which may choose a tray.
        if (event.relatedTarget !== null && picked.value?.held === true && held) letGo();
      }}
    >
      <span class="tile-head">
        <span class={`tile-mark mark-${tile.service}`} aria-hidden="true" />
        <span class="tile-name">{tile.service}</span>
        {!stays && (
          <span class="tile-grip" aria-hidden="true">
            <Icon name="grip" />
          </span>
        )}
      </span>
      <span class="tile-does">{stays ? kStays : (kDoes[tile.service] ?? "")}</span>
      <span class="tile-foot">
        {kStates[tile.state] !== "" && <span class="tile-state">{kStates[tile.state]}</span>}
        {stays ? null : tile.inside > 0 ? (
          <span class="inside">{count(tile.inside, "call")} inside</span>
        ) : (
          <span>at rest</span>
        )}
      </span>
      {narrow.value && <CallsOf tile={tile} />}
      {tile.sides.map((side) => (
        <SideBar key={side.cluster.name} side={side} />
      ))}
    </button>
  );
}

/** Where there is no room beside the threads, a tile says whom it calls. */
function CallsOf({ tile }: { readonly tile: Tile }): JSX.Element | null {
  const busy = threads.value.filter((one) => one.from === tile.key && one.perSecond > 0);
  if (busy.length === 0) return null;
  return (
    <span class="tile-calls">
      {busy.map((one) => (
        <span key={one.key}>
          → {one.toService} {perSecond(one.perSecond)}, {milliseconds(one.p50Ms)}, p99{" "}
          {milliseconds(one.p99Ms)}
          {one.faulty > 0 && <span class="warn-text">, {percent(one.faulty)} fail</span>}
        </span>
      ))}
    </span>
  );
}

/** The part of the calls that one side of a move has, or one version. */
function SideBar({ side }: { readonly side: Side }): JSX.Element {
  const { weight, calls, faults, p50Ms } = side.cluster;
  return (
    <span class={`side ${side.isNew || !side.shifting ? "new" : "old"}`}>
      <span class="side-bar" aria-hidden="true">
        <i style={{ width: `${weight}%` }} />
      </span>
      <span class="side-text">
        {side.shifting ? `${side.isNew ? "new" : "old"}: ${weight} %` : `${weight} % of the calls`}
        {calls > 0 && ` · ${milliseconds(p50Ms)}`}
        {faults > 0 && <span class="warn-text"> · {faults} failed</span>}
      </span>
    </span>
  );
}

let focusNext = "";

/** After a move by the keyboard the focus follows the tile into its new tray. */
function useFocusAfterMove(tile: Tile): { readonly current: HTMLButtonElement | null } {
  const element = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (focusNext !== tile.service || tile.state !== "here") return;
    focusNext = "";
    if (document.activeElement === document.body) element.current?.focus();
  }, [tile.state]);
  useEffect(
    () => () => {
      if (document.activeElement === element.current) focusNext = tile.service;
    },
    [],
  );
  return element;
}
