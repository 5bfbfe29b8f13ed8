import { z } from 'zod';

/**
 * What travels through the queue `events` for a webhook: the next attempt at it. Like a job's message a pointer, never
 * the content.
 */
const webhookMessageSchema = z.object({
  v: z.literal(1),
  type: z.literal('webhook'),
  jobId: z.string().min(1).max(64),
  generation: z.int().min(1),
  tenant: z.string().min(1),
  /** From 1. */
  attempt: z.int().min(1),
  /** Epoch ms. SQS delays a message for 900 s at most, so one that comes earlier is sent on. */
  notBefore: z.int().min(0),
});
export type WebhookMessage = z.infer<typeof webhookMessageSchema>;

/** SQS's own limit of DelaySeconds. */
export const longestDelaySeconds = 900;

export type ReadWebhookMessage =
  | { kind: 'webhook'; message: WebhookMessage }
  /** A version of tomorrow: to be put back for a router that knows it. */
  | { kind: 'unknown-version'; version: unknown }
  /** Of another type, or not readable. */
  | { kind: 'other' };

/** The text of a message. */
export function writeWebhookMessage(message: WebhookMessage): string {
  return JSON.stringify(message);
}

/** Reads a message's body; never throws. */
export function readWebhookMessage(body: string): ReadWebhookMessage {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { kind: 'other' };
  }
  const parsed = webhookMessageSchema.safeParse(value);
  if (parsed.success) return { kind: 'webhook', message: parsed.data };
  const { v, type } = (typeof value === 'object' && value !== null ? value : {}) as { v?: unknown; type?: unknown };
  return type === 'webhook' && typeof v === 'number' && v !== 1
    ? { kind: 'unknown-version', version: v }
    : { kind: 'other' };
}
