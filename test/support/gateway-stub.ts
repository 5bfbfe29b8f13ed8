import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface GatewayStub {
  /** For CONNECTIONS_ENDPOINT. */
  url: string;
  /** Frames that were posted to a connection, in order. */
  frames(connectionId: string): Record<string, unknown>[];
  /** From now on the connection is gone: 410. */
  hangUp(connectionId: string): void;
  /** Posts that were refused because the connection was gone. */
  refused(): number;
  stop(): Promise<void>;
}

/** API Gateway's management API for WebSocket connections, as far as posting goes: `POST /@connections/{id}`, 410 when gone. */
export async function startGatewayStub(): Promise<GatewayStub> {
  const posted = new Map<string, Record<string, unknown>[]>();
  const gone = new Set<string>();
  let refused = 0;
  const server = createServer(async (request, response) => {
    const id = /^\/@connections\/([^/?]+)$/.exec(decodeURIComponent(request.url ?? ''))?.[1];
    const body = await text(request);
    if (request.method !== 'POST' || id === undefined) return response.writeHead(404).end();
    if (gone.has(id)) {
      refused += 1;
      return response.writeHead(410, { 'x-amzn-errortype': 'GoneException' }).end('{}');
    }
    const frames = posted.get(id) ?? [];
    frames.push(JSON.parse(body) as Record<string, unknown>);
    posted.set(id, frames);
    return response.writeHead(200).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    frames: (id) => posted.get(id) ?? [],
    hangUp: (id) => void gone.add(id),
    refused: () => refused,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
