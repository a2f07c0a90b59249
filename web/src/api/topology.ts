// The Topology contract: which services share a process, and moves.

import { json, send } from "./client";
import { type Fields, fields, flag, list, number, parse, text, texts, word } from "./json";
import { readEvents } from "./sse";

export interface Instance {
  readonly service: string;
  readonly instance: string;
  /** starting, standby, serving, yielded, draining, stopped */
  readonly state: string;
  /** Calls inside it now. */
  readonly inFlight: number;
}

export interface Process {
  readonly name: string;
  readonly pid: number;
  readonly state: string;
  readonly restarts: number;
  readonly startedMs: number;
  readonly memoryBytes: number;
  /** Of its program, as the process says; empty while it does not answer. */
  readonly version: string;
  readonly instances: readonly Instance[];
}

export interface Group {
  readonly name: string;
  readonly services: readonly string[];
  readonly replicas: number;
  readonly revision: string;
  readonly processes: readonly Process[];
  /** Of its processes' programs; two while one takes the other's place. */
  readonly versions: readonly string[];
}

/** Calls from a service of one process to another service, since that process started. */
export interface Edge {
  readonly from: string;
  readonly service: string;
  readonly process: string;
  readonly calls: number;
  readonly faults: number;
  /** Calls by time; bounds 2^10 ns, 2^11 ns, … */
  readonly buckets: readonly number[];
}

/** The instances of one version of a service. */
export interface Cluster {
  readonly name: string;
  readonly service: string;
  readonly group: string;
  /** Percent of the calls. */
  readonly weight: number;
  readonly inFlight: number;
  readonly calls: number;
  readonly faults: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface PlanStep {
  readonly action: string;
  readonly service: string;
  readonly group: string;
  readonly text: string;
}

export type MoveState =
  "starting" | "shifting" | "draining" | "rolling_back" | "moved" | "rolled_back";

export interface Move {
  readonly id: string;
  readonly state: MoveState;
  readonly step: string;
  readonly reason: string;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly plan: readonly PlanStep[];
  readonly stepsDone: number;
  readonly events: readonly { readonly atMs: number; readonly text: string }[];
}

export interface Topology {
  readonly revision: number;
  readonly yaml: string;
  readonly groups: readonly Group[];
  readonly edges: readonly Edge[];
  readonly clusters: readonly Cluster[];
  readonly move: Move | undefined;
  readonly canRollBack: boolean;
}

export interface Plan {
  readonly steps: readonly PlanStep[];
  readonly yaml: string;
}

const kMoveStates: readonly MoveState[] = [
  "starting",
  "shifting",
  "draining",
  "rolling_back",
  "moved",
  "rolled_back",
];

function numbers(from: Fields, key: string): number[] {
  return list(from, key).map((_, at) => number({ at: list(from, key)[at] }, "at"));
}

function decodeInstance(value: unknown): Instance {
  const from = fields(value);
  return {
    service: text(from, "service"),
    instance: text(from, "instance"),
    state: word(from, "state", "instance_state_"),
    inFlight: number(from, "in_flight"),
  };
}

function decodeProcess(value: unknown): Process {
  const from = fields(value);
  return {
    name: text(from, "name"),
    pid: number(from, "pid"),
    state: text(from, "state"),
    restarts: number(from, "restarts"),
    startedMs: number(from, "started_ms"),
    memoryBytes: number(from, "memory_bytes"),
    version: text(from, "version"),
    instances: list(from, "instances").map(decodeInstance),
  };
}

function decodeGroup(value: unknown): Group {
  const from = fields(value);
  return {
    name: text(from, "name"),
    services: texts(from, "services"),
    replicas: number(from, "replicas", 1),
    revision: text(from, "revision"),
    processes: list(from, "processes").map(decodeProcess),
    versions: texts(from, "versions"),
  };
}

function decodeEdge(value: unknown): Edge {
  const from = fields(value);
  return {
    from: text(from, "from"),
    service: text(from, "service"),
    process: text(from, "process"),
    calls: number(from, "calls"),
    faults: number(from, "faults"),
    buckets: numbers(from, "buckets"),
  };
}

function decodeCluster(value: unknown): Cluster {
  const from = fields(value);
  return {
    name: text(from, "name"),
    service: text(from, "service"),
    group: text(from, "group"),
    weight: number(from, "weight"),
    inFlight: number(from, "in_flight"),
    calls: number(from, "calls"),
    faults: number(from, "faults"),
    p50Ms: number(from, "p50_ms"),
    p99Ms: number(from, "p99_ms"),
  };
}

function decodeStep(value: unknown): PlanStep {
  const from = fields(value);
  return {
    action: text(from, "action"),
    service: text(from, "service"),
    group: text(from, "group"),
    text: text(from, "text"),
  };
}

export function decodeMove(value: unknown): Move {
  const from = fields(value);
  const state = word(from, "state", "move_state_");
  return {
    id: text(from, "id"),
    state: kMoveStates.find((known) => known === state) ?? "starting",
    step: text(from, "step"),
    reason: text(from, "reason"),
    startedMs: number(from, "started_ms"),
    endedMs: number(from, "ended_ms"),
    plan: list(from, "plan").map(decodeStep),
    stepsDone: number(from, "steps_done"),
    events: list(from, "events").map((event) => ({
      atMs: number(fields(event), "at_ms"),
      text: text(fields(event), "text"),
    })),
  };
}

export function decodeTopology(value: unknown): Topology {
  const from = fields(value);
  const move = from["move"];
  return {
    revision: number(from, "revision"),
    yaml: text(from, "yaml"),
    groups: list(from, "groups").map(decodeGroup),
    edges: list(from, "edges").map(decodeEdge),
    clusters: list(from, "clusters").map(decodeCluster),
    move: move === undefined || move === null ? undefined : decodeMove(move),
    canRollBack: flag(from, "can_roll_back"),
  };
}

const kRoot = "/admin/v1/topology";

async function read(response: Promise<Response>): Promise<unknown> {
  return parse(await (await response).text());
}

export async function getTopology(signal: AbortSignal): Promise<Topology> {
  return decodeTopology(await read(send(kRoot, { signal })));
}

/** What applying would do. Throws what is wrong with the topology. */
export async function planTopology(yaml: string): Promise<Plan> {
  const from = fields(await read(send(`${kRoot}/plan`, json({ yaml }))));
  return { steps: list(from, "steps").map(decodeStep), yaml: text(from, "yaml") };
}

export async function applyTopology(yaml: string): Promise<Move> {
  return decodeMove(await read(send(`${kRoot}/apply`, json({ yaml }))));
}

export async function rollbackTopology(): Promise<Move> {
  return decodeMove(await read(send(`${kRoot}/rollback`, json({}))));
}

export async function cancelMove(id: string): Promise<Move> {
  return decodeMove(await read(send(`${kRoot}/moves/${encodeURIComponent(id)}/cancel`, json({}))));
}

/** A move now and after every change, until it has ended. A gateway that is replaced ends the stream before that: its
 * successor goes on with it. */
export async function* watchMove(id: string, signal: AbortSignal): AsyncGenerator<Move> {
  let ended = false;
  let told = true;
  while (!ended && told) {
    const response = await send(`${kRoot}/moves/${encodeURIComponent(id)}/events`, { signal });
    if (response.body === null) return;
    told = false;
    for await (const event of readEvents(response.body)) {
      const move = decodeMove(parse(event.data));
      told = true;
      ended = hasEnded(move);
      yield move;
    }
  }
}

export function hasEnded(move: Move): boolean {
  return move.state === "moved" || move.state === "rolled_back";
}
