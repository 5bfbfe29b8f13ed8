import { callApi } from './api.js';
import { FanoutCard } from './fanout-card.js';
import {
  applyRead,
  concerns,
  followBranches,
  isFanout,
  lacksBranches,
  newFanoutState,
  omittedIds,
} from './fanout-state.js';
import { JobCard } from './job-card.js';
import { requestOf, restoredState, retried, withFrame, withJob } from './job-kinds.js';
import { isFinal, newJobState, subscribeFrame } from './job-state.js';
import { forgetJob, recallJobs, rememberJob } from './remembered.js';

/** @typedef {import('./api.js').Problem} Problem */
/** @typedef {import('./job-state.js').JobState} JobState */
/** @typedef {import('./fanout-state.js').FanoutState} FanoutState */
/** @typedef {import('./fanout-state.js').Plan} Plan */
/** One job of the page, or a fan-out; `isAsking` while a request about it is under way. @typedef {{ state: JobState | FanoutState, card: JobCard | FanoutCard, isAsking: boolean }} Entry */

/**
 * @typedef {object} JobsOptions
 * @property {HTMLElement} list where the cards go
 * @property {() => string} key
 * @property {(frame: object) => boolean} send false where there is no connection: all is said again in `onLive`
 * @property {(problem: Problem) => void} onProblem
 * @property {(text: string) => void} announce
 * @property {(counts: { all: number, unfinished: number }) => void} onCount
 */

/** A socket takes 128 KB a message, in UTF-8; a longer job goes over REST, which takes 1 MiB. */
const largestFrameBytes = 120 * 1024;
const tickMs = 100;

/**
 * The jobs of the page, newest first. Each is sent with an idempotency key: what was not acknowledged when a connection
 * broke is sent again, and is one job all the same.
 */
export class Jobs {
  #options;
  /** By the key of the state, which is also the `ref` of all that is asked about it. @type {Map<string, Entry>} */
  #entries = new Map();

