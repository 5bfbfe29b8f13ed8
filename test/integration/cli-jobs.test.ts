import { afterEach, beforeEach, expect, test } from 'vitest';
import { sendJson } from '../support/batch-api-stub.ts';
import { type CliRig, startCliRig } from '../support/cli-rig.ts';
import { runPenstock } from '../support/run-penstock.ts';

/** Jobs from the command line. */
let rig: CliRig;
beforeEach(async () => {
  rig = await startCliRig();
});
afterEach(() => rig.stop());

const job = (changes: object = {}): object => ({ id: 'job_1', status: 'queued', model: 'm', lane: 'nova', ...changes });
const answered = (text: string): object =>
  job({
    status: 'succeeded',
    output: { output: { message: { role: 'assistant', content: [{ text }] } } },
    usage: { inputTokens: 5, outputTokens: 7 },
    costUsd: 0.00002,
  });

test('a job is submitted with its words for a prompt, and waited for', async () => {
  rig.api.on('POST /v1/jobs', (_received, response) => sendJson(response, job(), 202));
  const read = 'GET /v1/jobs/job_1';
  rig.api.on(read, (_received, response) =>
    sendJson(response, rig.api.requests(read).length < 2 ? job() : answered('A wheel.')),
  );
  const { code, stdout, stderr } = await rig.penstock('job', 'run', '--model', 'm', '--wait', 'What', 'turns?').ended;
  expect(stderr).toBe('job_1 succeeded, nova, 5 in, 7 out, $0.00002\n');
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'A wheel.\n' });
  expect(JSON.parse(rig.api.received[0]?.body ?? '')).toEqual({
    model: 'm',
    input: { messages: [{ role: 'user', content: [{ text: 'What turns?' }] }] },
  });
  await runPenstock(['job', 'run', '--model', 'm', '-'], { PENSTOCK_URL: rig.api.url }, 'from a pipe').ended;
  expect(rig.api.received.at(-1)?.body).toContain('from a pipe');
});

test('a job that streams is printed as it is made, across a repeat, and completed after a cut', async () => {
  rig.api.on('POST /v1/jobs', (_received, response) => sendJson(response, job(), 202));
  rig.api.on('GET /v1/jobs/job_1', (_received, response) => sendJson(response, answered('Hello there, friend')));
  rig.api.on('GET /v1/jobs/job_1/events', (_received, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const [seq, offset, text] of [
      [1, 0, 'Hel'],
      [2, 3, 'lo '],
      [2, 3, 'lo '],
      [3, 4, 'o there'],
    ] as const)
      response.write(
        `event: job.delta\r\ndata: ${JSON.stringify({ type: 'job.delta', jobId: 'job_1', seq, attempt: 1, offset, text })}\r\n\r\n`,
      );
    setImmediate(() => response.destroy());
  });
  const { code, stdout } = await rig.penstock('job', 'run', '--model', 'm', '--stream', 'hi').ended;
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'Hello there, friend\n' });
  expect(JSON.parse(rig.api.received[0]?.body ?? '')).toMatchObject({ stream: true });
});

test('a job that failed says why', async () => {
  const error = { code: 'model_error', message: 'no such model', retryable: false };
  rig.api.on('GET /v1/jobs/job_1', (_received, response) => sendJson(response, job({ status: 'failed', error })));
  const { code, stdout, stderr } = await rig.penstock('job', 'status', 'job_1').ended;
  expect({ code, stdout, stderr }).toEqual({
    code: 0,
    stdout: '',
    stderr: 'job_1 failed, nova, no such model (model_error)\n',
  });
});
