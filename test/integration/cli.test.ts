import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { batchId, batchView, finishedBatch, openEvents, sendJson } from '../support/batch-api-stub.ts';
import { type CliRig, startCliRig } from '../support/cli-rig.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { type PenstockRun, runPenstock } from '../support/run-penstock.ts';

/** Batches started and watched from the command line, and how wrong usage is told. */
let rig: CliRig;
beforeEach(async () => {
  rig = await startCliRig();
  rig.api.on('POST /v1/files', ({ path, headers, body }, response) => {
    const id = `file_${String(rig.api.requests('POST /v1/files').length).padStart(32, '0')}`;
    const name = new URL(path, rig.api.url).searchParams.get('name');
    sendJson(
      response,
      {
        id,
        uri: `s3://penstock/local/${name}`,
        bytes: body.length,
        contentType: headers['content-type'],
        records: 2,
      },
      201,
    );
  });
  rig.api.on('POST /v1/batches', (_received, response) => sendJson(response, batchView({ status: 'queued' }), 202));
});
afterEach(() => rig.stop());

const withinMs = 15_000;
const self = `/v1/batches/${batchId}`;
const events = `GET ${self}/events`;

const sees = (run: PenstockRun, text: string): Promise<unknown> =>
  eventually(() => run.stderr().includes(text), { timeoutMs: withinMs, what: `${text} is on stderr` });

test('run uploads a file as what it is, starts a batch with all that was asked, and prints its id', async () => {
  const path = await rig.file('reviews.csv', 'id,text\n1,good\n2,bad\n');
  const asked = ['--pipeline', 'weekly-reviews', '--max-cost', '1.5', '--max-records=100'];
  const run = rig.penstock('batch', 'run', path, ...asked, '--metadata', 'team=a=b', '--metadata', 'run=7');
  const { code, stdout, stderr } = await run.ended;
  expect(stderr).toContain(`penstock batch status ${batchId} --watch`);
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${batchId}\n` });
  const [upload] = rig.api.requests('POST /v1/files');
  expect(upload).toMatchObject({ path: '/v1/files?name=reviews.csv', body: 'id,text\n1,good\n2,bad\n' });
  expect(upload?.headers).toMatchObject({
    'content-type': 'text/csv',
    'content-length': '21',
    authorization: 'Bearer local-demo-key',
  });
  const [submit] = rig.api.requests('POST /v1/batches');
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
    expect((await rig.penstock('batch', 'run', input, '--pipeline', 'p').ended).code).toBe(0);
    expect(JSON.parse(rig.api.received.at(-1)?.body ?? '')).toEqual({ input, pipeline: 'p' });
  }
  expect(rig.api.requests('POST /v1/files')).toEqual([]);
});

test('the pictures of a folder are uploaded, patiently, and given as a listing', async () => {
  await rig.file('pictures/b.PNG', 'png');
  await rig.file('pictures/deep/a b.jpg', 'jpg');
  await rig.file('pictures/c.pdf', 'pdf');
  await rig.file('pictures/notes.doc.txt~', 'no');
  await rig.file('pictures/.hidden.png', 'no');
  const upload = rig.api.requests.bind(rig.api, 'POST /v1/files');
  const accept = ({ path, headers }: { path: string; headers: object }) => ({
    id: `file_${'b'.repeat(32)}`,
    uri: `s3://penstock/${upload().length}${path}`,
    bytes: 3,
    contentType: (headers as Record<string, string>)['content-type'],
  });
  rig.api.on('POST /v1/files', (received, response) => {
    if (upload().length > 2 && upload().length < 5)
      response.writeHead(429, { 'retry-after': '0', 'content-type': 'application/problem+json' }).end('{}');
    else sendJson(response, accept(received), 201);
  });
  const { code, stderr } = await rig.penstock('batch', 'run', join(rig.folder, 'pictures'), '--pipeline', 'p').ended;
  expect(stderr).toContain('Left out: 1 files of other kinds');
  expect(code).toBe(0);
  const names = upload().map(({ path }) => new URL(path, rig.api.url).searchParams.get('name'));
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
  rig.api.on(`GET ${self}`, (_received, response) => sendJson(response, batchView()));
  rig.api.on(events, (_received, response) => {
    const send = openEvents(response);
    if (rig.api.requests(events).length === 1) {
      response.write(':\n\n');
      send('batch.progress', 7, batchView());
      return void setImmediate(() => response.destroy());
    }
    send('batch.finished', 8, finishedBatch());
    rig.api.on(`GET ${self}`, (_again, answer) => sendJson(answer, finishedBatch()));
    response.end();
  });
  const { code, stdout, stderr } = await rig.penstock('batch', 'status', batchId, '--watch').ended;
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
  expect(rig.api.requests(events).map(({ headers }) => headers['last-event-id'])).toEqual([undefined, '7']);
});

