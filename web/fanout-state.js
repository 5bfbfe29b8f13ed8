import { applyFrame, applyJob, isFinal, newJobState, retriedState, subscribeFrame } from './job-state.js';

/**
 * What the page knows of a fan-out: a job as any other, with its branches, each a job too. Pure.
 *
 * Three ways lead to the end of a branch: `branch.finished` of the parent, the frames of the branch's own job, and the
 * output of the parent. Whichever comes first counts, and the others add what it did not say. That a parent lists a branch
 * as ended does not count: it says so without the answer, which the branch's own job then brings.
 */

/** @typedef {import('./job-state.js').Job} Job */
/** @typedef {import('./job-state.js').JobState} JobState */
/** @typedef {import('./job-state.js').JobFrame} JobFrame */
/** @typedef {import('./job-state.js').JobStatus} JobStatus */
/** @typedef {'all' | 'any' | 'quorum'} Policy */
/** @typedef {'collect' | 'synthesize' | 'judge'} Reduce */

/** What is asked, apart from the prompt; `count` is what a quorum needs. @typedef {{ branches: { name: string, model: string }[], policy: Policy, count: number, reduce: Reduce }} Plan */
/** @typedef {{ name: string, jobId: string, status: JobStatus }} BranchRef */
/** A parent as the server answers it. @typedef {Job & { kind?: string, branches?: BranchRef[] }} ParentJob */
/** @typedef {{ type: 'branch.finished', jobId: string, seq: number, branch: string, job: Job, outputOmitted?: true }} BranchFrame */
/** The `key` of a branch's state is the parent's, `/` and its index. @typedef {{ name: string, state: JobState }} Branch */
/** @typedef {JobState & { plan: Plan, branches: readonly Branch[] }} FanoutState */

/** What the branches came to; all of it undefined until then. @typedef {{ branches?: any[], synthesis?: string, winner?: string, reason?: string, partial?: boolean, tokensSaved?: number }} Joined */

/** @param {JobState | FanoutState} state @returns {state is FanoutState} */
export function isFanout(state) {
  return 'branches' in state;
}

/**
 * A fan-out that is about to be sent.
 * @param {{ key: string, prompt: string, priority: string, sentAtMs: number, plan: Plan }} fanout
 * @returns {FanoutState}
 */
export function newFanoutState({ plan, ...job }) {
  const branches = plan.branches.map(({ name, model }, index) => newBranch({ ...job, model }, name, index));
  return { ...newJobState({ ...job, model: '' }), plan, branches };
}

/** The plan of a fan-out that this page knows from the server alone. @param {ParentJob} job @returns {Plan} */
export function planOf({ branches = [] }) {
  return { branches: branches.map(({ name }) => ({ name, model: '' })), policy: 'all', count: 1, reduce: 'collect' };
}

/**
 * Takes in a parent as the server answered it, or one of its branches.
 * @param {FanoutState} state
 * @param {ParentJob} job
 * @returns {FanoutState}
 */
export function applyFanoutJob(state, job) {
  if (state.id !== undefined && job.id !== state.id)
    return changeBranch(state, byId(job.id), (branch) => applyJob(branch, job));
  const parent = applyJob(state, job);
  return parent === state ? state : { ...state, ...parent, branches: mergeBranches(state, job) };
}

/**
 * Takes in a frame of a parent, or of one of its branches. Gives the very same state back where it says nothing new.
 * @param {FanoutState} state
 * @param {JobFrame | BranchFrame} frame
 * @param {number} nowMs
 * @returns {FanoutState}
 */
export function applyFanoutFrame(state, frame, nowMs) {
  if (frame.jobId !== state.id) return applyToBranch(state, /** @type {JobFrame} */ (frame), nowMs);
  if (frame.seq <= state.lastSeq) return state;
  const { seq: lastSeq } = frame;
  if (frame.type === 'branch.finished')
    return changeBranch({ ...state, lastSeq }, byName(frame.branch), (branch) => ({
      ...applyJob(sameJob(branch, frame.job.id), frame.job),
      outputOmitted: frame.outputOmitted === true,
    }));
  if (frame.type === 'job.finished')
    return { ...applyFanoutJob(state, frame.job), lastSeq, outputOmitted: frame.outputOmitted === true };
  return { ...state, ...applyFrame(state, frame, nowMs) };
}

/**
 * A fan-out that starts over: the branches that have an answer keep it.
 * @param {FanoutState} state
 * @param {ParentJob} job as the retry was answered
 * @param {number} nowMs
 * @returns {FanoutState}
 */
export function retriedFanout(state, job, nowMs) {
  const fresh = newFanoutState({ ...state, sentAtMs: nowMs });
  const branches = fresh.branches.map((branch, index) => {
    const before = state.branches[index];
    return before?.state.status === 'succeeded' ? before : branch;
  });
  const next = { ...fresh, ...retriedState(state, job, nowMs), branches };
  return { ...next, branches: mergeBranches(next, job) };
}

/** The subscribes that go on from where the branches stand; none for those that have no id yet or have ended. @param {FanoutState} state */
export function followBranches({ branches }) {
  return branches.flatMap(({ state }) => subscribeFrame(state) ?? []);
}

