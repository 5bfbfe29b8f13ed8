import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Split, splitInput } from '../../src/batch/split-input.ts';
import type { FailedLine } from '../../src/core/record-line.ts';
import { readFiles } from '../../src/state/batch-files.ts';
import type { BatchItem } from '../../src/state/batch-item.ts';
import { readSegments } from '../../src/state/segments.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';
import { batchOf, recordsOfInput, sourcesOf } from '../support/batch-inputs.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
let state: StateDeps;
beforeAll(async () => {
  stores = await startStateStores();
  state = stores.state;
});
afterAll(() => stores.stop());

const size = { mostRecords: 4, mostBytes: 1_000 };
const { signal } = new AbortController();

const put = (key: string, body: string | Buffer, contentType = 'application/octet-stream') =>
  state.objects.putBytes(`in/${key}`, Buffer.from(body), contentType);
const uri = (key: string): string => `s3://${state.objects.bucket}/in/${key}`;

const split = (batch: BatchItem, deps = state) => splitInput(deps, { batch, signal, size });

async function splitOf(key: string, more: Partial<BatchItem> = {}): Promise<{ batch: BatchItem; made: Split }> {
  const batch = batchOf(uri(key), more);
  const made = await split(batch);
  if ('error' in made) throw new Error(made.error.message);
  return { batch, made };
}

/** `[line, id, code]` of each refused line. */
async function refusedOf(batch: BatchItem): Promise<(string | number)[][]> {
  const sources = await sourcesOf(state.tables, batch.pk);
  const keys = sources.flatMap(({ errors }) => (errors === undefined ? [] : [errors]));
  const lines = [...(await readSegments(state, keys)).values()] as FailedLine[];
  return lines.map(({ line, id, failed }) => [line, id, failed.code]);
}

const jsonl = (count: number, from = 0): string =>
  Array.from({ length: count }, (_, index) => `${JSON.stringify({ id: `r${from + index}`, text: 'x' })}\n`).join('');

test('a file is cut into chunks, which give each record once, in order', async () => {
  await put('ten.jsonl', jsonl(10));
  const { batch, made } = await splitOf('ten.jsonl');
  expect(made).toMatchObject({ total: 10, refused: 0, chunks: 3, files: [{ key: 'in/ten.jsonl', format: 'jsonl' }] });
  const sources = await sourcesOf(state.tables, batch.pk);
  expect(sources.map(({ firstN, records, firstLine }) => [firstN, records, firstLine])).toEqual([
    [0, 4, 1],
    [4, 4, 5],
    [8, 2, 9],
  ]);
  expect(sources[0]).toHaveProperty('ttl');
  const records = await recordsOfInput(state, batch.pk);
  expect(records.map(({ n, id, line, shape }) => [n, id, line, shape])).toEqual(
    Array.from({ length: 10 }, (_, n) => [n, `r${n}`, n + 1, 'plain']),
  );
  expect(await split(batch)).toEqual(made);
});

test('every kind of bad line is refused with its place and its reason; the others go on', async () => {
  const lines = [
    '{"id": "a"}',
    '{"id": ',
    '',
    '["not", "an object"]',
    Buffer.from([0x7b, 0xff, 0x7d]),
    `{"id": "long", "text": "${'x'.repeat(5 * 1024 * 1024)}"}`,
    '{"id": "a", "again": true}',
    '{"recordId": "r", "modelInput": {"prompt": "hi"}}',
    '{"custom_id": "c", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": []}}',
    '{"text": "no id"}',
  ];
  const file = Buffer.concat(lines.flatMap((line) => [Buffer.from(line), Buffer.from('\r\n')]));
  await put('bad.jsonl', Buffer.concat([Buffer.from('\ufeff'), file]));
  const { batch, made } = await splitOf('bad.jsonl');
  expect(made).toMatchObject({ total: 9, refused: 5 });
  expect(await refusedOf(batch)).toEqual([
    [2, 'record-2', 'invalid_json'],
    [4, 'record-3', 'not_an_object'],
    [5, 'record-4', 'invalid_utf8'],
    [6, 'record-5', 'line_too_long'],
    [7, 'a', 'duplicate_record_id'],
  ]);
  expect((await recordsOfInput(state, batch.pk)).map(({ line, id, shape }) => [line, id, shape])).toEqual([
    [1, 'a', 'plain'],
    [8, 'r', 'bedrock'],
    [9, 'c', 'openai'],
    [10, 'record-9', 'plain'],
  ]);
});

