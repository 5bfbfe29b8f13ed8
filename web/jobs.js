import { callApi } from './api.js';
import { JobCard } from './job-card.js';
import { applyFrame, applyJob, isFinal, newJobState, retriedState, subscribeFrame } from './job-state.js';
import { forgetJob, recallJobs, rememberJob } from './remembered.js';

/** @typedef {import('./api.js').Problem} Problem */
/** @typedef {import('./job-state.js').JobState} JobState */
/** One job of the page; `isAsking` while a request about it is under way. @typedef {{ state: JobState, card: JobCard, isAsking: boolean }} Entry */

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

  /** A connection is there: says again what has not been heard of. */
  onLive() {
    for (const entry of this.#entries.values()) {
      entry.card.allowButtons();
      if (entry.state.status === 'sending') this.#send(entry);
      else this.#follow(entry);
      if (entry.state.outputOmitted) void this.#readWhole(entry);
    }
  }

  /** Takes in a frame of the server. @param {any} frame */
  onFrame(frame) {
    const isAnswer = frame.type === 'accepted' || frame.type === 'error';
    const entry = isAnswer
      ? this.#entries.get(frame.ref)
      : [...this.#entries.values()].find(({ state }) => state.id !== undefined && state.id === frame.jobId);
    if (entry === undefined) {
      if (frame.type === 'error') this.#options.onProblem(frame.problem);
    } else if (frame.type === 'accepted') this.#update(entry, applyJob(entry.state, frame.job));
    else if (frame.type === 'error') this.#refuse(entry, frame.problem);
    else this.#update(entry, applyFrame(entry.state, frame, Date.now()));
  }

  /** Brings back the jobs of an earlier visit, as they stand now; those that are gone are forgotten. Once for a page. */
  async restore() {
    const jobs = recallJobs();
    const answers = await Promise.all(jobs.map(({ id }) => this.#read(id)));
    const known = new Set([...this.#entries.values()].map(({ state }) => state.id));
    for (const [index, { id, prompt }] of jobs.entries()) {
      if (known.has(id)) continue;
      const answer = answers[index];
      if (answer?.kind === 'problem' && answer.status === 404) forgetJob(id);
      if (answer?.kind !== 'ok') continue;
      const { model = '', priority = 'normal' } = answer.body;
      const fresh = newJobState({ key: randomKey(), prompt, model, priority, sentAtMs: Date.now() });
      this.#follow(this.#add(applyJob(fresh, answer.body), 'last'));
    }
  }

  clearFinished() {
    for (const entry of [...this.#entries.values()]) if (isFinal(entry.state.status)) this.#remove(entry);
  }

  /** @param {JobState} state @param {'first' | 'last'} place @returns {Entry} */
  #add(state, place = 'first') {
    const { key, list } = this.#options;
    const card = new JobCard({ key, onCancel: () => this.#cancel(entry), onRetry: () => void this.#retry(entry) });
    const entry = { state, card, isAsking: false };
    this.#entries.set(state.key, entry);
    entry.card.render(state, Date.now());
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

  /** @param {Entry} entry @param {JobState} next */
  #update(entry, next) {
    const before = entry.state;
    if (next === before) return;
    entry.state = next;
    entry.card.render(next, Date.now());
    if (next.status !== before.status) {
      entry.card.allowButtons();
      this.#options.announce(`${next.prompt.slice(0, 60) || 'Job'}: ${next.status}`);
      this.#count();
    }
    if (next.id !== undefined && before.id === undefined) rememberJob({ id: next.id, prompt: next.prompt });
    if (next.hasGap && !before.hasGap) this.#follow(entry);
    if (next.outputOmitted) void this.#readWhole(entry);
  }

  /** @param {Entry} entry */
  #follow({ state }) {
    const frame = subscribeFrame(state);
    if (frame !== undefined) this.#options.send(frame);
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
    this.#update(entry, retriedState(entry.state, answer.body, Date.now()));
    this.#follow(entry);
  }

  /** @param {Entry} entry */
  #send(entry) {
    const { key: idempotencyKey, model, prompt, priority } = entry.state;
    const input = { messages: [{ role: 'user', content: [{ text: prompt }] }] };
    const job = { model, input, stream: true, priority };
    const frame = { type: 'submit', ref: idempotencyKey, job, idempotencyKey };
    if (byteLength(frame) <= largestFrameBytes) this.#options.send(frame);
    else void this.#post(entry, job);
  }

  /** @param {Entry} entry @param {object} job */
  async #post(entry, job) {
    if (entry.isAsking) return;
    entry.isAsking = true;
    const headers = { 'content-type': 'application/json', 'idempotency-key': entry.state.key };
    const answer = await callApi(this.#options.key(), '/v1/jobs', {
      method: 'POST',
      headers,
      body: JSON.stringify(job),
    });
    entry.isAsking = false;
    if (answer.kind === 'problem') return this.#refuse(entry, answer.problem);
    if (answer.kind !== 'ok') return;
    this.#update(entry, applyJob(entry.state, answer.body));
    this.#follow(entry);
  }

  /** @param {string} id */
  #read(id) {
    return callApi(this.#options.key(), `/v1/jobs/${encodeURIComponent(id)}`);
  }

  /** @param {Entry} entry */
  async #readWhole(entry) {
    if (entry.isAsking || entry.state.id === undefined) return;
    entry.isAsking = true;
    const answer = await this.#read(entry.state.id);
    entry.isAsking = false;
    if (answer.kind === 'ok') this.#update(entry, applyJob(entry.state, answer.body));
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

/** @param {object} frame */
function byteLength(frame) {
  return new TextEncoder().encode(JSON.stringify(frame)).length;
}

/** Not `randomUUID`, which there is only on https and on this host. */
function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
