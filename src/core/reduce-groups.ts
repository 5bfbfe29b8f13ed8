import { createHash } from 'node:crypto';
import type { BatchError } from './batch.ts';
import type { GroupKey } from './reduce-part.ts';
import { keyText } from './reduce-part.ts';

/** From the answers of all levels to the groups of a reduce. Pure; of one group only its last answer is held. */

export interface Group {
  /** Made of the key: the same group has it in every run. */
  id: string;
  key: GroupKey;
  /** Records in it. */
  count: number;
  /** What the model says of the whole group; none if its last call failed. */
  summary?: string;
  /** Why it has no summary, or of how many of its records the summary says nothing, because calls for them failed. */
  error?: BatchError & { records: number };
}

/** A call of a level and what became of it. */
export interface EndedCall {
  key: GroupKey;
  count: number;
  end: { text: string } | BatchError;
}

export interface GroupGatherer {
  /** The calls of level 1 first, then of level 2, and so on. */
  add(level: number, call: EndedCall): void;
  /** Largest first, then by key. */
  groups(): Group[];
}

interface OpenGroup extends Group {
  level: number;
}

export function createGroupGatherer(): GroupGatherer {
  const open = new Map<string, OpenGroup>();
  return {
    add(level, { key, count, end }) {
      const name = JSON.stringify(key);
      const group = open.get(name) ?? { id: groupId(name), key, count: 0, level };
      open.set(name, group);
      if (level === 1) group.count += count;
      if (level > group.level) delete group.summary;
      group.level = level;
      if ('text' in end) group.summary = end.text;
      else group.error = { ...(group.error ?? end), records: (group.error?.records ?? 0) + count };
    },
    groups() {
      const groups = [...open.values()].map(({ level: _, ...group }) => group);
      return groups.sort((a, b) => b.count - a.count || compare(keyText(a.key), keyText(b.key)) || compare(a.id, b.id));
    },
  };
}

function groupId(name: string): string {
  return `group-${createHash('sha256').update(name).digest('hex').slice(0, 12)}`;
}

/** By code units: the order must not hang on the locale of a machine. */
function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
