import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { outcomeOf } from '../../src/core/outcome.ts';
import { finishJob } from '../../src/state/finish-job.ts';
import { handBackJob, parkJob } from '../../src/state/hand-back-job.ts';
import { itemSize } from '../support/item-size.ts';
import { aRequest, claimed, storedJob, submitted } from '../support/state-jobs.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

/** Each change of a job's record costs one write unit for as long as the record is under 1 KB. */
let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

const claude = 'us.anthropic.claude-sonnet-4-5-20250929-v1:0';
const tenant = 'acme-corporation-production';
const worker = `${'ip-10-0-123-123.eu-central-1.compute.internal'.slice(0, 40)}-12345-0123abcd`;
const used = {
  usage: { inputTokens: 123_456, outputTokens: 65_432, cacheReadTokens: 123_456, cacheWriteTokens: 123_456 },
  costUsd: 1.234_567_891,
  model: { modelMs: 123_456, firstTokenMs: 12_345 },
  attempts: 3,
};

async function runOf(extra: object = {}) {
  const request = aRequest('size', {
    model: claude,
    stream: true,
    priority: 'normal',
    metadata: { a: 'x'.repeat(512) },
    webhook: { url: `https://example.com/${'x'.repeat(2000)}` },
    timeoutSeconds: 3599,
    startWithinSeconds: 863_999,
    ...extra,
  });
  const job = await submitted(stores, request, { tenant });
  stores.clock.now += 12_345;
  const first = await claimed(stores, job, worker);
  await handBackJob(stores.state, first, 2);
  return await claimed(stores, job, worker);
}

const sizeOf = async (jobId: string) => itemSize((await storedJob(stores, jobId)) ?? {});

test('the size is counted as DynamoDB counts it', () => {
  expect(itemSize({ a: 'bc', n: 120, yes: true, none: undefined })).toBe(3 + 3 + 4);
  expect(itemSize({ map: { x: 'y' }, ü: '€' })).toBe(3 + 3 + 1 + 2 + 2 + 3);
});

describe('under 1 KB', () => {
  test('running', async () => {
    const run = await runOf();
    expect(await sizeOf(run.pk)).toBeLessThan(1024);
  });

  test('succeeded, with everything that an end brings', async () => {
    const run = await runOf();
    await finishJob(stores.state, run, { status: 'succeeded', output: '"x"', ...used });
    expect(await sizeOf(run.pk)).toBeLessThan(1024);
  });

  test('failed, with a message of the length that Bedrock writes', async () => {
    const message =
      'The maximum tokens you requested exceeds the model limit of 64000. Try again with a maximum tokens value that is lower than 64000.';
    const run = await runOf();
    const outcome = outcomeOf(
      { code: 'validation', message, callStarted: false },
      { attempts: 0, maxAttempts: 4, waitedMs: 0, refusalsInARow: 0, random: 0 },
    );
    if (outcome.kind !== 'fail') throw new Error(outcome.kind);
    await finishJob(stores.state, run, { status: 'failed', error: outcome.error, ...used });
    expect(await sizeOf(run.pk)).toBeLessThan(1024);
  });

  test('at Bedrock, with the ARN of its invocation', async () => {
    const run = await runOf({ model: 'amazon.nova-reel-v1:1', operation: 'async-invoke', stream: false });
    await parkJob(stores.state, run, {
      arn: 'arn:aws:bedrock:us-east-1:123456789012:async-invoke/s7t1afl3m9rj',
      costUsd: 0.48,
    });
    expect(await sizeOf(run.pk)).toBeLessThan(1024);
  });
});