/** True while a branch is not known by its id: the server has split the fan-out since, and can tell. @param {FanoutState} state */
export function lacksBranches({ status, branches, plan }) {
  const isSplit = status !== 'sending' && status !== 'queued' && status !== 'gone';
  return isSplit && (branches.length < plan.branches.length || branches.some(({ state }) => state.id === undefined));
}

/** The jobs whose answer was too large for a frame, and has to be read. @param {JobState | FanoutState} state @returns {string[]} */
export function omittedIds(state) {
  const all = isFanout(state) ? [state, ...state.branches.map((branch) => branch.state)] : [state];
  return all.flatMap(({ id, outputOmitted }) => (outputOmitted && id ? [id] : []));
}

/**
 * Takes in the job of a branch that was read for its answer: there is no use in reading it again, whatever it says.
 * @param {FanoutState} state
 * @param {string} jobId
 * @param {Job | undefined} job undefined where it cannot be read
 */
export function applyRead(state, jobId, job) {
  return changeBranch(state, byId(jobId), (branch) => ({
    ...(job === undefined ? branch : applyJob(branch, job)),
    outputOmitted: false,
  }));
}

/** True for the job itself and for its branches. @param {JobState | FanoutState} state @param {string} jobId */
export function concerns(state, jobId) {
  if (state.id === jobId) return true;
  return isFanout(state) && state.branches.some(byId(jobId));
}

/** What the branches came to. @param {FanoutState} state @returns {Joined} */
export function joinedOf({ job }) {
  return /** @type {Joined} */ (job?.output) ?? {};
}

/** True while the one answer is made of those of the branches. @param {FanoutState} state */
export function isReducing({ status, branches, plan }) {
  return status === 'running' && plan.reduce !== 'collect' && branches.every(({ state }) => isFinal(state.status));
}

/** The text to take along: the synthesis, the winner's, or each answer under its name. @param {FanoutState} state */
export function joinedText(state) {
  const { synthesis, winner } = joinedOf(state);
  if (synthesis !== undefined) return synthesis;
  const answered = state.branches.filter((branch) => branch.state.text !== '');
  const chosen = answered.find(byName(winner));
  if (chosen !== undefined) return chosen.state.text;
  return answered.map((branch) => `${branch.name}\n\n${branch.state.text}`).join('\n\n\n');
}

/** @param {Parameters<typeof newJobState>[0]} of the parent's, but for the model @param {string} name @param {number} index @returns {Branch} */
function newBranch({ key, prompt, model, priority, sentAtMs }, name, index) {
  return { name, state: newJobState({ key: `${key}/${index}`, prompt, model, priority, sentAtMs }) };
}

/** @param {FanoutState} state @param {ParentJob} job @returns {readonly Branch[]} */
function mergeBranches(state, job) {
  const { branches: refs = [], output } = job;
  /** @type {any[]} */
  const ends = /** @type {any} */ (output)?.branches ?? [];
  const known =
    state.branches.length > 0 ? state.branches : refs.map(({ name }, index) => newBranch(state, name, index));
  return known.map(({ name, state: before }) => {
    const ref = refs.find((one) => one.name === name);
    const end = ends.find((one) => one.name === name);
    const named = ref?.jobId ? applyRef(sameJob(before, ref.jobId), ref) : before;
    return { name, state: end === undefined ? named : applyEnd(named, end) };
  });
}

/** @param {JobState} state @param {BranchRef} ref */
function applyRef(state, { jobId: id, status }) {
  return applyJob(state, { id, status: isFinal(status) ? 'queued' : status });
}

/** @param {JobState} state @param {{ status: JobStatus, output?: unknown, error?: Job['error'] }} end */
function applyEnd(state, { status, output, error }) {
  const next = applyJob(state, {
    id: state.id ?? '',
    status,
    ...(output !== undefined && { output }),
    ...(error !== undefined && { error }),
  });
  const { output: has, outputUrl } = next.job ?? {};
  return { ...next, outputOmitted: status === 'succeeded' && has === undefined && outputUrl === undefined };
}

/** A retry gives a branch another job: nothing of the one before stays. @param {JobState} state @param {string} id @returns {JobState} */
function sameJob(state, id) {
  return state.id === undefined || state.id === id ? state : newJobState({ ...state, sentAtMs: state.sentAtMs });
}

/** A branch that has ended by `branch.finished` has no `seq` of its own: what its job said earlier may come later. @param {FanoutState} state @param {JobFrame} frame @param {number} nowMs */
function applyToBranch(state, frame, nowMs) {
  return changeBranch(state, byId(frame.jobId), (branch) =>
    isFinal(branch.status) && frame.type !== 'job.finished' ? branch : applyFrame(branch, frame, nowMs),
  );
}

/** @param {FanoutState} state @param {(branch: Branch) => boolean} which @param {(state: JobState) => JobState} change @returns {FanoutState} */
function changeBranch(state, which, change) {
  const before = state.branches.find(which);
  const next = before === undefined ? undefined : change(before.state);
  if (before === undefined || next === undefined || next === before.state) return state;
  return { ...state, branches: state.branches.map((one) => (one === before ? { ...one, state: next } : one)) };
}

/** @param {string} id @returns {(branch: Branch) => boolean} */
const byId = (id) => (branch) => branch.state.id === id;
/** @param {string | undefined} name @returns {(branch: Branch) => boolean} */
const byName = (name) => (branch) => branch.name === name;
