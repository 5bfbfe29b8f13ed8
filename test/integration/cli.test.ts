import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type BatchApiStub,
  batchId,
  batchView,
  finishedBatch,
  openEvents,
  sendJson,
  startBatchApiStub,
} from '../support/batch-api-stub.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { type PenstockRun, runPenstock } from '../support/run-penstock.ts';

/** The commands for people, as processes, against a server of their routes. */
let api: BatchApiStub;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'penstock-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeEach(async () => {
  api = await startBatchApiStub();
  api.on('POST /v1/files', ({ path, headers, body }, response) => {
    const id = `file_${String(api.requests('POST /v1/files').length).padStart(32, '0')}`;
    const name = new URL(path, api.url).searchParams.get('name');
    sendJson(
      response,
      { id, uri: `s3://penstock/local/${name}`, bytes: body.length, contentType: headers['content-type'], records: 2 },
      201,
    );
  });
  api.on('POST /v1/batches', (_received, response) => sendJson(response, batchView({ status: 'queued' }), 202));
});
afterEach(() => api.stop());

const withinMs = 15_000;
const penstock = (...args: string[]): PenstockRun => runPenstock(args, { PENSTOCK_URL: api.url });
const self = `/v1/batches/${batchId}`;
const events = `GET ${self}/events`;

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, text);
  return path;
}

const sees = (run: PenstockRun, text: string): Promise<unknown> =>
  eventually(() => run.stderr().includes(text), { timeoutMs: withinMs, what: `${text} is on stderr` });

test('run uploads a file as what it is, starts a batch with all that was asked, and prints its id', async () => {
  const path = await file('reviews.csv', 'id,text\n1,good\n2,bad\n');
  const asked = ['--pipeline', 'weekly-reviews', '--max-cost', '1.5', '--max-records=100'];
  const run = penstock('batch', 'run', path, ...asked, '--metadata', 'team=a=b', '--metadata', 'run=7');
  const { code, stdout, stderr } = await run.ended;
  expect(stderr).toContain(`penstock batch status ${batchId} --watch`);
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${batchId}\n` });
  const [upload] = api.requests('POST /v1/files');
  expect(upload).toMatchObject({ path: '/v1/files?name=reviews.csv', body: 'id,text\n1,good\n2,bad\n' });
  expect(upload?.headers).toMatchObject({
    'content-type': 'text/csv',
    'content-length': '21',
    authorization: 'Bearer local-demo-key',
  });
  const [submit] = api.requests('POST /v1/batches');
  expect(submit?.headers['idempotency-key']).toMatch(/^[\w-]{36}$/);
  expect(JSON.parse(submit?.body ?? '')).toEqual({
    input: `file_${'1'.padStart(32, '0')}`,
    pipeline: 'weekly-reviews',
    maxCostUsd: 1.5,
    maxRecords: 100,
    metadata: { team: 'a=b', run: '7' },
  });
});

test('an S3 URI and the id of a file go as they are', async () => {
  for (const input of ['s3://bucket/folder/', `file_${'a'.repeat(32)}`]) {
    expect((await penstock('batch', 'run', input, '--pipeline', 'p').ended).code).toBe(0);
    expect(JSON.parse(api.received.at(-1)?.body ?? '')).toEqual({ input, pipeline: 'p' });
  }
  expect(api.requests('POST /v1/files')).toEqual([]);
});

test('the pictures of a folder are uploaded, patiently, and given as a listing', async () => {
  await file('pictures/b.PNG', 'png');
  await file('pictures/deep/a b.jpg', 'jpg');
  await file('pictures/c.pdf', 'pdf');
  await file('pictures/notes.doc.txt~', 'no');
  await file('pictures/.hidden.png', 'no');
  const upload = api.requests.bind(api, 'POST /v1/files');
  const accept = ({ path, headers }: { path: string; headers: object }) => ({
    id: `file_${'b'.repeat(32)}`,
    uri: `s3://penstock/${upload().length}${path}`,
    bytes: 3,
    contentType: (headers as Record<string, string>)['content-type'],
  });
  api.on('POST /v1/files', (received, response) => {
    if (upload().length > 2 && upload().length < 5)
      response.writeHead(429, { 'retry-after': '0', 'content-type': 'application/problem+json' }).end('{}');
    else sendJson(response, accept(received), 201);
  });
  const { code, stderr } = await penstock('batch', 'run', join(folder, 'pictures'), '--pipeline', 'p').ended;
  expect(stderr).toContain('Left out: 1 files of other kinds');
  expect(code).toBe(0);
  const names = upload().map(({ path }) => new URL(path, api.url).searchParams.get('name'));
  expect(names).toEqual(['b.PNG', 'c.pdf', 'a b.jpg', 'a b.jpg', 'a b.jpg', 'pictures.jsonl']);
  const listing = upload().at(-1);
  expect(listing?.headers['content-type']).toBe('application/jsonl');
  expect(
    listing?.body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { name: 'b.PNG', uri: 's3://penstock/1/v1/files?name=b.PNG', contentType: 'image/png' },
    { name: 'c.pdf', uri: 's3://penstock/2/v1/files?name=c.pdf', contentType: 'application/pdf' },
    { name: 'deep/a b.jpg', uri: 's3://penstock/5/v1/files?name=a%20b.jpg', contentType: 'image/jpeg' },
  ]);
  expect(upload()[1]?.body).toBe('pdf');
});

