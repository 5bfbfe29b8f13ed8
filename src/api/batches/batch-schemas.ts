import { z } from 'zod';
import { batchStatuses } from '../../core/batch.ts';
import { batchRequestSchema } from '../../core/batch-request.ts';
import { idempotencyKeySchema } from '../../core/job-request.ts';
import { batchViewSchema } from '../../state/batch-view.ts';

/** Schemas of what is asked and answered about batches. */

export const batchRequestBody = batchRequestSchema.meta({
  examples: [
    {
      input: 'file_0123456789abcdef0123456789abcdef',
      steps: [
        {
          name: 'judge',
          type: 'inference',
          model: 'amazon.nova-lite-v1:0',
          input: {
            messages: [{ role: 'user', content: [{ text: "{% 'Positive or negative? ' & $record.text %}" }] }],
          },
        },
      ],
      maxCostUsd: 5,
    },
  ],
});

export const batchBody = batchViewSchema.meta({ id: 'Batch' });

export const batchPageBody = z
  .object({
    items: z.array(batchBody),
    nextCursor: z.string().optional().describe('Give it as cursor for the next page; absent on the last one'),
  })
  .meta({ id: 'BatchPage' });

/** Loose: headers that this API does not know belong to others. */
export const batchHeaders = z.looseObject({
  'idempotency-key': idempotencyKeySchema
    .optional()
    .describe('The same key and body give the same batch again; the same key with another body is a 409'),
});

export const batchParams = z.object({ id: z.string().describe('Like bat_0123456789abcdef0123456789abcdef') });

export const batchListQuery = z.strictObject({
  status: z.enum(batchStatuses).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(20),
  cursor: z.string().min(1).max(500).optional().describe('nextCursor of the page before'),
});
