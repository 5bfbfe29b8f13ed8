import { createHash } from 'node:crypto';
import { configure } from 'safe-stable-stringify';

/**
 * Keys sorted at every depth. No `maximumDepth` and no `maximumBreadth`: without them there is no limit, so two requests
 * that differ anywhere have different text (Infinity, given as an option, is refused).
 */
const canonicalJson = configure({ deterministic: true, bigint: false });

/**
 * The hash of a JSON value, whatever the order of its keys: 32 hex digits of SHA-256 over canonical JSON.
 * Used to tell a repeated request from another one under the same `Idempotency-Key`, and to name an input.
 */
export function hashOf(value: unknown): string {
  return createHash('sha256')
    .update(canonicalJson(value) ?? 'undefined')
    .digest('hex')
    .slice(0, 32);
}
