import type { FastifyReply } from 'fastify';
import { z } from 'zod';

/**
 * Errors as callers see them: RFC 9457 `application/problem+json`. The codes are public and stable: callers decide by
 * them; `detail` is for people and may change.
 */
const problems = {
  malformed_json: { status: 400, title: 'The body is not valid JSON' },
  bad_request: { status: 400, title: 'The request cannot be understood' },
  unauthorized: { status: 401, title: 'An API key is needed' },
  forbidden: { status: 403, title: 'The API key does not allow this' },
  not_found: { status: 404, title: 'There is nothing here' },
  method_not_allowed: { status: 405, title: 'This resource has no such method' },
  request_timeout: { status: 408, title: 'The request did not come in time' },
  idempotency_conflict: { status: 409, title: 'The Idempotency-Key belongs to another request' },
  job_final: { status: 409, title: 'The job is final' },
  job_unfinished: { status: 409, title: 'The job is not final yet' },
  job_not_retryable: { status: 409, title: 'The job cannot be retried' },
  batch_final: { status: 409, title: 'The batch is final' },
  batch_unfinished: { status: 409, title: 'The batch has no such result yet' },
  batch_not_retryable: { status: 409, title: 'The batch cannot be retried' },
  schedule_not_runnable: { status: 409, title: 'The schedule cannot start a batch' },
  too_many_schedules: { status: 409, title: 'The tenant has as many schedules as it may' },
  too_many_secrets: { status: 409, title: 'The tenant has as many webhook secrets as it may' },
  payload_too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'The body is of a type that is not taken here' },
  validation_failed: { status: 422, title: 'The request has wrong values' },
  rate_limited: { status: 429, title: 'Too many requests' },
  backlog_full: { status: 429, title: 'The lane has too much work waiting' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  internal_error: { status: 500, title: 'Something unexpected went wrong' },
  unavailable: { status: 503, title: 'A service behind this one does not answer' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problems;
export const problemCodes = Object.keys(problems) as ProblemCode[];
export const problemType = 'application/problem+json';

export const problemSchema = z
  .object({
    type: z.string().describe('`urn:penstock:problem:` and the code'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What went wrong this time, for people'),
    code: z.enum(problemCodes).describe('Stable: decide by this'),
    errors: z
      .array(z.object({ path: z.string(), message: z.string() }))
      .optional()
      .describe('Each wrong value with its place, like `input.messages[0].role`'),
  })
  .meta({
    id: 'Problem',
    examples: [
      {
        type: 'urn:penstock:problem:validation_failed',
        title: problems.validation_failed.title,
        status: 422,
        detail: 'priority: Invalid option: expected one of "high"|"normal"|"low"',
        code: 'validation_failed',
        errors: [{ path: 'priority', message: 'Invalid option: expected one of "high"|"normal"|"low"' }],
      },
    ],
  });
export type ProblemBody = z.infer<typeof problemSchema>;

export interface FieldError {
  path: string;
  message: string;
}

/** What is to be answered instead of a result. */
export interface Problem {
  code: ProblemCode;
  detail: string;
  errors?: readonly FieldError[];
  headers?: Record<string, string>;
}

/** HTTP status of a code. */
export function statusOf(code: ProblemCode): number {
  return problems[code].status;
}

/** More would make an answer far larger than its request; nobody reads the 21st. */
const mostErrors = 20;
/** Paths hold names that the caller chose: cut, so that an answer stays small. */
const longestText = 300;

/** The problem as it is sent. */
export function problemBody({ code, detail, errors }: Problem): ProblemBody {
  const { status, title } = problems[code];
  return {
    type: `urn:penstock:problem:${code}`,
    title,
    status,
    detail: cut(detail),
    code,
    ...(errors !== undefined && {
      errors: errors.slice(0, mostErrors).map(({ path, message }) => ({ path: cut(path), message: cut(message) })),
    }),
  };
}

/** Several wrong values as one problem; its detail names the first. */
export function invalid(errors: readonly FieldError[]): Problem {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  const detail = first === undefined ? 'the request has wrong values' : `${first.path}: ${first.message}${more}`;
  return { code: 'validation_failed', detail, errors };
}

/** Answers with a problem. As text, so that no response schema of the route is asked about it. */
export function sendProblem(reply: Pick<FastifyReply, 'code' | 'headers' | 'type'>, problem: Problem): FastifyReply {
  return reply
    .code(statusOf(problem.code))
    .headers(problem.headers ?? {})
    .type(problemType)
    .send(JSON.stringify(problemBody(problem)));
}

function cut(text: string): string {
  return text.length > longestText ? `${text.slice(0, longestText - 1)}…` : text;
}
