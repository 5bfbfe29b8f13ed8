import type { z } from 'zod';
import { AwsError } from '../../aws/aws-error.ts';
import { batchIdPattern } from '../../core/batch-id.ts';
import { fanoutRequestSchema } from '../../core/fanout-request.ts';
import { jobIdPattern } from '../../core/job-id.ts';
import { jobRequestSchema } from '../../core/job-request.ts';
import { type ClientFrame, clientFrameSchema, type JobFrame } from '../../core/live-frames.ts';
import { cancelJob } from '../../state/cancel-job.ts';
import { jobView } from '../../state/job-view.ts';
import { newJobId } from '../../state/submit-job.ts';
import { acceptFanout } from '../accept-fanout.ts';
import { type AcceptedJob, acceptSubmit, type SubmitDeps } from '../accept-submit.ts';
import { checkRequest, InvalidRequest } from '../invalid-request.ts';
import { refuseHostileJson } from '../json-body.ts';
import { invalid, type Problem, problemBody } from '../problem.ts';
import type { SubmitRate } from '../submit-rate.ts';
import type { BatchFollower } from './batch-hub.ts';
import type { AnswerFrame, BatchFrame } from './frame-schemas.ts';
import type { Hub } from './hub.ts';
import type { Subscriber } from './watched-job.ts';

/**
 * What one connected client may say, whatever carries it: frames in as text, frames out through `send`. A submit
 * subscribes; so does a cancel of a job that is followed. A frame that cannot be served is answered with an `error`
 * frame and changes nothing.
 */
/** Whose watching a session does: this api's for its own sockets, a connection's own at API Gateway. */
export type Follower = Pick<Hub, 'address' | 'expect' | 'subscribe'>;

export interface SessionDeps extends SubmitDeps {
  follower: Follower;
  batchFollower: BatchFollower;
  submitRate: SubmitRate;
}

/** The client's end. */
export interface ClientLink extends Subscriber {
  sendFrame(frame: AnswerFrame | BatchFrame): void;
}

/** Who is connected, and what they may do. */
export interface SessionOwner {
  tenant: string;
  /** The key's scopes: a submit and a cancel need `submit`. */
  maySubmit: boolean;
  mostSubscriptions: number;
}

interface Subscription {
  /** What ends it; undefined while it is being made. */
  leave: (() => void) | undefined;
}

/** Frames that cannot be read; a client that sends so many of them is broken. */
export const mostBadFrames = 100;

export class SocketSession {
  readonly #deps: SessionDeps;
  readonly #owner: SessionOwner;
  readonly #link: ClientLink;
  /** The subscription that counts, by job or batch. */
  readonly #subscriptions = new Map<string, Subscription>();
  #badFrames = 0;
  #closed = false;

  constructor(deps: SessionDeps, owner: SessionOwner, link: ClientLink) {
    this.#deps = deps;
    this.#owner = owner;
    this.#link = link;
  }

  /** True once so many bad frames came that the connection is to be closed. */
  get isBroken(): boolean {
    return this.#badFrames >= mostBadFrames;
  }

  /** Takes one frame. Never throws. */
  async onText(text: string): Promise<void> {
    const frame = readClientFrame(text);
    if ('problem' in frame) {
      this.#badFrames += 1;
      return this.#refuse(frame.ref, frame.problem);
    }
    const ref = 'ref' in frame ? frame.ref : undefined;
    try {
      await this.#act(frame);
    } catch (error) {
      const isOutage = error instanceof AwsError;
      this.#deps.logger[isOutage ? 'warn' : 'error']({ err: error }, 'could not serve a frame');
      const detail = isOutage ? 'a service behind this one does not answer; try again' : 'an unexpected error';
      this.#refuse(ref, { code: isOutage ? 'unavailable' : 'internal_error', detail });
    }
  }

