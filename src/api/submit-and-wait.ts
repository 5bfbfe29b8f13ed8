import type { FastifyReply, FastifyRequest } from 'fastify';
import { isFinal } from '../core/job.ts';
import { joinSignals } from '../runtime/join-signals.ts';
import { jobView } from '../state/job-view.ts';
import type { AcceptedJob } from './accept-submit.ts';
import type { ApiDeps } from './api-deps.ts';
import { waitSecondsOf } from './live/prefer.ts';
import { waitForJob } from './live/wait-for-job.ts';
import { type Problem, sendProblem } from './problem.ts';

/**
 * Answers a submit: 202 with the job, or, with `Prefer: wait`, 200 with its end if that comes in time.
 * @param submit.jobId known before the job exists, because its end may be told of before the submit is answered
 * @param submit.accept stores and queues it; `watcher` is this api's address where somebody waits. Throws AwsError
 */
export async function submitAndWait(
  deps: Pick<ApiDeps, 'hub'>,
  request: FastifyRequest,
  reply: FastifyReply,
  submit: {
    tenant: string;
    jobId: string;
    accept: (watcher: { watcher?: string }) => Promise<AcceptedJob | { problem: Problem }>;
  },
): Promise<FastifyReply> {
  const { tenant, jobId, accept } = submit;
  const waitSeconds = waitSecondsOf(request.headers.prefer as string | undefined);
  const release = waitSeconds === undefined ? () => undefined : deps.hub.expect(jobId);
  try {
    const accepted = await accept(waitSeconds === undefined ? {} : { watcher: deps.hub.address });
    if ('problem' in accepted) return sendProblem(reply, accepted.problem);
    reply.header('location', `/v1/jobs/${jobId}`);
    if (waitSeconds === undefined) return reply.code(202).send(jobView(accepted.job, accepted.parts));
    reply.header('preference-applied', `wait=${waitSeconds}`);
    const finished = await waitForEnd(deps, tenant, accepted, waitSeconds, reply);
    return reply.code(finished === undefined ? 202 : 200).send(finished ?? jobView(accepted.job, accepted.parts));
  } finally {
    release();
  }
}

/** The finished job as a read would give it; undefined if it did not finish in time. */
async function waitForEnd(
  { hub }: Pick<ApiDeps, 'hub'>,
  tenant: string,
  accepted: AcceptedJob,
  seconds: number,
  reply: FastifyReply,
) {
  const { job, parts, isNew } = accepted;
  if (isFinal(job.status)) return jobView(job, parts);
  const gone = new AbortController();
  // Of the response: the request's own `close` comes as soon as its body was read.
  reply.raw.once('close', () => gone.abort());
  if (reply.raw.destroyed) gone.abort();
  const { signal, leave } = joinSignals([gone.signal, hub.stopping]);
  const wait = { tenant, job, isWatched: isNew, forMs: seconds * 1000, signal };
  const frame = await waitForJob(hub, wait).finally(leave);
  return frame === undefined ? undefined : await hub.wholeJob(tenant, frame);
}
