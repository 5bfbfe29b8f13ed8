import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { problemCodes } from '../../src/api/problem.ts';
import { batchRequestSchema } from '../../src/core/batch-request.ts';
import { jobRequestSchema } from '../../src/core/job-request.ts';
import { scheduleRequestSchema } from '../../src/core/schedule-request.ts';
import { startTestApi, type TestApi } from '../support/api-server.ts';

let api: TestApi;
let document: OpenApi;
beforeAll(async () => {
  api = await startTestApi();
  const answer = await api.request('GET', '/openapi.json', { key: null });
  expect(answer.headers.get('content-type')).toContain('application/json');
  document = answer.body as unknown as OpenApi;
});
afterAll(() => api.stop());

type Schema = Record<string, unknown>;
type Media = Record<string, { schema: Schema; example?: unknown }>;
type Operation = {
  operationId: string;
  summary: string;
  security: object[];
  parameters?: { in: string; name: string; required: boolean; schema: Schema }[];
  requestBody?: { required?: boolean; content: Media };
  responses: Record<string, { description: string; content?: Media }>;
};
type OpenApi = {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, Schema> };
};

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, path, operation })),
  );

test('it is an OpenAPI 3.1 document with each route of the API and nothing else', () => {
  expect(document.openapi).toBe('3.1.0');
  expect(document.info).toMatchObject({ title: 'Penstock', version: expect.any(String) });
  expect(operations().map(({ name }) => name)).toEqual([
    'post /v1/jobs',
    'get /v1/jobs',
    'post /v1/fanouts',
    'get /v1/jobs/{id}/events',
    'get /v1/batches/{id}/events',
    'get /v1/jobs/{id}',
    'delete /v1/jobs/{id}',
    'post /v1/jobs/{id}/cancel',
    'post /v1/jobs/{id}/retry',
    'post /v1/files',
    'get /v1/files/{id}',
    'delete /v1/files/{id}',
    'post /v1/batches',
    'get /v1/batches',
    'get /v1/batches/{id}',
    'post /v1/batches/{id}/cancel',
    'post /v1/batches/{id}/retry',
    'get /v1/batches/{id}/output',
    'get /v1/batches/{id}/errors',
    'get /v1/batches/{id}/manifest',
    'get /v1/batches/{id}/report/{step}',
    'post /v1/schedules',
    'get /v1/schedules',
    'get /v1/schedules/{id}',
    'delete /v1/schedules/{id}',
    'post /v1/schedules/{id}/pause',
    'post /v1/schedules/{id}/resume',
    'post /v1/schedules/{id}/run',
    'get /v1/lanes',
    'post /v1/lanes/{lane}/pause',
    'post /v1/lanes/{lane}/resume',
    'post /v1/webhook-secrets',
    'get /v1/webhook-secrets',
    'delete /v1/webhook-secrets/{id}',
  ]);
});

test('each operation is named once, secured by a key, and documents its answers and its problems', () => {
  expect(new Set(operations().map(({ operation }) => operation.operationId)).size).toBe(operations().length);
  expect(document.components.securitySchemes.apiKey).toMatchObject({ type: 'http', scheme: 'bearer' });
  for (const { name, path, operation } of operations()) {
    expect(operation.summary, name).toBeTruthy();
    expect(operation.security, name).toEqual([{ apiKey: [] }]);
    const inPath = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
    expect(
      inPath.map((parameter) => `{${parameter.name}}`),
      name,
    ).toEqual(path.match(/\{\w+\}/g) ?? []);
    // Only a submit answers in two ways, at once and after a wait, and a stream that has nothing more to tell.
    const isSubmit = ['submitJob', 'submitFanout', 'followJob', 'followBatch'].includes(operation.operationId);
    const good = Object.keys(operation.responses).filter((status) => status.startsWith('2'));
    expect(good, name).toHaveLength(isSubmit ? 2 : 1);
    for (const status of ['401', '403', '429', '500', '503'])
      expect(operation.responses[status]?.content?.['application/problem+json']?.schema, name).toEqual({
        $ref: '#/components/schemas/Problem',
      });
  }
});

