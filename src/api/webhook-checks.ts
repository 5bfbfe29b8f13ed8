import { refusedUrl } from '../aws/outgoing-url.ts';
import type { StateDeps } from '../state/state-deps.ts';
import { signingSecrets } from '../state/webhook-secrets.ts';
import type { FieldError } from './problem.ts';

/** What is asked of a request's webhook beside its schema, whatever kind of job it is for. */
type Webhook = { url: string } | undefined;

/** The form of the URL. Where its name leads is looked at when it is called. Pure. */
export function webhookUrlErrors(webhook: Webhook, localMode: boolean): FieldError[] {
  const message = webhook === undefined ? undefined : refusedUrl(webhook.url, localMode);
  return message === undefined ? [] : [{ path: 'webhook.url', message }];
}

/**
 * Refused at once, because it would never arrive: nothing is sent unsigned, and who asks for a webhook should learn that
 * now. One read, of requests with a webhook only. Throws AwsError.
 */
export async function webhookSecretErrors(state: StateDeps, tenant: string, webhook: Webhook): Promise<FieldError[]> {
  if (webhook === undefined || (await signingSecrets(state, tenant)).length > 0) return [];
  const message = 'there is no secret to sign it with: make one by POST /v1/webhook-secrets';
  return [{ path: 'webhook', message }];
}
