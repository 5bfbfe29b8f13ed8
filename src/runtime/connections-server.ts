import type { IncomingMessage } from 'node:http';
import { checkSignature, signatureWindowMs } from '../core/fleet-signature.ts';

/** The receiving end of `/@connections/{id}`, on the ops port: checks who sends, and hands the frames over. */
export interface ConnectionsHandler {
  /** Answers one POST: 200, 401 (not signed by the fleet), 410 (not this instance), 413. */
  handle(request: IncomingMessage, path: string): Promise<number>;
}

/** Two requests of a peer's coalesced frames, and room to spare. */
const mostBytes = 4 * 1024 * 1024;

/**
 * @param options.instanceId the name under which this process is told of things; anything else is 410, because addresses
 * are used again by other tasks
 * @param options.onLine called with each line (a JSON text) of a good message
 */
export function createConnectionsHandler(options: {
  instanceId: string;
  secrets: readonly string[];
  now: () => number;
  onLine: (line: string) => void;
}): ConnectionsHandler {
  const { instanceId, secrets, now, onLine } = options;
  const seen = createReplayGuard(now);
  return {
    async handle(request, path) {
      const body = await readBody(request);
      if (body === undefined) return 413;
      const signature = String(request.headers['x-penstock-signature'] ?? '');
      const timeMs = Number(request.headers['x-penstock-time'] ?? Number.NaN);
      const named = decodeId(path);
      const check = checkSignature(secrets, { timeMs, instanceId: named, path, body }, signature, now());
      if (check !== 'good' || !seen.isNew(signature)) return 401;
      if (named !== instanceId) return 410;
      for (const line of body.split('\n')) onLine(line);
      return 200;
    },
  };
}

function decodeId(path: string): string {
  try {
    return decodeURIComponent(path.slice('/@connections/'.length));
  } catch {
    return '';
  }
}

/** Signatures of the last two windows: a message that was seen is refused until it is too old anyway. */
function createReplayGuard(now: () => number) {
  let current = new Set<string>();
  let before = new Set<string>();
  let turnAt = now() + 2 * signatureWindowMs;
  return {
    isNew(signature: string): boolean {
      if (now() >= turnAt) {
        before = current;
        current = new Set();
        turnAt = now() + 2 * signatureWindowMs;
      }
      if (current.has(signature) || before.has(signature)) return false;
      current.add(signature);
      return true;
    },
  };
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length;
    if (bytes > mostBytes) return undefined;
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString();
}