test('watching goes on where a broken stream ended, and tells the end', async () => {
  api.on(`GET ${self}`, (_received, response) => sendJson(response, batchView()));
  api.on(events, (_received, response) => {
    const send = openEvents(response);
    if (api.requests(events).length === 1) {
      response.write(':\n\n');
      send('batch.progress', 7, batchView());
      return void setImmediate(() => response.destroy());
    }
    send('batch.finished', 8, finishedBatch());
    api.on(`GET ${self}`, (_again, answer) => sendJson(answer, finishedBatch()));
    response.end();
  });
  const { code, stdout, stderr } = await penstock('batch', 'status', batchId, '--watch').ended;
  expect(stderr).toContain('running label, 253 of 1,000 records, 3 failed, 13/s, 15,400 tokens, $0.0123');
  expect(stdout.split('\n')).toEqual([
    `batch    ${batchId}  succeeded  weekly-reviews`,
    'records  996 succeeded, 4 failed of 1,000',
    'steps    label succeeded, report succeeded',
    'tokens   12,000 in, 3,400 out',
    'cost     $0.0123',
    `output   penstock batch output ${batchId}`,
    `errors   penstock batch errors ${batchId}`,
    `report   penstock batch report ${batchId} report`,
    '',
  ]);
  expect(code).toBe(0);
  expect(api.requests(events).map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '7']);
});

const nothing = { succeeded: 0, failed: 0, cancelled: 0, running: 0 };
const empty = { code: 'no_records', message: 'the input is empty' };

test('where no stream comes through, the batch is asked for, and a server that is away is waited for', async () => {
  const read = `GET ${self}`;
  api.on(read, (_received, response) => {
    const times = api.requests(read).length;
    if (times === 2) response.destroy();
    else sendJson(response, times < 6 ? batchView() : batchView({ status: 'failed', counts: nothing, error: empty }));
  });
  api.on(events, (_received, response) => sendJson(response, { title: 'No', status: 502 }, 502));
  const { code, stdout, stderr } = await penstock('batch', 'status', batchId, '--watch').ended;
  expect(stderr).toMatch(/no answer from http:\/\/127\.0\.0\.1:\d+: .*; trying again/);
  expect(stdout).toContain('error    the input is empty (no_records)');
  expect(stdout).not.toContain('penstock batch output');
  expect(code).toBe(1);
  expect(api.requests(events).length).toBe(3);
});

test('Ctrl-C leaves the batch running and says how to come back', async () => {
  api.on(`GET ${self}`, (_received, response) => sendJson(response, batchView()));
  api.on(events, (_received, response) => void openEvents(response));
  const path = await file('one.jsonl', '{"id":1}\n');
  const run = penstock('batch', 'run', path, '--pipeline', 'p', '--watch');
  await sees(run, 'running label');
  await eventually(() => api.requests(events).length === 1, { timeoutMs: withinMs, what: 'it follows' });
  run.signal('SIGINT');
  const { code, signal, stdout, stderr } = await run.ended;
  expect({ code, signal, stdout }).toEqual({ code: 130, signal: null, stdout: '' });
  expect(stderr).toContain(
    `The batch goes on without you. To come back:\n  penstock batch status ${batchId} --watch\n`,
  );
  expect(api.received.filter(({ path: asked }) => asked.endsWith('/cancel'))).toEqual([]);
});

test('a problem is told in its own words, with the place of each wrong value, and no stack', async () => {
  const errors = [{ path: 'pipeline', message: 'there is no pipeline p; there are weekly-reviews' }];
  const problem = {
    title: 'The request has wrong values',
    status: 422,
    code: 'validation_failed',
    detail: 'x',
    errors,
  };
  api.on('POST /v1/batches', (_received, response) => sendJson(response, problem, 422));
  const refused = await penstock('batch', 'run', 's3://bucket/key.jsonl', '--pipeline', 'p').ended;
  expect(refused).toMatchObject({
    code: 1,
    stdout: '',
    stderr:
      'penstock: The request has wrong values (validation_failed)\n' +
      '  pipeline: there is no pipeline p; there are weekly-reviews\n',
  });
  const gone = await penstock('batch', 'status', 'bat_x', '--watch').ended;
  expect(gone).toMatchObject({ code: 1, stderr: 'penstock: There is nothing here (not_found): stub\n' });
});

