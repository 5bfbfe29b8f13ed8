import { expect } from 'vitest';
import { deadLetterQueueName, laneQueueName } from '../../src/aws/resource-names.ts';
import { type JobRequest, jobRequestSchema } from '../../src/core/job-request.ts';
import type { Lane } from '../../src/core/lanes.ts';
import { type Pointer, readPointer } from '../../src/core/pointer-message.ts';
import { type Claim, claimJob } from '../../src/state/claim-job.ts';
import type { JobItem } from '../../src/state/job-item.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';
import { submitJob } from '../../src/state/submit-job.ts';
import { renewLease } from '../../src/state/worker-lease.ts';
import type { StateStores } from './state-stores.ts';

/** Steps of a job's life that tests take without looking at them. */

export const nova = 'amazon.nova-lite-v1:0';
export const leaseMs = 20_000;

/** A request of one turn, for nova-lite unless it says otherwise. */
export function aRequest(text: string, extra: object = {}): JobRequest {
  return jobRequestSchema.parse({
    model: nova,
    input: { messages: [{ role: 'user', content: [{ text }] }] },
    ...extra,
  });
}

export function laneOf(stores: StateStores, request: JobRequest): Lane {
  const lane = stores.lanes.byModel(request.model);
  if (lane === undefined) throw new Error(`no lane serves ${request.model}`);
  return lane;
}

export interface SubmitOptions {
  tenant?: string;
  key?: string | undefined;
  state?: StateDeps;
}

/** Submits, expects it to be accepted, and gives the job. */
export async function submitted(
  stores: StateStores,
  request: JobRequest,
  { tenant = 'demo', key, state = stores.state }: SubmitOptions = {},
): Promise<JobItem> {
  const result = await submitJob(state, { tenant, request, lane: laneOf(stores, request), idempotencyKey: key });
  if (result.kind !== 'accepted') throw new Error(`not accepted: ${result.kind}`);
  return result.job;
}

/** The message of a job's present generation. */
export function pointerTo(job: JobItem): Pointer {
  return { v: 1, jobId: job.pk, generation: job.generation, tenant: job.tenant, lane: job.lane };
}

/** Claims for a worker whose lease is renewed first, and expects to get the job. */
export async function claimed(stores: StateStores, job: JobItem, worker = 'worker-a'): Promise<JobItem> {
  await renewLease(stores.state, worker, leaseMs, {}, []);
  const claim = await claimJob(stores.state, worker, pointerTo(job), false);
  return jobOf(claim, 'claimed');
}

/** The job of a claim of this kind; fails the test for any other. */
export function jobOf(claim: Claim, kind: Claim['kind']): JobItem {
  expect(claim.kind).toBe(kind);
  if (!('job' in claim)) throw new Error(`a claim without a job: ${claim.kind}`);
  return claim.job;
}

/** Takes all visible messages of a job's queue (or of its dead-letter queue) away; gives what those of the job say. */
export async function takeMessages(
  stores: StateStores,
  job: Pick<JobItem, 'pk' | 'lane' | 'priority'>,
  deadLetters = false,
): Promise<Pointer[]> {
  const own = laneQueueName(stores.state.prefix, job.lane, job.priority);
  const queue = deadLetters ? deadLetterQueueName(own) : own;
  const found: Pointer[] = [];
  for (;;) {
    const messages = await stores.state.queues.receiveNow(queue, 10, 30);
    if (messages.length === 0) return found;
    for (const { body } of messages) {
      const read = readPointer(body);
      if (read.kind === 'pointer' && read.pointer.jobId === job.pk) found.push(read.pointer);
    }
    await Promise.all(messages.map(({ receiptHandle }) => stores.state.queues.delete(queue, receiptHandle)));
  }
}

/** The record as it lies in the table, marked ones too. */
export async function storedJob(stores: StateStores, jobId: string): Promise<JobItem | undefined> {
  return (await stores.state.tables.get('jobs', { pk: jobId, sk: 'job' })) as unknown as JobItem | undefined;
}
