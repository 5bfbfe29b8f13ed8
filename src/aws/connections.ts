import { Agent, request } from 'node:http';
import { signMessage } from '../core/fleet-signature.ts';
import type { Logger } from '../runtime/logger.ts';
import type { Metrics } from '../runtime/metrics.ts';
import { type GatewayPost, gatewayConnection, type PushResult } from './gateway-connections.ts';

/**
 * The way between processes: frames are posted to `/@connections/{id}` of whoever waits for them, as API Gateway's own
 * management API takes them, over kept-alive connections. An address is `<instance id>@<host>:<port>`.
 *
 * A push is a hint, the store is the truth: nothing here is retried for long, and what does not fit is dropped, pieces
 * of text first. What is lost is found by the slow re-read.
 */
export interface Connections {
  /** Hands a frame over to be posted; never throws and never waits. */
  post(address: string, frame: PostedFrame): void;
  /** Resolves when all that was handed over has been posted, dropped, or has run out of time. */
  flush(): Promise<void>;
  stop(): void;
}

/** A frame as JSON object; `isText` ones may be dropped when the receiver does not keep up. */
export interface PostedFrame {
  json: object;
  isText: boolean;
}

/** Frames that wait for one instance; above it text is dropped, above twice that everything. */
const mostWaiting = 2_000;
/** Frames of one request: they share it, so that many short frames cost few requests. */
const mostTogether = 200;
/** And their size: the receiver refuses more than 4 MB. */
const mostBytesTogether = 1024 * 1024;
/** A receiver within the same network answers within milliseconds; one that does not is dead or stopped. */
const timeoutMs = 2_000;
/** After a failure nothing is tried for so long: the frames of that time are dropped. */
const pauseMs = 1_000;

interface Peer {
  waiting: { line: string; isText: boolean }[];
  sending: Promise<void> | undefined;
  pausedUntilMs: number;
}

export interface ConnectionsOptions {
  secrets: readonly string[];
  /** Takes the frames of addresses that are connections of API Gateway; without it they are dropped. */
  gateway?: GatewayPost | undefined;
  metrics: Metrics;
  logger: Logger;
  now: () => number;
}

/** Posts signed frames; the first secret signs. */
export function createConnections({ secrets, gateway, metrics, logger, now }: ConnectionsOptions): Connections {
  const agent = new Agent({ keepAlive: true, maxSockets: 4, timeout: timeoutMs });
  const peers = new Map<string, Peer>();

  const postTo = async (address: string, lines: readonly string[]): Promise<PushResult> => {
    const connectionId = gatewayConnection(address);
    if (connectionId === undefined) return await postLines(agent, secrets[0] as string, address, lines, now());
    return gateway === undefined ? 'failed' : await gateway(connectionId, lines);
  };

  const send = async (address: string, peer: Peer): Promise<void> => {
    while (peer.waiting.length > 0) {
      const lines = takeSome(peer.waiting);
      const startedAt = performance.now();
      const result = await postTo(address, lines);
      metrics.pushSeconds.observe((performance.now() - startedAt) / 1000);
      metrics.pushes.inc({ result }, lines.length);
      if (result === 'sent') continue;
      logger.debug({ address, result, frames: lines.length }, 'a push was lost');
      metrics.pushes.inc({ result: 'dropped' }, peer.waiting.length);
      peer.waiting = [];
      peer.pausedUntilMs = now() + pauseMs;
    }
  };

  return {
    post(address, { json, isText }) {
      let peer = peers.get(address);
      if (peer === undefined) {
        peer = { waiting: [], sending: undefined, pausedUntilMs: 0 };
        peers.set(address, peer);
      }
      const room = isText ? mostWaiting : 2 * mostWaiting;
      if (now() < peer.pausedUntilMs || peer.waiting.length >= room)
        return void metrics.pushes.inc({ result: 'dropped' });
      peer.waiting.push({ line: JSON.stringify(json), isText });
      const own = peer;
      // In a microtask, so that frames of the same moment go together.
      peer.sending ??= Promise.resolve()
        .then(() => send(address, own))
        .finally(() => {
          own.sending = undefined;
          if (own.waiting.length === 0 && now() >= own.pausedUntilMs) peers.delete(address);
        });
    },
    async flush() {
      await Promise.all([...peers.values()].map((peer) => peer.sending));
    },
    stop: () => agent.destroy(),
  };
}

function takeSome(waiting: Peer['waiting']): string[] {
  let bytes = 0;
  let count = 0;
  while (count < waiting.length && count < mostTogether && (count === 0 || bytes < mostBytesTogether)) {
    bytes += (waiting[count] as { line: string }).line.length;
    count += 1;
  }
  return waiting.splice(0, count).map(({ line }) => line);
}

/** One request of several frames, a JSON line each. */
function postLines(
  agent: Agent,
  secret: string,
  address: string,
  lines: readonly string[],
  timeMs: number,
): Promise<PushResult> {
  const [instanceId = '', authority = ''] = address.split('@');
  const path = `/@connections/${encodeURIComponent(instanceId)}`;
  const body = lines.join('\n');
  const headers = {
    'content-type': 'application/x-ndjson',
    'content-length': Buffer.byteLength(body),
    'x-penstock-time': String(timeMs),
    'x-penstock-signature': signMessage(secret, { timeMs, instanceId, path, body }),
  };
  const url = `http://${authority}${path}`;
  // A process that advertises something that is no host must not bring down whoever wants to tell it of a job.
  if (!URL.canParse(url)) return Promise.resolve('failed');
  return new Promise((resolve) => {
    const call = request(url, { method: 'POST', agent, headers, timeout: timeoutMs }, (response) => {
      response.resume();
      response.on('end', () =>
        resolve(response.statusCode === 200 ? 'sent' : response.statusCode === 410 ? 'gone' : 'failed'),
      );
      response.on('error', () => resolve('failed'));
    });
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', () => resolve('failed'));
    call.end(body);
  });
}
