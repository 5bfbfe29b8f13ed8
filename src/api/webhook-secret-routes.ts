import { z } from 'zod';
import {
  createWebhookSecret,
  deleteWebhookSecret,
  listWebhookSecrets,
  mostWebhookSecrets,
  type WebhookSecret,
} from '../state/webhook-secrets.ts';
import type { Api, ApiDeps } from './api-deps.ts';
import { noBody, nothing } from './api-schemas.ts';
import { type Authenticate, tenantOf } from './authenticate.ts';
import { sendProblem } from './problem.ts';
import { needsKey, problemResponses } from './route-docs.ts';

const secretBody = z.object({ id: z.string(), createdAt: z.iso.datetime() }).meta({ id: 'WebhookSecret' });
const newSecretBody = secretBody
  .extend({ secret: z.string().describe('`whsec_` and base64; shown only now') })
  .meta({ id: 'NewWebhookSecret' });
const secretParams = z.object({ id: z.string().describe('Like whs_0123456789abcdef') });

type SecretDeps = ApiDeps & { authenticate: Authenticate };

/** What the tenant's webhooks are signed with. To rotate: create, give it to the receivers, delete the older one. */
export function serveWebhookSecrets(app: Api, deps: SecretDeps): void {
  serveCreate(app, deps);
  serveList(app, deps);
  serveDelete(app, deps);
}

function serveCreate(app: Api, { authenticate, state }: SecretDeps): void {
  app.route({
    method: 'POST',
    url: '/v1/webhook-secrets',
    onRequest: authenticate('operate'),
    schema: {
      operationId: 'createWebhookSecret',
      summary: 'Make a secret for signing webhooks',
      description:
        'Webhooks are signed as Standard Webhooks 1.0.0, with the two newest secrets at once: a receiver may have either. ' +
        `The secret is shown only now. At most ${mostWebhookSecrets} per tenant. Needs the scope \`operate\`.`,
      tags: ['webhooks'],
      security: needsKey(),
      body: noBody,
      response: { 201: newSecretBody, ...problemResponses('too_many_secrets', 'validation_failed') },
    },
    handler: async (request, reply) => {
      const made = await createWebhookSecret(state, tenantOf(request));
      if (made === undefined)
        return sendProblem(reply, {
          code: 'too_many_secrets',
          detail: `a tenant has at most ${mostWebhookSecrets} webhook secrets: delete one first`,
        });
      request.log.info({ tenant: request.tenant, secretId: made.id }, 'webhook secret made');
      return reply.code(201).send({ ...toBody(made), secret: made.secret });
    },
  });
}

function serveList(app: Api, { authenticate, state }: SecretDeps): void {
  app.route({
    method: 'GET',
    url: '/v1/webhook-secrets',
    onRequest: authenticate('operate'),
    schema: {
      operationId: 'listWebhookSecrets',
      summary: 'List the secrets that webhooks are signed with',
      description: 'Newest first, without the secrets themselves. Needs the scope `operate`.',
      tags: ['webhooks'],
      security: needsKey(),
      response: { 200: z.object({ items: z.array(secretBody) }), ...problemResponses() },
    },
    handler: async (request, reply) => {
      const secrets = await listWebhookSecrets(state, tenantOf(request));
      return reply.send({ items: secrets.map(toBody) });
    },
  });
}

function serveDelete(app: Api, { authenticate, state }: SecretDeps): void {
  app.route({
    method: 'DELETE',
    url: '/v1/webhook-secrets/:id',
    onRequest: authenticate('operate'),
    schema: {
      operationId: 'deleteWebhookSecret',
      summary: 'Delete a secret',
      description:
        'Nothing more is signed with it. Without any, webhooks wait for a new one, as long as they would for a receiver ' +
        'that does not answer. Needs the scope `operate`.',
      tags: ['webhooks'],
      security: needsKey(),
      params: secretParams,
      response: { 204: nothing, ...problemResponses('not_found') },
    },
    handler: async (request, reply) => {
      const { id } = request.params;
      if (!(await deleteWebhookSecret(state, tenantOf(request), id)))
        return sendProblem(reply, { code: 'not_found', detail: 'there is no such webhook secret' });
      request.log.info({ tenant: request.tenant, secretId: id }, 'webhook secret deleted');
      return reply.code(204).send();
    },
  });
}

function toBody({ id, createdAt }: WebhookSecret) {
  return { id, createdAt: new Date(createdAt).toISOString() };
}
