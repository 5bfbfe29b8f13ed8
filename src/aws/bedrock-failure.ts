import type { CallFailure, FailureCode } from '../core/outcome.ts';
import { isCredentialsError } from './aws-error.ts';

/** A model call that gave no answer, in the words of the table of outcomes. */
export class BedrockFailure extends Error implements CallFailure {
  override name = 'BedrockFailure';
  readonly code: FailureCode;
  readonly callStarted: boolean;

  constructor(failure: CallFailure, cause?: unknown) {
    super(failure.message, { cause });
    this.code = failure.code;
    this.callStarted = failure.callStarted;
  }
}

/**
 * Bedrock's errors, by name. `started`: the request had reached the model, so an attempt is used.
 * Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors
 */
const byName: Record<string, { code: FailureCode; started: boolean }> = {
  ThrottlingException: { code: 'throttled', started: false },
  ModelNotReadyException: { code: 'throttled', started: false },
  ServiceQuotaExceededException: { code: 'throttled', started: false },
  ServiceUnavailableException: { code: 'service_unavailable', started: true },
  InternalServerException: { code: 'internal_error', started: true },
  ModelTimeoutException: { code: 'model_timeout', started: true },
  ModelStreamErrorException: { code: 'stream_cut', started: true },
  ModelErrorException: { code: 'model_error', started: true },
  ValidationException: { code: 'validation', started: false },
  ConflictException: { code: 'validation', started: false },
  AccessDeniedException: { code: 'access_denied', started: false },
  ResourceNotFoundException: { code: 'model_not_found', started: false },
  // The words of agents and knowledge bases for what is behind them.
  BadGatewayException: { code: 'service_unavailable', started: true },
  DependencyFailedException: { code: 'service_unavailable', started: true },
};

/** System errors before a byte was sent: the model cannot have begun. */
const neverConnected = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

/**
 * Any error of a model call as a BedrockFailure. Nothing here retries.
 * @param answering true once Bedrock's answer had begun (a stream was being read)
 */
export function toBedrockFailure(error: unknown, answering: boolean): BedrockFailure {
  if (error instanceof BedrockFailure) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = codeOf(error, message, answering);
  return new BedrockFailure({ message, ...code }, error);
}

function codeOf(error: unknown, message: string, answering: boolean): { code: FailureCode; callStarted: boolean } {
  if (!(error instanceof Error)) return { code: 'internal_error', callStarted: true };
  if (isCredentialsError(error)) return { code: 'credentials', callStarted: false };
  const known = byName[error.name];
  if (known?.code === 'throttled' && /per day|daily/i.test(message))
    return { code: 'throttled_daily', callStarted: false };
  if (known?.code === 'model_error' && !isCallersFault(error)) return { code: 'internal_error', callStarted: true };
  if (known !== undefined) return { code: known.code, callStarted: answering || known.started };
  if (neverConnected.has((error as NodeJS.ErrnoException).code ?? ''))
    return { code: 'connection_lost', callStarted: false };
  if (error instanceof SyntaxError || error instanceof TypeError) return { code: 'invalid_answer', callStarted: true };
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  if (status !== undefined) return byStatus(status);
  return { code: answering ? 'stream_cut' : 'connection_lost', callStarted: true };
}

/** An error that this table does not know yet: judged by its HTTP status. */
function byStatus(status: number): { code: FailureCode; callStarted: boolean } {
  if (status === 429) return { code: 'throttled', callStarted: false };
  if (status === 403) return { code: 'access_denied', callStarted: false };
  if (status >= 400 && status < 500) return { code: 'validation', callStarted: false };
  return { code: status >= 500 ? 'service_unavailable' : 'invalid_answer', callStarted: true };
}

/** A ModelErrorException carries the model's own status: 4xx is the request's fault, anything else may pass. */
function isCallersFault(error: Error): boolean {
  const status = (error as { originalStatusCode?: number }).originalStatusCode;
  return status !== undefined && status >= 400 && status < 500;
}
