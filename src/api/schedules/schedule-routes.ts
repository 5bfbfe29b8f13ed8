import type { Api } from '../api-deps.ts';
import { type ScheduleDeps, serveCreateSchedule } from './create-schedule-route.ts';
import { serveScheduleActions } from './schedule-actions.ts';
import { serveScheduleReads } from './schedule-reads.ts';

/** `/v1/schedules`: what starts batches by the clock, or when something happens. */
export function serveSchedules(app: Api, deps: ScheduleDeps): void {
  serveCreateSchedule(app, deps);
  serveScheduleReads(app, deps);
  serveScheduleActions(app, deps);
}
