import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { cancelJob } from '../../src/state/cancel-job.ts';
import { jobObjects } from '../../src/state/job-item.ts';
import { readJob } from '../../src/state/read-job.ts';
import { aRequest, storedJob, submitted } from '../support/state-jobs.ts';
import { claude, nova, testLanes } from '../support/test-lanes.ts';
import { type RunningWorker, startWorkerRig, type WorkerRig } from '../support/worker-rig.ts';

const titan = 'amazon.titan-embed-text-v2:0';
const canvas = 'amazon.nova-canvas-v1:0';
const reel = 'amazon.nova-reel-v1:1';
const billed = { usdPerMillionTokens: { input: 0, output: 0 } };

let rig: WorkerRig;
let worker: RunningWorker;
beforeAll(async () => {
  const { lanes } = testLanes();
  const like = { ...lanes['nova-lite'], defaultMaxTokens: 1 };
  rig = await startWorkerRig({
    lanes: {
      lanes: {
        ...lanes,
        'titan-embed': { ...like, models: [titan], operations: ['invoke'] },
        'nova-canvas': { ...like, models: [canvas], operations: ['invoke'], ...billed, usdPerCall: 0.04 },
        'nova-reel': {
          ...like,
          models: [reel],
          operations: ['async-invoke'],
          concurrency: 1,
          ...billed,
          usdPerCall: 0.48,
        },
      },
    },
    emulator: { asyncMs: 300 },
  });
  worker = await rig.startWorker();
});
afterAll(() => rig.stop());
afterEach(async () => {
  await rig.emulator.clearFaults();
  await rig.emulator.clearStats();
});

const submit = (text: string, extra: object = {}) => submitted(rig.stores, aRequest(text, extra));
const run = async (text: string, extra: object = {}) => await rig.final((await submit(text, extra)).pk);

test('a stream gives the answer that the plain call gives, and the time of its first token', async () => {
  const plain = await run('tell me of the river');
  const streamed = await run('tell me of the river', { stream: true });
  expect(streamed).toMatchObject({ status: 'succeeded', attempts: 1, usage: plain.usage, costUsd: plain.costUsd });
  const withoutMetrics = async (job: typeof plain) => ({ ...((await rig.output(job)) as object), metrics: undefined });
  expect(await withoutMetrics(streamed)).toEqual(await withoutMetrics(plain));
  expect(streamed.timings?.firstTokenMs).toBeGreaterThanOrEqual(0);
  expect(plain.timings).not.toHaveProperty('firstTokenMs');
});

test('each priority of a lane has its queue, and all are served', async () => {
  const jobs = await Promise.all(
    (['high', 'normal', 'low'] as const).map((priority) => submit(`by ${priority}`, { priority })),
  );
  for (const job of jobs) expect((await rig.final(job.pk)).status).toBe('succeeded');
});

describe('invoke', () => {
  test('a text body of the model itself, bounded by the default of its lane', async () => {
    const input = {
      anthropic_version: 'bedrock-2023-05-31',
      messages: [{ role: 'user', content: 'hello [tokens=5000]' }],
    };
    const done = await run('', { model: claude, operation: 'invoke', input });
    expect(await rig.output(done)).toMatchObject({ type: 'message', stop_reason: 'max_tokens' });
    expect(done.usage).toMatchObject({ outputTokens: 1024 });
  });

  test('an embedding', async () => {
    const done = await run('', { model: titan, operation: 'invoke', input: { inputText: 'water', dimensions: 256 } });
    expect(done).toMatchObject({ status: 'succeeded', lane: 'titan-embed', attempts: 1 });
    const output = (await rig.output(done)) as { embedding: number[]; inputTextTokenCount: number };
    expect(output.embedding).toHaveLength(256);
    expect(done.usage).toMatchObject({ inputTokens: output.inputTextTokenCount, outputTokens: 0 });
  });

  test('an image, billed by the call', async () => {
    const input = { taskType: 'TEXT_IMAGE', textToImageParams: { text: 'a gate' } };
    const done = await run('', { model: canvas, operation: 'invoke', input });
    expect(done).toMatchObject({ status: 'succeeded', costUsd: 0.04 });
    const { images } = (await rig.output(done)) as { images: string[] };
    const png = Buffer.from(images[0] ?? '', 'base64');
    expect(png.subarray(1, 4).toString('latin1')).toBe('PNG');
  });
});

