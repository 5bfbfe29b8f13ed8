import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Connections, createConnections } from '../../src/aws/connections.ts';
import { createConnectionsHandler } from '../../src/runtime/connections-server.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { createMetrics, type Metrics } from '../../src/runtime/metrics.ts';
import { eventually } from '../support/eventually.ts';

/** The way between processes, over real sockets: one that posts, one that takes. */
const secrets = ['the secret of the fleet, 32 characters'];
let metrics: Metrics;
let connections: Connections;
let server: Server;
let address: string;
let lines: string[];
let requests: number;
let sockets: number;
/** Overrules the handler; resolves when the answer may go out. */
let answerWith: (() => Promise<number> | number) | undefined;

beforeEach(async () => {
  lines = [];
  requests = 0;
  sockets = 0;
  answerWith = undefined;
  const onLine = (line: string): void => void lines.push(line);
  const handler = createConnectionsHandler({ instanceId: 'api-1', secrets, now: Date.now, onLine });
  server = createServer(async (request, response) => {
    requests += 1;
    const status = await handler.handle(request, String(request.url));
    response.writeHead(answerWith === undefined ? status : await answerWith()).end();
  });
  server.on('connection', () => {
    sockets += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  address = `api-1@127.0.0.1:${(server.address() as AddressInfo).port}`;
  metrics = createMetrics();
  const logger = createLogger({ logLevel: 'silent' } as never, 'test');
  connections = createConnections({ secrets, metrics, logger, now: Date.now });
});
afterEach(async () => {
  connections.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const post = (json: object, isText = false, to = address): void => connections.post(to, { json, isText });
const results = async (): Promise<Record<string, number>> =>
  Object.fromEntries(
    (await metrics.pushes.get()).values
      .filter(({ value }) => value > 0)
      .map(({ labels, value }) => [labels.result, value]),
  );

test('frames of one moment share a request, in order', async () => {
  for (let n = 0; n < 150; n += 1) post({ n });
  await connections.flush();
  expect(lines.map((line) => JSON.parse(line).n)).toEqual(Array.from({ length: 150 }, (_, n) => n));
  expect(requests).toBe(1);
  expect(await results()).toEqual({ sent: 150 });
});

test('what comes while a request is under way goes together in the next, on the same connection', async () => {
  const under = Promise.withResolvers<number>();
  answerWith = () => under.promise;
  post({ n: 0 });
  await eventually(() => requests === 1, { timeoutMs: 5_000, what: 'a request is under way' });
  for (let n = 1; n <= 50; n += 1) post({ n });
  answerWith = undefined;
  under.resolve(200);
  await connections.flush();
  expect(lines).toHaveLength(51);
  for (let n = 51; n < 60; n += 1) {
    post({ n });
    await connections.flush();
  }
  expect([requests, sockets]).toEqual([11, 1]);
});

test('many large frames take several requests, none beyond what the receiver takes', async () => {
  for (let n = 0; n < 20; n += 1) post({ n, text: 'x'.repeat(500_000) });
  await connections.flush();
  expect(lines.map((line) => JSON.parse(line).n)).toEqual(Array.from({ length: 20 }, (_, n) => n));
  expect(requests).toBeGreaterThan(5);
});

test('a receiver that does not keep up loses text first; what says more than text gets through', async () => {
  const under = Promise.withResolvers<number>();
  answerWith = () => under.promise;
  post({ n: 'first' });
  await eventually(() => requests === 1, { timeoutMs: 5_000, what: 'a request is under way' });
  for (let n = 0; n < 3_000; n += 1) post({ n }, true);
  for (let n = 0; n < 1_500; n += 1) post({ end: n });
  answerWith = undefined;
  under.resolve(200);
  await connections.flush();
  const got = lines.map((line) => JSON.parse(line) as { n?: number; end?: number });
  expect(got.filter(({ n }) => typeof n === 'number')).toHaveLength(2_000);
  expect(got.filter(({ end }) => end !== undefined)).toHaveLength(1_500);
  expect(await results()).toEqual({ sent: 3_501, dropped: 1_000 });
});

test('and even that is bounded', async () => {
  const under = Promise.withResolvers<number>();
  answerWith = () => under.promise;
  post({ n: 'first' });
  await eventually(() => requests === 1, { timeoutMs: 5_000, what: 'a request is under way' });
  for (let n = 0; n < 5_000; n += 1) post({ n });
  answerWith = undefined;
  under.resolve(200);
  await connections.flush();
  expect(await results()).toEqual({ sent: 4_001, dropped: 1_000 });
});

test.each([
  [410, 'gone'],
  [500, 'failed'],
  [401, 'failed'],
])('after an answer of %s nothing is tried for a moment', async (status, result) => {
  answerWith = () => status;
  post({ n: 0 });
  await connections.flush();
  post({ n: 1 });
  await connections.flush();
  expect(requests).toBe(1);
  expect(await results()).toEqual({ [result]: 1, dropped: 1 });
  answerWith = undefined;
  await eventually(
    async () => {
      post({ n: 2 });
      await connections.flush();
      return (await results()).sent === 1;
    },
    { timeoutMs: 10_000, what: 'it is tried again' },
  );
});

test('a receiver that never answers is given up, and the others get theirs meanwhile', async () => {
  const never = createServer(() => undefined);
  await new Promise<void>((resolve) => never.listen(0, '127.0.0.1', resolve));
  try {
    post({ n: 0 }, false, `api-2@127.0.0.1:${(never.address() as AddressInfo).port}`);
    post({ n: 1 });
    await eventually(() => lines.length === 1, { timeoutMs: 5_000, what: 'the other one is told' });
    await connections.flush();
    expect(await results()).toEqual({ sent: 1, failed: 1 });
  } finally {
    never.closeAllConnections();
    never.close();
  }
});

test('nobody there, or somebody else at that address: lost, and nothing throws', async () => {
  post({ n: 0 }, false, 'api-3@127.0.0.1:1');
  post({ n: 1 }, false, address.replace('api-1', 'api-0'));
  for (const to of ['no address', 'api-4@', 'api-4@no host:1', 'api-4@::1:9464']) post({ n: 2 }, false, to);
  await connections.flush();
  expect(await results()).toEqual({ failed: 5, gone: 1 });
  expect(lines).toEqual([]);
});
