import type { ServerResponse } from 'node:http';
import { type HttpReceiver, type Received, startHttpReceiver } from './http-receiver.ts';

type Answer = (received: Received, response: ServerResponse) => void;

/** The routes that the command line calls, each answered as a test says: `GET /v1/batches/bat_1`, without the query. */
export type BatchApiStub = HttpReceiver & {
  /** What this route answers from now on. */
  on(route: string, answer: Answer): void;
  /** The requests of a route so far. */
  requests(route: string): Received[];
};

export const batchId = `bat_${'1'.repeat(32)}`;

/** A batch as the server shows it. */
export function batchView(changes: object = {}): object {
  const self = `/v1/batches/${batchId}`;
  return {
    id: batchId,
    status: 'running',
    pipeline: 'weekly-reviews',
    counts: { total: 1000, succeeded: 250, failed: 3, cancelled: 0, running: 40 },
    steps: [
      {
        name: 'label',
        type: 'inference',
        status: 'running',
        counts: { succeeded: 250, failed: 3, cancelled: 0, running: 40 },
      },
      { name: 'report', type: 'report', status: 'waiting' },
    ],
    usage: { inputTokens: 12_000, outputTokens: 3_400, cacheReadTokens: 0, cacheWriteTokens: 0 },
    costUsd: 0.0123,
    rate: 12.5,
    createdAt: '2026-11-01T10:00:00.000Z',
    urls: {
      self,
      cancel: `${self}/cancel`,
      retry: `${self}/retry`,
      events: `${self}/events`,
      output: `${self}/output`,
      errors: `${self}/errors`,
      manifest: `${self}/manifest`,
      reports: { report: `${self}/report/report` },
    },
    ...changes,
  };
}

export const finishedBatch = (changes: object = {}): object =>
  batchView({
    status: 'succeeded',
    counts: { total: 1000, succeeded: 996, failed: 4, cancelled: 0, running: 0 },
    steps: [
      { name: 'label', type: 'inference', status: 'succeeded' },
      { name: 'report', type: 'report', status: 'succeeded' },
    ],
    ...changes,
  });

export function sendJson(response: ServerResponse, body: unknown, status = 200): void {
  const type = status < 400 ? 'application/json' : 'application/problem+json';
  response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
}

/** Begins an event stream, and gives what sends one frame. */
export function openEvents(response: ServerResponse): (type: string, seq: number, batch: object) => void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.flushHeaders();
  return (type, seq, batch) => {
    response.write(`event: ${type}\nid: ${seq}\ndata: ${JSON.stringify({ type, batchId, seq, batch })}\n\n`);
  };
}

export async function startBatchApiStub(): Promise<BatchApiStub> {
  const answers = new Map<string, Answer>();
  const routeOf = ({ method, path }: Received): string => `${method} ${path.split('?')[0]}`;
  const receiver = await startHttpReceiver((received, response) => {
    const answer = answers.get(routeOf(received));
    if (answer !== undefined) return answer(received, response);
    sendJson(
      response,
      { type: 'urn:x', title: 'There is nothing here', status: 404, code: 'not_found', detail: 'stub' },
      404,
    );
  });
  return {
    ...receiver,
    on: (route, answer) => void answers.set(route, answer),
    requests: (route) => receiver.received.filter((one) => routeOf(one) === route),
  };
}
