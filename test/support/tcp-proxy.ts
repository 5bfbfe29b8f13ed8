import { createServer, type Server, Socket } from 'node:net';
import { freePort } from './free-port.ts';

/**
 * What the other side does:
 * - `pass`: everything goes through.
 * - `refuse`: it is down. Connections there were are reset, new ones refused.
 * - `hang`: it is unreachable but connections stand, as behind a firewall that drops packets. New ones are accepted,
 *   nothing is answered, and a client that hangs up goes unnoticed. With `pass` all of them go on where they stopped.
 */
type ProxyMode = 'pass' | 'refuse' | 'hang';

export type TcpProxy = {
  url: string;
  port: number;
  mode(): ProxyMode;
  /** Resolves when it is in force. */
  setMode(mode: ProxyMode): Promise<void>;
  /** Client connections that are open now. */
  connections(): number;
  /** Closes everything. Safe to call twice. */
  stop(): Promise<void>;
};

/** `upstream` is undefined as long as a connection was only accepted (`hang`); `flows` while bytes go both ways. */
type Pair = { client: Socket; upstream: Socket | undefined; flows: boolean };

/** Starts a proxy on 127.0.0.1 in front of `target` (`http://host:port`, whatever is spoken there), in mode `pass`. */
export async function startTcpProxy({ target }: { target: string }): Promise<TcpProxy> {
  const { hostname, port: targetPort } = new URL(target);
  const port = await freePort();
  const pairs = new Set<Pair>();
  let mode: ProxyMode = 'pass';

  const accept = (client: Socket): void => {
    const pair: Pair = { client, upstream: undefined, flows: false };
    pairs.add(pair);
    client.on('error', () => undefined);
    client.once('close', () => {
      pairs.delete(pair);
      pair.upstream?.destroy();
    });
    if (mode === 'pass') join(pair, hostname, Number(targetPort));
  };
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, accept);
  await listen(server, port);

  const setMode = async (wanted: ProxyMode): Promise<void> => {
    mode = wanted;
    if (wanted === 'refuse') return close(server, pairs);
    if (!server.listening) await listen(server, port);
    for (const pair of pairs) {
      if (wanted === 'hang') part(pair);
      else join(pair, hostname, Number(targetPort));
    }
  };
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    mode: () => mode,
    setMode,
    connections: () => pairs.size,
    stop: () => close(server, pairs),
  };
}

/** Connects where that is still to be done, and lets the bytes flow both ways. */
function join(pair: Pair, host: string, port: number): void {
  if (pair.flows) return;
  pair.flows = true;
  pair.upstream ??= connect(pair.client, host, port);
  pair.client.pipe(pair.upstream);
  pair.upstream.pipe(pair.client);
}

/** Stops reading both ways: what is in flight stays in the system's buffers. */
function part(pair: Pair): void {
  const { client, upstream } = pair;
  if (!upstream || !pair.flows) return;
  pair.flows = false;
  client.unpipe(upstream).pause();
  upstream.unpipe(client).pause();
}

function connect(client: Socket, host: string, port: number): Socket {
  const upstream = new Socket({ allowHalfOpen: true });
  // The client has to see a reset, not an orderly end that it could take for an answer.
  upstream.on('error', () => client.resetAndDestroy());
  // After an orderly end the client still gets what is written; anything else is a cut.
  upstream.once('close', () => client.writableEnded || client.destroy());
  return upstream.connect(port, host);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function close(server: Server, pairs: ReadonlySet<Pair>): Promise<void> {
  const closed = server.listening ? new Promise((resolve) => server.close(resolve)) : undefined;
  for (const { client, upstream } of pairs) {
    client.resetAndDestroy();
    upstream?.destroy();
  }
  await closed;
}
