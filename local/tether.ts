import process from 'node:process';

/** What a mode may take for its own stop once it is alone; then it ends the hard way. */
const FORCE_AFTER_MS = 10_000;

/**
 * Loaded before a process's own code (`node --import ./local/tether.ts src/main.ts api`): stops the process when the one
 * that started it is gone, `kill -9` included, because then the IPC channel between them closes. It acts only where
 * there is such a channel, and does not keep the process alive.
 */
if (process.channel) {
  process.once('disconnect', () => {
    process.kill(process.pid, 'SIGTERM');
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), FORCE_AFTER_MS).unref();
  });
  process.channel.unref();
}
