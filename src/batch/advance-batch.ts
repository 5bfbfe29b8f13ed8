import { type BatchError, isFinalBatch } from '../core/batch.ts';
import { inOrder, type Step } from '../core/pipeline.ts';
import type { BatchItem, StepItem } from '../state/batch-item.ts';
import { changeBatch, readBatchItem } from '../state/change-batch.ts';
import { lostObject } from '../state/chunk-inputs.ts';
import { forgetRunning } from '../state/running-batches.ts';
import { freshStep, LeaseLost, readSteps, type StepStates, writeStep } from '../state/step-state.ts';
import { stopChunks } from '../state/stop-chunks.ts';
import { advanceStep, type StepTurn } from './advance-step.ts';
import type { BatchDeps, BatchTurn } from './batch-deps.ts';
import type { BatchSession } from './batch-session.ts';
import type { LongTasks } from './long-tasks.ts';
import { settleSteps } from './settle-steps.ts';
import { spentBy } from './spent-by.ts';
import { splitInput } from './split-input.ts';
import { writeResults } from './write-results.ts';

/** What looks need beside the rest. */
export type LookDeps = BatchDeps & { longTasks: LongTasks };

/** `crowded`: what is next takes long, and enough of that runs in this process: come back. */
export type Advanced = 'done' | 'crowded';
type Next = 'again' | 'wait' | 'crowded';

/**
 * What is next for a batch, decided from what is stored and from nothing else. Each look does all that can be done now:
 *
 * | the batch is | what is done |
 * | --- | --- |
 * | queued, splitting | the input is split into chunks |
 * | running | each step whose dependencies have ended: chunks that ended are noticed, the next are sent |
 * | finishing, or final without results | the parts are joined, the manifest is written |
 * | final with results | it leaves the list of the running |
 *
 * Every part is safe to run again: a scheduler that dies anywhere is followed by one that reads the same.
 */
export async function advanceBatch(deps: LookDeps, session: BatchSession): Promise<Advanced> {
  for (;;) {
    session.signal.throwIfAborted();
    const batch = await readBatchItem(deps.state, session.lease.batchId);
    if (batch === undefined || (isFinalBatch(batch.status) && batch.results !== undefined)) {
      await forgetRunning(deps.state, session.lease.batchId, batch?.finishedAt);
      return 'done';
    }
    const { lease, signal } = session;
    const turn: BatchTurn = { batch, steps: inOrder(await deps.readSpec(batch)), lease, signal };
    const next = await lookOnce(deps, session, turn);
    if (next !== 'again') return next === 'wait' ? 'done' : next;
  }
}

async function lookOnce(deps: LookDeps, session: BatchSession, turn: BatchTurn): Promise<Next> {
  const { batch } = turn;
  if (isFinalBatch(batch.status) || batch.status === 'finishing')
    return await asLongTask(deps, turn, () => finish(deps, session, turn));
  if (batch.chunks === undefined) return await asLongTask(deps, turn, () => split(deps, turn));
  if (batch.status !== 'running') {
    await changeBatch(deps.state, batch, { status: 'running', startedAt: batch.startedAt ?? deps.state.now() });
    return 'again';
  }
  return await runSteps(deps, session, turn);
}

async function asLongTask<T>({ longTasks }: LookDeps, { batch }: BatchTurn, run: () => Promise<T>) {
  const end = longTasks.begin(batch.pk);
  if (end === undefined) return 'crowded';
  try {
    return await run();
  } finally {
    end();
  }
}

async function split(deps: BatchDeps, turn: BatchTurn): Promise<'again'> {
  const { state } = deps;
  const { batch, signal } = turn;
  if (batch.status === 'queued') {
    await changeBatch(state, batch, { status: 'splitting', startedAt: batch.startedAt ?? state.now() });
    return 'again';
  }
  const result = await splitInput(state, { batch, signal });
  if ('error' in result) await fail(deps, batch, result.error);
  else {
    const { total, refused, chunks } = result;
    await changeBatch(state, batch, { status: 'running', total, refused, chunks });
  }
  return 'again';
}

async function runSteps(deps: LookDeps, session: BatchSession, turn: BatchTurn): Promise<Next> {
  const { batch, steps } = turn;
  const states = await statesOf(deps, session, turn);
  // A scheduler may have died after it wrote down the failure of the step, and before that of the batch.
  const broken = steps.find(({ name }) => states.get(name)?.error !== undefined)?.name;
  if (broken !== undefined) return await failAt(deps, batch, broken, states.get(broken)?.error as BatchError);
  for (const step of steps) {
    const before = states.get(step.name) as StepItem;
    if (!isOpen(before) || !isReady(step, states)) continue;
    const advance = () => advanceOrFail(deps, turn, { step, states });
    const after = readsAllRecords(step) ? await asLongTask(deps, turn, advance) : await advance();
    if (after === 'crowded') return after;
    if (after !== before) states.set(step.name, await writeStep(deps.state, turn.lease, after));
    if (after.error !== undefined) return await failAt(deps, batch, step.name, after.error);
  }
  if (steps.some(({ name }) => isOpen(states.get(name) as StepItem))) return 'wait';
  await changeBatch(deps.state, batch, { status: 'finishing' });
  return 'again';
}

