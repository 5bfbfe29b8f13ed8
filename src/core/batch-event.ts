import { z } from 'zod';

/**
 * What comes through `batch-events`, in the forms in which AWS sends it:
 *
 * - S3's notification of new objects: `{"Records": [{"eventSource": "aws:s3", "s3": ...}]}`,
 * - an event of EventBridge, as a rule or a pipe passes it on: `{"source", "detail-type", "detail", ...}`,
 * - the message of a state machine that waits: `{"taskToken", "tenant", "batch" | "job"}`.
 */
export type BatchEvent =
  | { kind: 'objects'; objects: CreatedObject[] }
  | { kind: 'event'; event: BusEvent }
  | { kind: 'task'; task: TaskMessage }
  /** S3's test of a new configuration, and what it tells of other things than new objects. */
  | { kind: 'nothing' }
  | { kind: 'unreadable' };

export interface CreatedObject {
  bucket: string;
  key: string;
  size: number;
  etag: string;
  /** Hexadecimal: of one key, the larger is the later. */
  sequencer: string;
  eventName: string;
  region: string;
  time: string;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
const recordSchema = z.object({
  eventSource: z.literal('aws:s3'),
  eventName: z.string(),
  eventTime: z.string().default(''),
  awsRegion: z.string().default(''),
  s3: z.object({
    bucket: z.object({ name: z.string().min(1) }),
    object: z.object({
      key: z.string().min(1),
      size: z.number().default(0),
      eTag: z.string().default(''),
      sequencer: z.string().default(''),
    }),
  }),
});
const notificationSchema = z.object({ Records: z.array(recordSchema).min(1) });
const testEventSchema = z.object({ Event: z.literal('s3:TestEvent') });

/** https://docs.aws.amazon.com/eventbridge/latest/ref/overview-event-structure.html */
const busEventSchema = z.looseObject({
  id: z.string().min(1),
  source: z.string().min(1),
  'detail-type': z.string(),
  detail: z.record(z.string(), z.unknown()),
});
export type BusEvent = z.infer<typeof busEventSchema>;

const objectDetailSchema = z.object({
  bucket: z.object({ name: z.string().min(1) }),
  object: z.object({
    key: z.string().min(1),
    size: z.number().default(0),
    etag: z.string().default(''),
    sequencer: z.string().default(''),
  }),
});

/** Whatever has a token is a task, right or wrong: what is wrong with it is told to whoever waits. */
const taskMessageSchema = z.object({
  taskToken: z.string().min(1).max(2048),
  tenant: z.unknown().optional(),
  batch: z.unknown().optional(),
  job: z.unknown().optional(),
});
export type TaskMessage = z.infer<typeof taskMessageSchema>;

/** Reads a message's body. Never throws. */
export function readBatchEvent(text: string): BatchEvent {
  const body = parse(text);
  if (typeof body !== 'object' || body === null) return { kind: 'unreadable' };
  if (testEventSchema.safeParse(body).success) return { kind: 'nothing' };
  if ('Records' in body) return readNotification(body);
  if ('taskToken' in body) {
    const task = taskMessageSchema.safeParse(body).data;
    return task === undefined ? { kind: 'unreadable' } : { kind: 'task', task };
  }
  const event = busEventSchema.safeParse(body).data;
  return event === undefined ? { kind: 'unreadable' } : { kind: 'event', event };
}

function readNotification(body: object): BatchEvent {
  const records = notificationSchema.safeParse(body).data?.Records;
  if (records === undefined) return { kind: 'unreadable' };
  const created = records.filter(({ eventName }) => eventName.startsWith('ObjectCreated:'));
  const objects = created.map(({ eventName, eventTime, awsRegion, s3 }) => ({
    bucket: s3.bucket.name,
    key: decodeKey(s3.object.key),
    size: s3.object.size,
    etag: s3.object.eTag,
    sequencer: s3.object.sequencer,
    eventName,
    region: awsRegion,
    time: eventTime,
  }));
  if (objects.length === 0) return { kind: 'nothing' };
  const readable = objects.filter((object): object is CreatedObject => object.key !== undefined);
  return readable.length < objects.length ? { kind: 'unreadable' } : { kind: 'objects', objects: readable };
}

/** In a notification (and nowhere else) the key is form-encoded: "red flower.jpg" comes as "red+flower.jpg". */
function decodeKey(key: string): string | undefined {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

/** The object that an event of EventBridge tells of; undefined for events of other kinds. Its key is not encoded. */
export function objectOfEvent(event: BusEvent): Pick<CreatedObject, 'bucket' | 'key' | 'sequencer'> | undefined {
  if (event.source !== 'aws.s3' || event['detail-type'] !== 'Object Created') return undefined;
  const detail = objectDetailSchema.safeParse(event.detail).data;
  if (detail === undefined) return undefined;
  return { bucket: detail.bucket.name, key: detail.object.key, sequencer: detail.object.sequencer };
}

/** How EventBridge names what S3 names by the event. */
const reasons: Record<string, string> = {
  'ObjectCreated:Put': 'PutObject',
  'ObjectCreated:Post': 'POST Object',
  'ObjectCreated:Copy': 'CopyObject',
  'ObjectCreated:CompleteMultipartUpload': 'CompleteMultipartUpload',
};

/**
 * The event that S3 would have sent by EventBridge for this object, so that one kind of pattern does for both ways.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
 */
export function eventOfObject(object: CreatedObject): BusEvent {
  const { bucket, key, size, etag, sequencer, eventName, region, time } = object;
  return {
    version: '0',
    id: `${bucket}/${key}/${sequencer}`,
    'detail-type': 'Object Created',
    source: 'aws.s3',
    time,
    region,
    resources: [`arn:aws:s3:::${bucket}`],
    detail: {
      version: '0',
      bucket: { name: bucket },
      object: { key, size, etag, sequencer },
      reason: reasons[eventName] ?? eventName,
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
