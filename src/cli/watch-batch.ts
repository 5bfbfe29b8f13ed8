import { summaryLines } from './batch-text.ts';
import type { BatchView } from './batch-view.ts';
import { followBatch } from './follow-batch.ts';
import { createProgressView } from './progress-view.ts';
import type { Server } from './server.ts';
import { print, say, type Terminal } from './terminal.ts';

/** As a shell reports a process that SIGINT ended. */
export const interruptedCode = 130;

/**
 * Shows a batch until its end, then what came of it. Ctrl-C only ends the watching.
 * Resolves with the exit code: 0 for a batch that succeeded, 1 for one that did not, 130 after Ctrl-C. Throws CliError
 */
export async function watchBatch(server: Server, batchId: string, terminal: Terminal): Promise<number> {
  const leaving = new AbortController();
  const onSignal = (): void => leaving.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  const progress = createProgressView(terminal);
  let last: BatchView | undefined;
  try {
    for await (const heard of followBatch(server, batchId, leaving.signal)) {
      if ('away' in heard) progress.note(`${heard.away}; trying again`);
      else {
        last = heard.view;
        progress.show(heard.view);
      }
    }
  } catch (error) {
    if (!leaving.signal.aborted) throw error;
  } finally {
    progress.close();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
  if (leaving.signal.aborted) {
    say(terminal, 'The batch goes on without you. To come back:');
    say(terminal, `  penstock batch status ${batchId} --watch`);
    return interruptedCode;
  }
  if (last === undefined) return 1;
  for (const line of summaryLines(last)) print(terminal, line);
  return last.status === 'succeeded' ? 0 : 1;
}
