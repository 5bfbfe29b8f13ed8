import { randomBytes } from 'node:crypto';
import type { Item, Key } from '../aws/tables.ts';
import type { StateDeps } from './state-deps.ts';

/**
 * What a tenant's webhooks are signed with. Unlike API keys they are stored as they are: an HMAC needs the secret itself.
 * So whoever may read the table `control` can sign as this deployment; the table is encrypted at rest by DynamoDB.
 * They leave this module in two ways only: to the answer of the request that made them, and to the signing. Never log them.
 */
export interface WebhookSecret {
  id: string;
  /** Epoch ms. */
  createdAt: number;
}

/** Enough for every rotation; the form of an answer and the cost of a read stay bounded. */
export const mostWebhookSecrets = 10;
/** The new one and the one before it: receivers change over at any time between two rotations. */
const signingAtOnce = 2;
/** Standard Webhooks asks for 24 to 64 bytes; SHA-256 gains nothing from more than 32. */
const secretBytes = 32;

const partitionOf = (tenant: string): string => `webhook-secret#${tenant}`;
const secretKey = (tenant: string, id: string): Key => ({ pk: partitionOf(tenant), sk: id });

/**
 * Makes and stores a secret: `whsec_` and base64, as receivers' libraries take it. This is the only time that it is
 * given out. Undefined if the tenant has as many as it may (two at the same moment may both still fit). Throws AwsError.
 */
export async function createWebhookSecret(
  deps: StateDeps,
  tenant: string,
): Promise<(WebhookSecret & { secret: string }) | undefined> {
  if ((await listWebhookSecrets(deps, tenant)).length >= mostWebhookSecrets) return undefined;
  const id = `whs_${randomBytes(8).toString('hex')}`;
  const secret = `whsec_${randomBytes(secretBytes).toString('base64')}`;
  const createdAt = deps.now();
  await deps.tables.put('control', { ...secretKey(tenant, id), createdAt, secret });
  return { id, createdAt, secret };
}

/** A tenant's secrets without the secrets themselves, newest first. Throws AwsError. */
export async function listWebhookSecrets(deps: StateDeps, tenant: string): Promise<WebhookSecret[]> {
  const items = await deps.tables.partition('control', partitionOf(tenant), ['sk', 'createdAt']);
  return newestFirst(items).map((item) => ({ id: String(item.sk), createdAt: Number(item.createdAt) }));
}

/** Takes a secret away, at once; false if the tenant has none of this id. Throws AwsError. */
export async function deleteWebhookSecret(deps: StateDeps, tenant: string, id: string): Promise<boolean> {
  return await deps.tables.delete('control', secretKey(tenant, id), { expression: 'attribute_exists(#pk)' });
}

/** The secrets to sign with now: the newest two, newest first; none if the tenant has none. Throws AwsError. */
export async function signingSecrets(deps: StateDeps, tenant: string): Promise<string[]> {
  const items = await deps.tables.partition('control', partitionOf(tenant));
  return newestFirst(items)
    .slice(0, signingAtOnce)
    .map((item) => String(item.secret));
}

function newestFirst(items: readonly Item[]): Item[] {
  return [...items].sort(
    (a, b) => Number(b.createdAt) - Number(a.createdAt) || String(b.sk).localeCompare(String(a.sk)),
  );
}
