import { once } from 'node:events';

type Start = (options: { port: number; dataDir: string | undefined }) => Promise<{ stop(): Promise<void> }>;

/**
 * The life of an emulator's process: starts it on the port of the first argument (state in the directory of the second,
 * else in memory) and stops it on SIGTERM or SIGINT, so that what is on disk is closed and not cut off.
 */
export async function serveUntilStopped(argv: readonly string[], start: Start): Promise<void> {
  const [, , port, dataDir] = argv;
  const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  const server = await start({ port: Number(port), dataDir });
  await stopped;
  await server.stop();
}
