import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { Api } from './api-deps.ts';

type TransformObject = typeof jsonSchemaTransformObject;

/** Documents the routes that are added after it: `/openapi.json` and a page to try them, `/docs`. Neither needs a key. */
export async function serveDocs(app: Api): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Penstock',
        version: '1',
        description:
          'Buffered inference on Amazon Bedrock: submit a job, get its answer when the quota allows it. ' +
          'Every error is `application/problem+json` (RFC 9457) with a stable `code`.',
      },
      tags: [
        { name: 'jobs', description: 'One request for inference, with one result' },
        { name: 'files', description: 'Datasets, images, documents and video that requests name' },
        { name: 'batches', description: 'A dataset taken through the steps of a pipeline' },
        { name: 'schedules', description: 'What starts batches by the clock, or when something happens' },
        { name: 'lanes', description: 'Models that share one quota, and their queues' },
        { name: 'webhooks', description: 'How the end of a job is told to a URL' },
      ],
      components: {
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', description: 'A key made by `penstock keys create`' },
        },
      },
    },
    transform: jsonSchemaTransform,
    transformObject: tidied,
  });
  await app.register(swaggerUi, { routePrefix: '/docs', uiConfig: { deepLinking: true, persistAuthorization: false } });
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) =>
    reply.type('application/json').send(JSON.stringify(app.swagger())),
  );
}

interface Document {
  paths?: Record<string, Record<string, { requestBody?: RequestBody }>>;
  components?: { schemas?: Record<string, unknown> };
}
interface RequestBody {
  required?: boolean;
  content: Record<string, { schema?: { required?: string[] } }>;
}

const tidied: TransformObject = (document) => {
  const full = jsonSchemaTransformObject(document) as Document;
  freeOptionalBodies(full);
  return { ...full, components: { ...full.components, schemas: usedSchemas(full) } } as ReturnType<TransformObject>;
};

/** @fastify/swagger calls every body required: here those that need no member may be left out altogether. */
function freeOptionalBodies({ paths = {} }: Document): void {
  for (const { requestBody } of Object.values(paths).flatMap((path) => Object.values(path))) {
    if (requestBody === undefined) continue;
    requestBody.required = Object.entries(requestBody.content).some(
      ([type, { schema }]) => type !== 'application/json' || schema?.required !== undefined,
    );
  }
}

/** zod's registry gives each named schema twice, as input and as output: what no route refers to is left out. */
function usedSchemas({ paths, components }: Document): Record<string, unknown> {
  const schemas = components?.schemas ?? {};
  const used = new Set<string>();
  const todo: unknown[] = [paths];
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    const fresh = schemaNamesIn(part).filter((name) => !used.has(name));
    for (const name of fresh) used.add(name);
    todo.push(...fresh.map((name) => schemas[name]));
  }
  return Object.fromEntries(Object.entries(schemas).filter(([name]) => used.has(name)));
}

function schemaNamesIn(part: unknown): string[] {
  return [...JSON.stringify(part).matchAll(/"#\/components\/schemas\/(\w+)"/g)].map((match) => match[1] as string);
}
