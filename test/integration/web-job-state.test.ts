import fc from 'fast-check';
import { expect, test } from 'vitest';
import { curlLine, formatCost, formatMs, isSendableKey } from '../../web/format.js';
import {
  applyFrame,
  applyJob,
  failuresAfter,
  isFinal,
  type Job,
  type JobFrame,
  type JobState,
  newJobState,
  reconnectDelayMs,
  retriedState,
  subscribeFrame,
  timingsOf,
} from '../../web/job-state.js';

/** What the page makes of frames: in order, repeated, late, and with holes. */
const jobId = 'job-1';
const sent = newJobState({ key: 'k', prompt: 'hello', model: 'm', priority: 'normal', sentAtMs: 1_000 });
const queued: Job = { id: jobId, status: 'queued', lane: 'nova-lite', createdAt: new Date(1_000).toISOString() };
const accepted = applyJob(sent, queued);
const status = (seq: number, name: 'queued' | 'running', attempt: number): JobFrame => ({
  type: 'job.status',
  jobId,
  seq,
  status: name,
  attempt,
});
const delta = (seq: number, offset: number, text: string, attempt = 1): JobFrame => ({
  type: 'job.delta',
  jobId,
  seq,
  attempt,
  offset,
  text,
});
const answer = (text: string): unknown => ({ output: { message: { role: 'assistant', content: [{ text }] } } });
const finished = (seq: number, job: Partial<Job>, more: { outputOmitted?: true } = {}): JobFrame => ({
  type: 'job.finished',
  jobId,
  seq,
  job: { ...queued, status: 'succeeded', ...job },
  ...more,
});
const play = (state: JobState, frames: readonly JobFrame[]): JobState =>
  frames.reduce((now, frame, index) => applyFrame(now, frame, 2_000 + index * 100), state);

test('a job is sending, queued, running, and finished with the text of its output', () => {
  expect(sent.status).toBe('sending');
  expect(accepted).toMatchObject({ id: jobId, status: 'queued', job: { lane: 'nova-lite' } });
  const running = play(accepted, [status(1_000_000, 'queued', 0), status(2_000_000, 'running', 1)]);
  expect(running).toMatchObject({ status: 'running', attempt: 1, text: '' });
  const streaming = play(running, [delta(2_000_001, 0, 'Hel'), delta(2_000_002, 3, 'lo')]);
  expect(streaming).toMatchObject({ status: 'running', text: 'Hello', lastSeq: 2_000_002 });
  const done = play(streaming, [finished(3_000_000, { output: answer('Hello there') })]);
  expect(done).toMatchObject({ status: 'succeeded', text: 'Hello there', outputOmitted: false });
});

test('a frame that is not above the last changes nothing, and is known by the very same state', () => {
  const state = play(accepted, [status(2_000_000, 'running', 1), delta(2_000_001, 0, 'Hello')]);
  for (const frame of [delta(2_000_001, 0, 'again'), status(1_000_000, 'queued', 0), finished(2_000_000, {})])
    expect(applyFrame(state, frame, 9_000)).toBe(state);
});

test('a new attempt starts its text anew; what still comes of the old one is left out', () => {
  const state = play(accepted, [delta(2_000_001, 0, 'first try'), delta(4_000_001, 0, 'sec', 2)]);
  expect(state).toMatchObject({ attempt: 2, text: 'sec' });
  expect(applyFrame(state, delta(4_000_002, 9, ' more', 1), 9_000)).toBe(state);
  expect(play(state, [status(5_000_000, 'queued', 2)])).toMatchObject({ status: 'queued', text: '' });
});

test('an offset within the text replaces what follows it', () => {
  const state = play(accepted, [delta(2_000_001, 0, 'all so far'), delta(2_000_002, 4, 'the rest')]);
  expect(state.text).toBe('all the rest');
});

test('a hole makes it ask for all text again, and takes it although it was seen before', () => {
  const before = play(accepted, [status(2_000_000, 'running', 1), delta(2_000_001, 0, 'abc')]);
  expect(subscribeFrame(before)).toEqual({ type: 'subscribe', ref: 'k', jobId, after: 2_000_001 });
  const holed = play(before, [delta(2_000_003, 6, 'ghi')]);
  expect(holed).toMatchObject({ hasGap: true, text: 'abc' });
  expect(subscribeFrame(holed)).toEqual({ type: 'subscribe', ref: 'k', jobId });
  const still = play(holed, [delta(2_000_004, 9, 'jkl')]);
  expect(still).toMatchObject({ hasGap: true, text: 'abc' });
  const whole = play(still, [status(2_000_000, 'running', 1), delta(2_000_004, 0, 'abcdefghijkl')]);
  expect(whole).toMatchObject({ hasGap: false, text: 'abcdefghijkl', status: 'running' });
});

test('whatever is repeated or sent whole again, the text is the one that was made', () => {
  const scenario = fc.record({
    pieces: fc.array(fc.string({ minLength: 1, unit: 'grapheme' }), { minLength: 1, maxLength: 20 }),
    repeats: fc.array(fc.nat(), { maxLength: 20 }),
    whole: fc.nat(),
  });
  fc.assert(
    fc.property(scenario, ({ pieces, repeats, whole }) => {
      let offset = 0;
      const frames = pieces.map((text, index) => {
        const frame = delta(2_000_001 + index, offset, text);
        offset += text.length;
        return frame;
      });
      // Who comes back gets all text in one, under the seq of the last piece that was made.
      const at = whole % pieces.length;
      const sofar = delta(2_000_001 + at, 0, pieces.slice(0, at + 1).join(''));
      const late = [...frames.slice(0, at), sofar, ...frames.slice(at)];
      for (const index of repeats) late.push(frames[index % frames.length] as JobFrame);
      expect(play(accepted, late).text).toBe(pieces.join(''));
    }),
  );
});

