import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer, getDefaultAutoSelectFamily, setDefaultAutoSelectFamily } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { createOutgoingHttp, type OutgoingHttpOptions, type OutgoingRequest } from '../../src/aws/outgoing-http.ts';
import { freePort } from '../support/free-port.ts';
import { type HttpReceiver, type Received, startHttpReceiver } from '../support/http-receiver.ts';

const local = createOutgoingHttp({ localMode: true });
const inAccount = createOutgoingHttp({ localMode: false });
const get: OutgoingRequest = { method: 'GET', headers: {}, timeoutMs: 10_000, mostBytes: 1024 };

const running: HttpReceiver[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((receiver) => receiver.stop()));
});

async function receiver(answer?: (received: Received, response: ServerResponse) => void): Promise<HttpReceiver> {
  const started = await startHttpReceiver(answer);
  running.push(started);
  return started;
}

/** A resolver that answers these addresses, one list after the other, and counts. */
function resolver(...answers: string[][]) {
  const asked: string[] = [];
  const lookup: NonNullable<OutgoingHttpOptions['lookup']> = async (host) => {
    const addresses = answers[Math.min(asked.length, answers.length - 1)] ?? [];
    asked.push(host);
    return addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  };
  return { asked, lookup };
}

const refused = expect.objectContaining({ name: 'OutgoingError', code: 'address_refused', status: undefined });

test('a request goes out as it is and comes back with status, headers and body', async () => {
  const to = await receiver((_received, response) => response.writeHead(418, { 'x-kind': 'teapot' }).end('short'));
  const answer = await local.request(`${to.url}/a?b=c#d`, {
    ...get,
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-own': '1' },
    body: '{"ü":1}',
  });
  expect([answer.status, answer.headers['x-kind'], answer.body.toString()]).toEqual([418, 'teapot', 'short']);
  expect(to.received).toMatchObject([
    { method: 'POST', path: '/a?b=c', body: '{"ü":1}', headers: { 'x-own': '1', 'content-type': 'application/json' } },
  ]);
});

