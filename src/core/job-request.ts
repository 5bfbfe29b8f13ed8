import { z } from 'zod';
import { operations, priorities } from './job.ts';

/**
 * What `POST /v1/jobs` takes. Strict: a field that is not served is refused, never ignored.
 * `input` is checked further where the operation's own shape is known.
 */

/** Longest accepted wait for a start: ten days, because the queues keep a message for 13. */
export const maxStartWithinSeconds = 10 * 24 * 3600;
/** Default wait for a start: one day. */
export const defaultStartWithinSeconds = 24 * 3600;
/** Longest attempt: one hour. An SQS message can be held for 12 h at most, and a drain has to end some time. */
export const maxTimeoutSeconds = 3600;

export const metadataSchema = z
  .record(
    z.string().min(1).max(64, 'a metadata key has at most 64 characters'),
    z.string().max(512, 'a metadata value has at most 512 characters'),
  )
  .refine((pairs) => Object.keys(pairs).length <= 16, 'at most 16 pairs of metadata');

/** The form of the URL is checked where the mode is known: https only outside local mode. */
export const webhookSchema = z
  .strictObject({
    url: z.string().min(1).max(2048).describe('Is told of the end by a POST, as Standard Webhooks 1.0.0'),
  })
  .describe('Needs a secret of the tenant that it can be signed with: POST /v1/webhook-secrets');

export const jobRequestSchema = z.strictObject({
  model: z.string().min(1).max(256).describe('A model id of one of the lanes (GET /v1/lanes)'),
  input: z
    .record(z.string(), z.unknown())
    .describe(
      'converse: the Bedrock Converse request without modelId, bytes in base64. invoke and async-invoke: the body of the model itself',
    ),
  operation: z.enum(operations).default('converse'),
  priority: z.enum(priorities).default('normal'),
  stream: z.boolean().default(false).describe('Ask the model for a stream (converse only)'),
  startWithinSeconds: z
    .int()
    .min(1)
    .max(maxStartWithinSeconds)
    .default(defaultStartWithinSeconds)
    .describe('The job expires if no model call began within this time'),
  timeoutSeconds: z
    .int()
    .min(1)
    .max(maxTimeoutSeconds)
    .optional()
    .describe("Longest time of one attempt; the lane's own by default"),
  metadata: metadataSchema.optional(),
  webhook: webhookSchema.optional(),
});
export type JobRequest = z.infer<typeof jobRequestSchema>;

/** `Idempotency-Key`: 1 to 255 characters. */
export const idempotencyKeySchema = z.string().min(1).max(255);
