/** SDK errors become our codes here; nothing above `src/aws` looks at an SDK error. */

export type AwsErrorCode =
  /** A condition of a write did not hold. */
  | 'condition_failed'
  /** The object is not the version that was asked for (If-Match). */
  | 'changed'
  /** The table, queue, bucket or object does not exist. */
  | 'not_found'
  /** Nobody answered, not in time, or with an answer that says: later. */
  | 'unavailable'
  /** No credentials, or expired ones. */
  | 'credentials'
  /** AWS refused for a reason that a repeat will not change. */
  | 'refused';

export class AwsError extends Error {
  override name = 'AwsError';
  readonly code: AwsErrorCode;
  /** Like `DynamoDB UpdateItem`. */
  readonly what: string;

  constructor(code: AwsErrorCode, what: string, cause: unknown) {
    super(`${what}: ${code}: ${cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)}`, { cause });
    this.code = code;
    this.what = what;
  }
}

const notFound = new Set([
  'ResourceNotFoundException',
  'QueueDoesNotExist',
  'AWS.SimpleQueueService.NonExistentQueue',
  'NoSuchBucket',
  'NoSuchKey',
  'NotFound',
  'NotFoundException',
]);
const credentials = new Set([
  'CredentialsProviderError',
  'ExpiredTokenException',
  'ExpiredToken',
  'UnrecognizedClientException',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'InvalidClientTokenId',
  'TokenProviderError',
]);

/** True where the process itself has no valid credentials, so that no request of it can succeed. */
export function isCredentialsError(error: unknown): boolean {
  return error instanceof Error && credentials.has(error.name);
}

/** The code of an SDK error. An abort is not an error of AWS and is returned as it is. */
export function toAwsError(error: unknown, what: string): Error {
  if (error instanceof AwsError) return error;
  if (error instanceof Error && error.name === 'AbortError') return error;
  return new AwsError(codeOf(error), what, error);
}

function codeOf(error: unknown): AwsErrorCode {
  if (!(error instanceof Error)) return 'unavailable';
  if (error.name === 'ConditionalCheckFailedException') return 'condition_failed';
  if (notFound.has(error.name)) return 'not_found';
  if (error.name === 'PreconditionFailed') return 'changed';
  if (isCredentialsError(error)) return 'credentials';
  const metadata = (error as { $metadata?: { httpStatusCode?: number } }).$metadata;
  const status = metadata?.httpStatusCode;
  const isThrottle = /throttl|exceeded|slow ?down|toomany/i.test(error.name);
  return status !== undefined && status >= 400 && status < 500 && status !== 429 && !isThrottle
    ? 'refused'
    : 'unavailable';
}

/** Runs one SDK call and turns its error into ours. */
export async function awsCall<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toAwsError(error, what);
  }
}
