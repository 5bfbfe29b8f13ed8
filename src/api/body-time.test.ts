import { connect, type Socket } from 'node:net';
import fastify from 'fastify';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Api } from './api-deps.ts';
import { limitBodyTime } from './body-time.ts';

let app: ReturnType<typeof fastify>;
let port: number;
const sockets: Socket[] = [];
beforeEach(async () => {
  app = fastify();
  limitBodyTime(app as unknown as Api, 20);
  app.post('/v1/jobs', async () => 'taken');
  app.post('/v1/files', async () => 'taken');
  app.get('/v1/jobs', async () => 'read');
  port = Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await app.close();
});

/** Sends the head of a request and as much of its body; `answer` is what comes until the other side closes or `until` is in it. */
function send(method: string, path: string, body: string, length = body.length) {
  const socket = connect(port, '127.0.0.1');
  sockets.push(socket);
  const head = `${method} ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n`;
  socket.write(`${head}${length > 0 ? `content-length: ${length}\r\n` : ''}\r\n${body}`);
  let text = '';
  socket.on('data', (data) => {
    text += String(data);
  });
  const until = (part: string) =>
    new Promise<string>((resolve, reject) => {
      const look = () => text.includes(part) && resolve(text);
      socket.on('data', look).on('close', () => reject(new Error(`closed after ${JSON.stringify(text)}`)));
      look();
    });
  return { socket, until };
}

test('half a body that does not go on is ended with a 408, and its connection with it', async () => {
  const half = send('POST', '/v1/jobs', '{"a":', 20);
  const closed = new Promise<void>((resolve) => half.socket.once('close', () => resolve()));
  expect(await half.until('request_timeout')).toMatch(/^HTTP\/1\.1 408 /);
  await closed;
});

test('an upload takes its time, and so does what is read', async () => {
  const upload = send('POST', '/v1/files', '{"a":', 7);
  const kept = send('POST', '/v1/jobs', '{"a":1}');
  await kept.until('taken');
  // Begun behind the others, and over: theirs would be too.
  await send('POST', '/v1/jobs', '{"a":', 20).until('request_timeout');
  upload.socket.write('1}');
  expect(await upload.until('taken')).toMatch(/^HTTP\/1\.1 200 /);
  kept.socket.write('GET /v1/jobs HTTP/1.1\r\nhost: x\r\n\r\n');
  expect(await kept.until('read')).toContain('200');
});
