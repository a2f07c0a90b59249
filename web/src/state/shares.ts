// The parts of a service's calls that its versions have, as a person is changing them.

import { computed, effect, signal } from "@preact/signals";
import { propose, topology } from "./topology";
import { balanced, readTopology, type VersionsText, withWeights } from "./topology_text";

/** Of each service that is being changed. */
const drafts = signal<ReadonlyMap<string, ReadonlyMap<string, number>>>(new Map());

export interface Share {
  readonly group: string;
  readonly now: number;
  readonly wanted: number;
  /** Of the group's program. */
  readonly versions: readonly string[];
}

export interface SharedService {
  readonly service: string;
  readonly shares: readonly Share[];
  readonly changed: boolean;
}

const shared = computed<readonly VersionsText[]>(() =>
  topology.value === undefined ? [] : readTopology(topology.value.yaml).versions,
);

/** The services that have several versions. */
export const sharedServices = computed<readonly SharedService[]>(() =>
  shared.value.map(({ service, weights }) => {
    const draft = drafts.value.get(service);
    const shares = weights.map(([group, now]) => ({
      group,
      now,
      wanted: draft?.get(group) ?? now,
      versions: topology.value?.groups.find(({ name }) => name === group)?.versions ?? [],
    }));
    return { service, shares, changed: shares.some(({ now, wanted }) => now !== wanted) };
  }),
);

/** The other versions share what is left. */
export function setShare(service: string, group: string, percent: number): void {
  const found = sharedServices.value.find((one) => one.service === service);
  if (found === undefined) return;
  // Once one has had everything, the others come back in the parts that they have now.
  const none = found.shares.every((share) => share.group === group || share.wanted === 0);
  const weights = found.shares.map(
    (share) => [share.group, none ? share.now : share.wanted] as const,
  );
  drafts.value = new Map(drafts.value).set(service, balanced(weights, group, percent));
}

export function forgetShares(service: string): void {
  const left = new Map(drafts.value);
  left.delete(service);
  drafts.value = left;
}

// What has been reached is no draft any more: it would come back when something else is reached.
effect(() => {
  for (const { service, changed } of sharedServices.value)
    if (!changed && drafts.peek().has(service)) forgetShares(service);
});

/** Says what that would do, and then does it. */
export function proposeShares(service: string): void {
  const wanted = drafts.value.get(service);
  if (wanted === undefined) return;
  const parts = [...wanted].map(([group, percent]) => `${group} ${percent} %`).join(", ");
  void propose(`Share the calls of ${service}: ${parts}?`, "Share", (text) =>
    withWeights(text, service, wanted),
  );
}
