import { actionsOf, percentOf } from './batch-state.js';
import { batchStatusNames, batchTexts } from './batch-text.js';
import { showProblem } from './problem-view.js';
import { fromTemplate, setText } from './template-parts.js';

/** @typedef {import('./batch-state.js').Batch} Batch */
/** @typedef {'cancel' | 'retry' | 'output' | 'errors'} Action */

const numberParts = /** @type {const} */ ([
  'records',
  'failed',
  'cancelled',
  'filtered',
  'rate',
  'tokens',
  'cost',
  'left',
]);
/** @type {readonly Action[]} */
const actions = ['cancel', 'retry', 'output', 'errors'];

/** One batch in the list: all of it is text, whatever data and models say. */
export class BatchRow {
  #part;

  /** @param {(action: Action) => Promise<void>} act the button rests until it is done */
  constructor(act) {
    const { root, part } = fromTemplate('batch');
    this.root = root;
    this.#part = part;
    for (const action of actions) {
      const button = /** @type {HTMLButtonElement} */ (part(action));
      button.addEventListener('click', async () => {
        button.disabled = true;
        await act(action);
        button.disabled = false;
      });
    }
  }

  /** @param {Batch} batch @param {number} nowMs */
  render(batch, nowMs) {
    const { title, steps, ...numbers } = batchTexts(batch, nowMs);
    this.root.dataset.status = batch.status;
    this.#write('status', batchStatusNames[batch.status]);
    this.#write('title', title);
    this.#write('id', batch.id);
    for (const name of numberParts) this.#write(name, numbers[name]);
    this.#showSteps(steps);
    this.#showBar(percentOf(batch));
    const { error } = batch;
    showProblem(this.#part('problem'), error && { title: error.message, detail: error.code });
    this.#showActions(batch);
  }

  /** What went wrong with a button. @param {import('./api.js').Problem} problem */
  complain(problem) {
    showProblem(this.#part('problem'), problem);
  }

  /** @param {string} name @param {string} text */
  #write(name, text) {
    const element = this.#part(name);
    setText(element, text);
    element.hidden = text === '';
  }

  /** @param {number | undefined} percent */
  #showBar(percent) {
    const bar = this.#part('bar');
    // Without a value a progress bar is one that nobody can tell the end of.
    if (percent === undefined) bar.removeAttribute('aria-valuenow');
    else bar.setAttribute('aria-valuenow', String(percent));
    this.#part('fill').style.width = `${percent ?? 0}%`;
  }

  /** @param {readonly { name: string, status: string }[]} steps */
  #showSteps(steps) {
    const list = this.#part('steps');
    const items = [...list.children];
    while (items.length > steps.length) items.pop()?.remove();
    for (const [index, { name, status }] of steps.entries()) {
      const item = /** @type {HTMLElement} */ (items[index] ?? list.appendChild(document.createElement('li')));
      item.dataset.status = status;
      setText(item, `${name} ${status}`);
    }
  }

  /** @param {Batch} batch */
  #showActions(batch) {
    const { canCancel, canRetry, hasOutput, hasErrors, reports } = actionsOf(batch);
    this.#part('cancel').hidden = !canCancel;
    this.#part('retry').hidden = !canRetry;
    this.#part('output').hidden = !hasOutput;
    this.#part('errors').hidden = !hasErrors;
    const links = this.#part('reports');
    if (links.dataset.steps === reports.join()) return;
    links.dataset.steps = reports.join();
    const name = (/** @type {string} */ step) => (reports.length === 1 ? 'Report' : `Report: ${step}`);
    links.replaceChildren(...reports.map((step) => reportLink(batch.id, step, name(step))));
  }
}

/** The key goes by a header, which a link cannot send: a page of its own shows the report. @param {string} batchId @param {string} step @param {string} name */
function reportLink(batchId, step, name) {
  const link = document.createElement('a');
  link.href = `/report.html#${encodeURIComponent(batchId)}/${encodeURIComponent(step)}`;
  link.target = '_blank';
  link.rel = 'noopener';
  link.textContent = name;
  return link;
}