const nothing = { succeeded: 0, failed: 0, cancelled: 0, running: 0 };
const empty = { code: 'no_records', message: 'the input is empty' };

test('where no stream comes through, the batch is asked for, and a server that is away is waited for', async () => {
  const read = `GET ${self}`;
  rig.api.on(read, (_received, response) => {
    const times = rig.api.requests(read).length;
    if (times === 2) response.destroy();
    else sendJson(response, times < 6 ? batchView() : batchView({ status: 'failed', counts: nothing, error: empty }));
  });
  rig.api.on(events, (_received, response) => sendJson(response, { title: 'No', status: 502 }, 502));
  const { code, stdout, stderr } = await rig.penstock('batch', 'status', batchId, '--watch').ended;
  expect(stderr).toMatch(/no answer from http:\/\/127\.0\.0\.1:\d+: .*; trying again/);
  expect(stdout).toContain('error    the input is empty (no_records)');
  expect(stdout).not.toContain('penstock batch output');
  expect(code).toBe(1);
  expect(rig.api.requests(events).length).toBe(3);
});

test('Ctrl-C leaves the batch running and says how to come back', async () => {
  rig.api.on(`GET ${self}`, (_received, response) => sendJson(response, batchView()));
  rig.api.on(events, (_received, response) => void openEvents(response));
  const path = await rig.file('one.jsonl', '{"id":1}\n');
  const run = rig.penstock('batch', 'run', path, '--pipeline', 'p', '--watch');
  await sees(run, 'running label');
  await eventually(() => rig.api.requests(events).length === 1, { timeoutMs: withinMs, what: 'it follows' });
  run.signal('SIGINT');
  const { code, signal, stdout, stderr } = await run.ended;
  expect({ code, signal, stdout }).toEqual({ code: 130, signal: null, stdout: '' });
  expect(stderr).toContain(
    `The batch goes on without you. To come back:\n  penstock batch status ${batchId} --watch\n`,
  );
  expect(rig.api.received.filter(({ path: asked }) => asked.endsWith('/cancel'))).toEqual([]);
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
  rig.api.on('POST /v1/batches', (_received, response) => sendJson(response, problem, 422));
  const refused = await rig.penstock('batch', 'run', 's3://bucket/key.jsonl', '--pipeline', 'p').ended;
  expect(refused).toMatchObject({
    code: 1,
    stdout: '',
    stderr:
      'penstock: The request has wrong values (validation_failed)\n' +
      '  pipeline: there is no pipeline p; there are weekly-reviews\n',
  });
  const gone = await rig.penstock('batch', 'status', 'bat_x', '--watch').ended;
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
  const { code, stdout, stderr } = await rig.penstock(...args).ended;
  expect(stderr).toMatch(message);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(rig.api.received).toEqual([]);
});

test('a server elsewhere needs a key of its own', async () => {
  const { code, stderr } = await runPenstock(['batch', 'list'], { PENSTOCK_URL: 'https://penstock.example' }).ended;
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr: 'penstock: PENSTOCK_KEY: needed for https://penstock.example; keys are made by penstock keys create\n',
  });
});

test('help tells the options of a command', async () => {
  const { code, stdout } = await rig.penstock('batch', 'run', '--help').ended;
  expect(stdout).toMatch(/penstock batch run.*FILE.*--pipeline.*--max-cost.*--metadata/s);
  expect(code).toBe(0);
});
