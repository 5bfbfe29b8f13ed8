import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { FauxqsServer, S3SpyEvent } from 'fauxqs';

/** One `QueueConfiguration` of a bucket: which keys it wants, and where their events go. */
interface Notification {
  id: string;
  queueName: string;
  prefix: string;
  suffix: string;
}

/**
 * S3's notifications of new objects, which fauxqs accepts and forgets: what is put as a bucket's notification
 * configuration is kept (in memory: provisioning puts it again at every start) and given back, and each upload is sent, as
 * S3 writes it, to the queues whose filters take its key. A queue that is not there (any more) is skipped.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
 */
export interface BucketNotifications {
  /** Before it listens. */
  adapt(app: FastifyInstance): void;
  /** Once it runs. */
  watch(server: FauxqsServer): void;
}

export function bucketNotifications(): BucketNotifications {
  const configurations = new Map<string, string>();
  let app: FastifyInstance | undefined;
  return {
    adapt(instance) {
      app = instance;
      // Not a route: fauxqs has one already for a bucket's PUT and GET, whatever the query asks for.
      instance.addHook('preHandler', async (request, reply) => serveConfiguration(configurations, request, reply));
    },
    watch(server) {
      const onUpload = async ({ bucket, key }: S3SpyEvent): Promise<void> => {
        const wanting = readNotifications(configurations.get(bucket) ?? '').filter(
          ({ prefix, suffix }) => key.startsWith(prefix) && key.endsWith(suffix),
        );
        if (wanting.length === 0) return;
        const url = `/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`;
        const head = await app?.inject({ method: 'HEAD', url });
        for (const { id, queueName } of wanting)
          if (server.inspectQueue(queueName) !== undefined)
            server.sendMessage(queueName, eventOf(id, bucket, key, head?.headers ?? {}));
      };
      // A filter that takes nothing sees every event and never ends; the promises that the spy offers miss those in between.
      void server.spy.waitForMessage((event) => {
        if (event.service === 's3' && event.status === 'uploaded')
          void onUpload(event).catch((error: unknown) => process.stderr.write(`bucket notification: ${error}\n`));
        return false;
      });
    },
  };
}

function serveConfiguration(
  configurations: Map<string, string>,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply | undefined {
  if (!('notification' in (request.query as object))) return undefined;
  const { bucket = '' } = request.params as { bucket?: string };
  const empty = '<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"/>';
  if (request.method === 'GET') return reply.type('application/xml').send(configurations.get(bucket) ?? empty);
  if (request.method !== 'PUT') return undefined;
  configurations.set(bucket, String(request.body));
  return reply.send('');
}

/** The queues of a configuration, from the XML that the SDKs write. */
export function readNotifications(xml: string): Notification[] {
  return [...xml.matchAll(/<QueueConfiguration>(.*?)<\/QueueConfiguration>/gs)].map(([, inner = '']) => {
    const filters = new Map(
      [...inner.matchAll(/<FilterRule>(.*?)<\/FilterRule>/gs)].map(([, rule = '']) => [
        textOf(rule, 'Name').toLowerCase(),
        textOf(rule, 'Value'),
      ]),
    );
    return {
      id: textOf(inner, 'Id'),
      queueName: textOf(inner, 'Queue').split(':').at(-1) ?? '',
      prefix: filters.get('prefix') ?? '',
      suffix: filters.get('suffix') ?? '',
    };
  });
}

function textOf(xml: string, element: string): string {
  return new RegExp(`<${element}>(.*?)</${element}>`, 's').exec(xml)?.[1] ?? '';
}

let lastSequencer = 0;
/** Hexadecimal, and larger with every event, as S3's are for one key. */
function nextSequencer(): string {
  lastSequencer = Math.max(lastSequencer + 1, Date.now() * 1000);
  return lastSequencer.toString(16).toUpperCase().padStart(18, '0');
}

function eventOf(configurationId: string, bucket: string, key: string, headers: Record<string, unknown>): string {
  const awsRegion = process.env.AWS_REGION ?? 'us-east-1';
  const principal = { principalId: 'EXAMPLE' };
  return JSON.stringify({
    Records: [
      {
        eventVersion: '2.1',
        eventSource: 'aws:s3',
        awsRegion,
        eventTime: new Date().toISOString(),
        eventName: 'ObjectCreated:Put',
        userIdentity: principal,
        requestParameters: { sourceIPAddress: '127.0.0.1' },
        responseElements: { 'x-amz-request-id': 'EXAMPLE', 'x-amz-id-2': 'EXAMPLE' },
        s3: {
          s3SchemaVersion: '1.0',
          configurationId,
          bucket: { name: bucket, ownerIdentity: principal, arn: `arn:aws:s3:::${bucket}` },
          object: {
            key: formEncoded(key),
            size: Number(headers['content-length'] ?? 0),
            eTag: String(headers.etag ?? '').replaceAll('"', ''),
            sequencer: nextSequencer(),
          },
        },
      },
    ],
  });
}

/** As S3 writes keys: form encoding, a space becomes `+`, and slashes stay. */
function formEncoded(key: string): string {
  return new URLSearchParams([['', key]]).toString().slice(1).replaceAll('%2F', '/');
}
