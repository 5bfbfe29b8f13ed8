import { logFormatter } from './log-lines.ts';
import { modes } from './modes.ts';
import { runLocal } from './run-local.ts';

/** `npm start`: everything on one machine. Ctrl-C once stops it; more of it, or npm passing it on, changes nothing. */
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
// `npm start | head` closes the pipe: nobody reads any more, so there is nobody to run for.
process.stdout.on('error', () => stop.abort());

const nameWidth = Math.max(...[...modes, 'provision'].map((name) => name.length));
const format = logFormatter({ colour: process.stdout.isTTY, nameWidth });

process.exitCode = await runLocal({
  env: process.env,
  stopRequested: stop.signal,
  log: (name, line) => process.stdout.write(format(name, line)),
  say: (line) => process.stdout.write(`${line}\n`),
});
