import { fanoutBody } from './fanout-request.js';
import { applyFanoutFrame, applyFanoutJob, isFanout, newFanoutState, planOf, retriedFanout } from './fanout-state.js';
import { applyFrame, applyJob, newJobState, retriedState } from './job-state.js';

/** What is done alike with a job and with a fan-out, each by its own rules. */

/** @typedef {import('./job-state.js').JobState} JobState */
/** @typedef {import('./fanout-state.js').FanoutState} FanoutState */
/** @typedef {import('./fanout-state.js').Plan} Plan */

/** @param {JobState | FanoutState} state @param {any} job */
export function withJob(state, job) {
  return isFanout(state) ? applyFanoutJob(state, job) : applyJob(state, job);
}

/** @param {JobState | FanoutState} state @param {any} frame */
export function withFrame(state, frame) {
  const nowMs = Date.now();
  return isFanout(state) ? applyFanoutFrame(state, frame, nowMs) : applyFrame(state, frame, nowMs);
}

/** @param {JobState | FanoutState} state @param {any} job */
export function retried(state, job) {
  const nowMs = Date.now();
  return isFanout(state) ? retriedFanout(state, job, nowMs) : retriedState(state, job, nowMs);
}

/** @param {any} job as the server tells it now @param {{ key: string, prompt: string, plan?: Plan }} asked */
export function restoredState(job, { key, prompt, plan }) {
  const { model = '', priority = 'normal' } = job;
  const fresh = { key, prompt, priority, sentAtMs: Date.now() };
  if (job.kind === 'fanout') return withJob(newFanoutState({ ...fresh, plan: plan ?? planOf(job) }), job);
  return withJob(newJobState({ ...fresh, model }), job);
}

/** What submits it: the type of the frame, or the path, and the body. @param {JobState | FanoutState} state */
export function requestOf(state) {
  if (isFanout(state)) return { type: 'fanout', path: '/v1/fanouts', body: fanoutBody(state) };
  const { model, prompt, priority } = state;
  const input = { messages: [{ role: 'user', content: [{ text: prompt }] }] };
  return { type: 'submit', path: '/v1/jobs', body: { model, input, stream: true, priority } };
}
