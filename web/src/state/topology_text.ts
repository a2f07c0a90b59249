// Changes to a topology as the server writes it: one line for each field, which is kept when it is not understood.

export interface GroupText {
  readonly name: string;
  readonly services: readonly string[];
  /** The other fields of the group, as they stand there. */
  readonly fields: readonly (readonly [key: string, value: string])[];
}

/** Of a service that is in several groups. */
export interface VersionsText {
  readonly service: string;
  /** Percent of its calls, by group. */
  readonly weights: readonly (readonly [group: string, percent: number])[];
}

export interface TopologyText {
  readonly groups: readonly GroupText[];
  readonly versions: readonly VersionsText[];
  /** What follows the groups. */
  readonly rest: string;
}

/** The group that holds the edge: the process that was started. */
export const kGateway = "gateway";

function words(value: string): string[] {
  return value
    .replace(/^\[|\]$/g, "")
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

function readVersions(line: string): VersionsText | undefined {
  const found = /^ {2}([a-z]+): (\{.*\})$/.exec(line);
  if (found === null) return undefined;
  const [, service = "", weights = ""] = found;
  return {
    service,
    weights: words(weights.replace(/^\{|\}$/g, "")).map((one) => {
      const [group = "", percent = ""] = one.split(":").map((word) => word.trim());
      return [group, Number(percent)] as const;
    }),
  };
}

function isDeeper(line: string | undefined): boolean {
  return /^ /.test(line ?? "");
}

/** Reads what the server wrote (not any YAML). */
export function readTopology(yaml: string): TopologyText {
  const groups: GroupText[] = [];
  const versions: VersionsText[] = [];
  const lines = yaml.split("\n");
  let at = lines[0] === "groups:" ? 1 : lines.length;
  for (; at < lines.length && isDeeper(lines[at]); at += 1) {
    const line = lines[at] ?? "";
    const name = /^ {2}([a-z0-9-]+):$/.exec(line)?.[1];
    const field = /^ {4}([a-z_]+): (.*)$/.exec(line);
    const last = groups.at(-1);
    if (name !== undefined) groups.push({ name, services: [], fields: [] });
    else if (field !== null && last !== undefined) {
      const [, key = "", value = ""] = field;
      groups[groups.length - 1] =
        key === "services"
          ? { ...last, services: words(value) }
          : { ...last, fields: [...last.fields, [key, value]] };
    }
  }
  if (lines[at] === "versions:") {
    for (at += 1; at < lines.length && isDeeper(lines[at]); at += 1) {
      const read = readVersions(lines[at] ?? "");
      if (read !== undefined) versions.push(read);
    }
  }
  return { groups, versions, rest: lines.slice(at).join("\n") };
}

export function writeTopology({ groups, versions, rest }: TopologyText): string {
  const lines = groups.flatMap(({ name, services, fields }) => [
    `  ${name}:`,
    `    services: [${services.join(", ")}]`,
    ...fields.map(([key, value]) => `    ${key}: ${value}`),
  ]);
  const shared = versions.map(
    ({ service, weights }) =>
      `  ${service}: {${weights.map(([group, percent]) => `${group}: ${percent}`).join(", ")}}`,
  );
  return ["groups:", ...lines, ...(shared.length > 0 ? ["versions:", ...shared] : []), rest].join(
    "\n",
  );
}

function groupOf(topology: TopologyText, service: string): GroupText | undefined {
  return topology.groups.find((group) => group.services.includes(service));
}

function freeName(topology: TopologyText, wanted: string): string {
  let name = wanted;
  for (let number = 2; topology.groups.some((group) => group.name === name); number += 1)
    name = `${wanted}-${number}`;
  return name;
}

/** What a group had of the service's calls is another's; a service in one group has no versions. */
function withVersionIn(
  versions: readonly VersionsText[],
  service: string,
  from: string,
  to: string,
): VersionsText[] {
  return versions
    .map((one) => {
      if (one.service !== service) return one;
      const weights = new Map<string, number>();
      for (const [group, percent] of one.weights) {
        const name = group === from ? to : group;
        weights.set(name, (weights.get(name) ?? 0) + percent);
      }
      return { service, weights: [...weights] };
    })
    .filter(({ weights }) => weights.length > 1);
}

/** The service in another group; undefined: in a new one of its own. A group that has none left goes. `home`: the group
 * that it leaves, of a service with several versions. */
export function withServiceIn(
  topology: TopologyText,
  service: string,
  target: string | undefined,
  home?: string,
): TopologyText {
  const from = topology.groups.find(({ name }) => name === home) ?? groupOf(topology, service);
  if (from === undefined || from.name === target) return topology;
  if (target === undefined && from.services.length === 1) return topology;
  const left = topology.groups
    .map((group) =>
      group === from
        ? { ...group, services: group.services.filter((one) => one !== service) }
        : group,
    )
    .filter((group) => group.services.length > 0 || group.name === target);
  const name = target ?? freeName({ ...topology, groups: left }, service);
  const groups =
    target === undefined
      ? [...left, { name, services: [service], fields: [] }]
      : left.map((group) =>
          group.name === target && !group.services.includes(service)
            ? { ...group, services: [...group.services, service] }
            : group,
        );
  return {
    ...topology,
    groups,
    versions: withVersionIn(topology.versions, service, from.name, name),
  };
}

/** Other parts of a service's calls; those of groups that have none of it are left out. */
export function withWeights(
  topology: TopologyText,
  service: string,
  weights: ReadonlyMap<string, number>,
): TopologyText {
  return {
    ...topology,
    versions: topology.versions.map((one) =>
      one.service === service
        ? {
            service,
            weights: one.weights.map(([group, now]) => [group, weights.get(group) ?? now] as const),
          }
        : one,
    ),
  };
}

/** One part is `percent`, and the others share what is left as they did before: together they are always 100. */
export function balanced(
  weights: VersionsText["weights"],
  group: string,
  percent: number,
): Map<string, number> {
  const part = Math.min(100, Math.max(0, Math.round(percent) || 0));
  const others = weights.filter(([name]) => name !== group);
  const before = others.reduce((sum, [, weight]) => sum + weight, 0);
  const all = new Map<string, number>([[group, part]]);
  let left = 100 - part;
  others.forEach(([name, weight], at) => {
    const rest = others.slice(at).reduce((sum, [, one]) => sum + one, 0);
    const share =
      at === others.length - 1
        ? left
        : Math.round(before > 0 ? (left * weight) / Math.max(1, rest) : left / (others.length - at));
    all.set(name, Math.min(left, share));
    left -= Math.min(left, share);
  });
  return new Map(weights.map(([name]) => [name, all.get(name) ?? 0]));
}

function withField(topology: TopologyText, name: string, key: string, value: string): TopologyText {
  return {
    ...topology,
    groups: topology.groups.map((group) =>
      group.name === name
        ? { ...group, fields: [...group.fields.filter(([one]) => one !== key), [key, value]] }
        : group,
    ),
  };
}

export function withReplicas(topology: TopologyText, name: string, count: number): TopologyText {
  return withField(topology, name, "replicas", String(count));
}

/** The next word after a revision: "r1" → "r2", "blue" → "blue-2", none → "2". */
export function nextRevision(revision: string): string {
  const found = /^(.*?)(\d+)$/.exec(revision);
  if (found !== null) return `${found[1]}${Number(found[2]) + 1}`;
  return revision === "" ? "2" : `${revision}-2`;
}

/** The group's processes are replaced by new ones. */
export function withNewRevision(topology: TopologyText, name: string): TopologyText {
  const group = topology.groups.find((one) => one.name === name);
  const now = group?.fields.find(([key]) => key === "revision")?.[1].replace(/^"|"$/g, "") ?? "";
  return withField(topology, name, "revision", `"${nextRevision(now)}"`);
}

/** Everything in the gateway's group. */
export function together(topology: TopologyText): TopologyText {
  const root = groupOf(topology, kGateway);
  if (root === undefined) return topology;
  const services = [...new Set(topology.groups.flatMap((group) => group.services))];
  return {
    ...topology,
    versions: [],
    groups: [
      {
        ...root,
        services: [...root.services, ...services.filter((one) => !root.services.includes(one))],
      },
    ],
  };
}

/** Each service in a group of its own; a group that is one already stays as it is, and so do versions. */
export function apart(topology: TopologyText): TopologyText {
  const all = topology.groups.flatMap((group) => group.services);
  const shared = topology.versions.map(({ service }) => service);
  return all
    .filter((service) => service !== kGateway && !shared.includes(service))
    .reduce((now, service) => withServiceIn(now, service, undefined), topology);
}