test('a CSV file: quotes, line ends inside them, and its own kinds of bad lines', async () => {
  await put('people.csv', '\ufeffid,name\r\n1,"Ann, ""A""\nB"\r\n2\r\n\r\n3,x,y\r\n4,a"b\r\n1,again\r\n5,é');
  const { batch, made } = await splitOf('people.csv');
  expect(made).toMatchObject({ total: 6, refused: 4, files: [{ format: 'csv' }] });
  expect(await refusedOf(batch)).toEqual([
    [4, 'record-2', 'column_count'],
    [6, 'record-3', 'column_count'],
    [7, 'record-4', 'invalid_csv'],
    [8, '1', 'duplicate_record_id'],
  ]);
  expect((await recordsOfInput(state, batch.pk)).map(({ line, record }) => [line, record])).toEqual([
    [2, { id: '1', name: 'Ann, "A"\nB' }],
    [9, { id: '5', name: 'é' }],
  ]);
});

test('a prefix: its files in the order of their keys, ids are unique over all of them', async () => {
  await put('many/b.ndjson', jsonl(3));
  await put('many/a.csv', 'id\nr1\nz');
  await put('many/c', jsonl(2, 7), 'application/x-ndjson');
  await put('many/d.unknown', '\n{"id": "sniffed"}');
  await put('many/_SUCCESS', '');
  const { batch, made } = await splitOf('many/');
  expect(made.files.map(({ key, format }) => [key, format])).toEqual([
    ['in/many/a.csv', 'csv'],
    ['in/many/b.ndjson', 'jsonl'],
    ['in/many/c', 'jsonl'],
    ['in/many/d.unknown', 'jsonl'],
  ]);
  expect(await readFiles(state, batch.pk)).toEqual(made.files);
  const records = await recordsOfInput(state, batch.pk);
  expect(records.map(({ file, line, id }) => [file, line, id])).toEqual([
    [0, 2, 'r1'],
    [0, 3, 'z'],
    [1, 1, 'r0'],
    [1, 3, 'r2'],
    [2, 1, 'r7'],
    [2, 2, 'r8'],
    [3, 2, 'sniffed'],
  ]);
  expect(await refusedOf(batch)).toEqual([[2, 'r1', 'duplicate_record_id']]);
});

test('more files than the item holds', async () => {
  const names = Array.from({ length: 300 }, (_, index) => `lots/${'long-name-'.repeat(6)}${index}.jsonl`);
  await Promise.all(names.map((name) => put(name, '{}\n')));
  const { batch, made } = await splitOf('lots/');
  expect(made).toMatchObject({ total: 300, chunks: 300 });
  expect(await readFiles(state, batch.pk)).toHaveLength(300);
});

test('images, documents and videos are records themselves', async () => {
  await put('media/2.pdf', '%PDF-');
  await put('media/1.png', 'png');
  const { batch } = await splitOf('media/');
  const records = await recordsOfInput(state, batch.pk);
  expect(records.map(({ record }) => record)).toEqual([
    { key: 'in/media/1.png', name: '1.png', uri: uri('media/1.png'), bytes: 3, contentType: 'image/png' },
    { key: 'in/media/2.pdf', name: '2.pdf', uri: uri('media/2.pdf'), bytes: 5, contentType: 'application/pdf' },
  ]);
  const alone = await splitOf('media/2.pdf');
  expect((await recordsOfInput(state, alone.batch.pk)).map(({ record }) => record)).toEqual([records[1]?.record]);
});

test('an input in another bucket', async () => {
  await stores.clients.s3.send(new CreateBucketCommand({ Bucket: 'their-data' }));
  for (const Key of ['a/1.jsonl', 'a/2.jsonl'])
    await stores.clients.s3.send(new PutObjectCommand({ Bucket: 'their-data', Key, Body: `{"key": "${Key}"}` }));
  const batch = batchOf('s3://their-data/a/');
  expect(await split(batch)).toMatchObject({
    total: 2,
    files: [{ key: 's3://their-data/a/1.jsonl' }, { key: 's3://their-data/a/2.jsonl' }],
  });
  expect(await recordsOfInput(state, batch.pk)).toHaveLength(2);
});

