import { batch, computed, signal } from "@preact/signals";
import { asApiError, isAbort, sentence } from "../api/errors";
import {
  applyTopology,
  cancelMove,
  getTopology,
  hasEnded,
  type Move,
  type Plan,
  planTopology,
  rollbackTopology,
  type Topology,
  watchMove,
} from "../api/topology";
import { notify, say } from "./notices";
import { flows, keepWindow, type Reading, readingOf } from "./rates";
import { readTopology, type TopologyText, withServiceIn, writeTopology } from "./topology_text";
import { type Tray, threadsOf, traysOf } from "./trays";

const kLookMs = 1000;
const kLookDuringMoveMs = 300;

export const topology = signal<Topology | undefined>(undefined);
/** Why there is no picture, or why it is not fresh. */
export const topologyError = signal("");
/** The key that was used does not allow to see it. */
export const forbidden = signal(false);
/** The running move, or the last one that was seen to run. */
export const move = signal<Move | undefined>(undefined);
const readings = signal<readonly Reading[]>([]);

export const trays = computed<readonly Tray[]>(() =>
  topology.value === undefined ? [] : traysOf(topology.value),
);
export const live = computed(() => flows(readings.value));
export const threads = computed(() =>
  topology.value === undefined ? [] : threadsOf(topology.value, trays.value, live.value),
);
export const moving = computed(() => move.value !== undefined && !hasEnded(move.value));

let looking: AbortController | undefined;
let timer = 0;
let watched = "";

async function look(signal: AbortSignal): Promise<void> {
  try {
    const now = await getTopology(signal);
    batch(() => {
      topology.value = now;
      topologyError.value = "";
      forbidden.value = false;
      readings.value = keepWindow(readings.value, readingOf(now, Date.now()));
    });
    if (now.move !== undefined && !hasEnded(now.move)) void follow(now.move);
    else if (now.move !== undefined && now.move.id === move.value?.id) move.value = now.move;
  } catch (error) {
    if (isAbort(error)) return;
    const failure = asApiError(error);
    forbidden.value = failure.failure === "signin";
    topologyError.value = `${failure.message} ${failure.advice}`;
  }
}

/** Reads the topology again and again while the page shows it. */
export function beginLooking(): void {
  looking?.abort();
  const controller = new AbortController();
  looking = controller;
  const round = async () => {
    if (!document.hidden) await look(controller.signal);
    if (controller.signal.aborted) return;
    timer = window.setTimeout(() => void round(), moving.value ? kLookDuringMoveMs : kLookMs);
  };
  void round();
}

export function endLooking(): void {
  looking?.abort();
  looking = undefined;
  window.clearTimeout(timer);
  readings.value = [];
  watched = "";
}

export function lookNow(): void {
  window.clearTimeout(timer);
  beginLooking();
}

function tellEnd(ended: Move): void {
  say(
    ended.state === "moved"
      ? "The move is done."
      : `The move was rolled back. ${sentence(ended.reason)}`,
  );
  lookNow();
}

/** Shows a move as it goes on, until its end. */
async function follow(begun: Move): Promise<void> {
  if (watched === begun.id) return;
  watched = begun.id;
  move.value = begun;
  const signal = looking?.signal;
  if (signal === undefined) return;
  try {
    for await (const now of watchMove(begun.id, signal)) {
      if (now.id !== watched || now.id === "") continue;
      move.value = now;
    }
    if (move.value?.id !== begun.id) return;
    if (hasEnded(move.value)) tellEnd(move.value);
    else watched = ""; // the next look takes it up again
  } catch {
    watched = ""; // the next look takes it up again
  }
}

/** What a person wants to change, before it is done. */
export interface Proposal {
  readonly title: string;
  readonly action: string;
  readonly yaml: string;
  readonly plan: Plan | undefined;
  /** Why it cannot be done. */
  readonly refused: string;
  readonly working: boolean;
}

export const proposal = signal<Proposal | undefined>(undefined);

