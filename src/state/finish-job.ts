import { randomBytes } from 'node:crypto';
import type { Condition } from '../aws/tables.ts';
import { isFinal, type JobError, type Usage } from '../core/job.ts';
import { announceJob } from './announce-job.ts';
import { finalTimes } from './final-times.ts';
import { asJob, type JobItem, jobKey, jobObjects, outputSk } from './job-item.ts';
import type { JobParts } from './job-parts.ts';
import { storeValue } from './large-values.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Finish: the answer first, under this run's fence, then the one write that decides and names it.
 *
 *     worker A: put output#1 ---------------------------------- finish if fence is 1: refused, output#1 is never read
 *     worker B:     claim (fence 2) - put output#2 - finish if fence is 2: output = output#2
 *     client:                       cancel (fence 3) first: both are refused
 *
 * Nobody claims a fan-out: two routers may join it under the same fence, so each writes an answer of its own name, and the
 * one that was refused has not touched the other's.
 */
const stillMine = (job: JobItem): Condition => ({
  expression: '#status = :running AND #fence = :fence',
  values: { running: 'running', fence: job.fence },
});

interface Consumption {
  usage?: Usage;
  costUsd?: number;
  model?: { modelMs: number; firstTokenMs?: number };
  /** Attempts used, this run's included. */
  attempts?: number;
  /** For whoever is told of the end; not written. */
  metadata?: Record<string, string>;
  /** Of a fan-out; likewise. */
  branches?: NonNullable<JobParts['branches']>;
}

export type Ending =
  | ({ status: 'succeeded' /** JSON text */; output: string } & Consumption)
  | ({
      status: 'failed';
      error: JobError /** What there is all the same, as JSON text */;
      output?: string;
    } & Consumption);

export type Finished =
  | { kind: 'finished'; job: JobItem }
  /** Somebody else decided: cancelled, taken over, or gone (undefined). The result counts for nothing. */
  | { kind: 'lost'; job: JobItem | undefined };

/**
 * Ends a job that this caller holds, `job` as it claimed it. Safe to run twice: the second run finds its own end.
 * Throws AwsError: then nothing is decided, and it can be run again.
 */
export async function finishJob(deps: StateDeps, job: JobItem, ending: Ending): Promise<Finished> {
  const output = ending.output === undefined ? undefined : await putOutput(deps, job, ending.output);
  const now = deps.now();
  const after = await deps.tables.update('jobs', jobKey(job.pk), {
    set: {
      status: ending.status,
      rev: job.rev + 1,
      ...finalTimes(deps, job, now, ending.model),
      output,
      error: ending.status === 'failed' ? ending.error : undefined,
      usage: ending.usage,
      costUsd: ending.costUsd,
      attempts: ending.attempts,
    },
    remove: ['runBy', ...(ending.status === 'succeeded' ? ['error'] : [])],
    condition: stillMine(job),
  });
  if (after !== undefined) return finished(deps, after as unknown as JobItem, ending);
  const stored = asJob(await deps.tables.get('jobs', jobKey(job.pk)));
  // The first try got through and its answer was lost: the end is ours.
  const isOurs =
    stored !== undefined &&
    isFinal(stored.status) &&
    stored.fence === job.fence &&
    stored.status === ending.status &&
    (job.kind !== 'fanout' || stored.output === output);
  return isOurs ? finished(deps, stored, ending) : { kind: 'lost', job: stored };
}

function finished(deps: StateDeps, job: JobItem, ending: Ending): Finished {
  announceJob(deps, job, {
    ...(ending.metadata !== undefined && { metadata: ending.metadata }),
    ...(ending.output !== undefined && { output: { text: ending.output } }),
    ...(ending.branches !== undefined && { branches: ending.branches }),
  });
  return { kind: 'finished', job };
}

async function putOutput(deps: StateDeps, job: JobItem, text: string): Promise<string> {
  const name = job.kind === 'fanout' ? `${job.fence}-${randomBytes(4).toString('hex')}` : String(job.fence);
  const sk = outputSk(name);
  const value = await storeValue(deps, `${jobObjects(job.tenant, job.pk)}output/${name}.json`, text);
  const ttl = Math.ceil((deps.now() + deps.retentionMs + spareMs) / 1000);
  await deps.tables.put('jobs', { pk: job.pk, sk, ...value, ttl });
  return sk;
}

/** Outputs outlive their job's record by a day, whatever order DynamoDB lets them go in. */
const spareMs = 24 * 3600 * 1000;

/**
 * Usage of a call whose job was cancelled while it ran: the tokens are paid for all the same. Added once, to the cancel
 * that ended this very run (`fence` + 1). Safe to run twice. Throws AwsError.
 */
export async function addUsageToCancelled(
  deps: StateDeps,
  job: JobItem,
  used: { usage: Usage; costUsd: number; modelMs: number },
): Promise<boolean> {
  const after = await deps.tables.update('jobs', jobKey(job.pk), {
    set: { usage: used.usage, costUsd: used.costUsd },
    add: { rev: 1, attempts: 1 },
    condition: {
      expression: '#status = :cancelled AND #fence = :fence AND attribute_not_exists(#usage)',
      values: { cancelled: 'cancelled', fence: job.fence + 1 },
    },
  });
  return after !== undefined;
}
