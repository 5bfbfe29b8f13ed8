import { Webhook } from 'standardwebhooks';

/**
 * The headers that a receiver knows a webhook by, as Standard Webhooks 1.0.0 has them: one signature per secret, with a
 * space between, so that a receiver with either secret accepts it while they are rotated.
 *
 * @param secrets `whsec_` and base64; at least one
 * @param id the same for every attempt at one webhook: receivers drop repeats by it. Without a `.`
 * @param nowMs of this attempt: receivers refuse what is more than five minutes off
 * @param body exactly as it is sent
 */
export function signedHeaders(
  secrets: readonly string[],
  id: string,
  nowMs: number,
  body: string,
): Record<'webhook-id' | 'webhook-timestamp' | 'webhook-signature', string> {
  if (secrets.length === 0) throw new RangeError('a webhook is never sent unsigned');
  const at = new Date(nowMs);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(nowMs / 1000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, at, body)).join(' '),
  };
}