describe('addresses', () => {
  const hosts = [
    '127.0.0.1',
    '127.1',
    '127.0.0.1.',
    '2130706433',
    '0x7f000001',
    '017700000001',
    '127。0。0。1',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::1]',
    'localhost',
    'localhost.',
  ];
  test.each(hosts)('outside local mode nothing is sent to https://%s', async (host) => {
    const to = await receiver();
    await expect(inAccount.request(`https://${host}:${to.port}/`, get)).rejects.toThrow(refused);
    expect(to.connections()).toBe(0);
  });

  // The system's resolver decides of a dot after a name, and the receiver listens on IPv4 only.
  const dialled = hosts.filter((host) => !host.includes('::') && host !== 'localhost.');
  test.each(dialled)('in local mode http://%s is asked', async (host) => {
    const to = await receiver();
    expect((await local.request(`http://${host}:${to.port}/`, get)).status).toBe(200);
  });

  test('outside local mode plain http is not sent, wherever it goes', async () => {
    const to = await receiver();
    const code = 'not_https';
    await expect(inAccount.request(to.url, get)).rejects.toMatchObject({ code });
    await expect(inAccount.request('http://example.com/', get)).rejects.toMatchObject({ code });
    expect(to.connections()).toBe(0);
  });

  test.each(['169.254.169.254', '2852039166', '0xa9fea9fe', '[::ffff:a9fe:a9fe]', '[fd00:ec2::254]', '169.254.170.2'])(
    'in no mode %s is asked',
    async (host) => {
      for (const outgoing of [local, inAccount])
        await expect(outgoing.request(`https://${host}/`, get)).rejects.toThrow(refused);
    },
  );

  test.each([
    ['loopback', ['127.0.0.1']],
    ['a private address', ['10.0.0.1']],
    ['a private address behind a public one', ['93.184.216.34', '10.0.0.1']],
    ['IPv4 in IPv6', ['::ffff:127.0.0.1']],
    ['loopback of IPv6', ['93.184.216.34', '::1']],
  ])('outside local mode a name is not asked that leads to %s', async (_what, addresses) => {
    const to = await receiver();
    const { lookup, asked } = resolver(addresses);
    const outgoing = createOutgoingHttp({ localMode: false, lookup });
    await expect(outgoing.request(`https://hook.example:${to.port}/`, get)).rejects.toThrow(refused);
    expect(asked).toEqual(['hook.example']);
    expect(to.connections()).toBe(0);
  });

  test.each([['169.254.169.254'], ['127.0.0.1', '169.254.170.2'], ['fd00:ec2::254'], ['::ffff:169.254.169.254']])(
    'in local mode a name is not asked that leads to %s %s',
    async (...addresses) => {
      const to = await receiver();
      const outgoing = createOutgoingHttp({ localMode: true, lookup: resolver(addresses).lookup });
      await expect(outgoing.request(`http://hook.example:${to.port}/`, get)).rejects.toThrow(refused);
      expect(to.connections()).toBe(0);
    },
  );

  test.each([true, false])(
    'the address that was checked is dialled, with no second look (all at once: %s)',
    async (all) => {
      const before = getDefaultAutoSelectFamily();
      setDefaultAutoSelectFamily(all);
      onTestFinished(() => setDefaultAutoSelectFamily(before));
      const to = await receiver();
      // Rebinding: good once, the metadata service ever after.
      const { lookup, asked } = resolver(['127.0.0.1'], ['169.254.169.254']);
      const outgoing = createOutgoingHttp({ localMode: true, lookup });
      const url = `http://hook.example:${to.port}/`;
      expect((await outgoing.request(url, get)).status).toBe(200);
      expect(asked).toEqual(['hook.example']);
      expect(to.received[0]?.headers.host).toBe(`hook.example:${to.port}`);
      // And no socket of before is used again: the next request looks anew.
      await expect(outgoing.request(url, get)).rejects.toThrow(refused);
      expect(to.connections()).toBe(1);
    },
  );

  test('a name that leads nowhere, or whose servers fail', async () => {
    const nowhere = createOutgoingHttp({ localMode: true, lookup: resolver([]).lookup });
    await expect(nowhere.request('http://hook.example/', get)).rejects.toMatchObject({ code: 'unreachable' });
    const error = Object.assign(new Error('getaddrinfo ENOTFOUND hook.example'), { code: 'ENOTFOUND' });
    const failing = createOutgoingHttp({ localMode: true, lookup: () => Promise.reject(error) });
    await expect(failing.request('http://hook.example/secret', get)).rejects.toMatchObject({
      code: 'unreachable',
      message: 'unreachable: ENOTFOUND',
    });
  });
});

test.each([301, 302, 303, 307, 308])('a redirect by %i is not followed', async (status) => {
  const target = await receiver();
  const to = await receiver((_received, response) => response.writeHead(status, { location: target.url }).end());
  await expect(local.request(to.url, get)).rejects.toMatchObject({ code: 'redirected', status });
  expect([to.connections(), target.connections()]).toEqual([1, 0]);
});

