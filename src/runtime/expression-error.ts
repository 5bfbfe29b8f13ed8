/**
 * What can become of an evaluation instead of a value:
 *
 * - `expression_failed`: JSONata refused it, by syntax or while evaluating, or its value is not JSON
 * - `expression_timeout`: not done by its deadline; its process was killed
 * - `expression_memory`: its process ran out of memory and is gone
 * - `expression_too_large`: the expression, its input or its value is over its limit
 * - `expression_unavailable`: no process could be started, or two in a row were killed from outside; may be tried again
 * - `expression_stopped`: `stop()` came first
 */
export type ExpressionErrorCode =
  | 'expression_failed'
  | 'expression_timeout'
  | 'expression_memory'
  | 'expression_too_large'
  | 'expression_unavailable'
  | 'expression_stopped';

/** Where an expression went wrong, as far as is known. */
export type ExpressionPlace = {
  /** Characters into the expression, as JSONata counts them: the end of the token that it could not take. */
  position?: number | undefined;
  /** Where in a template the expression stands: `messages[0].text`. */
  path?: string | undefined;
};

/** Nothing that was evaluated is at fault: it may be tried again. */
export function isOursToRetry({ code }: ExpressionError): boolean {
  return code === 'expression_unavailable' || code === 'expression_stopped';
}

/** Its message may quote the expression and what it was evaluated over: it is for the caller, not for the log. */
export class ExpressionError extends Error {
  readonly code: ExpressionErrorCode;
  readonly position: number | undefined;
  readonly path: string | undefined;

  constructor(code: ExpressionErrorCode, message: string, place: ExpressionPlace = {}) {
    super(message);
    this.name = 'ExpressionError';
    this.code = code;
    this.position = place.position;
    this.path = place.path;
  }
}
