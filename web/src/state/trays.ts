// The picture of a topology: trays (groups), the tiles (services) in them, and the threads (calls) between tiles.

import { type Cluster, type Group, hasEnded, type Process, type Topology } from "../api/topology";
import type { Flow } from "./rates";
import { kGateway } from "./topology_text";

/** here: it serves. coming, leaving: a move brings or takes it. */
export type TileState = "here" | "starting" | "coming" | "leaving";

export interface Tile {
  readonly key: string;
  readonly service: string;
  readonly tray: string;
  readonly state: TileState;
  /** Calls inside it now. */
  readonly inside: number;
  /** Of a service with several versions, or whose calls a move shifts: those that are in this tray. */
  readonly sides: readonly Side[];
}

export interface Side {
  readonly cluster: Cluster;
  readonly isNew: boolean;
  /** A move changes its part of the calls. */
  readonly shifting: boolean;
}

export interface Tray {
  readonly name: string;
  readonly tiles: readonly Tile[];
  readonly processes: readonly Process[];
  readonly replicas: number;
  readonly revision: string;
  /** Of its programs. */
  readonly versions: readonly string[];
  /** The process with the gateway. */
  readonly first: boolean;
  /** Whether it can have more than one process. */
  readonly scales: boolean;
  /** 0, 1, 2: from those that call to those that are called. */
  readonly column: number;
}

export interface Thread {
  readonly key: string;
  readonly from: string;
  readonly to: string;
  readonly fromService: string;
  readonly toService: string;
  readonly perSecond: number;
  readonly faulty: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const kDepths: Readonly<Record<string, number>> = {
  gateway: 0,
  orchestration: 1,
  dataprep: 1,
  inference: 2,
  retrieval: 2,
};
// From left to right and from above to below: what a question takes is above, what a file takes is below.
const kPlaces = ["gateway", "orchestration", "dataprep", "inference", "retrieval"];
const kScaling = ["inference", "orchestration"];

/** How far from the outside a service is called. */
export function depthOf(service: string): number {
  return kDepths[service] ?? 1;
}

export function tileKey(tray: string, service: string): string {
  return `${tray}/${service}`;
}

/** Clusters are named service/number, in the order in which they were made. */
function number(cluster: Cluster): number {
  return Number(cluster.name.split("/").at(-1)) || 0;
}

function sidesOf(topology: Topology, service: string, tray: string): Side[] {
  const clusters = topology.clusters.filter((one) => one.service === service);
  if (clusters.length < 2) return [];
  const newest = Math.max(...clusters.map(number));
  const shifting =
    topology.move !== undefined &&
    !hasEnded(topology.move) &&
    topology.move.plan.some((step) => step.service === service);
  return clusters
    .filter((one) => one.group === tray)
    .map((cluster) => ({ cluster, isNew: number(cluster) === newest, shifting }));
}

function tileOf(topology: Topology, group: Group, service: string): Tile {
  const instances = group.processes
    .flatMap((process) => process.instances)
    .filter((instance) => instance.service === service);
  const sides = sidesOf(topology, service, group.name);
  const wanted = group.services.includes(service);
  const routed =
    service === kGateway ||
    topology.clusters.some((one) => one.service === service && one.group === group.name);
  let state: TileState = "here";
  if (!wanted)
    state =
      instances.some((one) => one.state === "draining") || !isComing(topology)
        ? "leaving"
        : "coming";
  else if (!routed || (instances.length === 0 && service !== kGateway)) state = "starting";
  return {
    key: tileKey(group.name, service),
    service,
    tray: group.name,
    state,
    inside: instances.reduce((sum, one) => sum + one.inFlight, 0),
    sides,
  };
}

/** Until the move has reached its goal, what is elsewhere than the topology says is on its way in. */
function isComing({ move }: Topology): boolean {
  return move?.state === "starting" || move?.state === "shifting";
}

function byDepth(a: Tile, b: Tile): number {
  return kPlaces.indexOf(a.service) - kPlaces.indexOf(b.service);
}

function trayOf(topology: Topology, group: Group): Tray {
  const services = new Set([
    ...group.services,
    ...group.processes.flatMap((process) => process.instances.map((one) => one.service)),
  ]);
  const tiles = [...services].map((service) => tileOf(topology, group, service)).sort(byDepth);
  const first = services.has(kGateway);
  return {
    name: group.name,
    tiles,
    processes: group.processes,
    replicas: group.replicas,
    revision: group.revision,
    versions: group.versions,
    first,
    scales:
      !first && group.services.length > 0 && group.services.every((one) => kScaling.includes(one)),
    column: first ? 0 : Math.max(1, ...tiles.map((tile) => depthOf(tile.service))),
  };
}

export function traysOf(topology: Topology): Tray[] {
  return topology.groups
    .filter((group) => group.services.length > 0 || group.processes.length > 0)
    .map((group) => trayOf(topology, group))
    .sort((a, b) => a.column - b.column || orderIn(a) - orderIn(b) || a.name.localeCompare(b.name));
}

/** So that what orchestration calls is as high as orchestration, and the files' side is below. */
function orderIn(tray: Tray): number {
  const services = tray.tiles.map((tile) => tile.service);
  return services.includes("orchestration") || services.includes("inference") ? 0 : 1;
}

interface Target {
  readonly tray: string;
  readonly share: number;
}

function targetsOf(topology: Topology, trays: readonly Tray[], service: string): Target[] {
  const clusters = topology.clusters.filter((one) => one.service === service);
  const total = clusters.reduce((sum, one) => sum + one.weight, 0);
  return clusters
    .map((one) => ({ tray: one.group, share: total > 0 ? one.weight / total : 0 }))
    .filter((one) => trays.some((tray) => tray.name === one.tray));
}

/** Calls of all processes of a tray together. A split route has a thread to each side. */
export function threadsOf(
  topology: Topology,
  trays: readonly Tray[],
  live: readonly Flow[],
): Thread[] {
  const threads = new Map<string, Thread>();
  for (const flow of live) {
    const tray = trays.find((one) =>
      one.processes.some((process) => process.name === flow.process),
    );
    if (tray === undefined) continue;
    const from = tileKey(tray.name, flow.from);
    for (const target of targetsOf(topology, trays, flow.service)) {
      const to = tileKey(target.tray, flow.service);
      const key = `${from} ${to}`;
      const before = threads.get(key);
      const perSecond = flow.perSecond * target.share;
      const sum = perSecond + (before?.perSecond ?? 0);
      threads.set(key, {
        key,
        from,
        to,
        fromService: flow.from,
        toService: flow.service,
        perSecond: sum,
        faulty:
          sum > 0
            ? (flow.faulty * perSecond + (before?.faulty ?? 0) * (before?.perSecond ?? 0)) / sum
            : 0,
        p50Ms: Math.max(flow.p50Ms, before?.p50Ms ?? 0),
        p99Ms: Math.max(flow.p99Ms, before?.p99Ms ?? 0),
      });
    }
  }
  return [...threads.values()];
}