describe('bounds', () => {
  /** Short, because it is waited for. */
  const timeoutMs = 150;
  const closed = (to: Promise<HttpReceiver>, sockets: Promise<void>[]) => to.then(() => Promise.all(sockets));

  test('an answer that does not come', async () => {
    const sockets: Promise<void>[] = [];
    const to = receiver((_received, response) => sockets.push(closeOf(response)));
    await expect(local.request((await to).url, { ...get, timeoutMs })).rejects.toMatchObject({
      code: 'timed_out',
      status: undefined,
    });
    await closed(to, sockets);
  });

  test('an answer that drips', async () => {
    const sockets: Promise<void>[] = [];
    const to = receiver((_received, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write('.'), 10);
      sockets.push(closeOf(response).then(() => clearInterval(drip)));
    });
    await expect(local.request((await to).url, { ...get, timeoutMs })).rejects.toMatchObject({
      code: 'timed_out',
      status: 200,
    });
    await closed(to, sockets);
  });

  test('a resolver that does not answer', async () => {
    const outgoing = createOutgoingHttp({ localMode: true, lookup: () => new Promise(() => undefined) });
    await expect(outgoing.request('http://hook.example/', { ...get, timeoutMs })).rejects.toMatchObject({
      code: 'timed_out',
    });
  });

  test('an answer without an end', async () => {
    const sockets: Promise<void>[] = [];
    const to = receiver((_received, response) => {
      const pour = (): void => {
        while (!response.destroyed && response.write('x'.repeat(16_384)));
      };
      response.on('drain', pour);
      pour();
      sockets.push(closeOf(response));
    });
    await expect(local.request((await to).url, { ...get, mostBytes: 64 * 1024 })).rejects.toMatchObject({
      code: 'too_large',
      status: 200,
    });
    await closed(to, sockets);
  });

  test('an answer of exactly the bytes that are wanted is taken, one more is not', async () => {
    const to = await receiver((_received, response) => response.end('x'.repeat(1024)));
    expect((await local.request(to.url, get)).body).toHaveLength(1024);
    await expect(local.request(to.url, { ...get, mostBytes: 1023 })).rejects.toMatchObject({ code: 'too_large' });
  });

  test('no more than ten seconds can be asked for', async () => {
    await expect(local.request('http://127.0.0.1/', { ...get, timeoutMs: 10_001 })).rejects.toThrow(RangeError);
  });

  test("an abort ends it with the caller's own reason", async () => {
    const stop = new AbortController();
    const reason = new Error('shutting down');
    const sockets: Promise<void>[] = [];
    const to = receiver((_received, response) => {
      sockets.push(closeOf(response));
      stop.abort(reason);
    });
    await expect(local.request((await to).url, { ...get, signal: stop.signal })).rejects.toBe(reason);
    await closed(to, sockets);
    await expect(local.request((await to).url, { ...get, signal: stop.signal })).rejects.toBe(reason);
    expect((await to).connections()).toBe(1);
  });
});

test('nobody there, and what does not speak HTTP or stops in the middle', async () => {
  const code = 'unreachable';
  const port = await freePort();
  await expect(local.request(`http://127.0.0.1:${port}/`, get)).rejects.toMatchObject({
    code,
    message: 'unreachable: ECONNREFUSED',
  });
  for (const said of ['hello\r\n\r\n', 'HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort', '']) {
    const server = createTcpServer((socket) => socket.once('data', () => socket.end(said)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await expect(local.request(url, get)).rejects.toMatchObject({ code });
    server.close();
  }
});

test('headers that are none are refused before anything is sent', async () => {
  const to = await receiver();
  await expect(local.request(to.url, { ...get, headers: { 'x-a': 'b\r\nc: d' } })).rejects.toThrow(TypeError);
  expect(to.connections()).toBe(0);
});

const hasOpenssl = (() => {
  try {
    return execFileSync('openssl', ['version'], { stdio: 'pipe' }).length > 0;
  } catch {
    return false;
  }
})();

test('over https a certificate is checked against the name', async ({ skip }) => {
  skip(!hasOpenssl, 'openssl is not on this machine');
  const folder = mkdtempSync(join(tmpdir(), 'penstock-tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=hook.example'];
  const names = ['-addext', 'subjectAltName=DNS:hook.example', '-keyout', keyFile, '-out', certFile];
  execFileSync('openssl', [...args, ...names], { stdio: 'pipe' });
  const cert = readFileSync(certFile, 'utf8');
  const to = await startHttpReceiver(undefined, (listener) =>
    createHttpsServer({ key: readFileSync(keyFile), cert }, listener),
  );
  running.push(to);
  const { lookup } = resolver(['127.0.0.1']);
  const outgoing = createOutgoingHttp({ localMode: true, lookup });
  const ask = (host: string) => outgoing.request(`https://${host}:${to.port}/`, get);
  await expect(ask('hook.example')).rejects.toMatchObject({ code: 'unreachable' });
  const trusted = getCACertificates('default');
  setDefaultCACertificates([...trusted, cert]);
  onTestFinished(() => setDefaultCACertificates(trusted));
  expect((await ask('hook.example')).status).toBe(200);
  await expect(ask('other.example')).rejects.toMatchObject({
    code: 'unreachable',
    message: 'unreachable: ERR_TLS_CERT_ALTNAME_INVALID',
  });
  expect(to.received).toHaveLength(1);
});

function closeOf(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => response.once('close', () => resolve()));
}
