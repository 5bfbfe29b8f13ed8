import { randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { randomId } from '../../core/batch-id.ts';
import { type FileItem, fileObjects, recordFile } from '../../state/files.ts';
import type { StateDeps } from '../../state/state-deps.ts';
import type { Api, ApiDeps } from '../api-deps.ts';
import { type Authenticate, tenantOf } from '../authenticate.ts';
import { invalid, type Problem, sendProblem } from '../problem.ts';
import { needsKey, problemResponses } from '../route-docs.ts';
import type { SubmitRate } from '../submit-rate.ts';
import { countBody, RefusedBody } from './counted-body.ts';
import { fileBody, fileView } from './file-answers.ts';
import { documentedTypes, essenceOf, type FileKind, fileKindOf } from './file-kinds.ts';

/** A sender from whom nothing comes for so long is gone: load balancers end idle connections after 60 s, too. */
const stalledMs = 60_000;
/** A caller who is refused is let send on for a moment: cut off at once, it would not see why. */
const lingerMs = 5_000;

/** S3 takes keys of 1,024 bytes; three bytes a letter leave room for tenant and id. */
const nameSchema = z
  .string()
  .min(1)
  .max(200)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it looks for
  .regex(/^[^/\\\u0000-\u001f\u007f]*$/, 'a name without slashes and control characters')
  .refine((name) => name !== '.' && name !== '..', 'a name, not a place');

type UploadDeps = ApiDeps & { authenticate: Authenticate; submitRate: SubmitRate };

/**
 * `POST /v1/files`: the bytes of the body as a file, streamed into S3. In a scope of its own: here a body is not read
 * before the handler, whatever its content type.
 */
export async function serveUpload(app: Api, deps: UploadDeps): Promise<void> {
  await app.register(async (plugin) => {
    const scope = plugin as unknown as Api;
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _body, done) => done(null, undefined));
    scope.addHook('onResponse', async (request) => letEnd(request));
    scope.route({
      method: 'POST',
      url: uploadUrl,
      onRequest: [deps.authenticate('submit'), deps.submitRate.hook],
      schema: {
        operationId: 'uploadFile',
        summary: 'Upload a file',
        description:
          'The body is the file, as it is: a dataset of up to 5 GiB (JSON lines, CSV, JSON), or an image, a document or a video of up ' +
          'to 25 MB. Its `id` is the `input` of a batch, its `uri` goes into an `s3Location`. An upload that breaks off leaves nothing. ' +
          'Needs the scope `submit`.',
        tags: ['files'],
        security: needsKey(),
        consumes: documentedTypes,
        querystring: z.strictObject({ name: nameSchema.describe('Like reviews.jsonl: the end says what it is') }),
        body: z.any().describe('The bytes of the file'),
        response: {
          201: fileBody,
          ...problemResponses('payload_too_large', 'request_timeout', 'unsupported_media_type', 'validation_failed'),
        },
      },
      handler: async (request, reply) => (await upload(deps, request, reply, request.query.name)) as never,
    });
  });
}

export const uploadUrl = '/v1/files';

async function upload(deps: UploadDeps, request: FastifyRequest, reply: FastifyReply, name: string) {
  const { state } = deps;
  const tenant = tenantOf(request);
  const contentType = essenceOf(request.headers['content-type']);
  const kind = fileKindOf(contentType);
  if (contentType === undefined || kind === undefined) return sendProblem(reply, wrongType);
  if (Number(request.headers['content-length'] ?? 0) > kind.mostBytes) return sendProblem(reply, tooLarge(kind));
  const id = randomId('file', randomBytes(16));
  const key = `${fileObjects(tenant, id)}${name}`;
  // The request outlives a refusal: its answer goes over the same connection.
  const body = countBody(request.raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>, kind);
  const stalled = whenStalled(request);
  try {
    const { bytes } = await state.objects.upload(key, body.chunks, contentType, stalled.signal);
    const records = body.records();
    const counted = records === undefined ? {} : { records };
    const file = await recordOrRemove(state, { id, tenant, key, name, contentType, bytes, ...counted });
    return await reply.code(201).header('location', `${uploadUrl}/${id}`).send(fileView(state, file));
  } catch (error) {
    const problem = problemOf(error, kind, request);
    if (problem === undefined) throw error;
    return sendProblem(reply, problem);
  } finally {
    stalled.clear();
  }
}

/** An object without its record is of no use to anybody. */
async function recordOrRemove(state: StateDeps, file: Parameters<typeof recordFile>[1]): Promise<FileItem> {
  try {
    return await recordFile(state, file);
  } catch (error) {
    // Else the bucket's lifecycle takes it.
    await state.objects.deleteUnder(fileObjects(file.tenant, file.id)).catch(() => undefined);
    throw error;
  }
}

const wrongType: Problem = {
  code: 'unsupported_media_type',
  detail: `name what the file is by its Content-Type: ${documentedTypes.join(', ')}`,
};

function tooLarge({ limit }: FileKind): Problem {
  return { code: 'payload_too_large', detail: limit };
}

function problemOf(error: unknown, kind: FileKind, { raw }: FastifyRequest): Problem | undefined {
  // Nobody reads it; it stands in the log of requests.
  if (!raw.complete && raw.destroyed) return { code: 'bad_request', detail: 'the upload broke off' };
  if (!(error instanceof RefusedBody)) return undefined;
  if (error.why === 'too large') return tooLarge(kind);
  if (error.why === 'empty') return invalid([{ path: 'body', message: 'the file is empty' }]);
  return { code: 'request_timeout', detail: `nothing came for ${stalledMs / 1000} s` };
}

function whenStalled({ raw }: FastifyRequest): { signal: AbortSignal; clear(): void } {
  const controller = new AbortController();
  const onTimeout = (): void => controller.abort(new RefusedBody('stalled'));
  raw.socket.setTimeout(stalledMs, onTimeout);
  return {
    signal: controller.signal,
    clear: () => {
      raw.socket.setTimeout(0);
      raw.socket.off('timeout', onTimeout);
    },
  };
}

/** Reads what a refused caller still sends, and throws it away. Node does so only with bodies that nobody began to read. */
function letEnd({ raw }: FastifyRequest): void {
  if (raw.complete || raw.destroyed) return;
  raw.resume();
  setTimeout(() => {
    if (!raw.complete) raw.socket.destroy();
  }, lingerMs).unref();
}
