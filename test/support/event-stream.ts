import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { LiveFrame } from './live-socket.ts';
import { createTape, type Tape } from './tape.ts';

/** One reader of server-sent events. `raw` is all that came, word for word. */
export type EventReader = Tape<LiveFrame> & {
  headers: IncomingMessage['headers'];
  raw(): string;
  /** Resolves when the stream has ended: true for an orderly end, false for a cut. */
  ended: Promise<boolean>;
  hangUp(): void;
};

/**
 * Follows a job by `GET /v1/jobs/{id}/events`, on a connection of its own; rejects with the answer unless it is a 200.
 * @param options.of `batches` for a batch
 * @param options.lastEventId sent as `Last-Event-ID`
 */
export async function readEvents(
  url: string,
  jobId: string,
  options: { key?: string; lastEventId?: number | string; of?: 'jobs' | 'batches' } = {},
): Promise<EventReader> {
  const { key = 'local-demo-key', lastEventId, of = 'jobs' } = options;
  const headers = {
    authorization: `Bearer ${key}`,
    accept: 'text/event-stream',
    ...(lastEventId !== undefined && { 'last-event-id': String(lastEventId) }),
  };
  const call = request(`${url}/v1/${of}/${jobId}/events`, { agent: false, headers });
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    call.once('response', resolve).once('error', reject).end();
  });
  if (response.statusCode !== 200) throw new Error(`events: ${response.statusCode} ${await text(response)}`);
  call.on('error', () => undefined);
  response.on('error', () => undefined);

  const tape = createTape<LiveFrame>();
  let raw = '';
  let rest = '';
  response.setEncoding('utf8').on('data', (piece: string) => {
    raw += piece;
    const blocks = (rest + piece).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data !== undefined) tape.add(JSON.parse(data) as LiveFrame);
    }
  });
  const ended = new Promise<boolean>((resolve) => {
    response.once('close', () => resolve(response.complete));
  });
  return { ...tape, headers: response.headers, raw: () => raw, ended, hangUp: () => void call.destroy() };
}