/** As `advanceStep`; where what the step reads is gone for good, it fails. */
async function advanceOrFail(deps: BatchDeps, turn: BatchTurn, stepTurn: StepTurn): Promise<StepItem> {
  try {
    return await advanceStep(deps, turn, stepTurn);
  } catch (error) {
    const lost = lostObject(error);
    if (lost === undefined) throw error;
    const before = stepTurn.states.get(stepTurn.step.name) as StepItem;
    return { ...before, status: 'failed', finishedAt: deps.state.now(), error: lost };
  }
}

/** Steps that are looked at record by record, from the first to the last. */
const readsAllRecords = ({ type }: Step): boolean => type === 'reduce' || type === 'report';

const isOpen = ({ status }: StepItem): boolean => status === 'waiting' || status === 'running';

function isReady(step: Step, states: StepStates): boolean {
  return (step.dependsOn ?? []).every((name) => states.get(name)?.status === 'succeeded');
}

/** The steps' states in this generation: as kept from the last look, or read. */
async function statesOf(deps: BatchDeps, session: BatchSession, { batch, steps }: BatchTurn): Promise<StepStates> {
  if (session.states !== undefined && session.generation === batch.generation) return session.states;
  const stored = await readSteps(deps.state, batch.pk, steps);
  const states: StepStates = new Map();
  for (const { name } of steps) {
    const item = stored.get(name);
    if (item?.generation === batch.generation) states.set(name, item);
    else {
      const fresh = freshStep(deps.state, batch, name, item);
      states.set(name, isUnseen(steps, stored, name) ? { ...fresh, changed: true } : fresh);
    }
  }
  session.states = states;
  session.generation = batch.generation;
  return states;
}

/**
 * Whether a retry mended records of a step that the steps behind it have not seen, because that retry was stopped: they must
 * not pass over their chunks. In the first generation they saw all that there was.
 */
function isUnseen(steps: readonly Step[], stored: StepStates, name: string): boolean {
  const item = stored.get(name);
  if (item?.changed !== true || item.generation === 1) return false;
  const behind = steps.filter(({ dependsOn }) => dependsOn?.includes(name)).map((step) => stored.get(step.name));
  return behind.some((after) => after?.generation !== item.generation || after.status !== 'succeeded');
}

/** Ends the batch as failed; what its workers still do is stopped by `finish`, what they did becomes the partial results. */
async function fail(deps: BatchDeps, batch: BatchItem, error: BatchError): Promise<void> {
  const failed = await changeBatch(deps.state, batch, { status: 'failed', finishedAt: deps.state.now(), error });
  if (failed === undefined) return;
  deps.logger.warn({ batchId: batch.pk, code: error.code }, 'a batch has failed');
}

async function failAt(deps: BatchDeps, batch: BatchItem, step: string, error: BatchError): Promise<'again'> {
  await fail(deps, batch, { ...error, message: `${step}: ${error.message}` });
  return 'again';
}

/** Workers that are told to stop have stored what they did by then; one that died is not waited for. */
const settleMs = 15_000;

async function finish(deps: BatchDeps, session: BatchSession, turn: BatchTurn): Promise<'again' | 'wait'> {
  const { state } = deps;
  const { batch } = turn;
  const finishedAt = batch.finishedAt ?? state.now();
  // Whoever ended the batch may have died before it told the workers.
  const isStopped = isFinalBatch(batch.status);
  if (isStopped && (await stopChunks(state, batch.pk)) && state.now() - finishedAt < settleMs) return 'wait';
  const states = await statesOf(deps, session, turn);
  if (isStopped) await settleSteps(deps, turn, states);
  const { results, totals } = await writeResults(deps, turn, states, finishedAt);
  if (session.signal.aborted) throw new LeaseLost();
  await changeBatch(state, batch, {
    results,
    totals: { ...totals, costUsd: Math.max(totals.costUsd, (batch.spentBeforeUsd ?? 0) + spentBy(states)) },
    finishedAt,
    ttl: Math.ceil((state.now() + state.retentionMs) / 1000),
    ...(batch.status === 'finishing' && { status: 'succeeded' }),
  });
  return 'again';
}
