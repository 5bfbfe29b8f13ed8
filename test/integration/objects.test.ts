import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createObjects, type Objects } from '../../src/aws/objects.ts';
import { eventually } from '../support/eventually.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
let objects: Objects;
beforeAll(async () => {
  stores = await startStateStores();
  objects = stores.state.objects;
});
afterAll(() => stores.stop());

const read = async (key: string, options = {}): Promise<string> => (await objects.getBytes(key, options)).toString();

test('an object is read whole, by ranges, and only in the version that was asked for', async () => {
  await objects.putText('t/read', '0123456789', 'text/plain');
  const { etag, bytes, contentType } = await objects.head('t/read');
  expect({ bytes, contentType }).toEqual({ bytes: 10, contentType: 'text/plain' });
  expect(await read('t/read')).toBe('0123456789');
  expect(await read('t/read', { start: 3, end: 6, etag })).toBe('345');
  expect(await read('t/read', { start: 8 })).toBe('89');
  expect(await read('t/read', { start: 4, end: 4 })).toBe('');
  await objects.putText('t/read', 'other', 'text/plain');
  await expect(read('t/read', { etag })).rejects.toMatchObject({ code: 'changed' });
  await expect(read('t/missing')).rejects.toMatchObject({ code: 'not_found' });
  await expect(objects.head('t/missing')).rejects.toMatchObject({ code: 'not_found' });
  await objects.putBytes('t/empty', Buffer.alloc(0), 'text/plain');
  expect(await read('t/empty')).toBe('');
});

test('objects of another bucket are read by their URI, and listed in the same form', async () => {
  await stores.clients.s3.send(new CreateBucketCommand({ Bucket: 'elsewhere' }));
  const other = createObjects(stores.clients.s3, stores.clients.s3, 'elsewhere');
  await other.putText('data/b.jsonl', 'bb', 'text/plain');
  await other.putText('data/a.jsonl', 'a', 'text/plain');
  expect(await read('s3://elsewhere/data/b.jsonl')).toBe('bb');
  const listed = await Array.fromAsync(objects.list('s3://elsewhere/data/'));
  expect(listed.map(({ key, bytes }) => ({ key, bytes }))).toEqual([
    { key: 's3://elsewhere/data/a.jsonl', bytes: 1 },
    { key: 's3://elsewhere/data/b.jsonl', bytes: 2 },
  ]);
  expect(listed[0]?.etag).toBe((await other.head('data/a.jsonl')).etag);
});

test('a list goes on over its pages', async () => {
  for (let round = 0; round < 11; round += 1)
    await Promise.all(
      Array.from({ length: 100 }, (_, index) => objects.putText(`many/${round * 100 + index}`, 'x', 'text/plain')),
    );
  expect(await Array.fromAsync(objects.list('many/'))).toHaveLength(1100);
});

test('small and large uploads arrive whole', async () => {
  async function* lines(count: number): AsyncGenerator<string> {
    for (let index = 0; index < count; index += 1) yield `${String(index).padStart(99, '0')}\n`;
  }
  expect(await objects.upload('t/small', lines(2), 'application/jsonl')).toMatchObject({ bytes: 200 });
  expect(await objects.head('t/small')).toMatchObject({ contentType: 'application/jsonl' });
  const { bytes, etag } = await objects.upload('t/large', lines(200_000), 'application/jsonl');
  expect(bytes).toBe(20_000_000);
  expect(etag).toBe((await objects.head('t/large')).etag);
  expect(await read('t/large', { start: 19_999_990 })).toBe('000199999\n');
  expect(await objects.upload('t/nothing', lines(0), 'application/jsonl')).toMatchObject({ bytes: 0 });
});

