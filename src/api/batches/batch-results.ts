import { basename } from 'node:path';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { AwsError } from '../../aws/aws-error.ts';
import { batchIdPattern } from '../../core/batch-id.ts';
import { type BatchItem, type BatchResults, batchObjects } from '../../state/batch-item.ts';
import { readOwnBatch } from '../../state/change-batch.ts';
import type { Api } from '../api-deps.ts';
import { tenantOf } from '../authenticate.ts';
import { sendProblem } from '../problem.ts';
import { needsKey, problemResponses } from '../route-docs.ts';
import { noSuchBatch } from './batch-answers.ts';
import { batchParams } from './batch-schemas.ts';
import type { BatchRouteDeps } from './submit-batch-route.ts';

/** A link lives for an hour; asking again gives a new one. */
const linkSeconds = 3600;
/** What is answered in place: 1 MB. */
const mostInlineBytes = 1024 * 1024;

const results = {
  output: { type: 'application/jsonl', summary: 'Get the output: a line for each record that succeeded' },
  errors: { type: 'application/jsonl', summary: 'Get the errors: a line for each record that failed, and why' },
  manifest: { type: 'application/json', summary: 'Get the manifest: what went in, what came out, and its files' },
} as const satisfies Record<Exclude<keyof BatchResults, 'reports'>, { type: string; summary: string }>;
type Result = keyof typeof results;

const resultQuery = z.strictObject({
  inline: z.enum(['true', 'false']).default('false').describe('`true`: the content itself, up to 1 MB'),
});

/** The result files of a batch, and its reports. */
export function serveBatchResults(app: Api, deps: BatchRouteDeps): void {
  for (const name of Object.keys(results) as Result[]) serveResult(app, deps, name);
  serveReport(app, deps);
}

function serveResult(app: Api, { authenticate, state }: BatchRouteDeps, name: Result): void {
  const { type, summary } = results[name];
  app.route({
    method: 'GET',
    url: `/v1/batches/:id/${name}`,
    onRequest: authenticate('read'),
    schema: {
      operationId: `getBatch${name[0]?.toUpperCase()}${name.slice(1)}`,
      summary,
      description:
        'By a redirect to a link that lives for an hour, or in place with `inline=true`. There once the batch has ended and its results ' +
        'are written, also of what was cancelled or failed. Needs the scope `read`.',
      tags: ['batches'],
      security: needsKey(),
      params: batchParams,
      querystring: resultQuery,
      response: {
        200: { description: 'The content', content: { [type]: { schema: z.string() } } },
        302: z.undefined().describe('Where it is'),
        ...problemResponses('not_found', 'batch_unfinished', 'payload_too_large', 'validation_failed'),
      },
    },
    handler: (async (
      request: { params: { id: string }; query: { inline: string }; tenant: string | null },
      reply: FastifyReply,
    ) => {
      const batch = await ownBatch(state, tenantOf(request), request.params.id);
      if (batch === undefined) return noSuchBatch(reply);
      if (batch.results === undefined) return noResultYet(reply, batch);
      const file = batch.results[name];
      if (file === undefined) return noSuchResult(reply);
      const key = `${batchObjects(batch.tenant, batch.pk)}${file}`;
      if (request.query.inline !== 'true')
        return reply.redirect(await state.objects.presign(key, linkSeconds, `${batch.pk}-${basename(file)}`), 302);
      const found = await orGone(state.objects.head(key));
      if (found === undefined) return noSuchResult(reply);
      const { bytes } = found;
      if (bytes > mostInlineBytes)
        return sendProblem(reply, {
          code: 'payload_too_large',
          detail: `it has ${bytes} bytes, and 1 MB is answered in place at most: ask without inline`,
        });
      return reply.type(type).send(await state.objects.getBytes(key));
    }) as never,
  });
}

const reportTypes = { html: 'text/html; charset=utf-8', md: 'text/markdown; charset=utf-8' } as const;

/** What models wrote is in it: nothing of it may run, ask a server, or be taken for something else. */
const reportHeaders = {
  'content-security-policy': "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
  'x-content-type-options': 'nosniff',
};

function serveReport(app: Api, { authenticate, state }: BatchRouteDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/batches/:id/report/:step',
    onRequest: authenticate('read'),
    schema: {
      operationId: 'getBatchReport',
      summary: 'Read a report',
      description: 'What a step of type `report` made, as HTML or Markdown. Needs the scope `read`.',
      tags: ['batches'],
      security: needsKey(),
      params: batchParams.extend({ step: z.string().describe('The name of the step') }),
      querystring: z.strictObject({ format: z.enum(['html', 'md']).default('html') }),
      response: {
        200: {
          description: 'The report',
          content: { 'text/html': { schema: z.string() }, 'text/markdown': { schema: z.string() } },
        },
        ...problemResponses('not_found', 'batch_unfinished', 'validation_failed'),
      },
    },
    handler: async (request, reply) => {
      const { id, step } = request.params;
      const { format } = request.query;
      const batch = await ownBatch(state, tenantOf(request), id);
      if (batch === undefined) return noSuchBatch(reply);
      const file = `${step}.${format}`;
      if (batch.results?.reports?.includes(file) !== true)
        return batch.results === undefined ? noResultYet(reply, batch) : noSuchResult(reply);
      const content = await orGone(state.objects.getBytes(`${batchObjects(batch.tenant, batch.pk)}reports/${file}`));
      if (content === undefined) return noSuchResult(reply);
      return reply
        .headers(reportHeaders)
        .type(reportTypes[format])
        .send(content as never);
    },
  });
}

/** The bucket's lifecycle may have taken it, or its owner. */
async function orGone<T>(read: Promise<T>): Promise<T | undefined> {
  return await read.catch((error: unknown) => {
    if (error instanceof AwsError && error.code === 'not_found') return undefined;
    throw error;
  });
}

async function ownBatch(state: BatchRouteDeps['state'], tenant: string, id: string): Promise<BatchItem | undefined> {
  return batchIdPattern.test(id) ? await readOwnBatch(state, tenant, id) : undefined;
}

function noResultYet(reply: FastifyReply, { status }: BatchItem): FastifyReply {
  return sendProblem(reply, {
    code: 'batch_unfinished',
    detail: `the batch is ${status}, and its results are not written`,
  });
}

function noSuchResult(reply: FastifyReply): FastifyReply {
  return sendProblem(reply, { code: 'not_found', detail: 'the batch has no such result' });
}
