import type { Connections } from '../aws/connections.ts';
import { type DeltaFrame, seqOf } from '../core/live-frames.ts';
import { type JobItem, watchersOf } from '../state/job-item.ts';

/**
 * The text of a run on its way to those who watch. Pieces are collected for a moment, so that a job sends ten frames a
 * second at most; whoever comes late gets all text so far in one, and then the same as the others.
 */
export interface LiveRun {
  /** A piece of text, as the model made it. */
  text(piece: string): void;
  /** Somebody watches from now on. */
  watch(address: string): void;
  /** True once any text was made. */
  hasText(): boolean;
  /** Sends what is left; nothing comes after. */
  end(): void;
}

/** At most one frame in this time: fast enough to read along, and cheap. */
const betweenFramesMs = 100;

/** Follows one run of a job. Its frames count on from the record's `rev` as it was claimed. */
export function startLiveRun(connections: Pick<Connections, 'post'>, job: JobItem): LiveRun {
  const watchers = new Set(watchersOf(job));
  let text = '';
  let sent = 0;
  let n = 0;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;

  const frame = (offset: number): DeltaFrame => {
    n += 1;
    return {
      type: 'job.delta',
      jobId: job.pk,
      seq: seqOf(job.rev, n),
      attempt: job.fence,
      offset,
      text: text.slice(offset),
    };
  };
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (sent === text.length) return;
    const json = frame(sent);
    sent = text.length;
    for (const watcher of watchers) connections.post(watcher, { json, isText: true });
  };

  return {
    text(piece) {
      text += piece;
      if (watchers.size > 0) timer ??= setTimeout(flush, betweenFramesMs);
    },
    watch(address) {
      if (ended) return;
      flush();
      watchers.add(address);
      sent = text.length;
      if (text.length > 0) connections.post(address, { json: frame(0), isText: true });
    },
    hasText: () => text.length > 0,
    end() {
      flush();
      ended = true;
      watchers.clear();
    },
  };
}
