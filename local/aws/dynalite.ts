import type { Server } from 'node:http';
import type { Socket } from 'node:net';
// @ts-expect-error dynalite ships no types; the shape that is used of it stands below.
import untyped from 'dynalite';

type Dynalite = (options: {
  path?: string;
  createTableMs: number;
  deleteTableMs: number;
  updateTableMs: number;
  maxItemSizeKb: number;
}) => Server;

export type DynaliteOptions = {
  /** 0 lets the system choose one. */
  port: number;
  host?: string;
  /** Where the LevelDB store lives; without it everything is in memory. */
  dataDir?: string | undefined;
};

/**
 * Starts DynamoDB on one port; health is `GET /`. Rejects with the system's error (`EADDRINUSE`) when the port is taken.
 * Tables are ready at once (DynamoDB's seconds of CREATING would only delay the start); an item may have DynamoDB's 400 KB.
 */
export async function startDynalite(options: DynaliteOptions): Promise<{ port: number; stop(): Promise<void> }> {
  const server = (untyped as Dynalite)({
    createTableMs: 0,
    deleteTableMs: 0,
    updateTableMs: 0,
    maxItemSizeKb: 400,
    ...(options.dataDir === undefined ? {} : { path: options.dataDir }),
  });
  // Its close waits for every connection, and the SDK keeps idle ones open for as long as its process lives.
  const connections = new Set<Socket>();
  server.on('connection', (connection: Socket) => {
    connections.add(connection);
    connection.once('close', () => connections.delete(connection));
  });
  // dynalite throws, and so ends its process, when a client is cut off in the middle of a request: ours are killed on purpose.
  server.on('request', (request, response) => {
    request.removeAllListeners('error');
    request.on('error', () => response.destroy());
  });
  // Node closes an idle connection after 5 s, at times just when the SDK sends on it.
  server.keepAliveTimeout = 72_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host ?? '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as { port: number }).port,
    stop: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        for (const connection of connections) connection.destroy();
      }),
  };
}
