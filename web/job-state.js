/**
 * What the page knows of a job, and how a frame changes it. Pure: no socket, no clock, no document.
 *
 * A job is here before it has an id, `sending` until the server has accepted it, and after it was deleted: `gone`. In
 * between the server's `seq` orders everything: a frame that is not above the last is a repeat, and changes nothing.
 */

/** @typedef {'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled' | 'expired'} JobStatus */

/**
 * A job as `GET /v1/jobs/{id}` answers; the fields that the page shows.
 * @typedef {object} Job
 * @property {string} id
 * @property {JobStatus} status
 * @property {string} [model]
 * @property {string} [lane]
 * @property {string} [priority]
 * @property {string} [createdAt]
 * @property {string} [startedAt]
 * @property {number} [attempts]
 * @property {unknown} [output]
 * @property {string} [outputUrl]
 * @property {{ inputTokens: number, outputTokens: number, cacheReadTokens?: number, cacheWriteTokens?: number }} [usage]
 * @property {number} [costUsd]
 * @property {{ code: string, message: string, retryable: boolean }} [error]
 * @property {{ queuedMs: number, firstTokenMs?: number, modelMs: number, totalMs: number }} [timings]
 */

/** @typedef {{ type: 'job.status', jobId: string, seq: number, status: JobStatus, attempt: number }} StatusFrame */
/** @typedef {{ type: 'job.delta', jobId: string, seq: number, attempt: number, offset: number, text: string }} DeltaFrame */
/** @typedef {{ type: 'job.finished', jobId: string, seq: number, job: Job, outputOmitted?: true }} FinishedFrame */
/** @typedef {StatusFrame | DeltaFrame | FinishedFrame} JobFrame */

/**
 * @typedef {object} JobState
 * @property {string} key names the job on this page, before and after it has an id
 * @property {string} prompt as it was typed; empty where this page did not submit the job
 * @property {string} model
 * @property {string} priority
 * @property {string | undefined} id undefined until accepted
 * @property {JobStatus | 'sending' | 'gone'} status
 * @property {Job | undefined} job as the server told it last as a whole
 * @property {number} lastSeq of the last frame that was taken in; -1 before the first
 * @property {number} attempt whose text this is
 * @property {string} text
 * @property {boolean} hasGap a piece of the text is missing: all of it has to be asked for again
 * @property {boolean} outputOmitted the answer was too large for a frame and has to be read from the job
 * @property {number} sentAtMs
 * @property {number | undefined} startedAtMs of the run that is under way
 * @property {number | undefined} firstTextAtMs of that run
 */

/** @type {readonly string[]} */
const finalStatuses = ['succeeded', 'failed', 'cancelled', 'expired', 'gone'];

/** True for the states that a job does not leave by itself. @param {string} status */
export function isFinal(status) {
  return finalStatuses.includes(status);
}

/**
 * A job that is about to be sent.
 * @param {{ key: string, prompt: string, model: string, priority: string, sentAtMs: number }} job
 * @returns {JobState}
 */
export function newJobState(job) {
  return {
    ...job,
    id: undefined,
    status: 'sending',
    job: undefined,
    lastSeq: -1,
    attempt: 0,
    text: '',
    hasGap: false,
    outputOmitted: false,
    startedAtMs: undefined,
    firstTextAtMs: undefined,
  };
}

/**
 * Takes in a job as the server answered it: accepted, cancelled, or read. It carries no `seq`, so it only moves the state
 * where frames cannot have been ahead of it: from `sending`, or to an end.
 * @param {JobState} state
 * @param {Job} job
 * @returns {JobState}
 */
export function applyJob(state, job) {
  if (isFinal(state.status) && !isFinal(job.status)) return state;
  const isNews = state.status === 'sending' || isFinal(job.status);
  const startedAtMs = job.status === 'running' ? (state.startedAtMs ?? timeOf(job.startedAt)) : state.startedAtMs;
  return {
    ...state,
    id: job.id,
    status: isNews ? job.status : state.status,
    job: { ...state.job, ...job },
    model: job.model ?? state.model,
    priority: job.priority ?? state.priority,
    sentAtMs: Math.min(state.sentAtMs, timeOf(job.createdAt) ?? state.sentAtMs),
    startedAtMs,
    text: textOf(job.output) ?? state.text,
    outputOmitted: state.outputOmitted && job.output === undefined && job.outputUrl === undefined,
  };
}

/**
 * A job that was final and starts over: nothing of its last run stays but what was asked.
 * @param {JobState} state
 * @param {Job} job as the retry was answered
 * @param {number} nowMs
 * @returns {JobState}
 */
export function retriedState({ key, prompt, model, priority }, job, nowMs) {
  return { ...newJobState({ key, prompt, model, priority, sentAtMs: nowMs }), id: job.id, status: job.status, job };
}

/**
 * Takes in a frame. Gives the very same state back where the frame says nothing new.
 * @param {JobState} state
 * @param {JobFrame} frame
 * @param {number} nowMs
 * @returns {JobState}
 */
