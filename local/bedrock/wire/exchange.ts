import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BedrockError, invalid } from './errors.ts';

/** Bedrock takes payloads of 25 MB (https://docs.aws.amazon.com/bedrock/latest/userguide/quotas.html). */
const MOST_BODY_BYTES = 25 * 1024 * 1024;

/** One request and its answer, without the HTTP version under it. */
export type Exchange = {
  method: string;
  /** Still percent-encoded, without the query. */
  path: string;
  query: URLSearchParams;
  requestId: string;
  /** Aborted when the client goes away before the answer is complete. */
  gone: AbortSignal;
  readBody(): Promise<Buffer>;
  /** The body as JSON, `{}` where there is none; rejects with SerializationException. */
  readJson(): Promise<unknown>;
  sendJson(status: number, body: unknown, headers?: Record<string, string>): void;
  sendBytes(status: number, body: Uint8Array, headers: Record<string, string>): void;
  /** Begins an answer of unknown length; `write` and `end` follow. */
  startStream(headers: Record<string, string>): void;
  write(bytes: Uint8Array): void;
  end(): void;
  isStarted(): boolean;
  /** Breaks the answer off: the whole connection over HTTP/1.1, over HTTP/2 this stream of it. */
  cut(): void;
};

/** Wraps a request of either HTTP version. */
export function createExchange(request: IncomingMessage, response: ServerResponse): Exchange {
  const url = request.url ?? '/';
  const queryAt = url.indexOf('?');
  const requestId = randomUUID();
  const gone = new AbortController();
  let complete = false;
  // Both HTTP versions show a client that is gone as `close` without our `end`.
  response.on('close', () => complete || gone.abort(new Error('the client went away')));
  response.on('error', () => undefined);
  request.on('error', () => undefined);

  const start = (status: number, headers: Record<string, string | number>) =>
    response.writeHead(status, { ...headers, 'x-amzn-requestid': requestId });
  const finish = (body?: Uint8Array) => {
    complete = true;
    response.end(body);
  };
  const sendBytes = (status: number, body: Uint8Array, headers: Record<string, string>) => {
    if (gone.signal.aborted) return;
    start(status, { ...headers, 'content-length': body.byteLength });
    finish(body);
  };
  return {
    method: request.method ?? 'GET',
    path: queryAt < 0 ? url : url.slice(0, queryAt),
    query: new URLSearchParams(queryAt < 0 ? '' : url.slice(queryAt + 1)),
    requestId,
    gone: gone.signal,
    readBody: () => readBody(request),
    readJson: async () => parseJson(await readBody(request)),
    sendBytes,
    sendJson: (status, body, headers = {}) =>
      sendBytes(status, Buffer.from(JSON.stringify(body)), { 'content-type': 'application/json', ...headers }),
    startStream: (headers) => start(200, headers),
    write: (bytes) => gone.signal.aborted || response.write(bytes),
    end: () => finish(),
    isStarted: () => response.headersSent,
    cut: () => cut(response),
  };
}

/** Rejects with RequestEntityTooLargeException above 25 MB, and when the client goes away in the middle of its body. */
function readBody(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    // What is too much flows on and is dropped: a request that is not read to its end cannot be answered.
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MOST_BODY_BYTES) chunks.push(chunk);
      else chunks.length = 0;
    });
    request.on('end', () => {
      if (bytes <= MOST_BODY_BYTES) resolve(Buffer.concat(chunks));
      else reject(new BedrockError('RequestEntityTooLargeException', 'The request is larger than 25 MB.'));
    });
    request.on('close', () => reject(new Error('the client went away in the middle of its request')));
  });
}

/** A segment of the path without its percent-encoding; ValidationException where it is broken. */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw invalid('The path is not well percent-encoded.');
  }
}

function parseJson(body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (cause) {
    throw new BedrockError('SerializationException', `The body is not JSON: ${(cause as Error).message}`);
  }
}

function cut(response: ServerResponse): void {
  const stream = (response as unknown as { stream?: { close(code: number): void } }).stream;
  // Over HTTP/2 the connection carries other calls, which a fault of this one must not hit. 2 is INTERNAL_ERROR.
  if (stream) stream.close(2);
  else response.socket?.destroy();
}
