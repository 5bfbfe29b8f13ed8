import type { FailureCode, LanePause } from '../core/outcome.ts';
import type { Logger } from '../runtime/logger.ts';
import { type LanePauseState, pauseLane } from '../state/lane-pause.ts';
import type { StateDeps } from '../state/state-deps.ts';

/**
 * Whether a lane may start work: paused for the fleet (an operator, or a worker that saw every job refused), or this
 * worker has no valid credentials. It also counts refusals in a row, so that one wrong policy cannot burn a backlog.
 */
export interface LaneGuard {
  /** Why nothing may start now; undefined when it may. */
  closed(): string | undefined;
  /**
   * What the fleet's record said when it was read at `asOfMs`. A pause of this worker's own that is newer than that is
   * kept: the read may have passed its write.
   */
  setPause(pause: LanePauseState | undefined, asOfMs: number): void;
  /** A call was refused for the lane's sake; gives the number of different jobs in a row. */
  refused(jobId: string, code: FailureCode): number;
  /** A call came through. */
  passed(): void;
  /** Pauses the lane for the fleet. Never throws: this worker keeps to it in any case until the next look. */
  pause(pause: LanePause): Promise<void>;
  credentialsMissing(): void;
  hasCredentials(): boolean;
}

/** After an answer that says that the credentials are no good: time for the SDK's provider to get new ones. */
const credentialsPauseMs = 15_000;

export function createLaneGuard(deps: {
  state: StateDeps;
  logger: Logger;
  lane: string;
  onChange: () => void;
}): LaneGuard {
  const { state, logger, lane, onChange } = deps;
  let paused: LanePauseState | undefined;
  let refusals = new Set<string>();
  let noCredentialsUntil = 0;

  const isOver = (pause: LanePauseState): boolean => pause.untilMs !== undefined && pause.untilMs <= state.now();

  return {
    closed() {
      if (paused !== undefined && !isOver(paused)) return paused.reason;
      return state.now() < noCredentialsUntil ? 'credentials' : undefined;
    },
    setPause(pause, asOfMs) {
      if (pause === undefined && paused !== undefined && paused.sinceMs >= asOfMs) return;
      const before = paused?.sinceMs;
      paused = pause;
      if (pause?.sinceMs === before) return;
      if (pause === undefined) refusals = new Set();
      logger.info({ lane, paused: pause?.reason ?? false }, pause === undefined ? 'lane goes on' : 'lane is paused');
      onChange();
    },
    refused(jobId) {
      refusals.add(jobId);
      return refusals.size;
    },
    passed() {
      if (refusals.size > 0) refusals = new Set();
      noCredentialsUntil = 0;
    },
    async pause({ reason, detail, forSeconds }) {
      const untilMs = forSeconds === undefined ? {} : { untilMs: state.now() + forSeconds * 1000 };
      if (this.closed() === reason) return;
      paused = { reason, detail, sinceMs: state.now(), ...untilMs };
      logger.error({ lane, reason, detail }, 'pausing the lane for the fleet');
      onChange();
      try {
        await pauseLane(state, lane, { reason, detail, ...untilMs });
      } catch (error) {
        logger.warn({ err: error, lane }, 'could not record the pause of the lane');
      }
    },
    credentialsMissing() {
      noCredentialsUntil = state.now() + credentialsPauseMs;
      onChange();
      // The timer only wakes the pollers: whether the credentials are good is seen by the next call.
      setTimeout(onChange, credentialsPauseMs).unref();
    },
    hasCredentials: () => state.now() >= noCredentialsUntil,
  };
}
