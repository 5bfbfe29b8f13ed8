import { execFile } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createKey, listKeyLines, revoke } from '../../src/api/manage-keys.ts';
import { startTestApi, type TestApi } from '../support/api-server.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ env: { PENSTOCK_LOCAL: 'false' } });
});
afterAll(() => api.stop());

type Ended = { code: number; stdout: string; stderr: string };

/** `penstock keys ...` as a process, in the environment that `startTestApi` made. */
function penstockKeys(...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['src/main.ts', 'keys', ...args], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stdout, stderr }),
    );
  });
}
const status = async (key: string, method = 'GET', path = '/v1/jobs') =>
  (await api.request(method, path, { key })).status;

test('a key is made, used, listed and revoked', async () => {
  const made = await penstockKeys('create', '--tenant', 'acme', '--scopes', 'read,submit', '--expires-in-days', '30');
  expect(made, made.stderr).toMatchObject({ code: 0, stderr: '' });
  const [key = '', line = ''] = made.stdout.split('\n');
  expect(key).toMatch(/^pk_[A-Za-z0-9_-]{43}$/);
  const id = line.split(' ')[0] as string;
  expect(await status(key)).toBe(200);
  expect(await status(key, 'POST', '/v1/lanes/chat/pause')).toBe(403);

  const listed = await penstockKeys('list', '--tenant', 'acme');
  expect(listed.code).toBe(0);
  expect(listed.stdout).toMatch(new RegExp(`^${id}  acme  submit,read  made .{10}  expires .{10}\n$`));
  expect(listed.stdout).not.toContain(key);

  expect(await penstockKeys('revoke', id)).toEqual({
    code: 0,
    stdout: `revoked ${id}; it stops within a minute\n`,
    stderr: '',
  });
  api.forward(60_000);
  expect(await status(key)).toBe(401);
  expect(await penstockKeys('revoke', id)).toEqual({
    code: 1,
    stdout: '',
    stderr: `there is no key with the id ${id}\n`,
  });
});

test('a store that does not answer is one line and exit code 1', async () => {
  await api.dynamodb.setMode('refuse');
  const failed = await penstockKeys('list');
  await api.dynamodb.setMode('pass');
  expect([failed.code, failed.stdout]).toEqual([1, '']);
  expect(failed.stderr).toMatch(/^the key store does not answer: DynamoDB Query: unavailable: .*\n$/);
});

const create = (typed: { tenant?: string; scopes?: string; expiresInDays?: string }) =>
  createKey(api.deps.state, { tenant: 't', scopes: 'read', expiresInDays: undefined, ...typed });

test.each([
  [{ tenant: 'Acme' }, "--tenant: Acme is not a tenant's name: 1 to 63 of a-z, 0-9, - and _"],
  [{ tenant: '' }, "--tenant:  is not a tenant's name: 1 to 63 of a-z, 0-9, - and _"],
  [{ tenant: 'a/../b' }, "--tenant: a/../b is not a tenant's name: 1 to 63 of a-z, 0-9, - and _"],
  [{ tenant: 'a'.repeat(64) }, `--tenant: ${'a'.repeat(64)} is not a tenant's name: 1 to 63 of a-z, 0-9, - and _`],
  [{ scopes: 'read,admin' }, '--scopes: admin is not one of submit, read, operate'],
  [{ scopes: '' }, '--scopes: (empty) is not one of submit, read, operate'],
  [{ expiresInDays: '0' }, '--expires-in-days: 0 is not a whole number from 1 to 3650'],
  [{ expiresInDays: 'soon' }, '--expires-in-days: soon is not a whole number from 1 to 3650'],
  [{ expiresInDays: '' }, '--expires-in-days: (empty) is not a whole number from 1 to 3650'],
])('%j is refused with one clear line', async (typed, message) => {
  await expect(create(typed)).rejects.toMatchObject({ name: 'ConfigError', message });
});

test('what is typed wrong ends the process with that line and code 1', async () => {
  expect(await penstockKeys('create', '--tenant', 'acme', '--scopes', 'all')).toEqual({
    code: 1,
    stdout: '',
    stderr: '--scopes: all is not one of submit, read, operate\n',
  });
});

test('keys are listed oldest first, expired ones as such; each key is made of chance', async () => {
  const [first] = await create({ tenant: 'lister', expiresInDays: '1' });
  api.forward(1_000);
  const [second, line = ''] = await create({ tenant: 'lister', scopes: ' operate , read,read ' });
  expect(first).not.toBe(second);
  expect(line).toContain('lister  read,operate');
  api.forward(24 * 3600 * 1000);
  const lines = await listKeyLines(api.deps.state, 'lister');
  expect(lines).toEqual([expect.stringMatching(/ {2}expired .{10}$/), expect.stringMatching(/ {2}never expires$/)]);
  expect(await listKeyLines(api.deps.state, 'nobody')).toEqual(['no keys']);
  expect((await listKeyLines(api.deps.state, undefined)).length).toBeGreaterThanOrEqual(2);
  await expect(listKeyLines(api.deps.state, 'NOBODY')).rejects.toThrow('--tenant');
});

test.each(['', 'x', '0'.repeat(11), '0'.repeat(64)])('there is no key with the id "%s"', async (id) => {
  await expect(revoke(api.deps.state, id)).rejects.toThrow(`there is no key with the id ${id}`);
});
