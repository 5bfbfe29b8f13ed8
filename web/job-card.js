import { CardActions } from './card-actions.js';
import { formatCost, formatCount, formatMs } from './format.js';
import { isFinal, timingsOf } from './job-state.js';
import { showProblem } from './problem-view.js';
import { fromTemplate, setText } from './template-parts.js';

/** @typedef {import('./job-state.js').JobState} JobState */

export const statusNames = {
  sending: 'Sending',
  queued: 'Queued',
  running: 'Running',
  succeeded: 'Succeeded',
  failed: 'Failed',
  cancelled: 'Cancelled',
  expired: 'Expired',
  gone: 'Gone',
};

/** What is said where the answer will be. @type {Record<string, string>} */
const waitingTexts = {
  sending: 'On its way to the server',
  queued: 'Waiting for its turn',
  running: 'Waiting for the first token',
};

/** Stands where there is no number yet, or never will be. */
export const nothing = '–';
/** Who has scrolled to the end, give or take a line, stays there as text comes in. */
const nearEndPx = 24;

/** The card of one job: everything in it is text, whatever a prompt or a model says. */
export class JobCard {
  #part;
  #actions;
  #answer;
  #answerText = document.createTextNode('');
  /** @type {JobState | undefined} */
  #shown;

  /** @param {import('./card-actions.js').CardOptions} options */
  constructor(options) {
    const { root, part } = fromTemplate('job-card');
    this.root = root;
    this.#part = part;
    this.#answer = part('answer');
    this.#answer.append(this.#answerText);
    this.#actions = new CardActions(part, { ...options, text: () => this.#answerText.data, shownIn: this.#answer });
  }

  /** Shows the job as it stands. @param {JobState} state @param {number} nowMs */
  render(state, nowMs) {
    const { id, status, job, model, priority, prompt, text } = state;
    this.#shown = state;
    this.root.dataset.status = status;
    this.#write('status', statusNames[status]);
    this.#write('lane', job?.lane ?? model);
    this.#part('lane').title = model;
    this.#write('priority', priority === 'normal' ? '' : `${priority} priority`);
    this.#write('prompt', prompt || `Job ${id}`);
    this.#part('prompt').title = prompt;
    this.#actions.render(state, text !== '');
    this.#showText(text);
    this.#answer.hidden = text === '' && isFinal(status);
    this.#answer.dataset.waiting = waitingTexts[status] ?? '';
    this.#showTimes(state, nowMs);
    this.#showEnd(state);
  }

  /** Only the times, which go on by themselves. @param {number} nowMs */
  tick(nowMs) {
    if (this.#shown !== undefined && !isFinal(this.#shown.status)) this.#showTimes(this.#shown, nowMs);
  }

  allowButtons() {
    this.#actions.allowButtons();
  }

  /** @param {string} name @param {string} text */
  #write(name, text) {
    setText(this.#part(name), text);
  }

  /** Adds what is new at the end; writes all of it only where the text changed otherwise. @param {string} text */
  #showText(text) {
    const answer = this.#answer;
    const isAtEnd = answer.scrollHeight - answer.scrollTop - answer.clientHeight < nearEndPx;
    const before = this.#answerText.data;
    if (text === before) return;
    if (text.startsWith(before)) this.#answerText.appendData(text.slice(before.length));
    else this.#answerText.data = text;
    // What scrolls must be within reach of the keyboard, and what does not is no stop on its way.
    answer.tabIndex = answer.scrollHeight > answer.clientHeight ? 0 : -1;
    if (isAtEnd) answer.scrollTop = answer.scrollHeight;
  }

  /** @param {JobState} state @param {number} nowMs */
  #showTimes(state, nowMs) {
    const { queuedMs, firstTokenMs, modelMs, totalMs } = timingsOf(state, nowMs);
    const isRun = modelMs !== undefined && (modelMs > 0 || !isFinal(state.status));
    const firstMs = isRun ? Math.min(firstTokenMs ?? modelMs, modelMs) : 0;
    this.#write('queued', formatMs(queuedMs));
    this.#write('first', firstTokenMs === undefined ? nothing : formatMs(firstTokenMs));
    this.#write('model-time', isRun ? formatMs(modelMs) : nothing);
    this.#write('total', formatMs(totalMs));
    this.#grow('flow-queued', queuedMs);
    this.#grow('flow-first', firstMs);
    this.#grow('flow-rest', isRun ? modelMs - firstMs : 0);
  }

  /** @param {string} name @param {number} share */
  #grow(name, share) {
    this.#part(name).style.flexGrow = String(share);
  }

  /** @param {JobState} state */
  #showEnd({ job, status, outputOmitted }) {
    const { usage, costUsd, attempts, error, outputUrl } = job ?? {};
    const isOver = isFinal(status);
    // Who cancelled knows.
    const isWrong = isOver && status !== 'cancelled';
    this.#write('tokens', tokensText(usage));
    this.#write('cost', costUsd === undefined ? nothing : formatCost(costUsd));
    this.#write('attempts', isOver && attempts !== undefined ? String(attempts) : nothing);
    const gone = status === 'gone' ? { title: 'The server has no such job any more' } : undefined;
    showProblem(this.#part('problem'), isWrong && error ? asProblem(error) : gone);
    showNote(this.#part('note'), { url: outputUrl, outputOmitted });
  }
}

/** @param {import('./job-state.js').Job['usage']} usage */
export function tokensText(usage) {
  return usage ? `${formatCount(usage.inputTokens)} in, ${formatCount(usage.outputTokens)} out` : nothing;
}

/** @param {{ code: string, message: string, retryable: boolean }} error */
export function asProblem({ code, message, retryable }) {
  return { title: message, detail: retryable ? `${code}: the same job may succeed when it is tried again` : code };
}

/** An answer too large to be sent along. @param {HTMLElement} note @param {{ url: string | undefined, outputOmitted: boolean }} of */
export function showNote(note, { url, outputOmitted }) {
  const isLink = url !== undefined && /^https?:/.test(url);
  note.hidden = !isLink && !outputOmitted;
  if (note.hidden) return;
  const reading = 'The answer is large; reading it.';
  note.replaceChildren(...(isLink ? [linkTo(url), ', which is too large to be shown here.'] : [reading]));
}

/** @param {string} url */
function linkTo(url) {
  const link = document.createElement('a');
  link.href = url;
  link.target = '_blank';
  link.rel = 'noopener noreferrer';
  link.textContent = 'Open the whole answer';
  return link;
}
