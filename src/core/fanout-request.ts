import { z } from 'zod';
import { priorities } from './job.ts';
import { metadataSchema, webhookSchema } from './job-request.ts';

/** What `POST /v1/fanouts` takes. Strict: a field that is not served is refused. */

export const mostBranches = 100;
/** Default and longest time from submit to the join. */
export const defaultDeadlineSeconds = 3600;
export const longestDeadlineSeconds = 24 * 3600;

const inputSchema = z.record(z.string(), z.unknown());

/** Where a branch goes: exactly one of the four. */
export const targetNames = ['model', 'agent', 'knowledgeBase', 'http'] as const;

export const branchSchema = z
  .strictObject({
    name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, '1 to 64 letters, digits, _, . and -'),
    model: z.string().min(1).max(256).optional().describe('A model id of one of the lanes'),
    agent: z.string().min(1).max(256).optional().describe('A Bedrock agent: agentId/aliasId'),
    knowledgeBase: z.string().min(1).max(256).optional().describe('A Bedrock knowledge base: its id'),
    http: z.url().max(2048).optional().describe('A data source: a URL that a lane allows'),
    operation: z.enum(['converse', 'invoke']).optional().describe('Of a model; converse by default'),
    input: inputSchema.optional().describe('Laid over the shared input: its top-level members replace'),
  })
  .refine((branch) => targetNames.filter((name) => branch[name] !== undefined).length === 1, {
    message: `exactly one of ${targetNames.join(', ')}`,
  });
export type BranchRequest = z.infer<typeof branchSchema>;

export const joinSchema = z.strictObject({
  policy: z.enum(['all', 'any', 'quorum']).default('all'),
  count: z.int().min(1).max(mostBranches).optional().describe('Successes that a quorum needs'),
  deadlineSeconds: z.int().min(1).max(longestDeadlineSeconds).default(defaultDeadlineSeconds),
  onBranchFailure: z
    .enum(['fail', 'continue'])
    .default('fail')
    .describe('fail: end as soon as the policy cannot be met; continue: join over what succeeded'),
});
export type Join = z.infer<typeof joinSchema>;

/** Where neither the fan-out nor its rules say. */
export const defaultJoin: Join = { policy: 'all', deadlineSeconds: defaultDeadlineSeconds, onBranchFailure: 'fail' };

const reduceKinds = ['collect', 'synthesize', 'judge'] as const;
export const reduceSchema = z
  .union([
    z.enum(reduceKinds),
    z.strictObject({
      type: z.enum(reduceKinds),
      model: z.string().min(1).max(256).optional().describe("By default the first branch's model"),
      instructions: z.string().min(1).max(8_000).optional(),
    }),
  ])
  .transform((reduce) => (typeof reduce === 'string' ? { type: reduce } : reduce));
export interface Reduce {
  type: (typeof reduceKinds)[number];
  model?: string | undefined;
  instructions?: string | undefined;
}

export const fanoutRequestSchema = z
  .strictObject({
    input: inputSchema.describe('Shared by all branches: a Converse request without modelId, if they are models'),
    branches: z.array(branchSchema).min(1).max(mostBranches).optional(),
    attributes: z.record(z.string(), z.unknown()).optional().describe('Without branches: what the rules decide by'),
    join: joinSchema.optional(),
    reduce: reduceSchema.optional(),
    priority: z.enum(priorities).default('normal'),
    metadata: metadataSchema.optional(),
    webhook: webhookSchema.optional(),
  })
  .superRefine((request, context) => {
    const names = new Set<string>();
    for (const [index, { name }] of (request.branches ?? []).entries()) {
      if (names.has(name))
        context.addIssue({ code: 'custom', path: ['branches', index, 'name'], message: `${name} is there twice` });
      names.add(name);
    }
    const { policy, count } = request.join ?? defaultJoin;
    if (policy === 'quorum' && count === undefined)
      context.addIssue({ code: 'custom', path: ['join', 'count'], message: 'needed for a quorum' });
    if (policy !== 'quorum' && count !== undefined)
      context.addIssue({ code: 'custom', path: ['join', 'count'], message: 'only a quorum has a count' });
    if (count !== undefined && request.branches !== undefined && count > request.branches.length)
      context.addIssue({
        code: 'custom',
        path: ['join', 'count'],
        message: `there are only ${request.branches.length} branches`,
      });
    if (request.branches !== undefined && request.attributes !== undefined)
      context.addIssue({
        code: 'custom',
        path: ['attributes'],
        message: 'attributes are for the rules, which decide only where there are no branches',
      });
  });
export type FanoutRequest = z.infer<typeof fanoutRequestSchema>;
