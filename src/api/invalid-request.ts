import type { FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';
import type { FieldError } from './problem.ts';

/** A part of a request that does not match its schema; Fastify adds which part. */
export class InvalidRequest extends Error {
  override name = 'InvalidRequest';
  readonly errors: readonly FieldError[];
  /** Set by Fastify: `body`, `querystring`, `params` or `headers`. */
  validationContext?: string;

  constructor(errors: readonly FieldError[]) {
    super('the request does not match its schema');
    this.errors = errors;
  }
}

/** Checks requests with their zod schemas. fastify-type-provider-zod's own joins paths with `/`, which field names may hold. */
export const checkRequest: FastifySchemaCompiler<z.ZodType> =
  ({ schema }) =>
  (data) => {
    // Fastify gives null for a body that is not there, which an optional schema would refuse.
    const parsed = schema.safeParse(data ?? undefined);
    return parsed.success
      ? { value: parsed.data }
      : { error: new InvalidRequest(parsed.error.issues.flatMap(fieldErrors)) };
  };

/** One entry per wrong field; an issue about several unknown fields becomes one entry for each. */
function fieldErrors(issue: z.core.$ZodIssue): FieldError[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ path: pathOf([...issue.path, key]), message: 'unknown field' }));
  const inner = issue.code === 'invalid_key' ? issue.issues[0]?.message : undefined;
  return [{ path: pathOf(issue.path), message: inner ?? issue.message }];
}

/** Like `input.messages[0].role`; `body` for the value as a whole. */
export function pathOf(path: readonly PropertyKey[]): string {
  const text = path.reduce<string>(
    (before, part) => `${before}${typeof part === 'number' ? `[${part}]` : `.${String(part)}`}`,
    '',
  );
  return text === '' ? 'body' : text.replace(/^\./, '');
}
