export type OutgoingErrorCode =
  /** Not a URL that can be asked: its form, its scheme, credentials in it. */
  | 'bad_url'
  /** http outside local mode. */
  | 'not_https'
  /** The URL, or an answer of DNS for it, leads to an address that may not be asked. Nothing was sent. */
  | 'address_refused'
  /** The answer was 300 to 399: redirects are not followed. */
  | 'redirected'
  /** Not all of the answer within the time. */
  | 'timed_out'
  /** More body than wanted. */
  | 'too_large'
  /** No answer: DNS, connection, TLS, or not HTTP. */
  | 'unreachable';

/** Why an outgoing request gave no answer. Its message names no URL: those may hold secrets. */
export class OutgoingError extends Error {
  override name = 'OutgoingError';
  readonly code: OutgoingErrorCode;
  /** Of the answer, where it had begun. */
  readonly status: number | undefined;

  constructor(code: OutgoingErrorCode, detail: string, options: { status?: number | undefined; cause?: unknown } = {}) {
    super(`${code}: ${detail}`, { cause: options.cause });
    this.code = code;
    this.status = options.status;
  }
}