  /** @param {JobsOptions} options */
  constructor(options) {
    this.#options = options;
    setInterval(() => this.#tick(), tickMs);
  }

  /** @param {{ model: string, prompt: string, priority: string }} job */
  submit(job) {
    this.#send(this.#add(newJobState({ ...job, key: randomKey(), sentAtMs: Date.now() })));
  }

  /** @param {{ plan: Plan, prompt: string, priority: string }} fanout */
  submitFanout(fanout) {
    this.#send(this.#add(newFanoutState({ ...fanout, key: randomKey(), sentAtMs: Date.now() })));
  }

  /** A connection is there: says again what has not been heard of. */
  onLive() {
    for (const entry of this.#entries.values()) {
      entry.card.allowButtons();
      if (entry.state.status === 'sending') this.#send(entry);
      else this.#follow(entry);
      if (isFanout(entry.state) && lacksBranches(entry.state)) void this.#readParent(entry);
      void this.#readWhole(entry);
    }
  }

  /** Takes in a frame of the server. @param {any} frame */
  onFrame(frame) {
    const isAnswer = frame.type === 'accepted' || frame.type === 'error';
    const entry = isAnswer
      ? this.#entries.get(frame.ref)
      : [...this.#entries.values()].find(({ state }) => concerns(state, frame.jobId));
    // A branch that was deleted: its fan-out has what it answered.
    if (entry === undefined && this.#entries.has(String(frame.ref).split('/')[0] ?? '')) return;
    if (entry === undefined) {
      if (frame.type === 'error') this.#options.onProblem(frame.problem);
    } else if (frame.type === 'accepted') this.#update(entry, withJob(entry.state, frame.job));
    else if (frame.type === 'error') this.#refuse(entry, frame.problem);
    else this.#update(entry, withFrame(entry.state, frame));
  }

  /** Brings back the jobs of an earlier visit, as they stand now; those that are gone are forgotten. Once for a page. */
  async restore() {
    const jobs = recallJobs();
    const answers = await Promise.all(jobs.map(({ id }) => this.#read(id)));
    const known = new Set([...this.#entries.values()].map(({ state }) => state.id));
    for (const [index, { id, ...asked }] of jobs.entries()) {
      if (known.has(id)) continue;
      const answer = answers[index];
      if (answer?.kind === 'problem' && answer.status === 404) forgetJob(id);
      if (answer?.kind !== 'ok') continue;
      const entry = this.#add(restoredState(answer.body, { ...asked, key: randomKey() }), 'last');
      this.#follow(entry);
      void this.#readBranches(entry);
      void this.#readWhole(entry);
    }
  }

  clearFinished() {
    for (const entry of [...this.#entries.values()]) if (isFinal(entry.state.status)) this.#remove(entry);
  }

  /** @param {JobState | FanoutState} state @param {'first' | 'last'} place @returns {Entry} */
  #add(state, place = 'first') {
    const { key, list } = this.#options;
    const options = { key, onCancel: () => this.#cancel(entry), onRetry: () => void this.#retry(entry) };
    const card = isFanout(state) ? new FanoutCard(options) : new JobCard(options);
    /** @type {Entry} */
    const entry = { state, card, isAsking: false };
    this.#entries.set(state.key, entry);
    render(entry);
    if (place === 'first') list.prepend(entry.card.root);
    else list.append(entry.card.root);
    this.#count();
    return entry;
  }

  /** @param {Entry} entry */
  #remove({ state, card }) {
    this.#entries.delete(state.key);
    card.root.remove();
    if (state.id !== undefined) forgetJob(state.id);
    this.#count();
  }

  /** @param {Entry} entry @param {JobState | FanoutState} next */
  #update(entry, next) {
    const before = entry.state;
    if (next === before) return;
    entry.state = next;
    render(entry);
    if (next.status !== before.status) {
      entry.card.allowButtons();
      this.#options.announce(`${next.prompt.slice(0, 60) || 'Job'}: ${next.status}`);
      this.#count();
    }
    if (next.id !== undefined && before.id === undefined)
      rememberJob({ id: next.id, prompt: next.prompt, ...(isFanout(next) && { plan: next.plan }) });
    if (next.hasGap && !before.hasGap) this.#follow(entry);
    if (isFanout(next) && next.status !== before.status && (next.status === 'running' || lacksBranches(next)))
      void this.#readParent(entry);
    void this.#readWhole(entry);
  }

  /** @param {Entry} entry */
  #follow(entry) {
    const frame = subscribeFrame(entry.state);
    if (frame !== undefined) this.#options.send(frame);
    this.#followBranches(entry);
  }

  /** @param {Entry} entry */
  #followBranches({ state }) {
    if (isFanout(state)) for (const frame of followBranches(state)) this.#options.send(frame);
  }

  /** A fan-out was split: no frame says which jobs its branches are, and those of a retry are there only now. @param {Entry} entry */
  async #readParent(entry) {
    const answer = await this.#read(entry.state.id ?? '');
    if (answer.kind !== 'ok') return;
    this.#update(entry, withJob(entry.state, answer.body));
    this.#followBranches(entry);
  }

  /** The model and the times of each branch, which the parent does not tell. @param {Entry} entry */
  async #readBranches(entry) {
    if (!isFanout(entry.state)) return;
    const path = `/v1/jobs?parent=${encodeURIComponent(entry.state.id ?? '')}&limit=100`;
    const answer = await callApi(this.#options.key(), path);
    if (answer.kind !== 'ok') return;
    // An end without its answer would hide that the answer is still to come.
    const branches = answer.body.items.filter(
      (/** @type {any} */ job) => !isFinal(job.status) || hasEnded(entry.state, job.id),
    );
    for (const job of branches) this.#update(entry, withJob(entry.state, job));
  }

  /** @param {Entry} entry */
  #cancel({ state, card }) {
    if (!this.#options.send({ type: 'cancel', ref: state.key, jobId: state.id })) card.allowButtons();
  }

  /** @param {Entry} entry */
  async #retry(entry) {
    const answer = await callApi(this.#options.key(), `/v1/jobs/${entry.state.id}/retry`, { method: 'POST' });
    entry.card.allowButtons();
    if (answer.kind === 'problem') this.#refuse(entry, answer.problem);
    if (answer.kind !== 'ok') return;
    this.#update(entry, retried(entry.state, answer.body));
    this.#follow(entry);
  }

  /** @param {Entry} entry */
  #send(entry) {
    const { key: ref } = entry.state;
    const { type, path, body } = requestOf(entry.state);
    const frame = { type, ref, [type === 'submit' ? 'job' : type]: body, idempotencyKey: ref };
    if (byteLength(frame) <= largestFrameBytes) this.#options.send(frame);
    else void this.#post(entry, path, body);
  }

  /** @param {Entry} entry @param {string} path @param {object} body */
  async #post(entry, path, body) {
    if (entry.isAsking) return;
    entry.isAsking = true;
    const headers = { 'content-type': 'application/json', 'idempotency-key': entry.state.key };
    const answer = await callApi(this.#options.key(), path, { method: 'POST', headers, body: JSON.stringify(body) });
    entry.isAsking = false;
    if (answer.kind === 'problem') return this.#refuse(entry, answer.problem);
    if (answer.kind !== 'ok') return;
    this.#update(entry, withJob(entry.state, answer.body));
    this.#follow(entry);
  }

  /** @param {string} id */
  #read(id) {
    return callApi(this.#options.key(), `/v1/jobs/${encodeURIComponent(id)}`);
  }

  /** Reads the answers that were too large for a frame, one after the other. @param {Entry} entry */
  async #readWhole(entry) {
    const [id] = omittedIds(entry.state);
    if (entry.isAsking || id === undefined) return;
    entry.isAsking = true;
    const answer = await this.#read(id);
    entry.isAsking = false;
    const { state } = entry;
    const isBranch = isFanout(state) && id !== state.id;
    if (isBranch && answer.kind !== 'away')
      this.#update(entry, applyRead(state, id, answer.kind === 'ok' ? answer.body : undefined));
    else if (answer.kind === 'ok') this.#update(entry, withJob(state, answer.body));
    else if (answer.kind === 'problem') this.#refuse(entry, answer.problem);
  }

  /** What was not accepted is no job; what is not found was one. @param {Entry} entry @param {Problem} problem */
  #refuse(entry, problem) {
    if (entry.state.status === 'sending') this.#remove(entry);
    else if (problem.code === 'not_found') return this.#update(entry, { ...entry.state, status: 'gone' });
    else entry.card.allowButtons();
    // A cancel that came after the end: the end is on its way.
    if (problem.code !== 'job_final') this.#options.onProblem(problem);
  }

  #count() {
    const unfinished = [...this.#entries.values()].filter(({ state }) => !isFinal(state.status)).length;
    this.#options.onCount({ all: this.#entries.size, unfinished });
  }

  #tick() {
    if (document.hidden) return;
    const nowMs = Date.now();
    for (const { card } of this.#entries.values()) card.tick(nowMs);
  }
}

/** @param {Entry} entry */
function render({ state, card }) {
  const nowMs = Date.now();
  if (card instanceof FanoutCard) card.render(/** @type {FanoutState} */ (state), nowMs);
  else card.render(state, nowMs);
}

/** True where a branch of that id has ended. @param {JobState | FanoutState} state @param {string} jobId */
function hasEnded(state, jobId) {
  return isFanout(state) && state.branches.some((branch) => branch.state.id === jobId && isFinal(branch.state.status));
}

/** @param {object} frame */
function byteLength(frame) {
  return new TextEncoder().encode(JSON.stringify(frame)).length;
}

/** Not `randomUUID`, which there is only on https and on this host. */
function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
