import { type ProblemCode, problemSchema, problemType, statusOf } from './problem.ts';

/** What any request can be answered with, whatever the route. */
const everywhere: ProblemCode[] = [
  'bad_request',
  'unauthorized',
  'forbidden',
  'rate_limited',
  'internal_error',
  'unavailable',
];

/** The problems of a route for its documentation, by status; `codes` beside those that every route has. */
export function problemResponses(...codes: ProblemCode[]) {
  const all = [...everywhere, ...codes];
  const statuses = [...new Set(all.map(statusOf))].sort();
  return Object.fromEntries(
    statuses.map((status) => {
      const description = all.filter((code) => statusOf(code) === status).join(', ');
      return [status, { description, content: { [problemType]: { schema: problemSchema } } }];
    }),
  );
}

/** The security of each documented route: a key with this scope. */
export function needsKey() {
  return [{ apiKey: [] }];
}
