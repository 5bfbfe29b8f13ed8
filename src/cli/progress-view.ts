import cliProgress from 'cli-progress';
import { progressLine, progressOf } from './batch-text.ts';
import { type BatchView, endedRecords } from './batch-view.ts';
import { harmless, say, type Terminal } from './terminal.ts';

/** How a batch's progress is shown while it is watched. On stderr: stdout belongs to what a script may want. */
export interface ProgressView {
  show(view: BatchView): void;
  /** Something to tell beside it, such as a server that is away. */
  note(text: string): void;
  /** Gives the terminal back. */
  close(): void;
}

/** A bar for a person, a plain line now and then for a log. */
export function createProgressView(terminal: Terminal): ProgressView {
  return terminal.stderr.isTTY ? barView(terminal) : lineView(terminal);
}

const separator = ' | ';

function barView({ stderr }: Terminal): ProgressView {
  const bar = new cliProgress.SingleBar({
    stream: stderr,
    format: '{bar} {percentage}% | {records}{rest}',
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    hideCursor: true,
    linewrap: false,
    // 0 of 0 is not all of it.
    emptyOnZero: true,
    // What Ctrl-C means is decided by the command.
    gracefulExit: false,
  });
  let shown: BatchView | undefined;
  const payload = (note: string) => {
    if (shown === undefined) return { records: '', rest: note };
    const { doing, ...numbers } = progressOf(shown, Date.now());
    const { total, failed } = shown.counts;
    const parts = [failed === 0 ? '' : `${failed} failed`, ...Object.values(numbers), doing, note];
    const rest = parts.filter((part) => part !== '').map((part) => `${separator}${harmless(part)}`);
    return { records: `${endedRecords(shown)}${total === undefined ? '' : `/${total}`} records`, rest: rest.join('') };
  };
  const render = (note: string): void => {
    if (!bar.isActive) bar.start(0, 0, payload(note));
    bar.setTotal(shown?.counts.total ?? 0);
    bar.update(shown === undefined ? 0 : endedRecords(shown), payload(note));
  };
  return {
    show: (view) => {
      shown = view;
      render('');
    },
    note: render,
    close: () => bar.stop(),
  };
}

/** A log of a day's batch must stay readable. */
const lineEveryMs = 5_000;

function lineView(terminal: Terminal): ProgressView {
  let saidAtMs = Number.NEGATIVE_INFINITY;
  let status = '';
  let noted = '';
  return {
    show: (view) => {
      const nowMs = Date.now();
      if (view.status === status && noted === '' && nowMs - saidAtMs < lineEveryMs) return;
      status = view.status;
      noted = '';
      saidAtMs = nowMs;
      say(terminal, progressLine(view, nowMs));
    },
    note: (text) => {
      if (text === noted) return;
      noted = text;
      say(terminal, text);
    },
    close: () => undefined,
  };
}