test('an upload whose body breaks, or that is stopped, leaves nothing', async () => {
  async function* broken(): AsyncGenerator<Buffer> {
    yield Buffer.alloc(20_000_000);
    throw new RangeError('broken');
  }
  await expect(objects.upload('t/broken', broken(), 'text/plain')).rejects.toThrow(RangeError);
  const stopped = new AbortController();
  async function* endless(): AsyncGenerator<Buffer> {
    for (let given = 0; ; given += 1) {
      if (given === 30) stopped.abort(new Error('stop'));
      yield Buffer.alloc(1_000_000);
    }
  }
  await expect(objects.upload('t/stopped', endless(), 'text/plain', stopped.signal)).rejects.toThrow('stop');
  for (const key of ['t/broken', 't/stopped'])
    await expect(objects.head(key)).rejects.toMatchObject({ code: 'not_found' });
  const left = await stores.clients.s3.send(new ListMultipartUploadsCommand({ Bucket: objects.bucket })).then(
    ({ Uploads }) => Uploads ?? [],
    () => [],
  );
  expect(left.filter(({ Key }) => Key === 't/broken')).toEqual([]);
});

test('a link names the file for browsers', async () => {
  await objects.putText('t/linked', 'x', 'text/plain');
  expect(await objects.presign('t/linked', 60)).not.toContain('disposition');
  const link = new URL(await objects.presign('t/linked', 60, 'größe "1".jsonl'));
  expect(link.searchParams.get('response-content-disposition')).toBe(
    `attachment; filename="gr__e__1_.jsonl"; filename*=UTF-8''gr%C3%B6%C3%9Fe%20%221%22.jsonl`,
  );
});

/** An S3 with one object, whose connection breaks after every `breakAfter` bytes. */
async function brittleS3(
  content: Buffer,
  breakAfter: number,
): Promise<{ server: Server; ranges: string[]; matches: (string | undefined)[] }> {
  const ranges: string[] = [];
  const matches: (string | undefined)[] = [];
  const server = createServer((request, answer) => {
    const { range = '', 'if-match': match } = request.headers;
    ranges.push(range);
    matches.push(match);
    if (match !== undefined && match !== '"one"') return answer.writeHead(412).end();
    const [, from = '0', to = String(content.length - 1)] = /^bytes=(\d+)-(\d*)/.exec(range) ?? [];
    const body = content.subarray(Number(from), Number(to === '' ? content.length - 1 : to) + 1);
    answer.writeHead(range === '' ? 200 : 206, { etag: '"one"', 'content-length': body.length });
    if (body.length <= breakAfter) return answer.end(body);
    answer.write(body.subarray(0, breakAfter), () => setImmediate(() => answer.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, ranges, matches };
}

test.each([
  { breakAfter: 1000, whole: true },
  { breakAfter: 0, whole: false },
])('a connection that breaks after $breakAfter bytes', async ({ breakAfter, whole }) => {
  const content = Buffer.from(Array.from({ length: 10_500 }, (_, index) => index % 251));
  const { server, ranges, matches } = await brittleS3(content, breakAfter);
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new S3Client({ forcePathStyle: true, endpoint });
  const brittle = createObjects(client, client, 'any');
  try {
    const all = brittle.getBytes('key');
    if (whole) {
      expect((await all).equals(content)).toBe(true);
      expect(ranges.slice(0, 3)).toEqual(['', 'bytes=1000-10499', 'bytes=2000-10499']);
      // The rest is asked of the version that was begun.
      expect(matches.slice(0, 3)).toEqual([undefined, '"one"', '"one"']);
      expect(await brittle.getBytes('key', { start: 5, end: 1500 })).toEqual(content.subarray(5, 1500));
    } else {
      await expect(all).rejects.toMatchObject({ code: 'unavailable' });
      expect(ranges).toHaveLength(5);
    }
  } finally {
    client.destroy();
    server.closeAllConnections();
    server.close();
  }
});

test('who gives the body of an upload that is stopped is told so', async () => {
  const stopped = new AbortController();
  const seen: string[] = [];
  async function* endless(): AsyncGenerator<Buffer> {
    try {
      for (let given = 0; ; given += 1) {
        if (given === 40) queueMicrotask(() => stopped.abort(new Error('stop')));
        yield Buffer.alloc(1_000_000);
      }
    } finally {
      seen.push('closed');
    }
  }
  await expect(objects.upload('t/told', endless(), 'text/plain', stopped.signal)).rejects.toThrow('stop');
  await eventually(async () => seen.length === 1, { timeoutMs: 10_000, what: 'the body is closed' });
});
