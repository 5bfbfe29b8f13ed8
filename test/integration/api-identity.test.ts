import { afterAll, beforeAll, expect, test } from 'vitest';
import { revokeKey } from '../../src/state/api-keys.ts';
import { chatModel, hello, startTestApi, type TestApi } from '../support/api-server.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ env: { PENSTOCK_CORS_ORIGINS: 'https://app.example', PENSTOCK_TRUST_PROXY: 'true' } });
});
afterAll(() => api.stop());

const zeros = '0'.repeat(32);
const id = `job_${zeros}`;
const [batch, file, schedule] = [`bat_${zeros}`, `file_${zeros}`, `sch_${zeros}`];
const steps = [{ name: 'ask', type: 'inference', model: chatModel }];
/** What a route answers where the key may use it and what it names is not there. */
const allowedAnswers = [200, 201, 202, 404, 415, 422];
/** Each route with the scope it needs; a good body where it takes one. */
const routes = [
  ['POST', '/v1/jobs', 'submit', { model: chatModel, input: hello('hi') }],
  ['POST', '/v1/fanouts', 'submit', { input: hello('hi'), branches: [{ name: 'a', model: chatModel }] }],
  ['GET', '/v1/jobs', 'read'],
  ['GET', `/v1/jobs/${id}`, 'read'],
  ['GET', `/v1/jobs/${id}/events`, 'read'],
  ['POST', `/v1/jobs/${id}/cancel`, 'submit'],
  ['POST', `/v1/jobs/${id}/retry`, 'submit'],
  ['DELETE', `/v1/jobs/${id}`, 'submit'],
  ['GET', '/v1/lanes', 'read'],
  ['POST', '/v1/lanes/chat/pause', 'operate'],
  ['POST', '/v1/lanes/chat/resume', 'operate'],
  ['POST', '/v1/webhook-secrets', 'operate'],
  ['GET', '/v1/webhook-secrets', 'operate'],
  ['DELETE', '/v1/webhook-secrets/whs_0123456789abcdef', 'operate'],
  ['POST', '/v1/files', 'submit', {}],
  ['GET', `/v1/files/${file}`, 'read'],
  ['DELETE', `/v1/files/${file}`, 'submit'],
  ['POST', '/v1/batches', 'submit', { input: file, steps }],
  ['GET', '/v1/batches', 'read'],
  ['GET', `/v1/batches/${batch}`, 'read'],
  ['GET', `/v1/batches/${batch}/events`, 'read'],
  ['GET', `/v1/batches/${batch}/output`, 'read'],
  ['GET', `/v1/batches/${batch}/errors`, 'read'],
  ['GET', `/v1/batches/${batch}/manifest`, 'read'],
  ['GET', `/v1/batches/${batch}/report/ask`, 'read'],
  ['POST', `/v1/batches/${batch}/cancel`, 'submit'],
  ['POST', `/v1/batches/${batch}/retry`, 'submit'],
  ['POST', '/v1/schedules', 'submit', { name: 'nightly', cron: '0 3 * * *', input: file, steps }],
  ['GET', '/v1/schedules', 'read'],
  ['GET', `/v1/schedules/${schedule}`, 'read'],
  ['DELETE', `/v1/schedules/${schedule}`, 'submit'],
  ['POST', `/v1/schedules/${schedule}/pause`, 'submit'],
  ['POST', `/v1/schedules/${schedule}/resume`, 'submit'],
  ['POST', `/v1/schedules/${schedule}/run`, 'submit'],
] as const;

test('each documented route is in this test', async () => {
  const { paths } = (await api.request('GET', '/openapi.json')).body as { paths: Record<string, object> };
  const documented = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const tested = routes.map(
    ([method, path]) =>
      `${method} ${path
        .replace(/(job|bat|file|sch)_0+/, '{id}')
        .replace(/whs_\w+/, '{id}')
        .replace('/report/ask', '/report/{step}')
        .replace('chat', '{lane}')}`,
  );
  expect(documented.sort()).toEqual(tested.sort());
});

test.each(routes)('%s %s needs a key, and the scope %s', async (method, path, scope, body?: object) => {
  const options = body === undefined ? {} : { body };
  const none = await api.request(method, path, { ...options, key: null });
  expect([none.status, none.body.code, none.headers.get('www-authenticate')]).toEqual([401, 'unauthorized', 'Bearer']);
  const wrong = await api.request(method, path, { ...options, key: `pk_${'x'.repeat(43)}` });
  expect([wrong.status, wrong.body.code, wrong.headers.get('www-authenticate')]).toEqual([
    401,
    'unauthorized',
    'Bearer',
  ]);

  const others = (['submit', 'read', 'operate'] as const).filter((one) => one !== scope);
  const without = await api.request(method, path, { ...options, key: (await api.makeKey('t', others)).key });
  expect([without.status, without.body.code]).toEqual([403, 'forbidden']);
  expect(without.body.detail).toContain(scope);
  const allowed = await api.request(method, path, { ...options, key: (await api.makeKey('t', [scope])).key });
  expect(allowedAnswers).toContain(allowed.status);
});

test('who has no key is refused before the body is looked at', async () => {
  const raw = 'x'.repeat(2 * 1024 * 1024);
  const answer = await api.request('POST', '/v1/jobs', { key: null, raw, headers: { 'content-type': 'x/y' } });
  expect(answer.status).toBe(401);
});

