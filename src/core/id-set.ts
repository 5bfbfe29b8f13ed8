import { hash } from 'node:crypto';

/**
 * Which ids were seen, by 64 bits of their SHA-256, in an open-addressing table: 11 to 23 bytes an id, where a Set of strings
 * takes a hundred. Two different ids are taken for the same with a chance of 1 in 37 million among a million ids.
 */
export interface IdSet {
  /** False if it was there. */
  add(id: string): boolean;
  readonly size: number;
}

const firstSlots = 1024;
/** Full enough to be small, empty enough that a search stays short. */
const mostFull = 0.7;

export function createIdSet(): IdSet {
  let slots = firstSlots;
  let table = new Uint32Array(2 * slots);
  let size = 0;

  /** The index of the entry, or of the free place for it. Two zeros are a free place. */
  const find = (high: number, low: number): number => {
    let slot = low & (slots - 1);
    while (table[2 * slot] !== 0 || table[2 * slot + 1] !== 0) {
      if (table[2 * slot] === high && table[2 * slot + 1] === low) break;
      slot = (slot + 1) & (slots - 1);
    }
    return 2 * slot;
  };
  const grow = (): void => {
    const old = table;
    slots *= 2;
    table = new Uint32Array(2 * slots);
    for (let at = 0; at < old.length; at += 2) {
      const high = old[at] as number;
      const low = old[at + 1] as number;
      if (high !== 0 || low !== 0) table.set([high, low], find(high, low));
    }
  };

  return {
    add(id) {
      const digest = hash('sha256', id, 'buffer');
      const high = digest.readUInt32LE(0) || 1;
      const low = digest.readUInt32LE(4);
      const at = find(high, low);
      if (table[at] !== 0) return false;
      table[at] = high;
      table[at + 1] = low;
      size += 1;
      if (size > slots * mostFull) grow();
      return true;
    },
    get size() {
      return size;
    },
  };
}