  close(): void {
    this.#closed = true;
    for (const { leave } of this.#subscriptions.values()) leave?.();
    this.#subscriptions.clear();
  }

  async #act(frame: ClientFrame): Promise<void> {
    switch (frame.type) {
      case 'ping':
        return this.#link.sendFrame({ type: 'pong' });
      case 'subscribe':
        return await this.#subscribe(frame);
      case 'unsubscribe':
        return this.#unsubscribe(frame.batchId ?? frame.jobId ?? '');
      case 'submit':
        return await this.#submit(frame);
      case 'fanout':
        return await this.#fanout(frame);
      case 'cancel':
        return await this.#cancel(frame.ref, frame.jobId);
    }
  }

  async #submit({ ref, job, idempotencyKey }: Extract<ClientFrame, { type: 'submit' }>): Promise<void> {
    const { tenant } = this.#owner;
    const checked = checkPart(jobRequestSchema, job, 'job');
    if ('problem' in checked) return this.#refuse(ref, checked.problem);
    const jobId = newJobId(tenant, idempotencyKey);
    const { address: watcher } = this.#deps.follower;
    const submit = { tenant, request: checked.value, idempotencyKey, jobId, watcher };
    await this.#accept(ref, 'job', jobId, () => acceptSubmit(this.#deps, submit));
  }

  async #fanout({ ref, fanout, idempotencyKey }: Extract<ClientFrame, { type: 'fanout' }>): Promise<void> {
    const { tenant } = this.#owner;
    const checked = checkPart(fanoutRequestSchema, fanout, 'fanout');
    if ('problem' in checked) return this.#refuse(ref, checked.problem);
    const jobId = newJobId(tenant, idempotencyKey);
    const { address: watcher } = this.#deps.follower;
    const submit = { tenant, request: checked.value, idempotencyKey, jobId, watcher };
    await this.#accept(ref, 'fanout', jobId, () => acceptFanout(this.#deps, submit));
  }

  /** Accepts and follows: the client is told of the job first, then of its state. */
  async #accept(
    ref: string,
    part: string,
    jobId: string,
    accept: () => Promise<AcceptedJob | { problem: Problem }>,
  ): Promise<void> {
    const refusal = this.#mayNot() ?? this.#noRoom() ?? this.#deps.submitRate.take(this.#owner.tenant);
    if (refusal !== undefined) return this.#refuse(ref, refusal);
    const release = this.#deps.follower.expect(jobId);
    try {
      const accepted = await accept();
      if ('problem' in accepted) return this.#refuse(ref, within(part, accepted.problem));
      this.#link.sendFrame({ type: 'accepted', ref, job: jobView(accepted.job, accepted.parts) });
      await this.#follow(jobId, accepted.isNew ? { known: accepted.job } : {});
    } finally {
      release();
    }
  }

  async #subscribe({ ref, jobId = '', batchId, after }: Extract<ClientFrame, { type: 'subscribe' }>): Promise<void> {
    const refusal = this.#noRoom();
    if (refusal !== undefined) return this.#refuse(ref, refusal);
    if (batchId !== undefined) {
      const exists = batchIdPattern.test(batchId) && (await this.#followBatch(batchId, after));
      return exists ? undefined : this.#refuse(ref, noSuchBatch);
    }
    const exists = jobIdPattern.test(jobId) && (await this.#follow(jobId, after === undefined ? {} : { after }));
    if (!exists) this.#refuse(ref, noSuchJob);
  }

  async #cancel(ref: string, jobId: string): Promise<void> {
    const refusal = this.#mayNot();
    if (refusal !== undefined) return this.#refuse(ref, refusal);
    const cancelled = jobIdPattern.test(jobId)
      ? await cancelJob(this.#deps.state, this.#owner.tenant, jobId)
      : { kind: 'missing' as const };
    if (cancelled.kind === 'missing') return this.#refuse(ref, noSuchJob);
    if (cancelled.kind === 'final')
      return this.#refuse(ref, { code: 'job_final', detail: `the job is ${cancelled.job.status}` });
    this.#link.sendFrame({ type: 'accepted', ref, job: jobView(cancelled.job) });
  }

  #unsubscribe(id: string): void {
    this.#subscriptions.get(id)?.leave?.();
    this.#subscriptions.delete(id);
  }

  async #follow(jobId: string, options: Parameters<Hub['subscribe']>[3]): Promise<boolean> {
    return await this.#keep(jobId, (counts, onNothingMore) => {
      const send = (frame: JobFrame): void => {
        if (!counts()) return;
        if (frame.type === 'job.finished') onNothingMore();
        this.#link.send(frame);
      };
      const subscriber = { send, isSlow: () => this.#link.isSlow(), onNothingMore };
      return this.#deps.follower.subscribe(this.#owner.tenant, jobId, subscriber, options);
    });
  }

  async #followBatch(batchId: string, after: number | undefined): Promise<boolean> {
    return await this.#keep(batchId, (counts, onNothingMore) => {
      const send = (frame: BatchFrame): void => {
        if (!counts()) return;
        if (frame.type === 'batch.finished') onNothingMore();
        this.#link.sendFrame(frame);
      };
      const subscriber = { send, isSlow: () => this.#link.isSlow(), onNothingMore };
      return this.#deps.batchFollower.subscribe(this.#owner.tenant, batchId, subscriber, after);
    });
  }

  /**
   * Follows a job or a batch until its end. A second subscription of the same one takes the place of the first, also while
   * that one is still being made: nothing is told twice. False if there is nothing to follow.
   */
  async #keep(
    id: string,
    subscribe: (counts: () => boolean, onNothingMore: () => void) => Promise<(() => void) | undefined>,
  ): Promise<boolean> {
    this.#unsubscribe(id);
    const own: Subscription = { leave: undefined };
    this.#subscriptions.set(id, own);
    const counts = (): boolean => !this.#closed && this.#subscriptions.get(id) === own;
    const onNothingMore = (): void => {
      if (counts()) this.#subscriptions.delete(id);
    };
    try {
      own.leave = await subscribe(counts, onNothingMore);
    } finally {
      if (own.leave === undefined && counts()) this.#subscriptions.delete(id);
    }
    if (!counts()) own.leave?.();
    return own.leave !== undefined;
  }

  #refuse(ref: string | undefined, problem: Problem): void {
    this.#link.sendFrame({ type: 'error', ...(ref !== undefined && { ref }), problem: problemBody(problem) });
  }

  #mayNot(): Problem | undefined {
    return this.#owner.maySubmit ? undefined : { code: 'forbidden', detail: 'this needs a key with the scope submit' };
  }

  #noRoom(): Problem | undefined {
    const { mostSubscriptions } = this.#owner;
    if (this.#subscriptions.size < mostSubscriptions) return undefined;
    return { code: 'rate_limited', detail: `a connection may follow ${mostSubscriptions} jobs and batches at a time` };
  }
}

