import { describe, expect, test } from 'vitest';
import { eventOfObject, objectOfEvent, readBatchEvent } from './batch-event.ts';

const record = (key: string, changes: Record<string, unknown> = {}) => ({
  eventVersion: '2.1',
  eventSource: 'aws:s3',
  awsRegion: 'eu-west-1',
  eventTime: '2026-05-01T10:00:00.000Z',
  eventName: 'ObjectCreated:Put',
  s3: { bucket: { name: 'data', arn: 'arn:aws:s3:::data' }, object: { key, size: 3, eTag: 'abc', sequencer: '0A' } },
  ...changes,
});
const read = (body: unknown) => readBatchEvent(JSON.stringify(body));

describe('a notification of S3', () => {
  test('gives the objects, their keys decoded', () => {
    expect(read({ Records: [record('acme/red+flower%2B%C3%BC.jsonl'), record('acme/x.csv')] })).toMatchObject({
      kind: 'objects',
      objects: [
        { bucket: 'data', key: 'acme/red flower+ü.jsonl', size: 3, etag: 'abc', sequencer: '0A', region: 'eu-west-1' },
        { key: 'acme/x.csv' },
      ],
    });
  });

  test('becomes the event that EventBridge would have sent', () => {
    const read1 = read({ Records: [record('acme/x.csv', { eventName: 'ObjectCreated:CompleteMultipartUpload' })] });
    if (read1.kind !== 'objects') throw new Error(read1.kind);
    const [object] = read1.objects;
    if (object === undefined) throw new Error('none');
    const event = eventOfObject(object);
    expect(event).toMatchObject({
      source: 'aws.s3',
      'detail-type': 'Object Created',
      region: 'eu-west-1',
      detail: {
        bucket: { name: 'data' },
        object: { key: 'acme/x.csv', size: 3, etag: 'abc', sequencer: '0A' },
        reason: 'CompleteMultipartUpload',
      },
    });
    expect(objectOfEvent(event)).toEqual({ bucket: 'data', key: 'acme/x.csv', sequencer: '0A' });
    expect(read(event)).toMatchObject({ kind: 'event' });
  });

  test('of other things than new objects, and its test message, are nothing', () => {
    expect(read({ Records: [record('x', { eventName: 'ObjectRemoved:Delete' })] })).toEqual({ kind: 'nothing' });
    expect(read({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: 'data' })).toEqual({ kind: 'nothing' });
  });
});

test('an event of EventBridge comes as it is', () => {
  const event = { version: '0', id: 'e1', source: 'shop', 'detail-type': 'Closed', account: '1', detail: { day: 1 } };
  expect(read(event)).toEqual({ kind: 'event', event });
  const parsed = read(event);
  expect(parsed.kind === 'event' && objectOfEvent(parsed.event)).toBeUndefined();
});

test('a state machine says what to start', () => {
  const task = { taskToken: 't', tenant: 'acme', batch: { any: 'thing' } };
  expect(read(task)).toEqual({ kind: 'task', task });
  expect(read({ taskToken: 't', tenant: 'acme', job: {} })).toMatchObject({ kind: 'task', task: { job: {} } });
});

test.each([
  ['no JSON', '{"Records":'],
  ['no object', '"text"'],
  ['null', 'null'],
  ['records of another service', JSON.stringify({ Records: [record('x', { eventSource: 'aws:sqs' })] })],
  ['a key that is wrongly encoded', JSON.stringify({ Records: [record('a%zz')] })],
  ['an event without an id', JSON.stringify({ source: 'a', 'detail-type': 'b', detail: {} })],
  ['a task whose token is no text', JSON.stringify({ taskToken: 5, tenant: 'acme', batch: {} })],
])('%s is unreadable', (_, text) => {
  expect(readBatchEvent(text)).toEqual({ kind: 'unreadable' });
});
