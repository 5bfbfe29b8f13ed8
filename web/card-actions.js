import { copyOnClick } from './copy-text.js';
import { curlLine } from './format.js';
import { isFinal } from './job-state.js';
import { setText } from './template-parts.js';

/** @typedef {{ key: () => string, onCancel: () => void, onRetry: () => void }} CardOptions */

/** What can be done with any card: copy, cancel, retry, and read it in a shell. */
export class CardActions {
  #part;
  #key;
  /** @type {string | undefined} */
  #jobId;

  /** @param {(name: string) => HTMLElement} part @param {CardOptions & { text: () => string, shownIn: HTMLElement }} options */
  constructor(part, { key, onCancel, onRetry, text, shownIn }) {
    this.#part = part;
    this.#key = key;
    copyOnClick(part('copy'), text, shownIn);
    copyOnClick(part('copy-curl'), () => this.#curl(), part('curl'));
    // The key may have changed since.
    part('details').addEventListener('toggle', () => setText(part('curl'), this.#curl()));
    this.#onPress('cancel', onCancel);
    this.#onPress('retry', onRetry);
  }

  /** @param {import('./job-state.js').JobState} state @param {boolean} hasText */
  render({ id, status }, hasText) {
    const part = this.#part;
    this.#jobId = id;
    setText(part('id'), id ?? '');
    setText(part('curl'), this.#curl());
    part('details').hidden = id === undefined;
    part('copy').hidden = !hasText;
    part('cancel').hidden = isFinal(status) || id === undefined;
    part('retry').hidden = !['failed', 'cancelled', 'expired'].includes(status);
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
    const jobId = this.#jobId;
    return jobId === undefined ? '' : curlLine({ origin: location.origin, key: this.#key(), jobId });
  }
}
