import { expect, test } from 'vitest';
import { silentLogger } from '../../test/support/silent-logger.ts';
import { AwsError } from '../aws/aws-error.ts';
import { writePointer } from '../core/pointer-message.ts';
import { handleMessage } from './handle-message.ts';
import type { RunDeps } from './job-run.ts';
import { type LaneMessage, toLaneMessage } from './waiting-room.ts';

const pointer = writePointer({ v: 1, jobId: 'job_x', generation: 1, tenant: 'demo', lane: 'nova' });
const messageOf = (body: string, receiveCount = 1): LaneMessage =>
  toLaneMessage('nova', { body, receiptHandle: 'r', sentAtMs: 0, receiveCount }, 0);

/** Dependencies over tables that find nothing, or fail. */
function depsWith(failure?: Error): RunDeps {
  const answer = async () => {
    if (failure !== undefined) throw failure;
    return undefined;
  };
  const state = { tables: { update: answer, get: answer }, now: () => 0, random: () => 0 };
  return { workerId: 'w', logger: silentLogger(), state } as unknown as RunDeps;
}
const handle = (message: LaneMessage, failure?: Error, draining = AbortSignal.abort()) =>
  handleMessage(depsWith(failure), message, { holds: false, begin, draining });
const begin = (): never => {
  throw new Error('nothing is there to begin');
};

test('the message of a job that is not there comes back every 5 s, and goes when it was seen five times', async () => {
  for (const receiveCount of [1, 2, 3, 4])
    expect(await handle(messageOf(pointer, receiveCount))).toEqual({ kind: 'hide', seconds: 5 });
  for (const receiveCount of [5, 6]) expect(await handle(messageOf(pointer, receiveCount))).toEqual({ kind: 'delete' });
});

test('what cannot be read is put back for two minutes, however often it was seen, and no store is asked', async () => {
  const failure = new Error('asked');
  for (const body of ['garbage', JSON.stringify({ v: 2 })])
    expect(await handle(messageOf(body, 90), failure)).toEqual({ kind: 'hide', seconds: 120 });
});

test('a claim without an answer is asked again by the worker that may have made it, until the drain', async () => {
  const draining = new AbortController();
  let asked = 0;
  const away = new AwsError('unavailable', 'DynamoDB', new Error('away'));
  const deps = depsWith(away);
  const update = async () => {
    asked += 1;
    if (asked === 2) draining.abort();
    throw away;
  };
  Object.assign(deps.state.tables, { update });
  const slot = { holds: false, begin, draining: draining.signal };
  expect(await handleMessage(deps, messageOf(pointer), slot)).toEqual({ kind: 'hide', seconds: 5 });
  expect(asked).toBe(2);
});

test('in a drain, a store that is away, or an error of our own, leaves the message for later', async () => {
  for (const failure of [new AwsError('unavailable', 'DynamoDB', new Error('away')), new Error('a bug')])
    expect(await handle(messageOf(pointer), failure)).toEqual({ kind: 'hide', seconds: 5 });
});
