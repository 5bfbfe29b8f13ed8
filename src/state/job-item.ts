import type { Item, Key } from '../aws/tables.ts';
import type { JobError, JobKind, JobStatus, Operation, Priority, Timings, Usage } from '../core/job.ts';
import { defaultStartWithinSeconds, maxTimeoutSeconds } from '../core/job-request.ts';
import { maxWaitInWorkerMs } from '../core/outcome.ts';

/**
 * The records of a job in the table `jobs`. All lie in the partition of the job's id:
 *
 * | sk | what | written |
 * | --- | --- | --- |
 * | `job` | state only, under 1 KB, so that each change costs one write unit | by each state change, one conditional write |
 * | `input#<hash>` | the operation's input, or the S3 key of a large one | once, at submit |
 * | `meta` | metadata and webhook | once, at submit, if either is given |
 * | `output#<fence>` | the answer, or the S3 key of a large one; of a fan-out `output#<fence>-<random>` | before the finish that names it |
 * | `webhook#<generation>` | how far the webhook's delivery has come | by each attempt at it |
 *
 * `rev` rises with every change, `generation` with every retry, `fence` with every claim and cancel. Whatever is written
 * before a deciding write carries the fence in its name, and readers follow only the name in `job`: a worker that was
 * paused and wakes up late can spoil nothing.
 */
export interface JobItem {
  pk: string;
  sk: 'job';
  kind: JobKind;
  status: JobStatus;
  tenant: string;
  lane: string;
  model: string;
  operation: Operation;
  priority: Priority;
  stream: boolean;
  /** From 1; rises with every retry. */
  generation: number;
  rev: number;
  fence: number;
  /** Claims since the last clean hand-back; 4 of them make a poison job. */
  starts: number;
  /** Model calls that really began, in this generation. */
  attempts: number;
  createdAt: number;
  /** When this generation was queued. */
  queuedAt: number;
  /** Queued: no later start. Pushed on once a model call began: then it has begun, whatever happens. */
  startBy: number;
  /** Length of the wait for a start, for retries. */
  startWithinMs: number;
  timeoutMs: number;
  startedAt?: number;
  finishedAt?: number;
  /** Running: nobody works on it any more after this time. */
  runBy?: number;
  /** Who holds it while running; none for an asynchronous invocation, which runs at Bedrock. */
  worker?: string;
  /** The invocation that runs at Bedrock. */
  asyncArn?: string;
  /** Of the request, to tell a repeat under the same key from another one. */
  requestHash: string;
  /** The sk of the input. */
  input: string;
  /** Of a fan-out's branch: whose it is, and where the shared input is, over which its own is laid. */
  parent?: { id: string; generation: number; index: number; name: string; input: string };
  /** Of a fan-out: branches that ended, `<index>:<generation>`, and when it ends with what there is. */
  done?: Set<string>;
  failed?: Set<string>;
  deadlineAt?: number;
  hasMeta?: boolean;
  /** Somebody is to be told of the end by a webhook. */
  hasWebhook?: boolean;
  /** The sk of the output. */
  output?: string;
  usage?: Usage;
  costUsd?: number;
  timings?: Timings;
  error?: JobError;
  /** Set by a delete before it takes things away: from then on the job is gone for everybody. */
  deleting?: boolean;
  /** Addresses of those who want to hear of it: api instances, connections of API Gateway. */
  watchers?: Set<string>;
  /** The index: whose list it is in, and where. */
  listKey: string;
  listSort: string;
  /** Epoch seconds after which DynamoDB lets it go; only final jobs have one. */
  ttl?: number;
}

export const jobKey = (jobId: string): Key => ({ pk: jobId, sk: 'job' });
export const metaKey = (jobId: string): Key => ({ pk: jobId, sk: 'meta' });
export const inputSk = (hash: string): string => `input#${hash}`;
export const outputSk = (name: string): string => `output#${name}`;

/** A read item as a job; undefined for none, and for one that is being deleted. */
export function asJob(item: Item | undefined): JobItem | undefined {
  return item === undefined || item.deleting === true ? undefined : (item as unknown as JobItem);
}

/** Everything of a job in S3. */
export function jobObjects(tenant: string, jobId: string): string {
  return `${tenant}/jobs/${jobId}/`;
}

/** Past its deadline: queued and never begun in time, or running with nobody left who could end it. */
export function isOverdue(job: JobItem, nowMs: number): boolean {
  if (job.status === 'queued') return nowMs >= job.startBy;
  return job.status === 'running' && job.runBy !== undefined && nowMs >= job.runBy;
}

/**
 * How long after its claim a running job is given up for lost: the longest wait for the pace, the longest attempt, and a
 * day. The message of a dead worker comes back within the visibility timeout, but may then stand behind a long backlog;
 * as long as the default wait for a start is fair to it.
 */
export const longestRunMs = maxWaitInWorkerMs + maxTimeoutSeconds * 1000 + defaultStartWithinSeconds * 1000;

/** Who watches a job, by address. */
export function watchersOf(job: JobItem): string[] {
  return job.watchers instanceof Set ? [...job.watchers] : [];
}
