import type { Item, Key } from '../aws/tables.ts';
import type { StateDeps } from './state-deps.ts';

/** Whether a lane is paused, for the whole fleet: by an operator, or by a worker that saw every job refused. */
export interface LanePauseState {
  reason: 'operator' | 'daily_quota' | 'access_denied' | 'model_not_found';
  detail: string;
  sinceMs: number;
  /** Undefined: until somebody resumes it. */
  untilMs?: number;
}

const laneKey = (lane: string): Key => ({ pk: 'lane', sk: lane });

/** Pauses a lane: nothing more of it is started; what runs goes on; its jobs stay queued. Safe to run twice. Throws AwsError. */
export async function pauseLane(
  deps: StateDeps,
  lane: string,
  pause: Omit<LanePauseState, 'sinceMs'>,
): Promise<LanePauseState> {
  const state: LanePauseState = { ...pause, sinceMs: deps.now() };
  await deps.tables.put('control', { ...laneKey(lane), ...state });
  return state;
}

/** Lets a lane go on. Safe to run twice. Throws AwsError. */
export async function resumeLane(deps: StateDeps, lane: string): Promise<void> {
  await deps.tables.delete('control', laneKey(lane));
}

/** The lanes that are paused now, by name. One read. Throws AwsError. */
export async function pausedLanes(deps: StateDeps): Promise<Map<string, LanePauseState>> {
  const items = await deps.tables.partition('control', 'lane');
  const now = deps.now();
  return new Map(
    items
      .filter((item) => item.untilMs === undefined || Number(item.untilMs) > now)
      .map((item) => [String(item.sk), toPause(item)]),
  );
}

function toPause(item: Item): LanePauseState {
  return {
    reason: item.reason as LanePauseState['reason'],
    detail: String(item.detail),
    sinceMs: Number(item.sinceMs),
    ...(item.untilMs !== undefined && { untilMs: Number(item.untilMs) }),
  };
}
