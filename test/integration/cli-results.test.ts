import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { batchId, batchView, finishedBatch, sendJson } from '../support/batch-api-stub.ts';
import { type CliRig, startCliRig } from '../support/cli-rig.ts';

/** Batches listed, their results fetched, cancelled and tried again from the command line. */
let rig: CliRig;
beforeEach(async () => {
  rig = await startCliRig();
});
afterEach(() => rig.stop());

const self = `/v1/batches/${batchId}`;

test('batches are listed in columns, and given as the server tells them with --json', async () => {
  const items = [
    batchView(),
    finishedBatch({ pipeline: undefined, counts: { succeeded: 1, failed: 0, cancelled: 0, running: 0 } }),
  ];
  rig.api.on('GET /v1/batches', (_received, response) => sendJson(response, { items }));
  const { stdout } = await rig.penstock('batch', 'list', '--limit', '5').ended;
  expect(stdout.split('\n')).toEqual([
    `${batchId}  running    weekly-reviews  253/1,000  $0.0123  2026-11-01T10:00:00.000Z  3 failed`,
    `${batchId}  succeeded  (steps)         1/?        $0.0123  2026-11-01T10:00:00.000Z`,
    '',
  ]);
  expect(rig.api.received.at(-1)?.path).toBe('/v1/batches?limit=5');
  expect(JSON.parse((await rig.penstock('batch', 'list', '--json').ended).stdout)).toEqual({
    items: JSON.parse(JSON.stringify(items)),
  });
});

test('result files come from where they lie, without the key, whole or not at all', async () => {
  rig.api.on(`GET ${self}/output`, (_received, response) =>
    response.writeHead(302, { location: `${rig.api.url}/stored?sig=1` }).end(),
  );
  rig.api.on('GET /stored', (_received, response) => response.end('{"id":"1"}\n'));
  expect(await rig.penstock('batch', 'output', batchId).ended).toMatchObject({
    code: 0,
    stdout: '{"id":"1"}\n',
    stderr: '',
  });
  expect(rig.api.requests('GET /stored')[0]?.headers.authorization).toBeUndefined();

  const out = join(rig.folder, 'output.jsonl');
  expect(await rig.penstock('batch', 'output', batchId, '--out', out).ended).toMatchObject({ code: 0, stdout: '' });
  expect(await readFile(out, 'utf8')).toBe('{"id":"1"}\n');

  rig.api.on('GET /stored', (_received, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('half');
    setImmediate(() => response.destroy());
  });
  const cut = await rig.file('cut.jsonl', 'of last week');
  expect(await rig.penstock('batch', 'output', batchId, '--out', cut).ended).toMatchObject({ code: 1 });
  expect((await readdir(rig.folder)).filter((name) => name.startsWith('cut'))).toEqual(['cut.jsonl']);
  expect(await readFile(cut, 'utf8')).toBe('of last week');

  const early = {
    title: 'The batch has no such file yet',
    status: 409,
    code: 'batch_unfinished',
    detail: 'it is running',
  };
  rig.api.on(`GET ${self}/manifest`, (_received, response) => sendJson(response, early, 409));
  expect(await rig.penstock('batch', 'manifest', batchId).ended).toMatchObject({
    code: 1,
    stderr: 'penstock: The batch has no such file yet (batch_unfinished): it is running\n',
  });
});

test('the only report needs no name; of several one is chosen', async () => {
  rig.api.on(`GET ${self}`, (_received, response) => sendJson(response, finishedBatch()));
  rig.api.on(`GET ${self}/report/report`, (_received, response) => response.end('<h1>Report</h1>'));
  expect(await rig.penstock('batch', 'report', batchId).ended).toMatchObject({ code: 0, stdout: '<h1>Report</h1>' });
  const reports = { one: `${self}/report/report`, two: '/no' };
  rig.api.on(`GET ${self}`, (_received, response) => sendJson(response, finishedBatch({ urls: { reports } })));
  expect(await rig.penstock('batch', 'report', batchId).ended).toMatchObject({
    code: 2,
    stderr: 'penstock: which report? It has one, two\n',
  });
  expect(await rig.penstock('batch', 'report', batchId, 'one').ended).toMatchObject({
    code: 0,
    stdout: '<h1>Report</h1>',
  });
});

test('cancel and retry say how the batch stands then', async () => {
  rig.api.on(`POST ${self}/cancel`, (_received, response) =>
    sendJson(response, batchView({ status: 'cancelled' }), 202),
  );
  rig.api.on(`POST ${self}/retry`, (_received, response) => sendJson(response, batchView({ status: 'queued' }), 202));
  expect((await rig.penstock('batch', 'cancel', batchId).ended).stdout).toContain(`${batchId}  cancelled`);
  expect((await rig.penstock('batch', 'retry', batchId).ended).stdout).toContain(`${batchId}  queued`);
});