test.each(['bearer', 'BEARER', 'Bearer  '])('the scheme may be written %s', async (scheme) => {
  const headers = { authorization: `${scheme} local-demo-key` };
  expect((await api.request('GET', '/v1/jobs', { key: null, headers })).status).toBe(200);
});

test.each([
  'local-demo-key',
  'Basic bG9jYWwtZGVtby1rZXk=',
  'Bearer',
  'Bearer ',
  'Bearer a b',
  'Bearer local-demo-key,x',
  'Token x',
])('Authorization: %s is no key', async (authorization) => {
  expect((await api.request('GET', '/v1/jobs', { key: null, headers: { authorization } })).status).toBe(401);
});

test('a revoked key stops within 60 s, an expired one at its time', async () => {
  const revoked = await api.makeKey('t', ['read']);
  const expiring = await api.makeKey('t', ['read'], api.deps.state.now() + 20_000);
  const status = async ({ key }: { key: string }) => (await api.request('GET', '/v1/jobs', { key })).status;
  expect([await status(revoked), await status(expiring)]).toEqual([200, 200]);
  expect(await revokeKey(api.deps.state, revoked.id)).toBe(true);
  api.forward(19_999);
  expect(await status(expiring)).toBe(200);
  api.forward(1);
  expect(await status(expiring)).toBe(401);
  api.forward(40_000);
  expect(await status(revoked)).toBe(401);
});

test('a key of one tenant sees nothing of another', async () => {
  const { key } = await api.makeKey('t-2', ['read']);
  const submitted = await api.submit();
  expect((await api.request('GET', `/v1/jobs/${submitted.body.id}`, { key })).status).toBe(404);
  expect((await api.request('GET', '/v1/jobs', { key })).body.items).toEqual([]);
});

test('an address that makes up keys is told to wait; keys that were used before go on', async () => {
  const made = (n: number) => `pk_${String(n).padStart(43, '0')}`;
  const from = (address: string) => ({ 'x-forwarded-for': `10.9.9.9, ${address}` });
  const ask = (n: number, address: string) => api.request('GET', '/v1/jobs', { key: made(n), headers: from(address) });
  await api.request('GET', '/v1/jobs', { headers: from('10.0.0.1') });
  for (let n = 0; n < 100; n += 1) expect((await ask(n, '10.0.0.1')).status).toBe(401);
  const refused = await ask(100, '10.0.0.1');
  expect([refused.status, refused.body.code, refused.headers.get('retry-after')]).toEqual([429, 'rate_limited', '1']);
  expect((await ask(101, '10.0.0.2')).status).toBe(401);
  expect((await api.request('GET', '/v1/jobs', { headers: from('10.0.0.1') })).status).toBe(200);
});

test('the ready keys of local mode are refused outside of it', async () => {
  const account = await startTestApi({ env: { PENSTOCK_LOCAL: 'false' } });
  try {
    for (const key of ['local-demo-key', 'local-other-key'])
      expect((await account.request('GET', '/v1/jobs', { key })).status).toBe(401);
    const { key } = await account.makeKey('t', ['read']);
    expect((await account.request('GET', '/v1/jobs', { key })).status).toBe(200);
    // No origin is allowed unless it is configured.
    const foreign = await account.request('GET', '/v1/jobs', { key, headers: { origin: 'https://app.example' } });
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
  } finally {
    await account.stop();
  }
});

test('browsers of an allowed origin may call, those of others may not', async () => {
  const preflight = (origin: string) =>
    api.request('OPTIONS', '/v1/jobs', {
      key: null,
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,idempotency-key',
      },
    });
  const allowed = await preflight('https://app.example');
  expect(allowed.status).toBe(204);
  expect(allowed.headers.get('access-control-allow-origin')).toBe('https://app.example');
  expect(allowed.headers.get('access-control-allow-headers')).toContain('idempotency-key');
  expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
  const answer = await api.request('GET', '/v1/jobs', { headers: { origin: 'https://app.example' } });
  expect(answer.headers.get('access-control-allow-origin')).toBe('https://app.example');
  expect(answer.headers.get('access-control-expose-headers')).toContain('retry-after');
});

test('answers carry the request id, the headers of helmet, and are kept by no cache', async () => {
  const given = await api.request('GET', '/v1/jobs', { headers: { 'x-request-id': 'mine-1' } });
  expect(given.headers.get('x-request-id')).toBe('mine-1');
  const made = await api.request('GET', '/v1/jobs', { headers: { 'x-request-id': 'not sane' } });
  expect(made.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  for (const path of ['/nothing', '/v1/jobs/%zz'])
    expect(
      (await api.request('GET', path, { headers: { 'x-request-id': 'mine-2' } })).headers.get('x-request-id'),
    ).toBe('mine-2');
  expect(given.headers.get('x-content-type-options')).toBe('nosniff');
  expect(given.headers.get('content-security-policy')).toContain("script-src 'self'");
  expect(given.headers.get('cache-control')).toBe('no-store');
});

test('requests are measured by method, route and status, never by path', async () => {
  await api.request('GET', `/v1/jobs/${id}`);
  await api.request('GET', '/secret-path-of-a-caller');
  const text = await api.deps.metrics.registry.getSingleMetricAsString('penstock_http_request_seconds');
  expect(text).toContain('penstock_http_request_seconds_count{method="GET",route="/v1/jobs/:id",status="404"}');
  expect(text).toContain('penstock_http_request_seconds_count{method="GET",route="unknown",status="404"}');
  expect(text).not.toMatch(/secret-path|job_0/);
});
