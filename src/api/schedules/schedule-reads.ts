import { z } from 'zod';
import { scheduleIdPattern } from '../../core/batch-id.ts';
import { scheduleView } from '../../state/schedule-view.ts';
import { listSchedules, readSchedule, readScheduleSteps } from '../../state/schedules.ts';
import type { Api } from '../api-deps.ts';
import { tenantOf } from '../authenticate.ts';
import { needsKey, problemResponses } from '../route-docs.ts';
import type { ScheduleDeps } from './create-schedule-route.ts';
import { noSuchSchedule, scheduleBody, scheduleParams } from './schedule-schemas.ts';

/** `GET /v1/schedules` and `GET /v1/schedules/{id}`. */
export function serveScheduleReads(app: Api, { authenticate, state }: ScheduleDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/schedules',
    onRequest: authenticate('read'),
    schema: {
      operationId: 'listSchedules',
      summary: "List the tenant's schedules, newest first",
      description: 'All of them, without steps of their own. Needs the scope `read`.',
      tags: ['schedules'],
      security: needsKey(),
      response: { 200: z.object({ items: z.array(scheduleBody) }), ...problemResponses() },
    },
    handler: async (request, reply) => {
      const schedules = await listSchedules(state, tenantOf(request));
      return reply.send({ items: schedules.map((schedule) => scheduleView(schedule)) });
    },
  });

  app.route({
    method: 'GET',
    url: '/v1/schedules/:id',
    onRequest: authenticate('read'),
    schema: {
      operationId: 'getSchedule',
      summary: 'Read a schedule',
      description: 'When it is due next, what it started last, and why it did not. Needs the scope `read`.',
      tags: ['schedules'],
      security: needsKey(),
      params: scheduleParams,
      response: { 200: scheduleBody, ...problemResponses('not_found') },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      const schedule = scheduleIdPattern.test(id) ? await readSchedule(state, tenantOf(request), id) : undefined;
      if (schedule === undefined) return noSuchSchedule(reply);
      return reply.send(scheduleView(schedule, await readScheduleSteps(state, schedule)));
    },
  });
}
