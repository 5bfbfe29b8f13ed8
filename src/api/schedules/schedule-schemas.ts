import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { scheduleRequestSchema } from '../../core/schedule-request.ts';
import { scheduleViewSchema } from '../../state/schedule-view.ts';
import { sendProblem } from '../problem.ts';

/** What is asked and answered about schedules. */

export const scheduleRequestBody = scheduleRequestSchema.meta({
  examples: [
    {
      name: 'reviews of the day',
      cron: '0 2 * * *',
      timeZone: 'Europe/Berlin',
      input: 's3://penstock/demo/reviews/',
      pipeline: 'reviews',
    },
  ],
});

export const scheduleBody = scheduleViewSchema.meta({ id: 'Schedule' });

export const scheduleParams = z.object({ id: z.string().describe('Like sch_0123456789abcdef0123456789abcdef') });

/** For an id of no schedule, and of another tenant's. */
export function noSuchSchedule(reply: FastifyReply): FastifyReply {
  return sendProblem(reply, { code: 'not_found', detail: 'there is no such schedule' });
}
