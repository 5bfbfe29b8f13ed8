import { type ClientOptions, WebSocket } from 'ws';
import type { JobView } from './job-client.ts';
import { createTape, type Tape } from './tape.ts';

/** A frame from the server; which fields there are depends on its type. */
export type LiveFrame = {
  type: string;
  ref?: string;
  jobId?: string;
  seq?: number;
  status?: string;
  attempt?: number;
  offset?: number;
  text?: string;
  job?: JobView;
  outputOmitted?: true;
  problem?: { code: string; status: number; detail: string; errors?: { path: string; message: string }[] };
};

/** One WebSocket client under the test's hand. */
export type LiveSocket = Tape<LiveFrame> & {
  ws: WebSocket;
  send(frame: object): void;
  /** Submits a job and gives it back as accepted; rejects with the problem when it is refused. */
  submit(job: object, more?: object): Promise<JobView>;
  /** Why it was closed; 1006 where no close frame came. Never rejects. */
  closed: Promise<{ code: number; reason: string }>;
  /** Closes it, and waits until it is closed. */
  close(): Promise<void>;
};

export type SocketOptions = { key?: string; protocols?: string[] } & ClientOptions;

/** Connects to `/v1/ws` of the api at `url` (`http://...`); rejects when the handshake is refused. */
export async function openSocket(url: string, options: SocketOptions = {}): Promise<LiveSocket> {
  const { key = 'local-demo-key', protocols = ['penstock.v1'], ...rest } = options;
  const headers = key === '' ? rest.headers : { authorization: `Bearer ${key}`, ...rest.headers };
  const ws = new WebSocket(`${url.replace('http', 'ws')}/v1/ws`, protocols, { ...rest, ...(headers && { headers }) });
  const tape = createTape<LiveFrame>();
  ws.on('message', (data) => tape.add(JSON.parse(String(data)) as LiveFrame));
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    ws.on('close', (code, reason) => resolve({ code, reason: String(reason) }));
  });
  await new Promise<void>((resolve, reject) => {
    ws.once('open', resolve);
    ws.once('error', reject);
  });
  ws.on('error', () => undefined);
  const send = (frame: object): void => ws.send(JSON.stringify(frame));
  let refs = 0;
  return {
    ...tape,
    ws,
    send,
    async submit(job, more = {}) {
      const ref = `submit-${++refs}`;
      send({ type: 'submit', ref, job, ...more });
      const answer = await tape.until((frame) => frame.ref === ref, `an answer to ${ref}`);
      if (answer.type !== 'accepted') throw new Error(`submit was refused: ${JSON.stringify(answer.problem)}`);
      return answer.job as JobView;
    },
    closed,
    async close() {
      ws.close();
      await closed;
    },
  };
}

/** What the handshake is refused with: the HTTP status and the problem's code; undefined where it is not refused. */
export async function refusedHandshake(
  url: string,
  options: SocketOptions = {},
): Promise<{ status: number; code: string } | undefined> {
  const { key, protocols = ['penstock.v1'], ...rest } = options;
  const headers = { ...(key !== undefined && { authorization: `Bearer ${key}` }), ...rest.headers };
  const ws = new WebSocket(`${url.replace('http', 'ws')}/v1/ws`, protocols, { ...rest, headers });
  ws.on('error', () => undefined);
  return await new Promise((resolve, reject) => {
    let isOpen = false;
    ws.once('close', () => (isOpen ? resolve(undefined) : reject(new Error('there was no answer to the handshake'))));
    ws.once('open', () => {
      isOpen = true;
      ws.close();
    });
    ws.once('unexpected-response', async (_request, response) => {
      let body = '';
      for await (const chunk of response) body += String(chunk);
      resolve({ status: response.statusCode ?? 0, code: (JSON.parse(body) as { code: string }).code });
    });
  });
}
