import { expect, test, vi } from 'vitest';
import { silentLogger } from '../../test/support/silent-logger.ts';
import { writePointer } from '../core/pointer-message.ts';
import type { JobItem } from '../state/job-item.ts';
import { LaneRunner } from './lane-runner.ts';

const job = {
  pk: 'job_1',
  sk: 'job',
  kind: 'inference',
  status: 'running',
  tenant: 'demo',
  lane: 'nova',
  model: 'm',
  operation: 'converse',
  priority: 'normal',
  stream: true,
  generation: 1,
  rev: 2,
  fence: 1,
  starts: 1,
  attempts: 0,
  timeoutMs: 60_000,
  input: 'input#1',
} as unknown as JobItem;

test('who asks to watch a job while its claim is being answered gets its text', async () => {
  const claim = Promise.withResolvers<JobItem>();
  const posted = vi.fn();
  const answer = Promise.withResolvers<never>();
  const state = {
    tables: {
      update: () => claim.promise,
      get: async () => ({
        pk: job.pk,
        sk: 'input#1',
        body: JSON.stringify({ messages: [{ role: 'user', content: [{ text: 'hi' }] }] }),
      }),
    },
    connections: { post: posted },
    prefix: '',
    now: Date.now,
    random: () => 0,
  };
  const lane = { name: 'nova', concurrency: 1, defaultMaxTokens: 10, burndown: 1, readsS3: true };
  const runner = new LaneRunner({
    state,
    lane,
    logger: silentLogger(),
    held: { hold: () => undefined, release: () => undefined },
    metrics: { queueOldestSeconds: { set: () => undefined } },
    guard: { closed: () => undefined },
    pacer: { waiting: () => 0, acquire: async () => ({ settle: () => undefined, throttled: () => undefined }) },
    tokenFactor: { reserve: (tokens: number) => tokens, learn: () => undefined },
    leaseIsLive: () => true,
    bedrock: {
      converseStream: (_: string, __: unknown, { onText }: { onText(piece: string): void }) => {
        onText('Hello');
        return answer.promise;
      },
    },
    workerId: 'w',
  } as never);
  const body = writePointer({ v: 1, jobId: job.pk, generation: 1, tenant: 'demo', lane: 'nova' });
  runner.onMessages('normal', [{ body, receiptHandle: 'r', sentAtMs: 0, receiveCount: 1 }]);
  runner.watch(job.pk, 'api-1');
  claim.resolve(job);
  await vi.waitFor(() =>
    expect(posted).toHaveBeenCalledWith('api-1', {
      json: expect.objectContaining({ type: 'job.delta', jobId: job.pk, offset: 0, text: 'Hello' }),
      isText: true,
    }),
  );
});
