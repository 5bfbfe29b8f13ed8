import { createHash } from 'node:crypto';

/** Job ids: `job_` and 32 hex digits. Random for a plain submit, derived where the same request must find the same job. */

export const jobIdPattern = /^job_[0-9a-f]{32}$/;

/**
 * The id of a job submitted with an `Idempotency-Key`: the same tenant and key always give the same id, so the first
 * conditional write decides between two submits that race. The NUL keeps (a, bc) and (ab, c) apart.
 */
export function keyedJobId(tenant: string, idempotencyKey: string): string {
  return `job_${createHash('sha256').update(`${tenant}\0${idempotencyKey}`).digest('hex').slice(0, 32)}`;
}

/** The id made of 16 random bytes. */
export function randomJobId(random: Uint8Array): string {
  if (random.length !== 16) throw new RangeError('a job id takes 16 random bytes');
  return `job_${Buffer.from(random).toString('hex')}`;
}
