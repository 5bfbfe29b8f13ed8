import { expect } from 'vitest';
import { problemSchema } from '../../src/api/problem.ts';
import type { ApiAnswer } from './api-server.ts';

/** The status, the code and the wrong places in order, once the answer is found to be a problem in every respect. */
export function problemOf(answer: ApiAnswer): [number, string, ...string[]] {
  expect(answer.headers.get('content-type'), answer.text).toMatch(/^application\/problem\+json/);
  const problem = problemSchema.parse(answer.body);
  expect(problem.status).toBe(answer.status);
  return [answer.status, problem.code, ...(problem.errors ?? []).map(({ path }) => path).sort()];
}
