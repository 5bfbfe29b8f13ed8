import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { startTestApi } from '../support/api-server.ts';
import { readEvents } from '../support/event-stream.ts';
import { openSocket } from '../support/live-socket.ts';

/** What is open when the api stops: none of it may hold the stop up. */
test('a connection on which nothing came, one that was used, an event stream and a socket all end', async () => {
  const api = await startTestApi();
  const silent = connect(Number(new URL(api.url).port), '127.0.0.1');
  await once(silent, 'connect');
  const silentClosed = once(silent, 'close');
  const { id } = (await api.submit()).body;
  const events = await readEvents(api.url, String(id));
  const socket = await openSocket(api.url);
  await api.stop();
  await silentClosed;
  expect(await events.ended).toBe(true);
  expect((await socket.closed).code).toBe(1012);
});
