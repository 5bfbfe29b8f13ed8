import { z } from 'zod';
import { laneOperations, priorities } from './job.ts';
import { maxTimeoutSeconds } from './job-request.ts';

/** The shape of `config/lanes.json`, and what is derived from it: which lane serves a model, which queues a lane has. */

const pricesSchema = z.strictObject({
  input: z.number().min(0),
  output: z.number().min(0),
  cacheRead: z.number().min(0).default(0),
  cacheWrite: z.number().min(0).default(0),
});

const laneSchema = z.strictObject({
  models: z
    .array(z.string().min(1))
    .min(1)
    .describe(
      'What shares one quota: model or inference profile ids, `agent:<agentId>/<aliasId>`, `kb:<knowledgeBaseId>`, or prefixes of URLs',
    ),
  operations: z.array(z.enum(laneOperations)).min(1).describe('What the models of this lane can do'),
  quota: z.strictObject({
    requestsPerMinute: z.number().positive(),
    tokensPerMinute: z.number().positive().describe('Use a very large number where AWS sets none'),
  }),
  quotaWindow: z.enum(['sliding', 'continuous']).default('sliding').describe('How the minute of the quota is read'),
  burndown: z
    .number()
    .min(1)
    .default(1)
    .describe('Quota tokens taken by one output token (5 for Claude 3.7 and later)'),
  concurrency: z.int().min(1).max(1000).describe('Slots of one worker: model calls at once'),
  timeoutSeconds: z.int().min(1).max(maxTimeoutSeconds).describe('Longest attempt, where the job does not say'),
  maxAttempts: z.int().min(1).max(20),
  defaultMaxTokens: z.int().min(1).describe('max_tokens of a request that sets none: it is reserved from the quota'),
  readsS3: z
    .boolean()
    .default(false)
    .describe('Whether its models read an `s3Location` themselves; else the worker sends the bytes in its place'),
  maxBacklog: z.int().min(1).default(100_000).describe('Queued messages above which submits are answered with 429'),
  usdPerMillionTokens: pricesSchema,
  usdPerCall: z.number().min(0).default(0).describe('For models billed by image or video'),
});
export type Lane = z.infer<typeof laneSchema> & { name: string };

/** SQS allows 80 characters; the longest suffix is `-batch-dlq`. */
const laneName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'a lane name has 1 to 40 of a-z, 0-9 and -');

export const lanesFileSchema = z
  .strictObject({ $schema: z.string().optional(), lanes: z.record(laneName, laneSchema) })
  .superRefine((file, context) => {
    const owner = new Map<string, string>();
    for (const [name, lane] of Object.entries(file.lanes)) {
      for (const [index, model] of lane.models.entries()) {
        const other = owner.get(model);
        if (other !== undefined)
          context.addIssue({
            code: 'custom',
            path: ['lanes', name, 'models', index],
            message: `${model} is in the lane ${other} already: one quota, one lane`,
          });
        owner.set(model, name);
      }
    }
    if (Object.keys(file.lanes).length === 0)
      context.addIssue({ code: 'custom', path: ['lanes'], message: 'at least one lane is needed' });
  });

/** All lanes, by name and by model. */
export interface Lanes {
  all: readonly Lane[];
  byName(name: string): Lane | undefined;
  byModel(model: string): Lane | undefined;
  /** The lane of a data source: one of whose models the URL begins with. */
  byUrl(url: string): Lane | undefined;
}

/** Makes the look-ups of a checked lanes file. */
export function toLanes(file: z.infer<typeof lanesFileSchema>): Lanes {
  const all = Object.entries(file.lanes).map(([name, lane]) => ({ ...lane, name }));
  const byName = new Map(all.map((lane) => [lane.name, lane]));
  const byModel = new Map(all.flatMap((lane) => lane.models.map((model) => [model, lane] as const)));
  const sources = all.filter((lane) => lane.operations.includes('http'));
  return {
    all,
    byName: (name) => byName.get(name),
    byModel: (model) => byModel.get(model),
    byUrl: (url) => sources.find((lane) => lane.models.some((prefix) => isUnder(url, prefix))),
  };
}

/**
 * Compared part by part: as text alone, `https://api.example.com` would allow `https://api.example.com.evil.net`, and
 * `/v1` would allow `/v1-internal`.
 */
function isUnder(url: string, prefix: string): boolean {
  if (!URL.canParse(url) || !URL.canParse(prefix)) return false;
  const [given, allowed] = [new URL(url), new URL(prefix)];
  if (given.origin !== allowed.origin || given.username !== '' || given.password !== '') return false;
  const folder = allowed.pathname.endsWith('/') ? allowed.pathname : `${allowed.pathname}/`;
  return given.pathname === allowed.pathname || given.pathname.startsWith(folder);
}

/** The classes of a lane's queues, in the order of their shares; `batch` takes what the others leave. */
export const queueClasses = [...priorities, 'batch'] as const;
export type QueueClass = (typeof queueClasses)[number];

/** The queue of a lane for one class: `<lane>-high`, `<lane>`, `<lane>-low`, `<lane>-batch`. */
export function laneQueue(lane: string, queueClass: QueueClass): string {
  return queueClass === 'normal' ? lane : `${lane}-${queueClass}`;
}
