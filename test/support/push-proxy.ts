import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';

/**
 * What becomes of the posts between processes:
 * - `pass`: they go through.
 * - `refuse`: each is answered 500.
 * - `silent`: none is answered.
 */
type PushMode = 'pass' | 'refuse' | 'silent';

export type PushProxy = {
  setMode(mode: PushMode): void;
  /** Posts that went through, and posts that did not. */
  passed(): number;
  lost(): number;
  stop(): Promise<void>;
};

/** A second loopback address: a process is told of under it, and listens on 127.0.0.1. Linux has all of 127/8. */
export const proxyHost = '127.0.0.2';

/**
 * Stands between the fleet and the ops port of a process that was started with `PENSTOCK_ADVERTISE` as `proxyHost`: the
 * same port on another address. Rejects where that address does not exist (EADDRNOTAVAIL).
 */
export async function startPushProxy(opsUrl: string, mode: PushMode = 'pass'): Promise<PushProxy> {
  const { port } = new URL(opsUrl);
  let now = mode;
  let passed = 0;
  let lost = 0;
  const server = createServer((incoming, outgoing) => {
    if (now === 'pass') {
      passed += 1;
      return forward(opsUrl, incoming, outgoing);
    }
    lost += 1;
    incoming.resume();
    if (now === 'refuse') outgoing.writeHead(500).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(Number(port), proxyHost, resolve);
  });
  return {
    setMode: (wanted) => {
      now = wanted;
    },
    passed: () => passed,
    lost: () => lost,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

function forward(opsUrl: string, incoming: IncomingMessage, outgoing: ServerResponse): void {
  const { method, headers, url } = incoming;
  const onward = request(`${opsUrl}${url}`, { method, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  onward.on('error', () => outgoing.destroy());
  incoming.pipe(onward);
}
