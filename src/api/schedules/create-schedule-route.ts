import type { ScheduleRequest } from '../../core/schedule-request.ts';
import { checkBatch } from '../../state/check-batch.ts';
import { inputUriOf } from '../../state/files.ts';
import { noSuchInput } from '../../state/prepare-batch.ts';
import { scheduleView } from '../../state/schedule-view.ts';
import { createSchedule, mostSchedules } from '../../state/schedules.ts';
import type { Api, ApiDeps } from '../api-deps.ts';
import { type Authenticate, tenantOf } from '../authenticate.ts';
import { invalid, type Problem, sendProblem } from '../problem.ts';
import { needsKey, problemResponses } from '../route-docs.ts';
import type { SubmitRate } from '../submit-rate.ts';
import { scheduleBody, scheduleRequestBody } from './schedule-schemas.ts';

export type ScheduleDeps = ApiDeps & { authenticate: Authenticate; submitRate: SubmitRate };

/** `POST /v1/schedules`. What its batches would be refused for is refused now; they are checked again when they start. */
export function serveCreateSchedule(app: Api, deps: ScheduleDeps): void {
  const { state, submitRate } = deps;
  app.route({
    method: 'POST',
    url: '/v1/schedules',
    onRequest: [deps.authenticate('submit'), submitRate.hook],
    schema: {
      operationId: 'createSchedule',
      summary: 'Make a schedule',
      description:
        'Starts a batch by the clock (`cron`, in a time zone), or whenever an event matches (`event`, an EventBridge pattern). What it ' +
        `starts never changes: make another one for that. At most ${mostSchedules} per tenant. Needs the scope \`submit\`.`,
      tags: ['schedules'],
      security: needsKey(),
      body: scheduleRequestBody,
      response: {
        201: scheduleBody,
        ...problemResponses(
          'malformed_json',
          'too_many_schedules',
          'payload_too_large',
          'unsupported_media_type',
          'validation_failed',
        ),
      },
    },
    handler: async (request, reply) => {
      const tenant = tenantOf(request);
      const problem = await problemWith(deps, tenant, request.body);
      if (problem !== undefined) return sendProblem(reply, problem);
      const schedule = await createSchedule(state, tenant, request.body);
      if (schedule === undefined)
        return sendProblem(reply, {
          code: 'too_many_schedules',
          detail: `a tenant has at most ${mostSchedules} schedules: delete one first`,
        });
      return reply
        .code(201)
        .header('location', `/v1/schedules/${schedule.id}`)
        .send(scheduleView(schedule, request.body.steps));
    },
  });
}

async function problemWith(deps: ScheduleDeps, tenant: string, request: ScheduleRequest): Promise<Problem | undefined> {
  const checked = checkBatch({ ...deps, bucket: deps.state.objects.bucket }, tenant, request);
  if (checked.kind === 'refused') return invalid(checked.errors);
  const { input } = request;
  const isThere = input === undefined || (await inputUriOf(deps.state, tenant, input)) !== undefined;
  return isThere ? undefined : invalid([noSuchInput]);
}
