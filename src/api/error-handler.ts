import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AwsError } from '../aws/aws-error.ts';
import { InvalidRequest } from './invalid-request.ts';
import { invalid, type Problem, type ProblemCode, problemBody, problemType, sendProblem, statusOf } from './problem.ts';

/** Fastify's own errors that have a code of ours; others of 400 to 499 go by their status. */
const byFastifyCode: Record<string, { code: ProblemCode; detail: string }> = {
  FST_ERR_CTP_INVALID_JSON_BODY: { code: 'malformed_json', detail: 'the body is not valid JSON' },
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'payload_too_large', detail: 'a body has at most 1 MiB' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'unsupported_media_type',
    detail: 'send the body as content-type: application/json',
  },
  FST_ERR_BAD_URL: { code: 'bad_request', detail: 'the path is not a valid URL path' },
  // Ids are short: a longer one names nothing.
  FST_ERR_MAX_PARAM_LENGTH: { code: 'not_found', detail: 'there is nothing under this path' },
};

const byStatus: Record<number, ProblemCode> = {
  403: 'forbidden',
  404: 'not_found',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
};

/** Seconds until a client may try again when AWS does not answer: the SDK has tried three times by then. */
const retryAfterUnavailableSeconds = 2;

/** What a caller is told of an error. Says nothing of AWS or of our own code. */
export function toProblem(error: unknown, hasBody = true): Problem {
  if (error instanceof InvalidRequest) {
    if (error.validationContext === 'body' && !hasBody) return { code: 'bad_request', detail: 'a JSON body is needed' };
    return invalid(error.errors.map((field) => inContext(field, error.validationContext)));
  }
  if (error instanceof AwsError)
    return {
      code: 'unavailable',
      detail: 'nothing was changed for certain; try again, with the same Idempotency-Key if there was one',
      headers: { 'retry-after': String(retryAfterUnavailableSeconds) },
    };
  const { code, statusCode } = error as { code?: string; statusCode?: number };
  const known = code === undefined ? undefined : byFastifyCode[code];
  if (known !== undefined) return known;
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return { code: byStatus[statusCode] ?? 'bad_request', detail: STATUS_CODES[statusCode] ?? 'bad request' };
  return { code: 'internal_error', detail: 'this was logged under the request id in x-request-id' };
}

/** Header names are case-insensitive and come in small letters: shown as the documentation writes them. */
function inContext(field: { path: string; message: string }, context: string | undefined) {
  if (context !== 'headers') return field;
  return { ...field, path: field.path.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase()) };
}

/** Answers every error and every unknown path with a problem; what was not the caller's fault is logged. */
export function answerErrors(app: FastifyInstance): void {
  app.setErrorHandler((error, request, reply) => answerError(error, request, reply));
  app.setNotFoundHandler((_request, reply) =>
    sendProblem(reply, { code: 'not_found', detail: 'there is nothing under this path' }),
  );
}

/** Also for errors before there is a route (Fastify's `frameworkErrors`), for which no hook has run. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const problem = toProblem(error, request.body !== undefined);
  if (statusOf(problem.code) >= 500) request.log.error(describeError(error), 'request failed');
  return sendProblem(reply.header('x-request-id', request.id), problem);
}

/**
 * An error for the log. Messages of JSON errors quote what they could not read, which may be a prompt; everything that
 * libraries hang on their errors (requests, responses, headers) stays out.
 */
export function describeError(error: unknown): Record<string, unknown> {
  if (error instanceof AwsError) return { error: error.message, aws: error.what, code: error.code };
  if (!(error instanceof Error)) return { error: typeof error };
  const quotes = error instanceof SyntaxError;
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return { error: `${error.name}${quotes ? '' : `: ${error.message}`}`, stack: frames.join('\n') };
}

const byClientError: Record<string, ProblemCode> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/** Answers what is not even HTTP. Fastify's `clientErrorHandler`: there is a socket, and no request. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const code = byClientError[error.code ?? ''] ?? 'bad_request';
  const body = JSON.stringify(
    problemBody({ code, detail: 'the request did not come as valid HTTP, whole and in time' }),
  );
  if (socket.writable)
    socket.write(
      `HTTP/1.1 ${statusOf(code)} ${STATUS_CODES[statusOf(code)]}\r\ncontent-type: ${problemType}\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    );
  socket.destroySoon();
}
