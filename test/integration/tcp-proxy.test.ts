import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

let echo: Server;
let proxy: TcpProxy;

beforeEach(async () => {
  echo = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  proxy = await startTcpProxy({ target: `http://127.0.0.1:${(echo.address() as { port: number }).port}` });
});

afterEach(async () => {
  await proxy.stop();
  echo.close();
  await once(echo, 'close');
});

/** Opens a connection and keeps what comes back, and the error code of its end. */
async function open(): Promise<{ socket: Socket; received: () => string; failed: () => string | undefined }> {
  const socket = connect(proxy.port, '127.0.0.1');
  let received = '';
  let failed: string | undefined;
  socket.on('data', (data) => {
    received += data.toString();
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    failed = error.code;
  });
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  return { socket, received: () => received, failed: () => failed };
}

const wait = { timeoutMs: 5_000 };

test('passes bytes both ways, and the end of each side', async () => {
  const { socket, received } = await open();
  socket.end('all of it');
  await once(socket, 'end');
  expect(received()).toBe('all of it');
  await eventually(() => proxy.connections() === 0, { ...wait, what: 'the connection is gone' });
});

test('refuse resets what is open, refuses what is new, and ends with pass', async () => {
  const before = await open();
  before.socket.write('a');
  await eventually(() => before.received() === 'a', { ...wait, what: 'the echo' });

  await proxy.setMode('refuse');
  await eventually(() => before.failed() === 'ECONNRESET', { ...wait, what: 'the reset' });
  expect((await open()).failed()).toBe('ECONNREFUSED');

  await proxy.setMode('pass');
  const after = await open();
  after.socket.write('b');
  await eventually(() => after.received() === 'b', { ...wait, what: 'the echo after the outage' });
});

test('hang accepts without an answer; pass lets old and new connections go on without loss or repetition', async () => {
  const before = await open();
  before.socket.write('1');
  await eventually(() => before.received() === '1', { ...wait, what: 'the echo' });

  await proxy.setMode('hang');
  const during = await open();
  before.socket.write('2');
  during.socket.write('x');
  await eventually(() => proxy.connections() === 2, { ...wait, what: 'the second connection is accepted' });
  expect([before.received(), during.received()]).toEqual(['1', '']);

  await proxy.setMode('pass');
  await proxy.setMode('pass');
  before.socket.write('3');
  await eventually(() => before.received() === '123' && during.received() === 'x', { ...wait, what: 'what was held' });
});

test('a target that is not there is a reset', async () => {
  const nowhere = await startTcpProxy({ target: 'http://127.0.0.1:1' });
  try {
    await expect(fetch(nowhere.url)).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } });
  } finally {
    await nowhere.stop();
  }
});

test('stop closes connections in any mode, and twice is harmless', async () => {
  const { failed } = await open();
  await proxy.setMode('hang');
  const hanging = await open();
  await proxy.stop();
  await proxy.stop();
  await eventually(() => failed() && hanging.failed(), { ...wait, what: 'both are closed' });
  expect(proxy.connections()).toBe(0);
});
