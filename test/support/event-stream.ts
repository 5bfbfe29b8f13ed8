import type { LiveFrame } from './live-socket.ts';
import { createTape, type Tape } from './tape.ts';

/** One reader of server-sent events. `raw` is all that came, word for word. */
export type EventReader = Tape<LiveFrame> & {
  headers: Headers;
  raw(): string;
  /** Resolves when the stream has ended: true for an orderly end, false for a cut. */
  ended: Promise<boolean>;
  hangUp(): void;
};

/**
 * Follows a job by `GET /v1/jobs/{id}/events`; rejects with the status unless it is 200.
 * @param options.lastEventId sent as `Last-Event-ID`
 */
export async function readEvents(
  url: string,
  jobId: string,
  options: { key?: string; lastEventId?: number | string } = {},
): Promise<EventReader> {
  const { key = 'local-demo-key', lastEventId } = options;
  const gone = new AbortController();
  const response = await fetch(`${url}/v1/jobs/${jobId}/events`, {
    headers: {
      authorization: `Bearer ${key}`,
      accept: 'text/event-stream',
      ...(lastEventId !== undefined && { 'last-event-id': String(lastEventId) }),
    },
    signal: gone.signal,
  });
  if (response.status !== 200 || response.body === null) {
    const text = await response.text();
    throw Object.assign(new Error(`events were answered with ${response.status}: ${text}`), {
      status: response.status,
    });
  }
  const tape = createTape<LiveFrame>();
  let raw = '';
  const read = async (body: ReadableStream<Uint8Array>): Promise<boolean> => {
    let rest = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of body) {
        const text = decoder.decode(chunk, { stream: true });
        raw += text;
        const blocks = (rest + text).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) {
          const data = /^data: (.*)$/m.exec(block)?.[1];
          if (data !== undefined) tape.add(JSON.parse(data) as LiveFrame);
        }
      }
      return true;
    } catch {
      return false;
    }
  };
  return {
    ...tape,
    headers: response.headers,
    raw: () => raw,
    ended: read(response.body),
    hangUp: () => gone.abort(),
  };
}
