/** What is looked at of a frame. */
type SeenFrame = { type: string; jobId?: string; seq?: number; attempt?: number; offset?: number; text?: string };

/** What the deltas of a job's last attempt add up to, by the rule that clients follow; and what was wrong on the way. */
export type AddedUp = { text: string; attempt: number; deltas: number; wrong: string[] };

/** Plays the frames of one job as one client saw them, over all its connections. */
export function addUp(frames: readonly SeenFrame[], jobId: string): AddedUp {
  const sum: AddedUp = { text: '', attempt: 0, deltas: 0, wrong: [] };
  let lastSeq = -1;
  for (const frame of frames) {
    if (frame.jobId !== jobId || frame.seq === undefined) continue;
    if (frame.seq <= lastSeq) sum.wrong.push(`seq ${frame.seq} after ${lastSeq}`);
    lastSeq = frame.seq;
    if (frame.type === 'job.delta') addDelta(sum, frame);
  }
  return sum;
}

function addDelta(sum: AddedUp, { attempt = 0, offset = 0, text = '' }: SeenFrame): void {
  if (attempt !== sum.attempt) sum.text = '';
  sum.attempt = attempt;
  sum.deltas += 1;
  if (offset > sum.text.length) sum.wrong.push(`a gap: offset ${offset} after ${sum.text.length} units`);
  sum.text = sum.text.slice(0, offset) + text;
}
