import { expect, test } from 'vitest';
import { AwsError } from '../aws/aws-error.ts';
import { createStoreReadiness } from './store-readiness.ts';

const fine = async () => undefined;

function setUp(get: () => Promise<unknown>, depth: () => Promise<unknown> = fine) {
  const clock = { now: 0 };
  const state = {
    tables: { get },
    queues: { url: async () => 'url', depth },
    prefix: '',
    now: () => clock.now,
  } as never;
  const lanes = [{ name: 'chat' }] as never;
  return { clock, readiness: createStoreReadiness({ state, lanes }, 5) };
}

test('nothing is missing when tables and queues answer', async () => {
  const { readiness } = setUp(fine);
  expect(await readiness()).toEqual({});
});

test('what does not answer is named, and asked again after 2 s', async () => {
  const looks = { down: true, count: 0 };
  const { clock, readiness } = setUp(async () => {
    looks.count += 1;
    if (looks.down) throw new AwsError('not_found', 'DynamoDB GetItem', new Error('no table'));
  });
  expect(await readiness()).toEqual({ dynamodb: 'DynamoDB GetItem: not_found' });
  looks.down = false;
  await readiness();
  expect(looks.count).toBe(2);
  clock.now += 2_000;
  expect(await readiness()).toEqual({});
});

test('what hangs is named in time, and no second look is begun while it hangs', async () => {
  let looks = 0;
  const { clock, readiness } = setUp(fine, () => {
    looks += 1;
    return new Promise(() => undefined);
  });
  expect(await readiness()).toEqual({ sqs: 'no answer within 0.005 s' });
  clock.now += 2_000;
  expect(await readiness()).toEqual({ sqs: 'no answer within 0.005 s' });
  expect(looks).toBe(1);
});
