import { compilePattern, type EventPattern, matches } from '../core/event-pattern.ts';
import type { Logger } from '../runtime/logger.ts';
import { allSchedules, type ScheduleItem } from '../state/schedules.ts';
import type { StateDeps } from '../state/state-deps.ts';

/** The event schedules that are not paused, compiled. */
export interface EventSchedules {
  /** Those that match, of one tenant if given, as they are stored no earlier than the call. Throws AwsError. */
  matching(event: unknown, tenant?: string): Promise<ScheduleItem[]>;
}

interface Compiled {
  schedule: ScheduleItem;
  pattern: EventPattern;
}

/** One read of all schedules serves the events of a second: each then waits for one that began after it came. */
const readEveryMs = 1_000;

/**
 * A schedule that was made before an upload must see it, so no event is matched against a list that is older than the
 * event; a flood of events still costs one read a second.
 */
export function createEventSchedules(
  deps: { state: StateDeps; logger: Logger },
  pause: (ms: number) => Promise<unknown>,
): EventSchedules {
  const { state, logger } = deps;
  const compiled = new Map<string, Compiled>();
  let begunAt = Number.NEGATIVE_INFINITY;
  let next: Promise<Compiled[]> | undefined;

  const read = async (): Promise<Compiled[]> => {
    // Waits also where there is nothing to wait for, so that `next` is this read before it is taken away.
    await pause(Math.max(0, begunAt + readEveryMs - state.now()));
    // From here on a new caller needs a new list.
    next = undefined;
    begunAt = state.now();
    const schedules = (await allSchedules(state)).filter(({ event, paused }) => event !== undefined && !paused);
    const ids = new Set(schedules.map(({ id }) => id));
    for (const id of compiled.keys()) if (!ids.has(id)) compiled.delete(id);
    return schedules.flatMap((schedule) => compile(schedule));
  };
  const compile = (schedule: ScheduleItem): Compiled[] => {
    try {
      // A schedule's pattern never changes.
      const pattern = compiled.get(schedule.id)?.pattern ?? compilePattern(JSON.parse(schedule.event as string));
      const entry = { schedule, pattern };
      compiled.set(schedule.id, entry);
      return [entry];
    } catch (error) {
      logger.warn({ err: error, schedule: schedule.id }, 'the pattern of a schedule cannot be read');
      return [];
    }
  };

  return {
    async matching(event, tenant) {
      next ??= read();
      const found = (await next).filter(({ schedule }) => tenant === undefined || schedule.tenant === tenant);
      return found.filter(({ pattern }) => matches(pattern, event)).map(({ schedule }) => schedule);
    },
  };
}
