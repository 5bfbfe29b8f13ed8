import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startApi } from '../../src/api/api-mode.ts';
import { readConfig } from '../../src/runtime/config.ts';
import { createMetrics } from '../../src/runtime/metrics.ts';
import { startTestApi, type TestApi } from '../support/api-server.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';

/** Lends its stores, its lanes and its proxies; the api that is tested is a second one. */
let stores: TestApi;
beforeAll(async () => {
  stores = await startTestApi();
});
afterEach(async () => {
  await stores.dynamodb.setMode('pass');
  await stores.sqs.setMode('pass');
});
afterAll(() => stores.stop());

async function start(ports: { api?: number; ops?: number } = {}) {
  const port = ports.api ?? (await freePort());
  const opsPort = ports.ops ?? (await freePort());
  const config = readConfig({
    PENSTOCK_LOCAL: 'true',
    PENSTOCK_HOST: '127.0.0.1',
    PENSTOCK_OPS_HOST: '127.0.0.1',
    PENSTOCK_PORT: String(port),
    PENSTOCK_OPS_PORT: String(opsPort),
    PENSTOCK_DRAIN_SECONDS: '1',
    PENSTOCK_LINGER_SECONDS: '0',
    PENSTOCK_ADVERTISE: '127.0.0.1',
    PENSTOCK_FLEET_SECRET: 'a secret of the fleet that is long enough',
  });
  const { lanes, limits, logger } = stores.deps;
  const metrics = createMetrics();
  const stop = await startApi({ config, lanes, limits, logger, metrics, stopping: new AbortController().signal });
  const url = `http://127.0.0.1:${port}`;
  const ops = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${opsPort}${path}`);
    return { status: answer.status, text: await answer.text() };
  };
  const get = (path: string) => fetch(`${url}${path}`, { headers: { authorization: 'Bearer local-demo-key' } });
  return { port, opsPort, url, ops, get, stop, metrics };
}

test('it serves its port and its ops port, says where, and leaves nothing behind', async () => {
  const { ops, get, stop, port } = await start();
  expect((await get('/v1/lanes')).status).toBe(200);
  expect(await ops('/live')).toEqual({ status: 200, text: '{"status":"live"}' });
  expect(await ops('/ready')).toEqual({ status: 200, text: '{"status":"ready"}' });
  const { text } = await ops('/metrics');
  expect(text).toContain('penstock_http_request_seconds_count{method="GET",route="/v1/lanes",status="200"} 1');
  expect(text).toMatch(/penstock_aws_requests_total\{service="SQS",operation="GetQueueAttributes"\} \d/);
  expect(stores.logLines.join('')).toMatch(new RegExp(`"port":${port}.*"msg":"listening"`));
  await stop();
  await expect(get('/')).rejects.toThrow();
  await expect(ops('/live')).rejects.toThrow();
});

test('readiness names what is away and what hangs; liveness does not care', async () => {
  const { ops, stop } = await start();
  const { dynamodb, sqs } = stores;
  const missing = async () => {
    const { status, text } = await ops('/ready');
    const { missing: names = {} } = JSON.parse(text) as { missing?: object };
    expect(status).toBe(Object.keys(names).length === 0 ? 200 : 503);
    return Object.keys(names).join();
  };
  const becomes = (names: string) =>
    eventually(async () => (await missing()) === names, { timeoutMs: 30_000, what: `missing is "${names}"` });
  try {
    expect(await missing()).toBe('');
    await dynamodb.setMode('refuse');
    await becomes('dynamodb');
    await dynamodb.setMode('pass');
    await sqs.setMode('refuse');
    await becomes('sqs');
    await sqs.setMode('hang');
    await dynamodb.setMode('hang');
    await becomes('dynamodb,sqs');
    expect((await ops('/live')).status).toBe(200);
    await sqs.setMode('pass');
    await dynamodb.setMode('pass');
    await becomes('');
  } finally {
    await stop();
  }
});

test('a stop says at once that it is not ready, and answers what has begun', async () => {
  const { get, ops, stop, metrics } = await start();
  await stores.dynamodb.setMode('hang');
  const begun = get('/v1/jobs');
  const isAtDynamodb = async () =>
    (await metrics.awsRequests.get()).values.some(({ labels }) => labels.operation === 'Query');
  await eventually(isAtDynamodb, { timeoutMs: 5_000, what: 'the request is at DynamoDB' });
  const stopping = stop();
  expect(await ops('/ready')).toEqual({
    status: 503,
    text: '{"status":"not ready","missing":{"process":"is stopping"}}',
  });
  await stores.dynamodb.setMode('pass');
  const answer = await begun;
  expect([answer.status, answer.headers.get('connection')]).toEqual([200, 'close']);
  await stopping;
});

test('a caller that never ends its request is cut off when the drain is over', async () => {
  const { url, stop } = await start();
  const headers = { authorization: 'Bearer local-demo-key', 'content-type': 'application/json' };
  const body = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('{')) });
  const endless = fetch(`${url}/v1/jobs`, { method: 'POST', headers, body, duplex: 'half' } as RequestInit);
  const cut = expect(endless).rejects.toThrow();
  await eventually(async () => (await fetch(`${url}/`)).ok, { timeoutMs: 5_000, what: 'the server answers others' });
  await stop();
  await cut;
});

test('a port that is taken is named with the variable that moves it, and nothing stays open', async () => {
  const first = await start();
  try {
    await expect(start({ api: first.port })).rejects.toMatchObject({
      name: 'ConfigError',
      message: `port ${first.port} is in use; set PENSTOCK_PORT to another one`,
    });
    const api = await freePort();
    await expect(start({ api, ops: first.opsPort })).rejects.toMatchObject({
      name: 'ConfigError',
      message: `port ${first.opsPort} is in use; set PENSTOCK_OPS_PORT to another one`,
    });
    await expect(fetch(`http://127.0.0.1:${api}/`)).rejects.toThrow();
  } finally {
    await first.stop();
  }
});
