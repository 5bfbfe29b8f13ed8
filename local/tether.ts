import process from 'node:process';
import { Worker } from 'node:worker_threads';

/** What a mode may take for its own stop once it is alone; the same that Ctrl-C would grant it. */
const FORCE_AFTER_MS = 5_000;

/**
 * Loaded before a process's own code (`node --import ./local/tether.ts src/main.ts api`): stops the process when the one
 * that started it is gone, `kill -9` included, because then the IPC channel between them closes. It acts only where
 * there is such a channel, and does not keep the process alive.
 */
if (process.channel) {
  process.once('disconnect', () => {
    forceLater();
    process.kill(process.pid, 'SIGTERM');
  });
  process.channel.unref();
}

/**
 * In a thread of its own, because the main one may be the one that is stuck: nobody reads its output any more, and
 * sonic-boom 4, flushing pino's last lines in an `exit` handler, tries again for ever on a broken pipe.
 */
function forceLater(): void {
  const kill = `setTimeout(() => process.kill(${process.pid}, 'SIGKILL'), ${FORCE_AFTER_MS})`;
  new Worker(kill, { eval: true, execArgv: [] }).unref();
}
