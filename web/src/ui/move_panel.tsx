import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { sentence } from "../api/errors";
import { type Cluster, hasEnded, type Move } from "../api/topology";
import { cancel, dismissMove, topology, trays, undo } from "../state/topology";
import { count } from "./format";
import { Icon } from "./icons";
import { IconButton, Working } from "./parts";
import { milliseconds, percent } from "./rate_text";

const kHeads: Readonly<Record<Move["state"], string>> = {
  starting: "Starting",
  shifting: "Calls go over",
  draining: "What has begun finishes",
  rolling_back: "Going back",
  moved: "Moved",
  rolled_back: "Rolled back",
};

/** A move as it goes on, and how it ended. */
export function MovePanel({ move }: { readonly move: Move }): JSX.Element {
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body) panel.current?.focus();
  }, [move.id]);
  const ended = hasEnded(move);
  return (
    <section
      class={`move is-${move.state}`}
      aria-label="The move"
      tabIndex={-1}
      ref={panel}
      data-state={move.state}
    >
      <header class="move-head">
        {ended ? (
          <h2>
            <Icon name={move.state === "moved" ? "check" : "undo"} />
            {kHeads[move.state]}
            {move.state === "moved" && <span class="meta"> in {seconds(move)}</span>}
          </h2>
        ) : (
          <h2>
            <Working label={kHeads[move.state]} />
          </h2>
        )}
        <span class="spacer" />
        {ended ? <AfterMove move={move} /> : <WhileMoving move={move} />}
      </header>
      {move.state === "rolled_back" && (
        <p class="move-reason">
          Everything is where it was before. Why: {sentence(move.reason) || "no reason was given."}
        </p>
      )}
      {!ended && <Progress move={move} />}
      {move.events.length > 0 && (
        <details class="move-events">
          <summary>{count(move.events.length, "step")}</summary>
          <ol>
            {move.events.map((event, at) => (
              <li key={at}>
                <span class="meta">{((event.atMs - move.startedMs) / 1000).toFixed(1)} s</span>
                {event.text}
              </li>
            ))}
          </ol>
        </details>
      )}
    </section>
  );
}

function seconds(move: Move): string {
  return `${((move.endedMs - move.startedMs) / 1000).toFixed(1)} s`;
}

function WhileMoving({ move }: { readonly move: Move }): JSX.Element {
  const can = move.state === "starting" || move.state === "shifting";
  return (
    <button type="button" class="button" disabled={!can} onClick={() => void cancel()}>
      Cancel the move
    </button>
  );
}

function AfterMove({ move }: { readonly move: Move }): JSX.Element {
  return (
    <>
      {move.state === "moved" && topology.value?.canRollBack === true && (
        <button type="button" class="button" onClick={() => void undo()}>
          <Icon name="undo" />
          Undo
        </button>
      )}
      <IconButton icon="close" label="Dismiss" onClick={dismissMove} />
    </>
  );
}

/** How much of the service that is shifted now has gone over, [0, 1]. */
function shifted(): number {
  const sides = trays.value.flatMap((tray) => tray.tiles.flatMap((tile) => tile.sides));
  return Math.max(
    0,
    ...sides.filter((side) => side.isNew && side.shifting).map((side) => side.cluster.weight / 100),
  );
}

function Progress({ move }: { readonly move: Move }): JSX.Element {
  const steps = Math.max(1, move.plan.length);
  return (
    <>
      <progress
        max={steps}
        value={move.state === "starting" ? undefined : Math.min(move.stepsDone + shifted(), steps)}
        aria-label={`${move.stepsDone} of ${steps} services moved`}
      />
      <p class="move-step" aria-live="polite">
        {sentence(move.step)}
      </p>
      <Sides />
    </>
  );
}

/** The two sides that are compared, while calls go over. */
function Sides(): JSX.Element | null {
  const all = topology.value?.clusters ?? [];
  const services = [...new Set(all.map((one) => one.service))].filter(
    (service) => all.filter((one) => one.service === service).length > 1,
  );
  if (services.length === 0) return null;
  return (
    <ul class="sides">
      {services.flatMap((service) =>
        all
          .filter((one) => one.service === service)
          .map((cluster) => <SideLine key={cluster.name} cluster={cluster} />),
      )}
    </ul>
  );
}

function SideLine({ cluster }: { readonly cluster: Cluster }): JSX.Element {
  const { service, group, weight, calls, faults, p50Ms, p99Ms } = cluster;
  return (
    <li>
      <span>
        {service} in {group}
      </span>
      <span class="side-bar" aria-hidden="true">
        <i style={{ width: `${weight}%` }} />
      </span>
      <span class="side-weight">{weight} %</span>
      <span class="meta">
        {calls === 0
          ? "no calls yet"
          : `${count(calls, "call")}, ${percent(faults / calls)} failed, ${milliseconds(p50Ms)}, p99 ${milliseconds(p99Ms)}`}
      </span>
    </li>
  );
}
