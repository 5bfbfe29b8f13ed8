import { scheduleIdPattern } from '../../core/batch-id.ts';
import { readOwnBatch } from '../../state/change-batch.ts';
import { createPrepareBatch } from '../../state/prepare-batch.ts';
import { scheduleView } from '../../state/schedule-view.ts';
import { deleteSchedule, pauseSchedule, readSchedule, resumeSchedule } from '../../state/schedules.ts';
import { runScheduleNow } from '../../state/start-scheduled.ts';
import type { Api } from '../api-deps.ts';
import { noBody, nothing } from '../api-schemas.ts';
import { tenantOf } from '../authenticate.ts';
import { fullBatch } from '../batches/batch-answers.ts';
import { batchBody, batchHeaders } from '../batches/batch-schemas.ts';
import { sendProblem } from '../problem.ts';
import { needsKey, problemResponses } from '../route-docs.ts';
import type { ScheduleDeps } from './create-schedule-route.ts';
import { noSuchSchedule, scheduleBody, scheduleParams } from './schedule-schemas.ts';

/** Delete, pause, resume and run. */
export function serveScheduleActions(app: Api, deps: ScheduleDeps): void {
  serveDelete(app, deps);
  serveTurn(app, deps, {
    action: 'pause',
    change: pauseSchedule,
    description: 'Nothing is started by it until it is resumed; what it has started goes on.',
  });
  serveTurn(app, deps, {
    action: 'resume',
    change: resumeSchedule,
    description: 'It goes on with the next time from now: what was due meanwhile is not made up for.',
  });
  serveRun(app, deps);
}

function serveDelete(app: Api, { authenticate, state }: ScheduleDeps): void {
  app.route({
    method: 'DELETE',
    url: '/v1/schedules/:id',
    onRequest: authenticate('submit'),
    schema: {
      operationId: 'deleteSchedule',
      summary: 'Delete a schedule',
      description: 'What it has started goes on. Needs the scope `submit`.',
      tags: ['schedules'],
      security: needsKey(),
      params: scheduleParams,
      response: { 204: nothing, ...problemResponses('not_found') },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      const wasThere = scheduleIdPattern.test(id) && (await deleteSchedule(state, tenantOf(request), id));
      return wasThere ? reply.code(204).send() : noSuchSchedule(reply);
    },
  });
}

function serveTurn(
  app: Api,
  { authenticate, state }: ScheduleDeps,
  turn: { action: 'pause' | 'resume'; change: typeof pauseSchedule; description: string },
): void {
  const { action, change, description } = turn;
  app.route({
    method: 'POST',
    url: `/v1/schedules/:id/${action}`,
    onRequest: authenticate('submit'),
    schema: {
      operationId: `${action}Schedule`,
      summary: action === 'pause' ? 'Pause a schedule' : 'Resume a schedule',
      description: `${description} Needs the scope \`submit\`.`,
      tags: ['schedules'],
      security: needsKey(),
      params: scheduleParams,
      body: noBody,
      response: { 200: scheduleBody, ...problemResponses('not_found', 'validation_failed') },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      const schedule = scheduleIdPattern.test(id) ? await change(state, tenantOf(request), id) : undefined;
      return schedule === undefined ? noSuchSchedule(reply) : reply.send(scheduleView(schedule));
    },
  });
}

function serveRun(app: Api, deps: ScheduleDeps): void {
  const { authenticate, submitRate, state } = deps;
  const prepare = createPrepareBatch(deps);
  app.route({
    method: 'POST',
    url: '/v1/schedules/:id/run',
    onRequest: [authenticate('submit'), submitRate.hook],
    schema: {
      operationId: 'runSchedule',
      summary: 'Start its batch now',
      description: 'Also of a paused one; when it is due next stays as it is. Needs the scope `submit`.',
      tags: ['schedules'],
      security: needsKey(),
      params: scheduleParams,
      headers: batchHeaders,
      body: noBody,
      response: { 202: batchBody, ...problemResponses('not_found', 'schedule_not_runnable', 'validation_failed') },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      const tenant = tenantOf(request);
      const schedule = scheduleIdPattern.test(id) ? await readSchedule(state, tenant, id) : undefined;
      if (schedule === undefined) return noSuchSchedule(reply);
      const started = await runScheduleNow({ state, prepare }, schedule, request.headers['idempotency-key']);
      if (started.kind === 'failed')
        return sendProblem(reply, { code: 'schedule_not_runnable', detail: started.error.message });
      const batch = await readOwnBatch(state, tenant, started.batchId);
      if (batch === undefined) throw new Error(`the batch ${started.batchId} was started and is not there`);
      return reply
        .code(202)
        .header('location', `/v1/batches/${batch.pk}`)
        .send(await fullBatch(state, batch));
    },
  });
}
