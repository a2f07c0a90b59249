import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { signOut } from "../state/server";
import {
  beginLooking,
  endLooking,
  forbidden,
  lookNow,
  move,
  moving,
  picked,
  propose,
  proposal,
  topology,
  topologyError,
  trays,
  undo,
} from "../state/topology";
import { apart, together } from "../state/topology_text";
import { BackToChat } from "./back";
import { Board } from "./board";
import { Calls } from "./calls";
import { Icon } from "./icons";
import { MovePanel } from "./move_panel";
import { CopyButton, Working } from "./parts";
import { ProposalDialog } from "./proposal";
import { Shares } from "./shares";
import { ThemeButton } from "./sidebar";

/** Which services share a process: looked at and changed while they serve. */
export function TopologyPage(): JSX.Element {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    beginLooking();
    heading.current?.focus();
    return endLooking;
  }, []);
  return (
    <main class="stage topology" id="main">
      <header class="topbar">
        <BackToChat />
        <h1 class="topology-title" tabIndex={-1} ref={heading}>
          Together or apart
        </h1>
        <span class="spacer" />
        <ThemeButton />
      </header>
      <div class="topology-scroll">{topology.value === undefined ? <Nothing /> : <Picture />}</div>
      {proposal.value !== undefined && <ProposalDialog proposal={proposal.value} />}
    </main>
  );
}

function Nothing(): JSX.Element {
  if (forbidden.value)
    return (
      <div class="topology-empty">
        <p class="note error" role="alert">
          <Icon name="warn" />
          <span>
            Only the owner may see and change which services share a process.{" "}
            <button
              type="button"
              class="link"
              onClick={() => void signOut().catch(() => undefined)}
            >
              Sign in as the owner
            </button>
          </span>
        </p>
      </div>
    );
  if (topologyError.value === "")
    return (
      <div class="topology-empty">
        <Working label="Looking at the processes…" />
      </div>
    );
  return (
    <div class="topology-empty">
      <p class="note error" role="alert">
        <Icon name="warn" />
        <span>
          {topologyError.value}{" "}
          <button type="button" class="link" onClick={lookNow}>
            Try again
          </button>
        </span>
      </p>
    </div>
  );
}

function Picture(): JSX.Element {
  const stale = topologyError.value !== "";
  return (
    <>
      <div class="topology-head">
        <p class="topology-lead" id="tile-help">
          {picked.value?.held === true ? (
            <>
              <strong>{picked.value.service}</strong> is picked up.{" "}
              <span class="with-mouse">
                Choose a process with the arrow keys or a click, drop it with Enter; Escape leaves
                it where it is.
              </span>
              <span class="with-touch">
                Tap the process that it shall go to, or tap beside them to leave it where it is.
              </span>
            </>
          ) : (
            "Trays are processes, tiles are services. Drag a tile to another tray to move it; conversations go on meanwhile."
          )}
        </p>
        <Tools />
      </div>
      {stale && (
        <p class="note error" role="alert">
          <Icon name="warn" />
          <span>The picture is not fresh: {topologyError.value} It comes back by itself.</span>
        </p>
      )}
      {move.value !== undefined && <MovePanel move={move.value} />}
      <Shares />
      <Board />
      <Calls />
    </>
  );
}

function Tools(): JSX.Element {
  const groups = trays.value.length;
  const services = trays.value.reduce((sum, tray) => sum + tray.tiles.length, 0);
  const now = topology.value;
  return (
    <div class="topology-tools">
      {groups > 1 && (
        <button
          type="button"
          class="quiet-button"
          disabled={moving.value}
          onClick={() => void propose("Bring all services into one process?", "Move", together)}
        >
          All together
        </button>
      )}
      {groups < services && (
        <button
          type="button"
          class="quiet-button"
          disabled={moving.value}
          onClick={() => void propose("Give each service a process of its own?", "Move", apart)}
        >
          Each apart
        </button>
      )}
      <button
        type="button"
        class="quiet-button"
        disabled={moving.value || now?.canRollBack !== true}
        title="Back to the topology before this one"
        onClick={() => void undo()}
      >
        <Icon name="undo" />
        Undo
      </button>
      <CopyButton text={() => now?.yaml ?? ""} label="Copy the topology as YAML" />
    </div>
  );
}
