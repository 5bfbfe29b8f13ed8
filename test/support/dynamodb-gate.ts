import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { freePort } from './free-port.ts';

/** One request to DynamoDB and what it answered, as JSON on the wire. */
export type DynamodbExchange = {
  /** `UpdateItem`, `GetItem`. */
  operation: string;
  request: Record<string, unknown>;
  answer: Record<string, unknown>;
};

export type DynamodbGate = {
  url: string;
  /**
   * From the next exchange that fits on, nobody gets an answer any more: DynamoDB has carried that one out, its client
   * does not know. Resolves with that exchange.
   */
  closeAfter(fits: (exchange: DynamodbExchange) => boolean): Promise<DynamodbExchange>;
  /** Cuts whoever waits, and lets everything through again. */
  open(): void;
  stop(): Promise<void>;
};

/**
 * A proxy in front of DynamoDB that can cut a client off right after one of its writes: the point between two steps of a
 * process, at which it is then killed. Passes everything on until it is told otherwise.
 */
export async function startDynamodbGate({ target }: { target: string }): Promise<DynamodbGate> {
  const agent = new Agent({ keepAlive: true });
  const waiting = new Set<ServerResponse>();
  let isClosed = false;
  let armed: { fits(exchange: DynamodbExchange): boolean; hit(exchange: DynamodbExchange): void } | undefined;

  const server = createServer(async (incoming, outgoing) => {
    try {
      if (isClosed) return void waiting.add(outgoing);
      const body = await text(incoming);
      const answer = await pass(target, agent, incoming, body);
      const operation = String(incoming.headers['x-amz-target'] ?? '').split('.')[1] ?? '';
      const exchange = { operation, request: parse(body), answer: parse(answer.body) };
      if (answer.status === 200 && armed?.fits(exchange)) {
        isClosed = true;
        armed.hit(exchange);
        armed = undefined;
      }
      if (isClosed) return void waiting.add(outgoing);
      outgoing.writeHead(answer.status, answer.headers).end(answer.body);
    } catch {
      outgoing.destroy();
    }
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${port}`,
    closeAfter: (fits) =>
      new Promise((resolve) => {
        armed = { fits, hit: resolve };
      }),
    open() {
      isClosed = false;
      for (const outgoing of waiting) outgoing.destroy();
      waiting.clear();
    },
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      agent.destroy();
      await closed;
    },
  };
}

type Passed = { status: number; headers: IncomingMessage['headers']; body: string };

function pass(target: string, agent: Agent, { method, url, headers }: IncomingMessage, body: string): Promise<Passed> {
  return new Promise((resolve, reject) => {
    const options = { method, path: url, headers, agent };
    const outgoing = request(target, options as object);
    outgoing.once('error', reject);
    outgoing.once('response', async (response) => {
      try {
        const answered = await text(response);
        const { connection: _, 'keep-alive': __, 'transfer-encoding': ___, ...rest } = response.headers;
        resolve({
          status: response.statusCode ?? 502,
          headers: { ...rest, 'content-length': String(Buffer.byteLength(answered)) },
          body: answered,
        });
      } catch (error) {
        reject(error);
      }
    });
    outgoing.end(body);
  });
}

function parse(body: string): Record<string, unknown> {
  try {
    return JSON.parse(body) as Record<string, unknown>;
  } catch {
    return {};
  }
}