test('a server that is not there is named', async () => {
  const url = `http://127.0.0.1:${await freePort()}`;
  const { code, stderr } = await runPenstock(['batch', 'list'], { PENSTOCK_URL: url }).ended;
  expect(stderr).toMatch(new RegExp(`^penstock: no answer from ${url}: .*ECONNREFUSED.*\n$`));
  expect(code).toBe(1);
});

test.each([
  [['batch'], /penstock batch: take a dataset.*run .*status/s],
  [['batch', 'rum'], /there is no command batch rum/],
  [['batch', 'run', '--pipeline', 'p'], /Missing required positional argument: FILE/],
  [['batch', 'run', 's3://b-b/k'], /Missing required argument: --pipeline/],
  [['batch', 'run', 's3://b-b/k', '--pipeline'], /--pipeline needs a value/],
  [['batch', 'run', 's3://b-b/k', '--pipeline', '--watch'], /--pipeline needs a value/],
  [['batch', 'run', 's3://b-b/k', '--pipeline', 'p', '--max-cots', '5'], /there is no option --max-cots/],
  [['batch', 'run', 's3://b-b/k', '--pipeline', 'p', '--max-cost', 'five'], /--max-cost: five is not a number above 0/],
  [['batch', 'run', 's3://b-b/k', '--pipeline', 'p', '--metadata', 'x'], /--metadata: x is not of the form key=value/],
  [['batch', 'run', '/no/such/file.csv', '--pipeline', 'p'], /there is no file \/no\/such\/file.csv/],
  [['batch', 'run', 'Dockerfile', '--pipeline', 'p'], /Dockerfile: its name ends with none of .jsonl/],
  [['batch', 'status', 'a', 'b'], /b is one word too many/],
  [['job', 'run', '--model', 'm', ' '], /the prompt is empty/],
])('%j is wrong usage', async (args, message) => {
  const { code, stdout, stderr } = await penstock(...args).ended;
  expect(stderr).toMatch(message);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(api.received).toEqual([]);
});

test('a server elsewhere needs a key of its own', async () => {
  const { code, stderr } = await runPenstock(['batch', 'list'], { PENSTOCK_URL: 'https://penstock.example' }).ended;
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: 'penstock: PENSTOCK_KEY: needed for https://penstock.example; keys are made by penstock keys create\n',
  });
});

test('help tells the options of a command', async () => {
  const { code, stdout } = await penstock('batch', 'run', '--help').ended;
  expect(stdout).toMatch(/penstock batch run.*FILE.*--pipeline.*--max-cost.*--metadata/s);
  expect(code).toBe(0);
});

test('batches are listed in columns, and given as the server tells them with --json', async () => {
  const items = [
    batchView(),
    finishedBatch({ pipeline: undefined, counts: { succeeded: 1, failed: 0, cancelled: 0, running: 0 } }),
  ];
  api.on('GET /v1/batches', (_received, response) => sendJson(response, { items }));
  const { stdout } = await penstock('batch', 'list', '--limit', '5').ended;
  expect(stdout.split('\n')).toEqual([
    `${batchId}  running    weekly-reviews  253/1,000  $0.0123  2026-11-01T10:00:00.000Z  3 failed`,
    `${batchId}  succeeded  (steps)         1/?        $0.0123  2026-11-01T10:00:00.000Z`,
    '',
  ]);
  expect(api.received.at(-1)?.path).toBe('/v1/batches?limit=5');
  expect(JSON.parse((await penstock('batch', 'list', '--json').ended).stdout)).toEqual({
    items: JSON.parse(JSON.stringify(items)),
  });
});

test('result files come from where they lie, without the key, whole or not at all', async () => {
  api.on(`GET ${self}/output`, (_received, response) =>
    response.writeHead(302, { location: `${api.url}/stored?sig=1` }).end(),
  );
  api.on('GET /stored', (_received, response) => response.end('{"id":"1"}\n'));
  expect(await penstock('batch', 'output', batchId).ended).toMatchObject({
    code: 0,
    stdout: '{"id":"1"}\n',
    stderr: '',
  });
  expect(api.requests('GET /stored')[0]?.headers.authorization).toBeUndefined();

  const out = join(folder, 'output.jsonl');
  expect(await penstock('batch', 'output', batchId, '--out', out).ended).toMatchObject({ code: 0, stdout: '' });
  expect(await readFile(out, 'utf8')).toBe('{"id":"1"}\n');

  api.on('GET /stored', (_received, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('half');
    setImmediate(() => response.destroy());
  });
  const cut = await file('cut.jsonl', 'of last week');
  expect(await penstock('batch', 'output', batchId, '--out', cut).ended).toMatchObject({ code: 1 });
  expect((await readdir(folder)).filter((name) => name.startsWith('cut'))).toEqual(['cut.jsonl']);
  expect(await readFile(cut, 'utf8')).toBe('of last week');

  const early = {
    title: 'The batch has no such file yet',
    status: 409,
    code: 'batch_unfinished',
    detail: 'it is running',
  };
  api.on(`GET ${self}/manifest`, (_received, response) => sendJson(response, early, 409));
  expect(await penstock('batch', 'manifest', batchId).ended).toMatchObject({
    code: 1,
    stderr: 'penstock: The batch has no such file yet (batch_unfinished): it is running\n',
  });
});