export function applyFrame(state, frame, nowMs) {
  if (frame.seq <= state.lastSeq) return state;
  switch (frame.type) {
    case 'job.status':
      return applyStatus(state, frame, nowMs);
    case 'job.delta':
      return applyDelta(state, frame, nowMs);
    case 'job.finished':
      return {
        ...applyJob(state, frame.job),
        lastSeq: frame.seq,
        hasGap: false,
        outputOmitted: frame.outputOmitted === true,
      };
    default:
      return state;
  }
}

/** @param {JobState} state @param {StatusFrame} frame @param {number} nowMs @returns {JobState} */
function applyStatus(state, frame, nowMs) {
  const begun = frame.attempt === state.attempt ? state : beginAttempt(state, frame.attempt);
  const next = { ...begun, id: frame.jobId, status: frame.status, lastSeq: frame.seq };
  // Handed back, by a throttle or a worker that stops: the next run says everything anew.
  if (frame.status === 'queued') return { ...next, text: '', startedAtMs: undefined, firstTextAtMs: undefined };
  return { ...next, startedAtMs: begun.startedAtMs ?? nowMs };
}

/** @param {JobState} state @param {DeltaFrame} frame @param {number} nowMs @returns {JobState} */
function applyDelta(state, frame, nowMs) {
  if (frame.attempt < state.attempt) return state;
  const begun = frame.attempt === state.attempt ? state : beginAttempt(state, frame.attempt);
  // `lastSeq` goes back to the start: what comes in answer to the next subscribe repeats frames that were seen.
  if (frame.offset > begun.text.length) return begun.hasGap ? begun : { ...begun, hasGap: true, lastSeq: -1 };
  return {
    ...begun,
    id: frame.jobId,
    status: isFinal(begun.status) ? begun.status : 'running',
    lastSeq: frame.seq,
    text: begun.text.slice(0, frame.offset) + frame.text,
    hasGap: false,
    startedAtMs: begun.startedAtMs ?? nowMs,
    firstTextAtMs: begun.firstTextAtMs ?? nowMs,
  };
}

/** @param {JobState} state @param {number} attempt @returns {JobState} */
function beginAttempt(state, attempt) {
  return { ...state, attempt, text: '', hasGap: false, startedAtMs: undefined, firstTextAtMs: undefined };
}

/**
 * The subscribe that goes on from where this job stands; undefined where there is nothing to wait for.
 * @param {JobState} state
 */
export function subscribeFrame(state) {
  if (state.id === undefined || isFinal(state.status)) return undefined;
  const frame = { type: /** @type {const} */ ('subscribe'), ref: state.key, jobId: state.id };
  return state.lastSeq < 0 ? frame : { ...frame, after: state.lastSeq };
}

/**
 * Where the time went, in ms: as the server measured it once the job is final, by this page's clock until then.
 * @param {JobState} state
 * @param {number} nowMs
 * @returns {{ queuedMs: number, firstTokenMs?: number, modelMs?: number, totalMs: number }}
 */
export function timingsOf(state, nowMs) {
  if (state.job?.timings !== undefined && isFinal(state.status)) return state.job.timings;
  const { sentAtMs, startedAtMs, firstTextAtMs } = state;
  const since = (/** @type {number} */ startMs, endMs = nowMs) => Math.max(0, endMs - startMs);
  return {
    queuedMs: since(sentAtMs, startedAtMs),
    ...(startedAtMs !== undefined && { modelMs: since(startedAtMs) }),
    ...(startedAtMs !== undefined &&
      firstTextAtMs !== undefined && { firstTokenMs: since(startedAtMs, firstTextAtMs) }),
    totalMs: since(sentAtMs),
  };
}

/**
 * The text of a Converse answer; undefined where there is none.
 * @param {unknown} output
 * @returns {string | undefined}
 */
export function textOf(output) {
  const content = /** @type {any} */ (output)?.output?.message?.content;
  if (!Array.isArray(content)) return undefined;
  const texts = content.map((part) => part?.text).filter((text) => typeof text === 'string');
  return texts.length === 0 ? undefined : texts.join('');
}

/** The first wait is short, for a restart; the longest is what an outage costs after its end. */
const firstDelayMs = 500;
const longestDelayMs = 15_000;
/** A connection that ended before this was no success: a server that takes and drops must not be called in a tight loop. */
const steadyAfterMs = 5_000;

/**
 * How often connecting has failed, after one more end: 1 once a connection had held for a while.
 * @param {number} failures before
 * @param {number} openForMs 0 where it never opened
 */
export function failuresAfter(failures, openForMs) {
  return openForMs >= steadyAfterMs ? 1 : failures + 1;
}

/**
 * How long to wait before the next try: doubled with each failure, half of it drawn, so that pages do not come back in step.
 * @param {number} failures 1 after the first
 * @param {number} random 0 to 1
 */
export function reconnectDelayMs(failures, random) {
  const mostMs = Math.min(firstDelayMs * 2 ** Math.max(0, failures - 1), longestDelayMs);
  return Math.round((mostMs * (1 + random)) / 2);
}

/** @param {string | undefined} iso */
function timeOf(iso) {
  const ms = iso === undefined ? Number.NaN : Date.parse(iso);
  return Number.isNaN(ms) ? undefined : ms;
}
