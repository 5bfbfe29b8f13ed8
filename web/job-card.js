import { copyOnClick } from './copy-text.js';
import { curlLine, formatCost, formatCount, formatMs } from './format.js';
import { isFinal, timingsOf } from './job-state.js';
import { showProblem } from './problem-view.js';
import { fromTemplate, setText } from './template-parts.js';

/** @typedef {import('./job-state.js').JobState} JobState */

const statusNames = {
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
const nothing = '–';
/** Who has scrolled to the end, give or take a line, stays there as text comes in. */
const nearEndPx = 24;

/** The card of one job: everything in it is text, whatever a prompt or a model says. */
export class JobCard {
  #key;
  #part;
  #answer;
  #answerText = document.createTextNode('');
  /** @type {JobState | undefined} */
  #shown;

  /** @param {{ key: () => string, onCancel: () => void, onRetry: () => void }} options */
  constructor({ key, onCancel, onRetry }) {
    const { root, part } = fromTemplate('job-card');
    this.root = root;
    this.#key = key;
    this.#part = part;
    this.#answer = part('answer');
    this.#answer.append(this.#answerText);
    copyOnClick(part('copy'), () => this.#answerText.data, this.#answer);
    copyOnClick(part('copy-curl'), () => this.#curl(), part('curl'));
    // The key may have changed since.
    part('details').addEventListener('toggle', () => this.#write('curl', this.#curl()));
    this.#onPress('cancel', onCancel);
    this.#onPress('retry', onRetry);
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
    this.#write('id', id ?? '');
    this.#write('curl', this.#curl());
    this.#part('details').hidden = id === undefined;
    this.#showText(text);
    this.#answer.hidden = text === '' && isFinal(status);
    this.#part('copy').hidden = text === '';
    this.#answer.dataset.waiting = waitingTexts[status] ?? '';
    this.#part('cancel').hidden = isFinal(status) || id === undefined;
    this.#part('retry').hidden = !['failed', 'cancelled', 'expired'].includes(status);
    this.#showTimes(state, nowMs);
    this.#showEnd(state);
  }

  /** Only the times, which go on by themselves. @param {number} nowMs */
  tick(nowMs) {
    if (this.#shown !== undefined && !isFinal(this.#shown.status)) this.#showTimes(this.#shown, nowMs);
  }

  /** What was asked for has been answered, or did not get through: it may be asked for again. */
  allowButtons() {
    for (const name of ['cancel', 'retry']) this.#button(name).disabled = false;
  }

  /** @param {string} name @param {() => void} act */
  #onPress(name, act) {
    const button = this.#button(name);
    button.addEventListener('click', () => {
      button.disabled = true;
      act();
    });
  }

  /** @param {string} name */
  #button(name) {
    return /** @type {HTMLButtonElement} */ (this.#part(name));
  }

  #curl() {
    const jobId = this.#shown?.id;
    return jobId === undefined ? '' : curlLine({ origin: location.origin, key: this.#key(), jobId });
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
    this.#write(
      'tokens',
      usage ? `${formatCount(usage.inputTokens)} in, ${formatCount(usage.outputTokens)} out` : nothing,
    );
    this.#write('cost', costUsd === undefined ? nothing : formatCost(costUsd));
    this.#write('attempts', isOver && attempts !== undefined ? String(attempts) : nothing);
    const gone = status === 'gone' ? { title: 'The server has no such job any more' } : undefined;
    showProblem(this.#part('problem'), isWrong && error ? asProblem(error) : gone);
    showNote(this.#part('note'), { url: outputUrl, outputOmitted });
  }
}

/** @param {{ code: string, message: string, retryable: boolean }} error */
function asProblem({ code, message, retryable }) {
  return { title: message, detail: retryable ? `${code}: the same job may succeed when it is tried again` : code };
}

/** An answer too large to be sent along. @param {HTMLElement} note @param {{ url: string | undefined, outputOmitted: boolean }} of */
function showNote(note, { url, outputOmitted }) {
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
