import { longestDelaySeconds, type WebhookMessage } from '../core/webhook-message.ts';
import { deliverWebhook, type WebhookDeps } from './deliver-webhook.ts';

export type WebhookStep = 'done' | { sendAgain: WebhookMessage; delaySeconds: number };

/**
 * What becomes of a webhook's message. `sendAgain` is to be sent, hidden for `delaySeconds` (0 to 900), before the message
 * that was given is deleted: a crash between the two leaves both, and whichever comes second finds the attempt made.
 * A message that comes before its time (SQS hides for 15 minutes at most) is only sent on. Safe to run twice.
 * Throws AwsError: the message is then to come again.
 */
export async function webhookStep(deps: WebhookDeps, message: WebhookMessage): Promise<WebhookStep> {
  const now = deps.state.now();
  if (now < message.notBefore) return later(message, now);
  const outcome = await deliverWebhook(deps, message);
  if (outcome.kind === 'over') return 'done';
  const { attempt, notBefore } = outcome;
  return later({ ...message, attempt, notBefore }, deps.state.now());
}

function later(message: WebhookMessage, nowMs: number): WebhookStep {
  const seconds = Math.max(0, Math.ceil((message.notBefore - nowMs) / 1000));
  return { sendAgain: message, delaySeconds: Math.min(seconds, longestDelaySeconds) };
}