const noSuchJob: Problem = { code: 'not_found', detail: 'there is no such job' };
const noSuchBatch: Problem = { code: 'not_found', detail: 'there is no such batch' };

/** Reads a client's frame; a problem with the frame's own `ref`, where that can be made out. */
function readClientFrame(text: string): ClientFrame | { problem: Problem; ref?: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
    refuseHostileJson(value);
  } catch (error) {
    if (error instanceof InvalidRequest) return { problem: invalid(error.errors) };
    return { problem: { code: 'malformed_json', detail: 'a frame is a JSON object' } };
  }
  const parsed = clientFrameSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const ref =
    typeof value === 'object' && value !== null && 'ref' in value && typeof value.ref === 'string'
      ? { ref: value.ref.slice(0, 64) }
      : {};
  const errors = parsed.error.issues.map((issue) => ({
    path: issue.path.join('.') || 'frame',
    message: issue.message,
  }));
  return { problem: invalid(errors), ...ref };
}

/** A problem whose paths begin at the frame, not at its part. */
function within(part: string, problem: Problem): Problem {
  if (problem.errors === undefined) return problem;
  return invalid(problem.errors.map((error) => ({ ...error, path: `${part}.${error.path}` })));
}

/** A part of a frame, checked as the body of its REST route is. */
function checkPart<T>(schema: z.ZodType<T>, part: unknown, name: string): { value: T } | { problem: Problem } {
  const result = checkRequest({ schema, method: '', url: '' } as never)(part) as { value?: T; error?: unknown };
  if (result.error instanceof InvalidRequest) return { problem: within(name, invalid(result.error.errors)) };
  return { value: result.value as T };
}