test('empty files are batches of no records', async () => {
  for (const [name, body] of Object.entries({
    'no.jsonl': '',
    'blank.jsonl': '\n \n',
    'no.csv': '',
    'head.csv': 'a,b\n',
  })) {
    await put(name, body);
    expect((await splitOf(name)).made).toMatchObject({ total: 0, refused: 0, chunks: 0 });
  }
});

test.each([
  ['nothing.jsonl', 'input_missing'],
  ['nothing/', 'input_missing'],
  ['mixed/', 'mixed_input'],
  ['archive.zip', 'unsupported_input'],
  ['twice.csv', 'invalid_header'],
])('%s: %s', async (key, code) => {
  await put('mixed/a.jsonl', '{}');
  await put('mixed/b.png', 'png');
  await put('archive.zip', 'PK\x03\x04');
  await put('twice.csv', 'a,a\n1,2\n');
  expect(await split(batchOf(uri(key)))).toEqual({ error: { code, message: expect.any(String) } });
});

test('a limit of records', async () => {
  await put('limit.jsonl', jsonl(5));
  expect(await split(batchOf(uri('limit.jsonl'), { maxRecords: 5 }))).toMatchObject({ total: 5 });
  expect(await split(batchOf(uri('limit.jsonl'), { maxRecords: 4 }))).toEqual({
    error: { code: 'too_many_records', message: 'the input has more than 4 records' },
  });
});

test('a crash at any chunk, and at the files: the next one goes on without a gap or a double', async () => {
  await put('crash/a.jsonl', jsonl(9));
  await put('crash/b.csv', 'id\nx\ny\nr3\n');
  const { batch: whole, made: wanted } = await splitOf('crash/');
  const sources = async (batchId: string) =>
    (await sourcesOf(state.tables, batchId)).map(({ pk: _, errors: __, ...rest }) => rest);
  const expected = await sources(whole.pk);
  expect(expected).toHaveLength(4);
  for (let puts = 0; puts <= expected.length; puts += 1) {
    const batch = batchOf(uri('crash/'));
    let left = puts;
    const breaking = withTables({
      async put(...args) {
        if (left === 0) throw new Error('killed');
        left -= 1;
        return await state.tables.put(...args);
      },
    });
    await expect(split(batch, breaking)).rejects.toThrow('killed');
    expect(await sources(batch.pk)).toEqual(expected.slice(0, Math.max(0, puts - 1)));
    // What comes after may cut otherwise: what is there stays.
    const goesOn = splitInput(state, {
      batch,
      signal,
      size: puts === 3 ? { ...size, mostRecords: 3 } : size,
    });
    expect(await goesOn).toMatchObject({ total: wanted.total, refused: wanted.refused });
    if (puts !== 3) expect(await sources(batch.pk)).toEqual(expected);
    const records = await recordsOfInput(state, batch.pk);
    expect(records.map(({ n, id }) => [n, id])).toEqual(
      (await recordsOfInput(state, whole.pk)).map(({ n, id }) => [n, id]),
    );
  }
});

test('two at once write the same', async () => {
  await put('both.jsonl', jsonl(50));
  const batch = batchOf(uri('both.jsonl'));
  const [one, other] = await Promise.all([split(batch), split(batch)]);
  expect(one).toEqual(other);
  expect(await recordsOfInput(state, batch.pk)).toHaveLength(50);
});

test('an input that changes after the batch began', async () => {
  await put('changing.jsonl', jsonl(10));
  const { batch } = await splitOf('changing.jsonl');
  await put('changing.jsonl', jsonl(11));
  expect(await split(batch)).toMatchObject({ error: { code: 'input_changed' } });
  await expect(recordsOfInput(state, batch.pk)).rejects.toMatchObject({ code: 'changed' });
});

test('a stop, as when the lease is lost: no more is written', async () => {
  await put('stopped.jsonl', jsonl(10));
  const stop = new AbortController();
  const batch = batchOf(uri('stopped.jsonl'));
  const stopping = withTables({
    async put(...args) {
      if (String(args[1].sk).startsWith('source#')) stop.abort(new Error('stop'));
      return await state.tables.put(...args);
    },
  });
  await expect(splitInput(stopping, { batch, signal: stop.signal, size })).rejects.toThrow('stop');
  expect(await sourcesOf(state.tables, batch.pk)).toHaveLength(1);
});

function withTables(tables: Partial<StateDeps['tables']>): StateDeps {
  return { ...state, tables: { ...state.tables, ...tables } };
}
