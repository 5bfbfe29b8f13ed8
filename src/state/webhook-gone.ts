import { createHash } from 'node:crypto';
import type { Key } from '../aws/tables.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * Receivers that answered 410: they want nothing more (Standard Webhooks 1.0.0). A job names its receiver itself, so there
 * is no endpoint to switch on again: the note ends after a day, and the next delivery then asks again. Whatever it
 * answers but 410, the receiver is back.
 */
const forMs = 24 * 3600 * 1000;

/** By tenant: what one tenant's receiver says binds no other. The hash, because URLs may hold secrets and be long. */
const goneKey = (tenant: string, url: string): Key => ({
  pk: `webhook-gone#${tenant}`,
  sk: createHash('sha256').update(url).digest('hex'),
});

/** Notes that a receiver wants nothing more, from now for a day. Safe to run twice. Throws AwsError. */
export async function noteWebhookGone(deps: StateDeps, tenant: string, url: string): Promise<void> {
  const untilMs = deps.now() + forMs;
  await deps.tables.put('control', { ...goneKey(tenant, url), untilMs, ttl: Math.ceil(untilMs / 1000) });
}

/** Whether a receiver said so within the last day. One read. Throws AwsError. */
export async function isWebhookGone(deps: StateDeps, tenant: string, url: string): Promise<boolean> {
  const item = await deps.tables.get('control', goneKey(tenant, url));
  return item !== undefined && Number(item.untilMs) > deps.now();
}
