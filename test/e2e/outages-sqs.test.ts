import { afterEach, test } from 'vitest';
import { expectOutagesSurvived, startBehindProxy } from '../support/outages.ts';
import type { Stack } from '../support/stack.ts';

let stack: Stack | undefined;
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
});

test('SQS away for 10 s under load, refusing and then hanging: no job is lost, and readiness says so', async () => {
  const behind = await startBehindProxy('sqs');
  stack = behind.stack;
  await expectOutagesSurvived(behind, 'sqs');
});