test('the only report needs no name; of several one is chosen', async () => {
  api.on(`GET ${self}`, (_received, response) => sendJson(response, finishedBatch()));
  api.on(`GET ${self}/report/report`, (_received, response) => response.end('<h1>Report</h1>'));
  expect(await penstock('batch', 'report', batchId).ended).toMatchObject({ code: 0, stdout: '<h1>Report</h1>' });
  const reports = { one: `${self}/report/report`, two: '/no' };
  api.on(`GET ${self}`, (_received, response) => sendJson(response, finishedBatch({ urls: { reports } })));
  expect(await penstock('batch', 'report', batchId).ended).toMatchObject({
    code: 2,
    stderr: 'penstock: which report? It has one, two\n',
  });
  expect(await penstock('batch', 'report', batchId, 'one').ended).toMatchObject({ code: 0, stdout: '<h1>Report</h1>' });
});

test('cancel and retry say how the batch stands then', async () => {
  api.on(`POST ${self}/cancel`, (_received, response) => sendJson(response, batchView({ status: 'cancelled' }), 202));
  api.on(`POST ${self}/retry`, (_received, response) => sendJson(response, batchView({ status: 'queued' }), 202));
  expect((await penstock('batch', 'cancel', batchId).ended).stdout).toContain(`${batchId}  cancelled`);
  expect((await penstock('batch', 'retry', batchId).ended).stdout).toContain(`${batchId}  queued`);
});

const job = (changes: object = {}): object => ({ id: 'job_1', status: 'queued', model: 'm', lane: 'nova', ...changes });
const answered = (text: string): object =>
  job({
    status: 'succeeded',
    output: { output: { message: { role: 'assistant', content: [{ text }] } } },
    usage: { inputTokens: 5, outputTokens: 7 },
    costUsd: 0.00002,
  });

test('a job is submitted with its words for a prompt, and waited for', async () => {
  api.on('POST /v1/jobs', (_received, response) => sendJson(response, job(), 202));
  const read = 'GET /v1/jobs/job_1';
  api.on(read, (_received, response) =>
    sendJson(response, api.requests(read).length < 2 ? job() : answered('A wheel.')),
  );
  const { code, stdout, stderr } = await penstock('job', 'run', '--model', 'm', '--wait', 'What', 'turns?').ended;
  expect(stderr).toBe('job_1 succeeded, nova, 5 in, 7 out, $0.00002\n');
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'A wheel.\n' });
  expect(JSON.parse(api.received[0]?.body ?? '')).toEqual({
    model: 'm',
    input: { messages: [{ role: 'user', content: [{ text: 'What turns?' }] }] },
  });
  await runPenstock(['job', 'run', '--model', 'm', '-'], { PENSTOCK_URL: api.url }, 'from a pipe').ended;
  expect(api.received.at(-1)?.body).toContain('from a pipe');
});

test('a job that streams is printed as it is made, across a repeat, and completed after a cut', async () => {
  api.on('POST /v1/jobs', (_received, response) => sendJson(response, job(), 202));
  api.on('GET /v1/jobs/job_1', (_received, response) => sendJson(response, answered('Hello there, friend')));
  api.on('GET /v1/jobs/job_1/events', (_received, response) => {
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
  const { code, stdout } = await penstock('job', 'run', '--model', 'm', '--stream', 'hi').ended;
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'Hello there, friend\n' });
  expect(JSON.parse(api.received[0]?.body ?? '')).toMatchObject({ stream: true });
});

test('a job that failed says why', async () => {
  const error = { code: 'model_error', message: 'no such model', retryable: false };
  api.on('GET /v1/jobs/job_1', (_received, response) => sendJson(response, job({ status: 'failed', error })));
  const { code, stdout, stderr } = await penstock('job', 'status', 'job_1').ended;
  expect({ code, stdout, stderr }).toEqual({
    code: 0,
    stdout: '',
    stderr: 'job_1 failed, nova, no such model (model_error)\n',
  });
});