test('an output that was left out stands until the job is read; so does the text that was streamed', () => {
  const streamed = play(accepted, [delta(2_000_001, 0, 'a long text')]);
  const state = play(streamed, [finished(3_000_000, {}, { outputOmitted: true })]);
  expect(state).toMatchObject({ status: 'succeeded', outputOmitted: true, text: 'a long text' });
  const read = applyJob(state, { ...queued, status: 'succeeded', output: answer('a long text, whole') });
  expect(read).toMatchObject({ outputOmitted: false, text: 'a long text, whole' });
  const linked = applyJob(state, { ...queued, status: 'succeeded', outputUrl: 'http://s3.example/x' });
  expect(linked).toMatchObject({ outputOmitted: false, text: 'a long text' });
});

test('the text of a failed or cancelled job stays', () => {
  const streamed = play(accepted, [delta(2_000_001, 0, 'so far')]);
  const error = { code: 'cancelled', message: 'cancelled', retryable: true };
  expect(play(streamed, [finished(3_000_000, { status: 'cancelled', error })])).toMatchObject({
    status: 'cancelled',
    text: 'so far',
    job: { error },
  });
});

test('a late answer does not take a job back from where frames have brought it', () => {
  const running = play(accepted, [status(2_000_000, 'running', 1)]);
  expect(applyJob(running, queued).status).toBe('running');
  const done = play(running, [finished(3_000_000, { output: answer('x') })]);
  expect(applyJob(done, queued)).toBe(done);
});

test('a retry starts over, and follows from the start', () => {
  const done = play(accepted, [delta(2_000_001, 0, 'half'), finished(3_000_000, { status: 'failed' })]);
  const again = retriedState(done, queued, 50_000);
  expect(again).toMatchObject({ id: jobId, status: 'queued', text: '', prompt: 'hello', sentAtMs: 50_000 });
  expect(subscribeFrame(again)).toEqual({ type: 'subscribe', ref: 'k', jobId });
});

test('nothing is subscribed to before there is an id, nor after the end', () => {
  expect(subscribeFrame(sent)).toBeUndefined();
  expect(subscribeFrame(play(accepted, [finished(3_000_000, {})]))).toBeUndefined();
  expect(subscribeFrame({ ...accepted, status: 'gone' })).toBeUndefined();
  expect(['queued', 'running', 'sending'].some(isFinal)).toBe(false);
});

test('times go by the clock of the page until the server has told its own', () => {
  expect(timingsOf(accepted, 1_500)).toEqual({ queuedMs: 500, totalMs: 500 });
  const running = applyFrame(accepted, status(2_000_000, 'running', 1), 2_000);
  expect(timingsOf(running, 2_300)).toEqual({ queuedMs: 1_000, modelMs: 300, totalMs: 1_300 });
  const streaming = applyFrame(running, delta(2_000_001, 0, 'x'), 2_400);
  expect(timingsOf(streaming, 3_000)).toEqual({ queuedMs: 1_000, firstTokenMs: 400, modelMs: 1_000, totalMs: 2_000 });
  const timings = { queuedMs: 7, firstTokenMs: 8, modelMs: 9, totalMs: 20 };
  expect(timingsOf(play(streaming, [finished(3_000_000, { timings })]), 9_000)).toEqual(timings);
});

test('waits between connections double up to a bound, with half of each drawn', () => {
  const range = (failures: number) => [reconnectDelayMs(failures, 0), reconnectDelayMs(failures, 1)];
  expect([1, 2, 3, 6, 100].map(range)).toEqual([
    [250, 500],
    [500, 1_000],
    [1_000, 2_000],
    [7_500, 15_000],
    [7_500, 15_000],
  ]);
});

test('only a connection that held counts as a success', () => {
  expect(failuresAfter(4, 60_000)).toBe(1);
  expect(failuresAfter(4, 100)).toBe(5);
  expect(failuresAfter(0, 0)).toBe(1);
});

test('numbers are written for people', () => {
  expect([0, 419.6, 999, 3_249, 59_999, 125_000].map(formatMs)).toEqual([
    '0 ms',
    '420 ms',
    '999 ms',
    '3.2 s',
    '59.9 s',
    '2 min 05 s',
  ]);
  expect([0, 0.000123, 0.0456, 1.5].map(formatCost)).toEqual(['$0.00', '$0.00012', '$0.046', '$1.50']);
});

test('the curl line is one command, whatever the key holds', () => {
  expect(curlLine({ origin: 'http://127.0.0.1:8080', key: "it's", jobId: 'a b' })).toBe(
    "curl -s -H 'Authorization: Bearer it'\\''s' http://127.0.0.1:8080/v1/jobs/a%20b",
  );
});

test('a key that no header can carry is told apart', () => {
  expect(['local-demo-key', 'pk_1.2~3'].every(isSendableKey)).toBe(true);
  expect(['', 'two words', 'schlüssel', 'a,b'].some(isSendableKey)).toBe(false);
});
