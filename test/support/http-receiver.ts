import { createServer, type IncomingHttpHeaders, type RequestListener, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Received {
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

export interface HttpReceiver {
  port: number;
  /** `http://127.0.0.1:<port>` */
  url: string;
  /** Whole requests, in the order they came. */
  received: Received[];
  /** Sockets that were opened to it, whatever came over them. */
  connections(): number;
  stop(): Promise<void>;
}

/** An HTTP server on a free port of 127.0.0.1 that keeps what it gets and answers as `answer` does (200 and no body). */
export async function startHttpReceiver(
  answer: (received: Received, response: ServerResponse) => void = (_received, response) => response.end(),
  listen = (listener: RequestListener) => createServer(listener),
): Promise<HttpReceiver> {
  const received: Received[] = [];
  let connections = 0;
  const server = listen((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      received.push(one);
      answer(one, response);
    });
  });
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    received,
    connections: () => connections,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
