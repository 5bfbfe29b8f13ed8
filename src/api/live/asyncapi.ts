import { z } from 'zod';
import {
  branchFrameSchema,
  cancelFrameSchema,
  deltaFrameSchema,
  fanoutFrameSchema,
  finishedFrameSchema,
  pingFrameSchema,
  statusFrameSchema,
  submitFrameSchema,
  subscribeFrameSchema,
  unsubscribeFrameSchema,
} from '../../core/live-frames.ts';
import type { Api } from '../api-deps.ts';
import { closeCodes } from './close-codes.ts';
import {
  acceptedFrameSchema,
  batchFinishedFrameSchema,
  batchProgressFrameSchema,
  errorFrameSchema,
  pongFrameSchema,
} from './frame-schemas.ts';

/** Frames by name, with what each is for. */
const fromClient = {
  submit: { schema: submitFrameSchema, summary: 'Submit a job and follow it' },
  fanout: { schema: fanoutFrameSchema, summary: 'Ask many at once, and follow the fan-out' },
  subscribe: {
    schema: subscribeFrameSchema,
    summary: 'Follow a job or a batch: its state as stored first, then what comes',
  },
  unsubscribe: { schema: unsubscribeFrameSchema, summary: 'Follow a job or a batch no longer' },
  cancel: { schema: cancelFrameSchema, summary: 'Cancel a job' },
  ping: { schema: pingFrameSchema, summary: 'Ask for a pong' },
};
const fromServer = {
  accepted: { schema: acceptedFrameSchema, summary: 'A submit or a cancel was done' },
  jobStatus: { schema: statusFrameSchema, summary: 'The state of an unfinished job' },
  jobDelta: { schema: deltaFrameSchema, summary: 'A piece of text of a job that streams' },
  branchFinished: { schema: branchFrameSchema, summary: 'A branch of a fan-out that is followed has ended' },
  jobFinished: { schema: finishedFrameSchema, summary: 'The end of a job; nothing comes after it' },
  batchProgress: { schema: batchProgressFrameSchema, summary: 'A batch as it is, at most once a second' },
  batchFinished: { schema: batchFinishedFrameSchema, summary: 'The end of a batch; nothing comes after it' },
  error: { schema: errorFrameSchema, summary: 'A frame could not be served; the connection lives' },
  pong: { schema: pongFrameSchema, summary: 'The answer to a ping' },
};

type Frames = Record<string, { schema: z.ZodType; summary: string }>;

/** The live connection as an AsyncAPI 3 document, made from the schemas that check the frames. */
export function asyncApiDocument(): object {
  const messages = { ...messagesOf(fromClient, 'input'), ...messagesOf(fromServer, 'output') };
  const channel = { $ref: '#/channels/live' };
  const refs = (frames: Frames) => Object.keys(frames).map((name) => ({ $ref: `#/channels/live/messages/${name}` }));
  const codes = Object.entries(closeCodes).map(([name, code]) => `${code} (${name})`);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Penstock, live',
      version: '1',
      description:
        'Jobs and batches over a WebSocket. Subprotocol `penstock.v1`; the key as `Authorization: Bearer` or, from a browser, as a second ' +
        `subprotocol \`bearer.<key>\`. Wrong or missing key: HTTP 401 at the handshake. Close codes: ${codes.join(', ')}, 1009 (a frame over 128 KB).`,
    },
    defaultContentType: 'application/json',
    channels: {
      live: {
        address: '/v1/ws',
        messages: Object.fromEntries(
          Object.keys(messages).map((name) => [name, { $ref: `#/components/messages/${name}` }]),
        ),
        bindings: { ws: { method: 'GET' } },
      },
    },
    operations: {
      fromClient: { action: 'receive', channel, messages: refs(fromClient) },
      fromServer: { action: 'send', channel, messages: refs(fromServer) },
    },
    components: { messages },
  };
}

function messagesOf(frames: Frames, io: 'input' | 'output'): Record<string, object> {
  return Object.fromEntries(
    Object.entries(frames).map(([name, { schema, summary }]) => {
      const { $schema: _, ...payload } = z.toJSONSchema(schema, { io, target: 'draft-7', unrepresentable: 'any' });
      return [name, { name, summary, payload }];
    }),
  );
}

/** `/asyncapi.json`, without a key. */
export function serveAsyncApi(app: Api): void {
  const document = JSON.stringify(asyncApiDocument());
  app.get('/asyncapi.json', { schema: { hide: true } }, async (_request, reply) =>
    reply.type('application/json').send(document),
  );
}
