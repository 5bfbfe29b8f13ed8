import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConverseCommand, ConverseStreamCommand, InvokeModelCommand } from '@aws-sdk/client-bedrock-runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, CLAUDE, errorOf, startTestEmulator, type TestEmulator } from '../support/bedrock-emulator.ts';
import { eventually } from '../support/eventually.ts';

type Handler = (body: Record<string, unknown>, response: ServerResponse, request: IncomingMessage) => void;

/** A stub of `/v1/chat/completions`: the test sets what it answers. */
let answer: Handler;
let received: { path: string | undefined; body: Record<string, unknown> }[];
let stub: Server;
let emulator: TestEmulator;

beforeEach(async () => {
  received = [];
  stub = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const body = JSON.parse(text);
    received.push({ path: request.url, body });
    answer(body, response, request);
  }).listen(0, '127.0.0.1');
  await once(stub, 'listening');
  const upstreamUrl = `http://127.0.0.1:${(stub.address() as AddressInfo).port}`;
  emulator = await startTestEmulator({ upstreamUrl, upstreamModel: 'llama3.2' });
});
afterEach(async () => {
  await emulator.stop();
  stub.closeAllConnections();
  stub.close();
});

const json = (value: unknown, status = 200): Handler => {
  return (_, response) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
};

const completion = (content: string, finishReason = 'stop') => ({
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: finishReason }],
  usage: { prompt_tokens: 17, completion_tokens: 5, total_tokens: 22 },
});

const delta = (content: string, finishReason: string | null = null) => ({
  choices: [{ index: 0, delta: { content }, finish_reason: finishReason }],
});

const converse = (text = 'hello') => emulator.http2Client.send(new ConverseCommand(ask(text)));
async function stream() {
  const { stream: events } = await emulator.http2Client.send(new ConverseStreamCommand(ask('hello')));
  const seen = [];
  for await (const event of events ?? []) seen.push(event);
  return seen;
}

it('passes messages, system texts and settings on, and brings text and usage back', async () => {
  answer = json(completion('Hello from upstream'));
  const reply = await emulator.http2Client.send(
    new ConverseCommand({
      modelId: CLAUDE,
      system: [{ text: 'Be kind.' }],
      messages: [
        { role: 'user', content: [{ text: 'one' }, { text: 'two' }] },
        { role: 'assistant', content: [{ text: 'three' }] },
        { role: 'user', content: [{ text: 'four' }] },
      ],
      inferenceConfig: { maxTokens: 99, temperature: 0.5, topP: 0.25, stopSequences: ['END'] },
    }),
  );
  expect(received).toEqual([
    {
      path: '/v1/chat/completions',
      body: {
        model: 'llama3.2',
        messages: [
          { role: 'system', content: 'Be kind.' },
          { role: 'user', content: 'one\ntwo' },
          { role: 'assistant', content: 'three' },
          { role: 'user', content: 'four' },
        ],
        stream: false,
        max_tokens: 99,
        temperature: 0.5,
        top_p: 0.25,
        stop: ['END'],
      },
    },
  ]);
  expect(reply).toMatchObject({
    output: { message: { role: 'assistant', content: [{ text: 'Hello from upstream' }] } },
    stopReason: 'end_turn',
    usage: { inputTokens: 17, outputTokens: 5, totalTokens: 22 },
  });
  expect(await emulator.statsOf(CLAUDE)).toMatchObject({ finished: 1, inputTokens: 17, outputTokens: 5 });
});

it('streams piece by piece, with the usage of the last event', async () => {
  answer = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    // Events cut anywhere, as a network cuts them.
    const events = [delta('Hel'), delta('lo'), delta('', 'length'), { choices: [], usage: completion('').usage }];
    const bytes = Buffer.from(
      `: comment\n\n${events.map((e) => `data: ${JSON.stringify(e)}\n\n`).join('')}data: [DONE]\n\n`,
    );
    for (let at = 0; at < bytes.length; at += 7) response.write(bytes.subarray(at, at + 7));
    response.end();
  };
  const events = await stream();
  expect(received[0]?.body).toMatchObject({ stream: true, stream_options: { include_usage: true } });
  const texts = events.flatMap((event) => event.contentBlockDelta?.delta?.text ?? []);
  expect(texts).toEqual(['Hel', 'lo']);
  expect(events.at(-2)?.messageStop?.stopReason).toBe('max_tokens');
  expect(events.at(-1)?.metadata?.usage).toEqual({ inputTokens: 17, outputTokens: 5, totalTokens: 22 });
});

it.each([
  ['stop', 'end_turn'],
  ['length', 'max_tokens'],
  ['content_filter', 'content_filtered'],
])('calls %s %s', async (finishReason, stopReason) => {
  answer = json(completion('text', finishReason));
  expect((await converse()).stopReason).toBe(stopReason);
});

it('estimates tokens where upstream does not say them', async () => {
  answer = json({ choices: [{ message: { content: 'eight to' }, finish_reason: 'stop' }] });
  expect((await converse('four')).usage).toEqual({ inputTokens: 1, outputTokens: 2, totalTokens: 3 });
});

describe('errors', () => {
  it.each([
    [429, 'ThrottlingException'],
    [503, 'ServiceUnavailableException'],
    [400, 'ValidationException'],
    [404, 'ModelErrorException'],
    [500, 'ModelErrorException'],
  ])('%i becomes %s, whole and streamed', async (status, name) => {
    answer = json({ error: { message: 'no such model' } }, status);
    expect(await errorOf(converse())).toMatchObject({ name, message: expect.stringContaining('no such model') });
    expect(await errorOf(stream())).toMatchObject({ name });
    expect(await emulator.statsOf(CLAUDE)).toMatchObject({ started: 2, failed: 2 });
  });

  it('an answer that is not JSON becomes ModelErrorException', async () => {
    answer = (_, response) => response.end('<html>');
    expect(await errorOf(converse())).toMatchObject({ name: 'ModelErrorException' });
  });

  it('a server that is not there becomes ServiceUnavailableException', async () => {
    stub.close();
    stub.closeAllConnections();
    expect(await errorOf(converse())).toMatchObject({ name: 'ServiceUnavailableException' });
  });

  it('a stream that breaks off becomes an exception in the stream', async () => {
    answer = (_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`data: ${JSON.stringify(delta('Hel'))}\n\n`, () => response.destroy());
    };
    expect(await errorOf(stream())).toMatchObject({ name: 'ModelStreamErrorException' });
  });
});

it('goes away from upstream when its client goes away', async () => {
  let leftUpstream = false;
  answer = (_, response) => response.on('close', () => (leftUpstream = true));
  const abort = new AbortController();
  const failed = errorOf(emulator.http2Client.send(new ConverseCommand(ask('hello')), { abortSignal: abort.signal }));
  await eventually(() => received.length === 1, { timeoutMs: 10_000, what: 'upstream was asked' });
  abort.abort();
  await failed;
  await eventually(() => leftUpstream, { timeoutMs: 10_000, what: 'upstream was left' });
  await eventually(async () => (await emulator.statsOf(CLAUDE)).aborted === 1, { timeoutMs: 10_000, what: 'counted' });
});

it('is not asked for what is not a conversation', async () => {
  const body = JSON.stringify({ inputText: 'a' });
  await emulator.http2Client.send(new InvokeModelCommand({ modelId: 'amazon.titan-embed-text-v2:0', body }));
  expect(received).toEqual([]);
});
