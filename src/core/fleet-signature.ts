import { createHmac, timingSafeEqual } from 'node:crypto';

/**
 * How processes of one fleet know each other: an HMAC-SHA256 over time, instance id, path and body. The secret never
 * travels; a message is good for one minute, for one instance, and once.
 */

/** Clocks of one account are within a second of each other; a minute also covers a slow network. */
export const signatureWindowMs = 60_000;

export interface SignedMessage {
  timeMs: number;
  instanceId: string;
  path: string;
  body: string;
}

/** The signature in hex. Source of the form: RFC 2104; NUL keeps the parts apart (none of them contains one). */
export function signMessage(secret: string, { timeMs, instanceId, path, body }: SignedMessage): string {
  return createHmac('sha256', secret).update(`${timeMs}\0${instanceId}\0${path}\0${body}`).digest('hex');
}

export type SignatureCheck = 'good' | 'bad' | 'old';

/** Compares in constant time with each secret that is valid now (two, while they rotate). */
export function checkSignature(
  secrets: readonly string[],
  message: SignedMessage,
  signature: string,
  nowMs: number,
): SignatureCheck {
  if (!Number.isFinite(message.timeMs) || Math.abs(nowMs - message.timeMs) > signatureWindowMs) return 'old';
  const given = Buffer.from(signature, 'hex');
  // All are compared, so that the time does not tell which one it was.
  const matches = secrets.map((secret) => {
    const own = Buffer.from(signMessage(secret, message), 'hex');
    return given.length === own.length && timingSafeEqual(given, own);
  });
  return matches.includes(true) ? 'good' : 'bad';
}