describe('async-invoke', () => {
  const film = (text: string, extra: object = {}) =>
    submit('', {
      model: reel,
      operation: 'async-invoke',
      input: { taskType: 'TEXT_VIDEO', textToVideoParams: { text } },
      ...extra,
    });
  const parked = (jobId: string) => rig.until(jobId, (job) => job.asyncArn !== undefined, 'it runs at Bedrock');
  const finalAfterLooks = (jobId: string) =>
    rig.jumpUntil(
      16_000,
      async () => {
        const job = await readJob(rig.stores.state, jobId);
        return job !== undefined && job.finishedAt !== undefined ? job : undefined;
      },
      'it is final',
    );

  test('runs at Bedrock without a worker or a slot, and its film lies in S3 under the job', async () => {
    const job = await film('one');
    const waiting = await parked(job.pk);
    expect(waiting).toMatchObject({ status: 'running', starts: 0, attempts: 1, fence: 1, costUsd: 0.48 });
    expect(waiting).not.toHaveProperty('worker');
    // The lane has one slot: a second one starts while the first still runs.
    const second = await film('two');
    await parked(second.pk);

    const done = await finalAfterLooks(job.pk);
    expect(done).toMatchObject({
      status: 'succeeded',
      attempts: 1,
      fence: 1,
      costUsd: 0.48,
      usage: { inputTokens: 0, outputTokens: 0 },
    });
    const output = (await rig.output(done)) as {
      invocationArn: string;
      outputDataConfig: { s3OutputDataConfig: { s3Uri: string } };
    };
    expect(output.invocationArn).toBe(waiting.asyncArn);
    const own = jobObjects('demo', job.pk);
    expect(output.outputDataConfig.s3OutputDataConfig.s3Uri).toContain(
      `s3://${rig.stores.config.bucket}/${own}async/1/`,
    );
    const { Contents = [] } = await rig.stores.clients.s3.send(
      new ListObjectsV2Command({ Bucket: rig.stores.config.bucket, Prefix: own }),
    );
    expect(Contents.map(({ Key }) => Key?.split('/').at(-1)).sort()).toEqual(['manifest.json', 'output.mp4']);
    expect((await finalAfterLooks(second.pk)).status).toBe('succeeded');
    expect((await rig.emulator.stats())[reel]).toMatchObject({ started: 2, finished: 2 });
  });

  test('a worker that died between start and record starts nothing twice: the token gives the same invocation', async () => {
    const job = await film('same token');
    const first = await parked(job.pk);
    // As if the ARN had not been stored, and the claim of the dead worker were over.
    await rig.stores.state.tables.update(
      'jobs',
      { pk: job.pk, sk: 'job' },
      {
        set: { worker: 'dead', starts: 1 },
        remove: ['asyncArn'],
      },
    );
    const again = await rig.jumpUntil(
      30_000,
      async () => {
        const stored = await readJob(rig.stores.state, job.pk);
        return stored?.asyncArn !== undefined && stored.fence === 2 ? stored : undefined;
      },
      'it was taken over',
    );
    expect(again.asyncArn).toBe(first.asyncArn);
    expect((await rig.emulator.stats())[reel]).toMatchObject({ started: 1 });
    await finalAfterLooks(job.pk);
  });

  test('one that fails at Bedrock fails with its message', async () => {
    await rig.emulator.setFault({ kind: 'model-error' as never, modelId: reel, count: 1 });
    const job = await film('fails');
    expect(await finalAfterLooks(job.pk)).toMatchObject({
      status: 'failed',
      costUsd: 0.48,
      error: { code: 'model_error', message: 'The model returned an error while processing the request.' },
    });
  });

  test('one that Bedrock refuses never starts', async () => {
    const job = await film('', { input: { taskType: 'TEXT_VIDEO', textToVideoParams: { text: 5 } } });
    expect(await rig.final(job.pk)).toMatchObject({ status: 'failed', attempts: 0, error: { code: 'validation' } });
  });

  test('a cancel marks it: Bedrock cannot stop it, and its cost is counted', async () => {
    const job = await film('cancelled');
    const waiting = await parked(job.pk);
    const cancelled = await cancelJob(rig.stores.state, 'demo', job.pk);
    expect(cancelled).toMatchObject({ kind: 'cancelled', job: { costUsd: 0.48, asyncArn: waiting.asyncArn } });
    // Its message comes back once more, and goes.
    await rig.jumpUntil(
      16_000,
      async () => {
        const { visible, inFlight, delayed } = await rig.stores.state.queues.depth('nova-reel');
        return visible + inFlight + delayed === 0 ? true : undefined;
      },
      'its message is gone',
    );
    expect(await storedJob(rig.stores, job.pk)).toMatchObject({ status: 'cancelled', costUsd: 0.48, attempts: 1 });
  });

  test('the metric counts what each invocation costs', async () => {
    const { values } = await worker.metrics.costUsd.get();
    expect(values.find(({ labels }) => labels.lane === 'nova-reel')?.value).toBeGreaterThanOrEqual(4 * 0.48 - 1e-9);
  });
});

test('a lane that this worker does not serve is left alone', async () => {
  await worker.stop();
  const chosen = await rig.startWorker({ PENSTOCK_LANES: 'claude-sonnet' });
  const [mine, other] = [await submit('mine', { model: claude }), await submit('other', { model: nova })];
  expect((await rig.final(mine.pk)).status).toBe('succeeded');
  expect((await readJob(rig.stores.state, other.pk))?.status).toBe('queued');
  await chosen.stop();
  await expect(rig.startWorker({ PENSTOCK_LANES: 'claude-sonnet,nope' })).rejects.toThrow(
    'PENSTOCK_LANES: there is no lane nope; there are nova-lite, claude-sonnet, titan-embed, nova-canvas, nova-reel',
  );
});
