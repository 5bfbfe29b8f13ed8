import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { signingSecrets } from '../../src/state/webhook-secrets.ts';
import { type ApiAnswer, startTestApi, type TestApi } from '../support/api-server.ts';

let api: TestApi;
let key: string;
let tenant: string;
let tenants = 0;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());
/** A tenant of its own for each test. */
beforeEach(async () => {
  tenants += 1;
  tenant = `tenant-${tenants}`;
  ({ key } = await api.makeKey(tenant, ['operate', 'submit', 'read']));
});

const path = '/v1/webhook-secrets';

interface Made {
  id: string;
  createdAt: string;
  secret: string;
}

async function make(by = key): Promise<Made> {
  const answer = await api.request('POST', path, { key: by });
  expect(answer.status, answer.text).toBe(201);
  api.forward(1_000);
  return answer.body as unknown as Made;
}

async function items(by = key): Promise<unknown[]> {
  const answer = await api.request('GET', path, { key: by });
  expect(answer.status, answer.text).toBe(200);
  return answer.body.items as unknown[];
}

const problem = ({ status, body }: ApiAnswer) => [status, body.code];

test('a secret is shown once, in the form that receivers take, and never again', async () => {
  const at = new Date(api.deps.state.now()).toISOString();
  const made = await make();
  expect(made).toEqual({ id: expect.stringMatching(/^whs_[0-9a-f]{16}$/), createdAt: at, secret: expect.any(String) });
  expect(made.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect(Buffer.from(made.secret.slice('whsec_'.length), 'base64')).toHaveLength(32);
  expect((await make()).secret).not.toBe(made.secret);
  const list = await api.request('GET', path, { key });
  expect(list.text).not.toContain('whsec_');
  expect(list.headers.get('cache-control')).toBe('no-store');
  expect(api.logLines.join('')).not.toContain('whsec_');
  expect(api.logLines.join('')).toContain(made.id);
});

test('the list is newest first; what is deleted is gone from it at once', async () => {
  const made: Made[] = [];
  for (let count = 0; count < 6; count += 1) made.unshift(await make());
  const shown = ({ id, createdAt }: Made) => ({ id, createdAt });
  expect(await items()).toEqual(made.map(shown));
  const two = made.splice(2, 1)[0] as Made;
  expect((await api.request('DELETE', `${path}/${two.id}`, { key })).status).toBe(204);
  expect(await items()).toEqual(made.map(shown));
  expect(problem(await api.request('DELETE', `${path}/${two.id}`, { key }))).toEqual([404, 'not_found']);
});

test('the two newest sign', async () => {
  expect(await signingSecrets(api.deps.state, tenant)).toEqual([]);
  const [one, two, three] = [await make(), await make(), await make()];
  expect(await signingSecrets(api.deps.state, tenant)).toEqual([three.secret, two.secret]);
  await api.request('DELETE', `${path}/${three.id}`, { key });
  expect(await signingSecrets(api.deps.state, tenant)).toEqual([two.secret, one.secret]);
});

test('a tenant sees and deletes its own only', async () => {
  const mine = await make();
  const other = await api.makeKey(`${tenant}-other`, ['operate']);
  expect(await items(other.key)).toEqual([]);
  expect(problem(await api.request('DELETE', `${path}/${mine.id}`, { key: other.key }))).toEqual([404, 'not_found']);
  expect(await items()).toHaveLength(1);
});

test('a tenant has at most ten', async () => {
  for (let count = 0; count < 10; count += 1) await make();
  expect(problem(await api.request('POST', path, { key }))).toEqual([409, 'too_many_secrets']);
  const [newest] = (await items()) as Made[];
  await api.request('DELETE', `${path}/${newest?.id}`, { key });
  await make();
  expect(await items()).toHaveLength(10);
});

test('the scope operate is needed', async () => {
  const { id } = await make();
  const weak = await api.makeKey(tenant, ['submit', 'read']);
  for (const by of [weak.key, null]) {
    const wanted = by === null ? [401, 'unauthorized'] : [403, 'forbidden'];
    expect(problem(await api.request('POST', path, { key: by }))).toEqual(wanted);
    expect(problem(await api.request('GET', path, { key: by }))).toEqual(wanted);
    expect(problem(await api.request('DELETE', `${path}/${id}`, { key: by }))).toEqual(wanted);
  }
  expect(await items()).toHaveLength(1);
});

test('nobody brings a secret of their own', async () => {
  const answer = await api.request('POST', path, { key, body: { secret: 'whsec_aaaa' } });
  expect([...problem(answer), answer.body.errors]).toEqual([
    422,
    'validation_failed',
    [{ path: 'secret', message: 'unknown field' }],
  ]);
});

test.each(['whs_', 'whs_0123456789abcdef', '__proto__', '%00', 'x'.repeat(300)])(
  'there is no secret %.20s',
  async (id) => {
    expect(problem(await api.request('DELETE', `${path}/${id}`, { key }))).toEqual([404, 'not_found']);
  },
);

describe('a job with a webhook', () => {
  const webhook = { url: 'http://127.0.0.1:9/hook' };
  const submit = (changes: object) => api.submit(changes, { key });

  test('is refused while nothing could sign it, and taken then', async () => {
    const refused = await submit({ webhook });
    expect([...problem(refused), refused.body.errors]).toEqual([
      422,
      'validation_failed',
      [{ path: 'webhook', message: 'there is no secret to sign it with: make one by POST /v1/webhook-secrets' }],
    ]);
    const { id } = await make();
    const taken = await submit({ webhook });
    expect(taken.status, taken.text).toBe(202);
    await api.request('DELETE', `${path}/${id}`, { key });
    expect(problem(await submit({ webhook }))).toEqual([422, 'validation_failed']);
    expect((await submit({})).status).toBe(202);
  });

  test('does not show it, and shows its metadata, everywhere that jobs are shown', async () => {
    await make();
    for (const metadata of [undefined, { team: 'red' }]) {
      const { body } = await submit({ webhook, ...(metadata && { metadata }) });
      const shown = { id: body.id, metadata: metadata ?? {} };
      expect(body).toMatchObject(shown);
      api.forward(1_000);
      await api.finish(String(body.id));
      const read = await api.request('GET', `/v1/jobs/${body.id}`, { key });
      expect(read.body).toMatchObject({ ...shown, status: 'succeeded' });
      const list = await api.request('GET', '/v1/jobs', { key });
      expect((list.body.items as object[])[0]).toMatchObject(shown);
      for (const { text } of [read, list]) expect(text).not.toContain('/hook');
    }
  });

  test('is another request than one without, or with another, under the same key', async () => {
    await make();
    const headers = { 'idempotency-key': 'k' };
    const keyed = async (changes: object) => await api.submit(changes, { key, headers });
    const first = await keyed({ webhook });
    expect((await keyed({ webhook })).body.id).toBe(first.body.id);
    for (const other of [{}, { webhook: { url: `${webhook.url}2` } }])
      expect(problem(await keyed(other))).toEqual([409, 'idempotency_conflict']);
  });

  test('goes to no metadata service, here neither', async () => {
    await make();
    for (const url of [
      'http://169.254.169.254/',
      'http://[::ffff:a9fe:a9fe]/',
      'http://2852039166/',
      'ftp://x/',
      '//x',
    ]) {
      const refused = await submit({ webhook: { url } });
      expect([...problem(refused), refused.body.errors], url).toEqual([
        422,
        'validation_failed',
        [expect.objectContaining({ path: 'webhook.url' })],
      ]);
    }
  });
});
