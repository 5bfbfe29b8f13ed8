import { createServer } from 'node:net';
import { LocalStartError, type PortVariable } from './settings.ts';

/** Throws a LocalStartError that names the first port somebody else listens on, and the variable that moves it. */
export async function assertPortsFree(
  wanted: readonly { variable: PortVariable; port: number; host: string }[],
): Promise<void> {
  for (const { variable, port, host } of wanted) {
    const problem = await listenProblem(port, host);
    if (problem === 'EADDRINUSE') {
      throw new LocalStartError(`port ${port} is already in use; set ${variable} to another port`);
    }
    if (problem !== undefined) {
      throw new LocalStartError(`cannot listen on ${host}:${port} (${problem}); set ${variable} to another port`);
    }
  }
}

/** The system's error code (`EADDRINUSE`, `EACCES`) of listening on the port, or undefined where it can be had. */
export function listenProblem(port: number, host: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    probe.listen(port, host, () => probe.close(() => resolve(undefined)));
  });
}
