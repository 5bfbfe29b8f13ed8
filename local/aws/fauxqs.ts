import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { FastifyInstance } from 'fastify';
import { startFauxqs as startServer } from 'fauxqs';
import { bucketNotifications } from './bucket-notifications.ts';
import { returnUndeliveredMessages } from './undelivered-messages.ts';

export type FauxqsOptions = {
  /** 0 lets the system choose one. */
  port: number;
  host?: string;
  /** Where state survives restarts (SQLite); without it everything is in memory. */
  dataDir?: string | undefined;
};

/**
 * Starts SQS, SNS and S3 on one port; health is `GET /health`, and `GET /_fauxqs/queues` counts each queue's messages.
 * Rejects with the system's error (`EADDRINUSE`) when the port is taken.
 *
 * fauxqs listens on 0.0.0.0 and has no option for it, which would open a store without authentication to the whole
 * network. Fastify announces each instance on its diagnostics channel before anything listens; there we bind it to
 * loopback and add what fauxqs lacks.
 */
export async function startFauxqs(options: FauxqsOptions): Promise<{ port: number; stop(): Promise<void> }> {
  const host = options.host ?? '127.0.0.1';
  const notifications = bucketNotifications();
  const adapt = (message: unknown): void => {
    const { fastify } = message as { fastify: FastifyInstance };
    const listen = fastify.listen.bind(fastify) as (options: { port?: number; host?: string }) => Promise<string>;
    Object.assign(fastify, { listen: (asked: { port?: number }) => listen({ ...asked, host }) });
    returnUndeliveredMessages(fastify);
    notifications.adapt(fastify);
  };
  subscribe('fastify.initialization', adapt);
  const dataDir = options.dataDir === undefined ? {} : { dataDir: options.dataDir };
  const starting = startServer({ port: options.port, logger: false, messageSpies: { bufferSize: 1 }, ...dataDir });
  // Its instance exists as soon as the call returns: whatever Fastify is made after it is not ours to adapt.
  unsubscribe('fastify.initialization', adapt);
  const server = await starting;
  notifications.watch(server);
  return { port: server.port, stop: () => server.stop() };
}
