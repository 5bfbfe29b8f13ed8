import { createHash } from 'node:crypto';

/** Ids of batches, files and schedules: a prefix and 32 hex digits, random, or derived where the same cause must find the same thing. */

export const batchIdPattern = /^bat_[0-9a-f]{32}$/;
export const fileIdPattern = /^file_[0-9a-f]{32}$/;
export const scheduleIdPattern = /^sch_[0-9a-f]{32}$/;

type IdPrefix = 'bat' | 'file' | 'sch';

/** The id made of 16 random bytes. */
export function randomId(prefix: IdPrefix, random: Uint8Array): string {
  if (random.length !== 16) throw new RangeError('an id takes 16 random bytes');
  return `${prefix}_${Buffer.from(random).toString('hex')}`;
}

/**
 * The same parts always give the same id. `parts` begin with what kind of cause it is (`key`, `tick`, `object`, `event`),
 * so that causes of different kinds never meet; the NUL keeps (a, bc) and (ab, c) apart.
 */
export function derivedId(prefix: IdPrefix, parts: readonly string[]): string {
  return `${prefix}_${createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 32)}`;
}
