import { createServer as createHttp1Server, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { createServer, type Socket } from 'node:net';

export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;
export type Listening = { port: number; stop(): Promise<void> };

const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0');
// No method but PRI begins with these; most clients send far more in their first packet.
const DECIDING_BYTES = 3;
// A client keeps connections for reuse longer than Node's 5 s; a server that closes first makes it see resets.
const KEEP_ALIVE_MS = 75_000;

/**
 * Serves HTTP/1.1 and HTTP/2 without TLS (h2c, by prior knowledge) on one port: the AWS SDK for JavaScript speaks h2c to
 * an `http://` Bedrock endpoint, boto3 and curl HTTP/1.1. `port` 0 takes a free one. Rejects with the system's error
 * (`EADDRINUSE`). `stop` destroys every connection, with whatever runs on it.
 */
export function listenDual(handler: RequestHandler, host: string, port: number): Promise<Listening> {
  const http1 = createHttp1Server({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 }, handler);
  // A client that aborts many streams at once is a test here, not the attack that Node's limit is for.
  const http2 = createHttp2Server({ streamResetBurst: 1_000_000, streamResetRate: 1_000_000 }, (request, response) => {
    // Node's compatibility API gives both protocols the same requests and responses, but not the same types.
    handler(request as unknown as IncomingMessage, response as unknown as ServerResponse);
  });
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    handOverOnFirstBytes(socket, (isHttp2) => {
      // HTTP/1.1 answers a client that has closed its half; an HTTP/2 session
      // whose client did so would stay for ever, and its calls with it.
      socket.allowHalfOpen = !isHttp2;
      (isHttp2 ? http2 : http1).emit('connection', socket);
    });
  });
  const stop = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
      http1.close();
      http2.close();
    });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      const address = server.address();
      resolve({ port: typeof address === 'object' && address ? address.port : port, stop });
    });
  });
}

/**
 * Looks at the first bytes and puts them back. It must be `readable`, `read` and `unshift`: a `data` listener sets the
 * socket flowing, and the server that it is handed to misses what flows before it listens.
 */
function handOverOnFirstBytes(socket: Socket, handOver: (isHttp2: boolean) => void): void {
  let head = Buffer.alloc(0);
  const look = () => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    head = Buffer.concat([head, chunk]);
    if (head.length < DECIDING_BYTES) return;
    socket.off('readable', look);
    socket.off('end', goAway);
    socket.unshift(head);
    handOver(head.subarray(0, HTTP2_PREFACE.length).equals(HTTP2_PREFACE.subarray(0, head.length)));
  };
  // Half-open sockets do not close by themselves, and no server looks after this one yet.
  const goAway = () => socket.destroy();
  socket.on('readable', look);
  socket.on('end', goAway);
}