test('each schema is valid JSON Schema, each reference leads somewhere, each component is used', () => {
  const text = JSON.stringify(document);
  const referred = new Set([...text.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1] as string));
  const components = Object.keys(document.components.schemas).map((name) => `#/components/schemas/${name}`);
  expect([...referred].sort()).toEqual(components.sort());

  const schemas = [
    ...Object.values(document.components.schemas),
    ...operations().flatMap(({ operation }) => [
      ...(operation.parameters ?? []).map(({ schema }) => schema),
      ...[operation.requestBody?.content, ...Object.values(operation.responses).map(({ content }) => content)].flatMap(
        (content) => Object.values(content ?? {}).map(({ schema }) => schema),
      ),
    ]),
  ];
  for (const schema of schemas) {
    const $defs = document.components.schemas;
    const local = JSON.stringify({ ...schema, $defs }).replaceAll('#/components/schemas/', '#/$defs/');
    expect(() => z.fromJSONSchema(JSON.parse(local)), JSON.stringify(schema)).not.toThrow();
  }
});

test('the documented request is the one that is checked, and its example is accepted', () => {
  const submit = document.paths['/v1/jobs']?.post as Operation;
  const media = submit.requestBody?.content['application/json'];
  const documented = media?.schema as { properties: object; required: string[]; additionalProperties: boolean };
  expect(Object.keys(documented.properties)).toEqual(Object.keys(jobRequestSchema.shape));
  expect(documented.required).toEqual(['model', 'input']);
  expect(documented.additionalProperties).toBe(false);
  expect(jobRequestSchema.parse(media?.example)).toMatchObject({ model: 'amazon.nova-lite-v1:0' });
  expect(submit.parameters).toContainEqual(
    expect.objectContaining({ in: 'header', name: 'idempotency-key', required: false }),
  );
  const list = document.paths['/v1/jobs']?.get as Operation;
  expect(list.parameters?.map(({ name }) => name)).toEqual(['status', 'lane', 'kind', 'parent', 'limit', 'cursor']);
  expect(list.parameters?.find(({ name }) => name === 'limit')?.schema).toMatchObject({
    type: 'integer',
    minimum: 1,
    maximum: 100,
    default: 20,
  });
});

test('an upload is documented as bytes of several types, and needs some', () => {
  const body = document.paths['/v1/files']?.post?.requestBody;
  expect(body?.required).toBe(true);
  expect(Object.keys(body?.content ?? {})).toEqual(
    expect.arrayContaining(['application/jsonl', 'text/csv', 'image/*']),
  );
});

test('the examples of batches and schedules are accepted', () => {
  const example = (path: string) => document.paths[path]?.post?.requestBody?.content['application/json']?.example;
  expect(batchRequestSchema.parse(example('/v1/batches'))).toBeTruthy();
  expect(scheduleRequestSchema.parse(example('/v1/schedules'))).toBeTruthy();
});

test('actions may be called without a body', () => {
  for (const path of [
    '/v1/jobs/{id}/cancel',
    '/v1/jobs/{id}/retry',
    '/v1/batches/{id}/cancel',
    '/v1/batches/{id}/retry',
    '/v1/schedules/{id}/pause',
    '/v1/schedules/{id}/resume',
    '/v1/schedules/{id}/run',
    '/v1/lanes/{lane}/pause',
    '/v1/lanes/{lane}/resume',
    '/v1/webhook-secrets',
  ])
    expect(document.paths[path]?.post?.requestBody?.required ?? false, path).toBe(false);
});

test('every problem code is documented', () => {
  const text = JSON.stringify(document.components.schemas.Problem);
  for (const code of problemCodes) expect(text).toContain(`"${code}"`);
});

test('the page to try it needs no key, and nothing that its content security policy forbids', async () => {
  const page = await api.request('GET', '/docs', { key: null });
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  const policy = page.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("script-src 'self'");
  expect(policy).toMatch(/img-src[^;]* data:/);
  expect(policy).toMatch(/style-src[^;]* 'unsafe-inline'/);
  // Over plain http a browser would look for its scripts under https.
  expect(policy).not.toContain('upgrade-insecure-requests');
  expect(page.text).not.toMatch(/<script(?![^>]*src=)[^>]*>/);
  const assets = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1] as string);
  expect(assets.length).toBeGreaterThan(4);
  for (const asset of assets) {
    expect(asset).toMatch(/^\/docs\//);
    expect((await api.request('GET', asset, { key: null })).status, asset).toBe(200);
  }
  // The page's script asks for the document here.
  expect((await api.request('GET', '/docs/json', { key: null })).body).toEqual(document);
});
