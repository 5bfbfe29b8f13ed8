import type { Condition, Key } from '../aws/tables.ts';
import { clockSkewMs } from '../runtime/config.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Who keeps the clock. One item that is taken when its time is over, and renewed by its owner. For a moment two may think
 * that they lead (one was paused, or its clock is slow): whatever a leader does is therefore safe to do twice.
 */
export interface Lead {
  owner: string;
  /** Rises with every change of the owner. */
  fence: number;
  /** Epoch ms. */
  until: number;
}

/** A leader that was killed is missed for this long and the clock skew: well within the minute in which a tick counts as in time. */
export const leadMs = 15_000;

const leadKey: Key = { pk: 'leader', sk: 'batch-scheduler' };

/**
 *     A:  leads until 12:00:15 -- killed
 *     B:                          12:00:15 refused: A's clock may be 5 s behind -- 12:00:20 leads
 *     C:                                                                          12:00:20 refused: B was first
 */
const isFree = (now: number): Condition => ({
  expression: 'attribute_not_exists(#pk) or #until < :over',
  values: { over: now - clockSkewMs },
});
const isStillOurs = ({ owner, fence }: Lead): Condition => ({
  expression: '#owner = :owner and #fence = :fence',
  values: { owner, fence },
});

/** Takes the lead if nobody has it; undefined if somebody has. Throws AwsError. */
export async function takeLead(deps: StateDeps, owner: string): Promise<Lead | undefined> {
  const now = deps.now();
  const until = now + leadMs;
  const after = await deps.tables.update('control', leadKey, {
    set: { owner, until },
    add: { fence: 1 },
    condition: isFree(now),
  });
  return after === undefined ? undefined : { owner, until, fence: Number(after.fence) };
}

/** Goes on leading; undefined if somebody else does by now. Throws AwsError. */
export async function renewLead(deps: StateDeps, lead: Lead): Promise<Lead | undefined> {
  const until = deps.now() + leadMs;
  const after = await deps.tables.update('control', leadKey, { set: { until }, condition: isStillOurs(lead) });
  return after === undefined ? undefined : { ...lead, until };
}

/** Lets another one lead at once. Safe to run twice. Throws AwsError. */
export async function giveUpLead(deps: StateDeps, lead: Lead): Promise<void> {
  await deps.tables.update('control', leadKey, { set: { until: 0 }, condition: isStillOurs(lead) });
}
