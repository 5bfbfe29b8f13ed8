import { formatMs } from './format.js';
import { asProblem, nothing, showNote, statusNames } from './job-card.js';
import { isFinal, timingsOf } from './job-state.js';
import { showProblem } from './problem-view.js';
import { fromTemplate, setText } from './template-parts.js';

/** @typedef {import('./job-state.js').JobState} JobState */

/** What is said where the answer will be: a branch does not stream. @type {Record<string, string>} */
const waitingTexts = {
  sending: 'Not sent out yet',
  queued: 'Waiting for its turn',
  running: 'Being answered',
};

/** One branch of a fan-out, beside the others. */
export class BranchColumn {
  #part;
  /** @type {JobState | undefined} */
  #shown;

  constructor() {
    const { root, part } = fromTemplate('branch');
    this.root = root;
    this.#part = part;
  }

  /** @param {{ name: string, state: JobState, isOver: boolean, isWinner: boolean }} branch `isOver`: its fan-out has ended @param {number} nowMs */
  render({ name, state, isOver, isWinner }, nowMs) {
    const part = this.#part;
    const isUnsent = isOver && state.id === undefined;
    const { model, text, job, outputOmitted } = state;
    const status = isUnsent ? 'cancelled' : state.status;
    this.#shown = isUnsent ? undefined : state;
    this.root.dataset.status = status;
    this.root.dataset.winner = String(isWinner);
    setText(part('name'), name);
    part('name').title = model;
    setText(part('status'), statusNames[status]);
    part('chosen').hidden = !isWinner;
    const answer = part('answer');
    setText(answer, text);
    answer.dataset.waiting = isUnsent ? 'Never sent out' : waitingText(status);
    answer.hidden = text === '' && status === 'failed';
    // What scrolls must be within reach of the keyboard, and what does not is no stop on its way.
    answer.tabIndex = answer.scrollHeight > answer.clientHeight ? 0 : -1;
    const isWrong = isFinal(status) && status !== 'cancelled' && status !== 'succeeded';
    showProblem(part('problem'), isWrong && job?.error ? asProblem(job.error) : undefined);
    showNote(part('note'), { url: job?.outputUrl, outputOmitted });
    this.#showTime(nowMs);
  }

  /** Only the time, which goes on by itself. @param {number} nowMs */
  tick(nowMs) {
    if (this.#shown !== undefined && !isFinal(this.#shown.status)) this.#showTime(nowMs);
  }

  /** @param {number} nowMs */
  #showTime(nowMs) {
    const state = this.#shown;
    // A branch whose own job was never read has an end, but no times.
    const isKnown = state !== undefined && (!isFinal(state.status) || state.job?.timings !== undefined);
    setText(this.#part('time'), isKnown ? formatMs(timingsOf(state, nowMs).totalMs) : nothing);
  }
}

/** @param {string} status */
function waitingText(status) {
  return waitingTexts[status] ?? (status === 'cancelled' ? 'Stopped before it answered' : '');
}
