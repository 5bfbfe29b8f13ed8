import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CallFailure, dailyPauseSeconds, failureCodes, maxWaitInWorkerMs, outcomeOf } from './outcome.ts';

const fresh = { attempts: 0, maxAttempts: 4, waitedMs: 0, refusalsInARow: 0, random: 0.5 };
const failure = (code: CallFailure['code'], callStarted = false): CallFailure => ({
  code,
  message: `Bedrock says ${code}`,
  callStarted,
});

describe('a throttle uses no attempt', () => {
  test('the job waits in its worker while there is time', () => {
    expect(outcomeOf(failure('throttled'), { ...fresh, waitedMs: maxWaitInWorkerMs - 1 })).toEqual({ kind: 'wait' });
  });

  test('then it goes back to the queue for a moment', () => {
    const outcome = outcomeOf(failure('throttled'), { ...fresh, waitedMs: maxWaitInWorkerMs });
    expect(outcome).toMatchObject({ kind: 'put-back', countsAttempt: false });
    expect(outcome).not.toHaveProperty('pauseLane');
  });

  test('the quota of a day pauses the lane for minutes', () => {
    expect(outcomeOf(failure('throttled_daily'), fresh)).toMatchObject({
      kind: 'put-back',
      countsAttempt: false,
      pauseLane: { reason: 'daily_quota', detail: 'Bedrock says throttled_daily', forSeconds: dailyPauseSeconds },
    });
  });

  test('not even the last one', () => {
    const last = { ...fresh, attempts: 3, waitedMs: maxWaitInWorkerMs };
    expect(outcomeOf(failure('throttled'), last)).toMatchObject({ kind: 'put-back', countsAttempt: false });
  });
});

describe('what may pass goes through the queue', () => {
  const passing = [
    'service_unavailable',
    'internal_error',
    'model_timeout',
    'stream_cut',
    'connection_lost',
    'invalid_answer',
    'attempt_timeout',
  ] as const;

  test.each(passing)('%s: an attempt counts when the call had begun', (code) => {
    expect(outcomeOf(failure(code, true), fresh)).toMatchObject({ kind: 'put-back', countsAttempt: true });
    expect(outcomeOf(failure(code, false), fresh)).toMatchObject({ kind: 'put-back', countsAttempt: false });
  });

  test.each(passing)('%s: the last attempt fails the job, which may be retried', (code) => {
    expect(outcomeOf(failure(code, true), { ...fresh, attempts: 3 })).toEqual({
      kind: 'fail',
      countsAttempt: true,
      error: { code, message: `Bedrock says ${code}`, retryable: true },
    });
    expect(outcomeOf(failure(code, true), { ...fresh, attempts: 2 }).kind).toBe('put-back');
  });

  test('the wait doubles with each attempt, at most', () => {
    const longest = [1, 2, 3].map((attempts) => {
      const outcome = outcomeOf(failure('internal_error', true), {
        ...fresh,
        attempts: attempts - 1,
        random: 0.999_999,
      });
      return outcome.kind === 'put-back' ? outcome.afterSeconds : undefined;
    });
    expect(longest).toEqual([2, 4, 8]);
  });
});

describe('what a repeat cannot change fails at once', () => {
  test.each(['validation', 'model_error'] as const)('%s, in the words of Bedrock', (code) => {
    expect(outcomeOf(failure(code), fresh)).toEqual({
      kind: 'fail',
      countsAttempt: false,
      error: { code, message: `Bedrock says ${code}`, retryable: false },
    });
  });

  test.each(['access_denied', 'model_not_found'] as const)('%s, until the fifth job in a row', (code) => {
    expect(outcomeOf(failure(code), { ...fresh, refusalsInARow: 4 })).toMatchObject({
      kind: 'fail',
      error: { code, retryable: false },
    });
    const fifth = outcomeOf(failure(code), { ...fresh, refusalsInARow: 5 });
    expect(fifth).toMatchObject({
      kind: 'put-back',
      countsAttempt: false,
      pauseLane: { reason: code, detail: `Bedrock says ${code}` },
    });
    // Until somebody resumes it: a policy does not mend itself.
    expect(fifth).not.toHaveProperty('pauseLane.forSeconds');
  });
});

test('without credentials the job goes back whole, and the worker is not ready', () => {
  expect(outcomeOf(failure('credentials'), { ...fresh, attempts: 3 })).toMatchObject({
    kind: 'put-back',
    countsAttempt: false,
    workerUnready: true,
  });
});

test('a message is cut to what fits into the record of a job', () => {
  const outcome = outcomeOf({ ...failure('validation'), message: 'x'.repeat(5000) }, fresh);
  const message = outcome.kind === 'fail' ? outcome.error.message : '';
  expect(message).toBe(`${'x'.repeat(399)}…`);
});

const anyFailure = fc.record({
  code: fc.constantFrom(...failureCodes),
  message: fc.string(),
  callStarted: fc.boolean(),
});
const anyCircumstances = fc.record({
  attempts: fc.nat(25),
  maxAttempts: fc.integer({ min: 1, max: 20 }),
  waitedMs: fc.nat(120_000),
  refusalsInARow: fc.nat(10),
  random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
});

test('whatever happens: an attempt counts only for a call that began, waits are whole seconds, attempts are never overdrawn', () => {
  fc.assert(
    fc.property(anyFailure, anyCircumstances, (failed, now) => {
      const outcome = outcomeOf(failed, now);
      if (outcome.kind === 'wait') return;
      if (outcome.countsAttempt) expect(failed.callStarted).toBe(true);
      if (outcome.kind === 'fail') return;
      expect(Number.isInteger(outcome.afterSeconds) && outcome.afterSeconds >= 0).toBe(true);
      expect(outcome.afterSeconds).toBeLessThanOrEqual(600);
      if (outcome.countsAttempt) expect(now.attempts + 1).toBeLessThan(now.maxAttempts);
    }),
  );
});
