import { afterEach, expect, test } from 'vitest';
import { type DuplicatingSqs, startDuplicatingSqs } from '../support/duplicating-sqs.ts';
import { answerText, promptHash, promptOf, submitAll } from '../support/load.ts';
import { type Stack, type StackOptions, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** 500 jobs through two api and two worker processes: each ends once, and its prompt reached the model once. */
let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

const texts = Array.from({ length: 500 }, (_, index) => promptOf(index));

async function runAll(options: StackOptions): Promise<void> {
  stack = await startStack({ api: 2, worker: 2, lanes: testLanes(), limits: testLimits, ...options });
  const ids = await submitAll(stack, texts);
  expect(new Set(ids).size).toBe(texts.length);
  const jobs = await stack.waitForFinal(ids, { timeoutMs: 120_000 });
  for (const [index, job] of jobs.entries()) {
    expect(job).toMatchObject({ status: 'succeeded', attempts: 1, generation: 1 });
    expect(answerText(job)).toContain(`job number ${index} asks`);
  }
  const stats = (await stack.emulator.stats())[nova];
  expect(stats?.prompts).toEqual(Object.fromEntries(texts.map((text) => [promptHash(text), 1])));
}

test('each of 500 jobs succeeds once and reaches the model once', async () => {
  await runAll({});
});

test('so it is while one message in five is delivered twice', async () => {
  let proxy: DuplicatingSqs | undefined;
  const duplicate = async (target: string): Promise<DuplicatingSqs> => {
    proxy = await startDuplicatingSqs({ target });
    return proxy;
  };
  await runAll({ through: { sqs: duplicate } });
  expect(proxy?.duplicated()).toBeGreaterThanOrEqual(90);
});
