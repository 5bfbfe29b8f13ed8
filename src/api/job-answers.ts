import type { FastifyReply } from 'fastify';
import type { JobItem } from '../state/job-item.ts';
import { type JobView, jobView } from '../state/job-view.ts';
import { readParts } from '../state/read-job.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { type ProblemCode, sendProblem } from './problem.ts';

/** What the routes of one job have in common to say. */

/** The job with its metadata and output, as far as it has them. Throws AwsError. */
export async function fullView(state: StateDeps, job: JobItem): Promise<JobView> {
  return jobView(job, await readParts(state, job));
}

/** For an id of no job, of another tenant's job, and for what cannot be an id: nobody learns which. */
export function noSuchJob(reply: FastifyReply): FastifyReply {
  return sendProblem(reply, { code: 'not_found', detail: 'there is no such job' });
}

/** The job is in a status that does not allow what was asked. */
export function conflict(reply: FastifyReply, code: ProblemCode, job: JobItem): FastifyReply {
  return sendProblem(reply, { code, detail: `the job is ${job.status}` });
}
