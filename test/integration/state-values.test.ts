import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { finishJob } from '../../src/state/finish-job.ts';
import { jobView } from '../../src/state/job-view.ts';
import { largestInlineOutput, readJob, readParts, readRunParts } from '../../src/state/read-job.ts';
import { aRequest, claimed, submitted } from '../support/state-jobs.ts';
import { recording } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

/** Bytes of the smallest request's input, for texts that bring it to a size. */
const inputFrame = Buffer.byteLength(JSON.stringify(aRequest('').input));
const inlineBytes = 16 * 1024;

const objectOf = async (jobId: string, sk: string) =>
  (await stores.state.tables.get('jobs', { pk: jobId, sk }))?.s3Key as string | undefined;

/** A job whose output is a JSON string of exactly so many bytes. */
async function finished(bytes: number, letter = 'x') {
  const run = await claimed(stores, await submitted(stores, aRequest('value')));
  const text = JSON.stringify(letter.repeat((bytes - 2) / Buffer.byteLength(letter)));
  expect(Buffer.byteLength(text)).toBe(bytes);
  await finishJob(stores.state, run, { status: 'succeeded', output: text });
  const job = await readJob(stores.state, run.pk);
  if (job === undefined) throw new Error('gone');
  return { job, text };
}

describe('an input', () => {
  test('of 16 KB lies in its item, one byte more in S3, and is read the same', async () => {
    for (const [bytes, isObject] of [
      [inlineBytes, false],
      [inlineBytes + 1, true],
    ] as const) {
      const request = aRequest('x'.repeat(bytes - inputFrame));
      const job = await submitted(stores, request);
      expect((await objectOf(job.pk, job.input)) !== undefined).toBe(isObject);
      expect((await readRunParts(stores.state, job)).input).toEqual(request.input);
    }
  });

  test('is measured in bytes, not in characters', async () => {
    const request = aRequest('€'.repeat(6000));
    const job = await submitted(stores, request);
    expect(await objectOf(job.pk, job.input)).toBeDefined();
    expect((await readRunParts(stores.state, job)).input).toEqual(request.input);
  });

  test('of a megabyte passes', async () => {
    const request = aRequest('x'.repeat(1024 * 1024));
    const job = await submitted(stores, request);
    expect((await readRunParts(stores.state, job)).input).toEqual(request.input);
  });

  test('that is gone is told by undefined', async () => {
    const job = await submitted(stores, aRequest('gone'));
    await stores.state.tables.delete('jobs', { pk: job.pk, sk: job.input });
    expect((await readRunParts(stores.state, job)).input).toBeUndefined();
  });
});

describe('an output', () => {
  test('of 16 KB lies in its item, one byte more in S3', async () => {
    const small = await finished(inlineBytes);
    expect(await objectOf(small.job.pk, 'output#1')).toBeUndefined();
    const large = await finished(inlineBytes + 1);
    expect(await objectOf(large.job.pk, 'output#1')).toBe(`demo/jobs/${large.job.pk}/output/1.json`);
    for (const { job, text } of [small, large])
      expect(await readParts(stores.state, job)).toEqual({ output: { text } });
  });

  test('of 256 KB comes in the answer, one byte more as a link that gives it', async () => {
    const whole = await finished(largestInlineOutput);
    expect((await readParts(stores.state, whole.job)).output).toEqual({ text: whole.text });
    expect(jobView(whole.job, await readParts(stores.state, whole.job))).toMatchObject({ output: expect.any(String) });

    const linked = await finished(largestInlineOutput + 1);
    const parts = await readParts(stores.state, linked.job);
    if (parts.output === undefined || !('url' in parts.output)) throw new Error('no link');
    const view = jobView(linked.job, parts);
    expect(view.outputUrl).toBe(parts.output.url);
    expect(view).not.toHaveProperty('output');
    const answer = await fetch(parts.output.url);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(await answer.text()).toBe(linked.text);
    expect(new URL(parts.output.url).searchParams.get('X-Amz-Expires')).toBe('3600');
  });

  test('of a link is not fetched to make the link', async () => {
    const { job } = await finished(largestInlineOutput + 1);
    const { state, names } = recording(stores.state);
    await readParts(state, job);
    expect(names).toEqual(['tables.getMany', 'objects.presign']);
  });

  test('of one read: metadata and a small output come together', async () => {
    const job = await submitted(stores, aRequest('both', { metadata: { a: '1' } }));
    const run = await claimed(stores, job);
    await finishJob(stores.state, run, { status: 'succeeded', output: '{"a":[1]}' });
    const { state, names } = recording(stores.state);
    const stored = (await readJob(stores.state, job.pk)) ?? job;
    expect(await readParts(state, stored)).toEqual({ metadata: { a: '1' }, output: { text: '{"a":[1]}' } });
    expect(names).toEqual(['tables.getMany']);
  });
});
