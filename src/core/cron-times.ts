import { Cron } from 'croner';

/**
 * When a cron expression is due. Five fields (minute, hour, day of month, month, day of week), names (`MON`, `JAN`), `L`,
 * `W`, `#` and the nicknames (`@daily`): https://croner.56k.guru. A day of month and a day of week are either-or, as in cron.
 *
 * Daylight saving, as croner does it, which is what Vixie cron does:
 * - With minutes and hours given as numbers, lists or ranges (`30 2 * * *`, `30 2,14 * * *`): a time that does not exist
 *   is due at the end of the gap, on the same day (New York, 8 March 2026, 02:30: at 03:00 EDT; Berlin, 29 March 2026, 02:30:
 *   at 03:00 CEST); two that fall into one gap are due once. A time that is there twice is due the first time only
 *   (New York, 1 November 2026, 01:30: in EDT, not again in EST).
 * - With `*` or a step in minutes or hours (`*\/30 * * * *`, `0 * * * *`): due by real time. What does not exist is
 *   left out, and the hour that is there twice is due twice: 25 times on that day for an hourly one.
 *
 * croner's own default takes only single numbers for a time of day, so that `30 2,14 * * *` would be left out in the gap
 * and due twice in autumn: hence `no-wildcard`.
 */

/** A cron expression or a time zone that cannot be used. */
export interface CronProblem {
  field: 'cron' | 'timeZone';
  message: string;
}

// biome-ignore lint/style/noRestrictedGlobals: croner takes its times as dates; none is made of the clock
const dateOf = (ms: number): Date => new Date(ms);
/** 1 January 2026: whether a time ever comes does not depend on where one begins to ask. */
const anyTimeMs = 1_767_225_600_000;

/** What is wrong with a schedule's times; undefined if nothing is. */
export function cronProblem(cron: string, timeZone: string): CronProblem | undefined {
  if (!isTimeZone(timeZone))
    return { field: 'timeZone', message: 'not a time zone of the IANA database, like Europe/Berlin or UTC' };
  if (!cron.trim().startsWith('@') && cron.trim().split(/\s+/).length !== 5)
    return { field: 'cron', message: 'not five fields: minute, hour, day of month, month, day of week' };
  try {
    if (parse(cron, timeZone).nextRun(dateOf(anyTimeMs)) === null)
      return { field: 'cron', message: 'this time never comes' };
    return undefined;
  } catch (error) {
    return { field: 'cron', message: error instanceof Error ? error.message.replace(/^CronPattern: /, '') : 'invalid' };
  }
}

/**
 * The first time after `afterMs` (epoch ms, exclusive) at which it is due, epoch ms; undefined if there is none.
 * @throws for what `cronProblem` refuses
 */
export function nextTimeAfter(cron: string, timeZone: string, afterMs: number): number | undefined {
  return parse(cron, timeZone).nextRun(dateOf(afterMs))?.getTime();
}

/** The times after `afterMs` and up to `untilMs`, the first `most` of them. @throws for what `cronProblem` refuses */
export function timesBetween(
  cron: string,
  timeZone: string,
  { afterMs, untilMs, most }: { afterMs: number; untilMs: number; most: number },
): number[] {
  const pattern = parse(cron, timeZone);
  const times: number[] = [];
  let next = pattern.nextRun(dateOf(afterMs))?.getTime();
  while (next !== undefined && next <= untilMs && times.length < most) {
    times.push(next);
    next = pattern.nextRun(dateOf(next))?.getTime();
  }
  return times;
}

/** Only a calculator: paused and without a function it never starts a timer. */
function parse(cron: string, timezone: string): Cron {
  const mode = cron.trim().startsWith('@') ? 'auto' : '5-part';
  return new Cron(cron.trim(), { timezone, mode, paused: true, fixedTimeRule: 'no-wildcard' });
}

function isTimeZone(timeZone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return /^[A-Za-z]/.test(timeZone);
  } catch {
    return false;
  }
}
