/** Rules and events to measure with: the same in each run. */

export interface Rule {
  name: string;
  pattern: Record<string, unknown>;
}

export interface Workload {
  name: string;
  about: string;
  rule(index: number, pick: Pick): Record<string, unknown>;
}
/** One of a list, at random but the same in each run. */
type Pick = <T>(list: readonly T[]) => T;

const modalities = ['text', 'image', 'audio', 'video'] as const;
const teams = ['search', 'support', 'legal', 'sales', 'research'] as const;
const languages = ['en', 'de', 'fr', 'ja', 'pt-BR'] as const;
const tenantCount = 200;

export const workloads: readonly Workload[] = [
  {
    name: 'mixed',
    about: 'a modality and one or two of: tenant, team, prefix, wildcard, number range, anything-but, $or',
    rule: (index, pick) => ({ modality: [pick(modalities)], ...mixedPart(index, pick) }),
  },
  {
    name: 'exact',
    about: 'a modality, and one of 200 tenants',
    rule: (index, pick) => ({ tenant: [`tenant-${index % tenantCount}`], modality: [pick(modalities)] }),
  },
  {
    name: 'prefix',
    about: 'only a prefix of a path, each of its own',
    rule: (index) => ({ attributes: { path: [{ prefix: `/teams/${index}/` }] } }),
  },
  {
    name: 'ranges',
    about: 'only a range of numbers, four of which hold any number',
    rule: (index) => ({ attributes: { characters: [{ numeric: ['>=', index * 50, '<', index * 50 + 200] }] } }),
  },
  {
    name: 'anything-but',
    about: 'only what is excluded, and every rule matches nearly every event: the worst case',
    rule: (index) => ({ tenant: [{ 'anything-but': [`tenant-${index % tenantCount}`, 'nobody'] }] }),
  },
];

function mixedPart(index: number, pick: Pick): Record<string, unknown> {
  const parts: readonly (() => Record<string, unknown>)[] = [
    () => ({ tenant: [`tenant-${index % tenantCount}`] }),
    () => ({ tenant: [`tenant-${index % tenantCount}`], metadata: { team: [pick(teams)] } }),
    () => ({ metadata: { team: [pick(teams)] }, attributes: { language: [{ 'anything-but': [pick(languages)] }] } }),
    () => ({ attributes: { path: [{ prefix: `/teams/${index}/` }] } }),
    () => ({ attributes: { path: [{ wildcard: `/teams/${index}/*.pdf` }] } }),
    () => ({ attributes: { characters: [{ numeric: ['>', index * 40, '<=', index * 40 + 400] }] } }),
    () => ({ $or: [{ tenant: [`tenant-${index % tenantCount}`] }, { attributes: { tags: [`tag-${index}`] } }] }),
    () => ({ attributes: { parts: { kind: ['table'], page: [index % 50] } } }),
  ];
  return parts[index % parts.length]?.() ?? {};
}

export function makeRules(workload: Workload, count: number): Rule[] {
  const pick = seededPick(1);
  return Array.from({ length: count }, (_, index) => ({
    name: `rule-${index}`,
    pattern: workload.rule(index, pick),
  }));
}

/** Events of about 600 bytes: what is known of a fan-out. */
export function makeEvents(count: number): unknown[] {
  const pick = seededPick(2);
  const digits = Array.from({ length: 1000 }, (_, index) => index);
  return Array.from({ length: count }, () => ({
    modality: pick(modalities),
    tenant: `tenant-${pick(digits) % tenantCount}`,
    metadata: { team: pick(teams), project: `project-${pick(digits)}`, owner: 'somebody@example.com' },
    attributes: {
      path: `/teams/${pick(digits)}/reports/${pick(digits)}.pdf`,
      characters: pick(digits) * 50 + pick(digits),
      language: pick(languages),
      tags: [`tag-${pick(digits)}`, `tag-${pick(digits)}`, 'urgent'],
      parts: [1, 2, 3, 4].map((page) => ({ kind: pick(['text', 'table', 'figure']), page: page * pick([1, 7, 11]) })),
      source: { ip: `10.0.${pick(digits) % 256}.7`, region: 'eu-central-1' },
    },
  }));
}

/** A linear congruential generator: https://en.wikipedia.org/wiki/Linear_congruential_generator (Numerical Recipes). */
function seededPick(seed: number): Pick {
  let state = seed;
  return (list) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return list[Math.floor((state / 2 ** 32) * list.length)] as (typeof list)[number];
  };
}
