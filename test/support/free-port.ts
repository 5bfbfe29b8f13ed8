import { randomInt } from 'node:crypto';
import { listenProblem } from '../../local/ports.ts';

/**
 * Below 32768, where Linux begins to draw the ports of outgoing connections (macOS: 49152): from the system's own range
 * a port could be taken by any connection between asking for it and listening, or while a process is being restarted.
 */
const FIRST = 20_000;
const LAST = 32_000;

const given = new Set<number>();

/** A port on 127.0.0.1 that nobody listens on, never given twice by this process. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST);
    if (given.has(port)) continue;
    given.add(port);
    if ((await listenProblem(port, '127.0.0.1')) === undefined) return port;
  }
}
