import { z } from 'zod';
import { fanoutRequestSchema } from '../core/fanout-request.ts';
import { jobKinds, jobStatuses } from '../core/job.ts';
import { idempotencyKeySchema, jobRequestSchema } from '../core/job-request.ts';
import { jobViewSchema } from '../state/job-view.ts';

/** Schemas of requests and answers: they check, and the OpenAPI document is made from them. */

export const jobRequestBody = jobRequestSchema.meta({
  examples: [
    {
      model: 'amazon.nova-lite-v1:0',
      input: { messages: [{ role: 'user', content: [{ text: 'Why is the sky blue?' }] }] },
      priority: 'high',
      metadata: { customer: '4711' },
    },
  ],
});

export const fanoutBody = fanoutRequestSchema.meta({
  examples: [
    {
      input: { messages: [{ role: 'user', content: [{ text: 'Why is the sky blue?' }] }] },
      branches: [
        { name: 'nova', model: 'amazon.nova-lite-v1:0' },
        { name: 'sonnet', model: 'us.anthropic.claude-sonnet-4-5-20250929-v1:0' },
      ],
      join: { policy: 'quorum', count: 1 },
    },
  ],
});

export const jobBody = jobViewSchema.meta({ id: 'Job' });

export const jobPageBody = z
  .object({
    items: z.array(jobBody),
    nextCursor: z.string().optional().describe('Give it as cursor for the next page; absent on the last one'),
  })
  .meta({ id: 'JobPage' });

/** Loose: headers that this API does not know belong to others. */
export const submitHeaders = z.looseObject({
  'idempotency-key': idempotencyKeySchema
    .optional()
    .describe('The same key and body give the same job again; the same key with another body is a 409'),
  prefer: z.string().optional().describe('`wait=N`, 1 to 55 s: answer with the finished job if it finishes in time'),
});

export const jobParams = z.object({ id: z.string().describe('Like job_0123456789abcdef0123456789abcdef') });

export const listQuery = z.strictObject({
  status: z.enum(jobStatuses).optional(),
  lane: z.string().min(1).max(40).optional(),
  kind: z.enum(jobKinds).optional(),
  parent: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('The branches of this fan-out, instead of the jobs that stand alone'),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().min(1).max(500).optional().describe('nextCursor of the page before'),
});

/** Actions take no body; an empty object is let through, for clients that cannot send none. */
export const noBody = z.strictObject({}).optional();

export const nothing = z.undefined().describe('Done; no content');
