import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type GatewayStub, startGatewayStub } from '../support/gateway-stub.ts';
import { answerText, novaJob } from '../support/load.ts';
import { type Stack, startStack } from '../support/stack.ts';
import { nova, testLanes, testLimits } from '../support/test-lanes.ts';

/** Clients that come through an API Gateway WebSocket API: its integrations call the api, frames go by its management API. */
let stack: Stack | undefined;
let gateway: GatewayStub | undefined;
afterEach(async () => {
  await stack?.stop();
  await gateway?.stop();
  stack = undefined;
});

const secret = 'what only the gateway and the fleet know';

async function start(): Promise<{ own: Stack; stub: GatewayStub }> {
  const stub = await startGatewayStub();
  gateway = stub;
  const own = await startStack({
    lanes: testLanes(),
    limits: testLimits,
    env: { CONNECTIONS_ENDPOINT: stub.url, PENSTOCK_GATEWAY_SECRET: secret },
    emulator: { models: { [nova]: { latency: { firstTokenMs: 50, perTokenMs: 10, spread: 0 } } } },
  });
  stack = own;
  return { own, stub };
}

const call = async (
  own: Stack,
  route: string,
  id: string,
  { body, headers = {} }: { body?: unknown; headers?: Record<string, string> } = {},
) =>
  await own.request('POST', `/v1/gateway/${route}`, {
    headers: { 'x-penstock-connection-id': id, 'x-penstock-gateway-secret': secret, ...headers },
    ...(body !== undefined && { body }),
  });

test('a submit is streamed to its connection, and a second connection hears the end too', async () => {
  const { own, stub } = await start();
  for (const id of ['one', 'two']) expect((await call(own, 'connect', id)).status).toBe(200);
  const job = novaJob('[tokens=100] through the gateway', { stream: true });
  expect((await call(own, 'message', 'one', { body: { type: 'submit', ref: 'r', job } })).status).toBe(200);
  const accepted = await eventually(() => stub.frames('one').find((frame) => frame.type === 'accepted'), {
    timeoutMs: 10_000,
    what: 'accepted',
  });
  expect(accepted.ref).toBe('r');
  const jobId = (accepted.job as { id: string }).id;
  await call(own, 'message', 'two', { body: { type: 'subscribe', ref: 's', jobId } });
  for (const id of ['one', 'two'])
    await eventually(() => stub.frames(id).some((frame) => frame.type === 'job.finished'), {
      timeoutMs: 20_000,
      what: `${id} hears the end`,
    });
  const whole = answerText(await own.job(jobId));
  for (const id of ['one', 'two']) {
    const deltas = stub.frames(id).filter((frame) => frame.type === 'job.delta') as unknown as {
      offset: number;
      text: string;
    }[];
    expect(deltas.reduce((text, delta) => text.slice(0, delta.offset) + delta.text, '')).toBe(whole);
  }
});

test('only API Gateway may call, only with a good key, and only for connections there are', async () => {
  const { own, stub } = await start();
  expect((await call(own, 'connect', 'one', { headers: { 'x-penstock-gateway-secret': 'guessed' } })).status).toBe(401);
  expect((await call(own, 'connect', 'one', { headers: { authorization: 'Bearer wrong' } })).status).toBe(401);
  expect((await call(own, 'message', 'one', { body: { type: 'ping' } })).status).toBe(401);
  const offered = { 'sec-websocket-protocol': 'penstock.v1, bearer.local-demo-key' };
  // A browser sets no Authorization header: its key comes as a subprotocol alone.
  const connected = await call(own, 'connect', 'one', { headers: { ...offered, authorization: '' } });
  expect(connected.headers.get('sec-websocket-protocol')).toBe('penstock.v1');
  await call(own, 'message', 'one', { body: { type: 'ping' } });
  await eventually(() => stub.frames('one').some((frame) => frame.type === 'pong'), { timeoutMs: 5_000, what: 'pong' });
  await call(own, 'message', 'one', { body: { type: 'nonsense', ref: 'n' } });
  await eventually(() => stub.frames('one').some((frame) => frame.type === 'error' && frame.ref === 'n'), {
    timeoutMs: 5_000,
    what: 'an error frame',
  });
  expect((await call(own, 'disconnect', 'one')).status).toBe(200);
  expect((await call(own, 'message', 'one', { body: { type: 'ping' } })).status).toBe(401);
});

test('a connection that is gone costs its frames only: the job ends, and who unsubscribed is told nothing', async () => {
  const { own, stub } = await start();
  for (const id of ['gone', 'quiet']) await call(own, 'connect', id);
  const submit = (id: string, text: string) =>
    call(own, 'message', id, { body: { type: 'submit', ref: id, job: novaJob(`[tokens=150] ${text}`) } });
  await Promise.all([submit('gone', 'for nobody'), submit('quiet', 'for somebody else')]);
  const jobOf = async (id: string) => {
    const accepted = await eventually(() => stub.frames(id).find((frame) => frame.type === 'accepted'), {
      timeoutMs: 10_000,
      what: `${id} is accepted`,
    });
    return (accepted.job as { id: string }).id;
  };
  const ids = [await jobOf('gone'), await jobOf('quiet')];
  stub.hangUp('gone');
  await call(own, 'message', 'quiet', { body: { type: 'unsubscribe', ref: 'u', jobId: ids[1] } });
  for (const job of await own.waitForFinal(ids)) expect(job.status).toBe('succeeded');
  await eventually(() => stub.refused() > 0, { timeoutMs: 5_000, what: 'a post was answered with 410' });
  expect(stub.frames('quiet').some((frame) => frame.type === 'job.finished')).toBe(false);
});
