/** HTTP status of each error Bedrock runtime and the agents' runtime can answer, as the service models give them (`httpError` trait). */
const STATUS_BY_TYPE = {
  AccessDeniedException: 403,
  BadGatewayException: 502,
  ConflictException: 400,
  DependencyFailedException: 424,
  ExpiredTokenException: 403,
  InternalServerException: 500,
  ModelErrorException: 424,
  ModelNotReadyException: 429,
  ModelTimeoutException: 408,
  RequestEntityTooLargeException: 413,
  ResourceNotFoundException: 404,
  SerializationException: 400,
  ServiceQuotaExceededException: 400,
  ServiceUnavailableException: 503,
  ThrottlingException: 429,
  UnknownOperationException: 404,
  ValidationException: 400,
} as const;

export type BedrockErrorType = keyof typeof STATUS_BY_TYPE;

/** An error that goes out on the wire: `{message, ...members}` with `x-amzn-ErrorType: <type>` and the type's status, unless told another. */
export class BedrockError extends Error {
  readonly type: BedrockErrorType;
  readonly status: number;
  /** Further members of the error's shape, e.g. `originalStatusCode` of ModelErrorException. */
  readonly members: Record<string, unknown>;

  constructor(
    type: BedrockErrorType,
    message: string,
    members: Record<string, unknown> = {},
    status: number = STATUS_BY_TYPE[type],
  ) {
    super(message);
    this.name = type;
    this.type = type;
    this.status = status;
    this.members = members;
  }
}

/** A ValidationException (400). */
export function invalid(message: string): BedrockError {
  return new BedrockError('ValidationException', message);
}

/**
 * A ValidationException in the words of the Smithy validation that stands in front of Bedrock.
 * `path` names the member (`inferenceConfig.maxTokens`), `constraint` what it must be (`Member must not be null`).
 */
export function violates(path: string, value: unknown, constraint: string): BedrockError {
  const shown = value === undefined || value === null ? 'null' : `'${String(value)}'`;
  return invalid(
    `1 validation error detected: Value ${shown} at '${path}' failed to satisfy constraint: ${constraint}`,
  );
}
