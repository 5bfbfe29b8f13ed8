import { AwsError } from '../aws/aws-error.ts';
import type { HeldMessage } from '../aws/held-messages.ts';
import type { MessageEnd } from '../aws/message-end.ts';
import { persist } from '../aws/persist.ts';
import { type ChunkMessage, chunkMessageSchema } from '../core/batch-messages.ts';
import type { Step } from '../core/pipeline.ts';
import { jitteredSeconds } from '../core/retry-delay.ts';
import type { TraceCarrier } from '../core/trace-carrier.ts';
import { endChunk } from '../state/checkpoint-chunk.ts';
import { chunkInputsOrLoss } from '../state/chunk-inputs.ts';
import { claimChunk } from '../state/claim-chunk.ts';
import { askToAdvance } from '../state/running-batches.ts';
import type { ChunkDeps } from './chunk-deps.ts';
import { ChunkRun } from './chunk-run.ts';
import type { StepCall } from './record-input.ts';
import { goesOn, runChunk } from './run-chunk.ts';

/** As of jobs: a version of tomorrow is put back for a worker that knows it. */
const unknownSeconds = 120;
/** As of jobs: a claim whose answer was lost is asked for again for so long. */
const claimMs = 60_000;

/** A chunk's message in this worker. */
export interface ChunkInHand extends HeldMessage {
  /** Undefined: nobody here can read it. */
  message: ChunkMessage | undefined;
  receiveCount: number;
  /** Of the span that sent it. */
  trace: TraceCarrier | undefined;
  /** Undefined until the chunk is claimed. */
  run?: ChunkRun;
}

/** Reads the body of a message; never throws. */
export function readChunkMessage(body: string): ChunkMessage | undefined {
  try {
    return chunkMessageSchema.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}

/** The place that a chunk has in its lane. */
export interface ChunkPlace {
  /** Whether this worker has the chunk already, by another copy of its message. */
  holds: boolean;
  /** The run's records may be started, as soon as this is called. */
  begin(run: ChunkRun): void;
  /** A record may begin that could not before. */
  onReady(): void;
  /** Aborted as soon as a drain begins. */
  draining: AbortSignal;
}

/** One message in, one outcome out. Never throws: what nobody expected is logged, and the message comes back later. */
export async function handleChunk(deps: ChunkDeps, inHand: ChunkInHand, place: ChunkPlace): Promise<MessageEnd> {
  const { logger, state } = deps;
  const { message, queue } = inHand;
  if (message === undefined) {
    logger.warn({ queue }, 'a message that this worker cannot read');
    return { kind: 'hide', seconds: jitteredSeconds(unknownSeconds, state.random()) };
  }
  try {
    return await act(deps, message, queue, place);
  } catch (error) {
    const { batchId, step, chunk } = message;
    const level = error instanceof AwsError ? 'warn' : 'error';
    logger[level]({ err: error, batchId, step, chunk }, 'could not run a chunk; it comes back');
    return { kind: 'hide', seconds: place.draining.aborted ? 0 : jitteredSeconds(5, state.random()) };
  }
}

async function act(deps: ChunkDeps, message: ChunkMessage, queue: string, place: ChunkPlace): Promise<MessageEnd> {
  const { state } = deps;
  const { batchId, tenant, step, chunk } = message;
  const batch = await goesOn(state, message);
  if (batch === undefined) return { kind: 'delete' };
  const steps = await deps.readSpec(batch);
  const call = callOf(steps, message);
  if (call === undefined) return { kind: 'delete' };
  const { source, records, lost } = await chunkInputsOrLoss(state, { tenant, batchId, steps, step, chunk });
  const claim = await persist(
    () => claimChunk(state, deps.workerId, message, { records: source.records, holds: place.holds }),
    { logger: deps.logger, forMs: claimMs, signal: place.draining },
  );
  if (claim.kind === 'outdated') return { kind: 'delete' };
  if (claim.kind === 'busy')
    return { kind: 'hide', seconds: Math.ceil(claim.retryAfterMs / 1000 + 2 * state.random()) };
  if (claim.kind === 'done') {
    // Its worker may have died between the end and the word of it.
    await askToAdvance(state, message);
    return { kind: 'delete' };
  }
  if (lost !== undefined) {
    const item = claim.chunk;
    if (!(await endChunk(state, { batchId, step, chunk, item }, item, lost))) return { kind: 'leave' };
    await askToAdvance(state, message);
    return { kind: 'delete' };
  }
  const run = new ChunkRun(message, {
    call,
    item: claim.chunk,
    firstN: source.firstN,
    records,
    mostUnsaved: 2 * deps.chunks.checkpointRecords,
    onReady: place.onReady,
  });
  // A cancel tells those that have chunks by then: whoever claims later sees it here, and who has claimed before is told.
  if ((await goesOn(state, message)) === undefined) run.stop({ kind: 'cancelled' });
  place.begin(run);
  return await runChunk(deps, run, queue);
}

/** What the step asks; of a reduce's level (`<step>@<level>`), whose requests are its records. Undefined if it calls no model. */
function callOf(steps: readonly Step[], { step: name, tenant }: ChunkMessage): StepCall | undefined {
  const step = steps.find((one) => one.name === name.split('@')[0]);
  if (step?.type === 'inference') {
    const { model, operation, input } = step;
    return { model, operation, input, steps, tenant };
  }
  if (step?.type !== 'reduce' || !name.includes('@')) return undefined;
  return { model: step.model, operation: 'converse', input: undefined, steps, tenant };
}
