import { callApi } from './api.js';
import { BatchRow } from './batch-row.js';
import { applyBatch, applyList, isFinalBatch, subscribeFrames } from './batch-state.js';

/** @typedef {import('./batch-state.js').Batch} Batch */
/** @typedef {import('./batch-state.js').BatchState} BatchState */

/**
 * @typedef {object} BatchesOptions
 * @property {HTMLElement} list where the rows go
 * @property {HTMLElement} note what is said where there are none
 * @property {() => string} key
 * @property {(frame: object) => boolean} send false where there is no connection: all is said again in `onLive`
 * @property {() => boolean} isLive
 * @property {(text: string) => void} announce
 */

/** Others start batches too: the command line, schedules. */
const readEveryMs = 4_000;
const mostShown = 20;

/** The newest batches of the tenant, whoever started them. */
export class Batches {
  #options;
  /** @type {readonly BatchState[]} */
  #states = [];
  /** By id. @type {Map<string, BatchRow>} */
  #rows = new Map();
  /** On the connection of now. @type {Set<string>} */
  #followed = new Set();
  /** Rises with each connection: an answer to what another key asked counts no more. */
  #turn = 0;

  /** @param {BatchesOptions} options */
  constructor(options) {
    this.#options = options;
    void this.#readAgain();
  }

  /** A connection is there, maybe of another tenant. @param {{ isOtherKey: boolean }} of */
  onLive({ isOtherKey }) {
    this.#turn += 1;
    this.#followed.clear();
    if (isOtherKey) this.#show([]);
    this.#follow();
    void this.#read();
  }

  /** A frame about a batch; the refusal of a subscription changes nothing, the list is read all the same. @param {any} frame */
  onFrame(frame) {
    if (frame.batch !== undefined) this.add(frame.batch);
  }

  /** A batch as the server told it just now. @param {Batch} batch */
  add(batch) {
    this.#show(applyBatch(this.#states, batch));
  }

  async #readAgain() {
    if (!document.hidden && this.#options.isLive()) await this.#read();
    setTimeout(() => void this.#readAgain(), readEveryMs);
  }

  async #read() {
    const turn = this.#turn;
    const answer = await callApi(this.#options.key(), `/v1/batches?limit=${mostShown}`);
    if (answer.kind === 'ok' && turn === this.#turn) this.#show(applyList(this.#states, answer.body.items));
  }

  /** @param {readonly BatchState[]} states */
  #show(states) {
    const before = new Map(this.#states.map(({ batch }) => [batch.id, batch]));
    this.#states = states;
    const nowMs = Date.now();
    const shown = states.map(({ batch }) => {
      const row = this.#row(batch.id);
      const known = before.get(batch.id);
      // What a button complained of stays until something has changed.
      if (known !== batch) row.render(batch, nowMs);
      if (known !== undefined && known.status !== batch.status)
        this.#options.announce(`Batch ${batch.pipeline ?? ''}: ${batch.status}`);
      return row.root;
    });
    this.#place(shown);
    for (const id of [...this.#rows.keys()]) if (!states.some(({ batch }) => batch.id === id)) this.#rows.delete(id);
    this.#options.note.hidden = states.length > 0;
    this.#follow();
  }

  /** Moves nothing that is in its place: what has the focus would lose it. @param {readonly HTMLElement[]} shown */
  #place(shown) {
    const { list } = this.#options;
    for (const child of [...list.children]) if (!shown.includes(/** @type {HTMLElement} */ (child))) child.remove();
    for (const [index, root] of shown.entries())
      if (list.children[index] !== root) list.insertBefore(root, list.children[index] ?? null);
  }

  /** @param {string} id */
  #row(id) {
    const known = this.#rows.get(id);
    if (known !== undefined) return known;
    const row = new BatchRow((action) => this.#act(id, action));
    this.#rows.set(id, row);
    return row;
  }

  #follow() {
    for (const frame of subscribeFrames(this.#states)) {
      if (this.#followed.has(frame.batchId)) continue;
      if (this.#options.send(frame)) this.#followed.add(frame.batchId);
    }
    // After a retry it is followed anew.
    for (const { batch } of this.#states) if (isFinalBatch(batch)) this.#followed.delete(batch.id);
  }

  /** @param {string} id @param {import('./batch-row.js').Action} action */
  async #act(id, action) {
    const path = `/v1/batches/${encodeURIComponent(id)}/${action}`;
    const key = this.#options.key();
    if (action === 'output' || action === 'errors') {
      const answer = await callApi(key, `${path}?inline=true`, { as: 'blob' });
      if (answer.kind === 'ok') return download(answer.body, `${id}-${action}.jsonl`);
      return this.#complain(id, answer);
    }
    const answer = await callApi(key, path, { method: 'POST' });
    if (answer.kind === 'ok') this.add(answer.body);
    else this.#complain(id, answer);
  }

  /** @param {string} id @param {Exclude<import('./api.js').Answer, { kind: 'ok' }>} answer */
  #complain(id, answer) {
    const problem = answer.kind === 'problem' ? answer.problem : { title: 'The server does not answer' };
    this.#rows.get(id)?.complain(problem);
  }
}

/** @param {Blob} blob @param {string} name */
function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