/** Asks the server what a change would do. */
export async function propose(
  title: string,
  action: string,
  change: (now: TopologyText) => TopologyText,
): Promise<void> {
  const now = topology.value;
  if (now === undefined) return;
  const yaml = writeTopology(change(readTopology(now.yaml)));
  const begun: Proposal = { title, action, yaml, plan: undefined, refused: "", working: false };
  proposal.value = begun;
  try {
    const plan = await planTopology(yaml);
    if (proposal.value === begun) proposal.value = { ...begun, plan };
  } catch (error) {
    if (proposal.value === begun) proposal.value = { ...begun, refused: asApiError(error).message };
  }
}

export function dropProposal(): void {
  proposal.value = undefined;
}

async function begin(start: () => Promise<Move>): Promise<void> {
  const begun = await start();
  watched = "";
  void follow(begun);
  say("The move has begun.");
}

export async function acceptProposal(): Promise<void> {
  const accepted = proposal.value;
  if (accepted?.plan === undefined || accepted.working) return;
  const working = { ...accepted, working: true };
  proposal.value = working;
  try {
    await begin(() => applyTopology(accepted.yaml));
    proposal.value = undefined;
  } catch (error) {
    proposal.value = { ...accepted, plan: undefined, refused: asApiError(error).message };
  }
}

export async function undo(): Promise<void> {
  try {
    await begin(rollbackTopology);
  } catch (error) {
    notify(asApiError(error).message, { tone: "error" });
  }
}

export async function cancel(): Promise<void> {
  if (move.value === undefined) return;
  try {
    await cancelMove(move.value.id);
  } catch (error) {
    notify(asApiError(error).message, { tone: "error" });
  }
}

export function dismissMove(): void {
  if (!moving.value) move.value = undefined;
}

/** Where a tile that is picked up would go; undefined: a process of its own. */
export type Target = string | undefined;

export interface Picked {
  readonly service: string;
  readonly tray: string;
  readonly target: Target;
  /** By the keyboard or a tap, not by dragging. */
  readonly held: boolean;
}

export const picked = signal<Picked | undefined>(undefined);

/** The trays that a tile can go to, in the order of the page; the new process comes last. */
export function targetsFor(service: string): Target[] {
  const home =
    trays.value.find((tray) => tray.name === picked.value?.tray) ??
    trays.value.find((tray) => tray.tiles.some((tile) => tile.service === service));
  const alone = home?.tiles.length === 1;
  const names = trays.value.map((tray) => tray.name);
  return alone ? names : [...names, undefined];
}

export function nameOfTarget(target: Target): string {
  return target === undefined ? "a process of its own" : target;
}

export function pick(service: string, tray: string, held: boolean): void {
  picked.value = { service, tray, target: tray, held };
  if (held)
    say(
      `${service} is picked up, in ${tray}. Arrow keys choose a process, Enter drops it, Escape leaves it where it is.`,
    );
}

export function aim(target: Target): void {
  const now = picked.value;
  if (now === undefined || now.target === target) return;
  picked.value = { ...now, target };
  const all = targetsFor(now.service);
  say(
    `${now.service} over ${nameOfTarget(target)}, ${all.indexOf(target) + 1} of ${all.length}${target === now.tray ? ", where it is now" : ""}.`,
  );
}

export function aimBy(step: number): void {
  const now = picked.value;
  if (now === undefined) return;
  const all = targetsFor(now.service);
  aim(all[(all.indexOf(now.target) + step + all.length) % all.length]);
}

export function letGo(): void {
  if (picked.value !== undefined) say(`${picked.value.service} stays in ${picked.value.tray}.`);
  picked.value = undefined;
}

export function drop(): void {
  const now = picked.value;
  if (now === undefined) return;
  if (now.target === now.tray) {
    letGo();
    return;
  }
  picked.value = undefined;
  const { service, target, tray } = now;
  void propose(`Move ${service} to ${nameOfTarget(target)}?`, "Move", (text) =>
    withServiceIn(text, service, target, tray),
  );
}
