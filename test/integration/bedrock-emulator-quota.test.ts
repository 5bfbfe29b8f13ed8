import { ConverseCommand, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ask, CLAUDE, errorOf, NOVA, startTestEmulator, type TestEmulator } from '../support/bedrock-emulator.ts';
import { eventually } from '../support/eventually.ts';

let nowMs: number;
let emulator: TestEmulator;
beforeEach(async () => {
  nowMs = Date.UTC(2026, 0, 1);
  emulator = await startTestEmulator({ nowMs: () => nowMs });
});
afterEach(() => emulator.stop());

const converse = (text: string, maxTokens: number, modelId = CLAUDE) =>
  emulator.http2Client.send(new ConverseCommand(ask(text, maxTokens, modelId)));

const TOO_MANY_REQUESTS = 'Too many requests, please wait before trying again.';
const TOO_MANY_TOKENS = 'Too many tokens, please wait before trying again.';

it('throttles requests over the quota, and lets them in when the minute has gone by', async () => {
  await emulator.setModel(CLAUDE, { requestsPerMinute: 2, window: 'sliding' });
  await converse('a', 10);
  await converse('b', 10);
  const error = await errorOf(converse('c', 10));
  expect(error).toMatchObject({ name: 'ThrottlingException', status: 429, message: TOO_MANY_REQUESTS });
  expect(await emulator.statsOf(CLAUDE)).toMatchObject({ started: 2, throttled: 1 });
  nowMs += 60_000;
  await converse('c', 10);
});

it('reserves max_tokens, and where it is not set the most the model can do', async () => {
  await emulator.setModel(CLAUDE, { tokensPerMinute: 10_000 });
  expect(await errorOf(converse('a', 10_001))).toMatchObject({ name: 'ThrottlingException', message: TOO_MANY_TOKENS });
  const { inferenceConfig: _, ...unset } = ask('a');
  expect(await errorOf(emulator.http2Client.send(new ConverseCommand(unset)))).toMatchObject({
    message: TOO_MANY_TOKENS,
  });
  await converse('a', 9_000);
});

it('settles to input and output times burndown, which is 5 for this model and 1 for that', async () => {
  for (const [modelId, burndown] of [
    [CLAUDE, 5],
    [NOVA, 1],
  ] as const) {
    await emulator.setModel(modelId, { tokensPerMinute: 1_000, window: 'sliding' });
    await converse('ask [tokens=100]', 100, modelId); // 4 in, 100 out
    const left = 1_000 - 4 - 100 * burndown;
    expect(await errorOf(converse('abcd', left, modelId))).toMatchObject({ message: TOO_MANY_TOKENS });
    await converse('abcd', left - 1, modelId);
  }
});

it('takes another burndown, window and quota at any time, and forgets them again', async () => {
  await emulator.setModel(CLAUDE, { requestsPerMinute: 1, burndown: 2 });
  await converse('a', 10);
  expect(await errorOf(converse('b', 10))).toMatchObject({ message: TOO_MANY_REQUESTS });
  await emulator.setModel(CLAUDE, { requestsPerMinute: 2 });
  await converse('b', 10);
  await emulator.control('DELETE', `models/${CLAUDE}`);
  for (let call = 0; call < 5; call += 1) await converse('c', 10);
});

it('a quota that changes begins anew; the same one again, or another latency, changes nothing', async () => {
  for (let call = 0; call < 3; call += 1) await converse('a', 10);
  await emulator.setModel(CLAUDE, { requestsPerMinute: 1, window: 'sliding' });
  await converse('b', 10);
  await emulator.setModel(CLAUDE, { requestsPerMinute: 1, latency: 0 });
  expect(await errorOf(converse('c', 10))).toMatchObject({ message: TOO_MANY_REQUESTS });
});

it('counts the variants of an id against one quota', async () => {
  await emulator.setModel(CLAUDE, { requestsPerMinute: 1 });
  await converse('a', 10);
  expect(await errorOf(converse('b', 10, CLAUDE.replace('us.', '')))).toMatchObject({ message: TOO_MANY_REQUESTS });
});

it('makes a model known by naming it, until it is reset', async () => {
  const modelId = 'acme.rocket-v1:0';
  expect(await errorOf(converse('a', 10, modelId))).toMatchObject({ name: 'ValidationException' });
  await emulator.setModel(modelId, { requestsPerMinute: 100 });
  await converse('a', 10, modelId);
  await emulator.control('DELETE', `models/${modelId}`);
  expect(await errorOf(converse('a', 10, modelId))).toMatchObject({ name: 'ValidationException' });
});

it('releases the reservation of a call whose client goes away', async () => {
  await emulator.setModel(NOVA, { tokensPerMinute: 1_000, window: 'sliding' });
  await emulator.addFault({ kind: 'hang', count: 1 });
  const abort = new AbortController();
  const hanging = emulator.http2Client.send(new ConverseStreamCommand(ask('abcd', 900, NOVA)), {
    abortSignal: abort.signal,
  });
  const failed = errorOf(hanging);
  await eventually(async () => (await emulator.statsOf(NOVA)).started === 1, { timeoutMs: 10_000, what: 'it hangs' });
  expect(await errorOf(converse('abcd', 900, NOVA))).toMatchObject({ message: TOO_MANY_TOKENS });
  abort.abort();
  await failed;
  await eventually(async () => (await emulator.statsOf(NOVA)).aborted === 1, { timeoutMs: 10_000, what: 'it ended' });
  await converse('abcd', 900, NOVA);
});

it('counts concurrency at its peak', async () => {
  await emulator.setModel(NOVA, { latency: { firstTokenMs: 100, perTokenMs: 0, spread: 0 } });
  await emulator.addFault({ kind: 'hang', count: 3 });
  const abort = new AbortController();
  const hanging = [1, 2, 3].map(() =>
    errorOf(emulator.http2Client.send(new ConverseCommand(ask('a', 10, NOVA)), { abortSignal: abort.signal })),
  );
  await eventually(async () => (await emulator.statsOf(NOVA)).started === 3, { timeoutMs: 10_000, what: 'all hang' });
  abort.abort();
  await Promise.all(hanging);
  expect((await emulator.statsOf(NOVA)).peakConcurrency).toBe(3);
});

it.each([
  [`models/${CLAUDE}`, { window: 'lunar' }, 'window'],
  [`models/${CLAUDE}`, { requestsPerMinute: 0 }, 'requestsPerMinute'],
  [`models/${CLAUDE}`, { latency: { firstTokenMs: 1 } }, 'latency'],
  [`models/${CLAUDE}`, { colour: 1 }, 'colour'],
  ['faults', { kind: 'fire' }, 'kind'],
  ['faults', { kind: 'throttle', rate: 2 }, 'rate'],
  ['faults', { kind: 'throttle', count: 0 }, 'count'],
])('refuses PUT %s with %o, naming the field', async (path, body, named) => {
  const response = await emulator.control('PUT', path, body);
  expect(response.status).toBe(400);
  expect(await response.text()).toContain(named);
});
