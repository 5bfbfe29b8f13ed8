import type { FastifyInstance } from 'fastify';
import { InvalidRequest, pathOf } from './invalid-request.ts';

/**
 * Takes `application/json` and nothing else. An empty body counts as none, whatever its content type says: many HTTP
 * clients name one on every POST. Each body is looked through before anything else touches it.
 */
export function takeJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  // `__proto__` and `constructor.prototype` members are malformed: no honest request has them.
  const parse = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) =>
    body === '' ? done(null, undefined) : parse(request, body, done),
  );
  app.addHook('preValidation', async (request) => refuseHostileJson(request.body));
}

/** The deepest document anyone needs; what is deeper makes recursive code (hashing, serializers) exhaust its stack. */
export const deepestJson = 100;

interface Level {
  value: unknown;
  path: readonly PropertyKey[];
}

/**
 * Refuses what JSON can carry and the stores cannot: nesting deeper than 100, numbers beyond a double, which would be
 * stored as null, and half surrogates, which are no Unicode. Level by level, without recursion.
 * @throws InvalidRequest naming the field
 */
export function refuseHostileJson(body: unknown): void {
  let level: Level[] = [{ value: body, path: [] }];
  for (let depth = 0; level.length > 0; depth += 1) {
    for (const { value, path } of level) refuseValue(value, path);
    const nested = level.filter(({ value }) => typeof value === 'object' && value !== null);
    if (depth >= deepestJson && nested[0] !== undefined)
      refuse(nested[0].path.slice(0, 1), `nested deeper than ${deepestJson} levels`);
    level = nested.flatMap(members);
  }
}

function refuseValue(value: unknown, path: readonly PropertyKey[]): void {
  if (typeof value === 'number' && !Number.isFinite(value)) refuse(path, 'the number is too large');
  if (typeof value === 'string' && !value.isWellFormed()) refuse(path, 'the text is not valid Unicode');
}

/** Paths of the top levels suffice to find the place, and cost nothing on large bodies. */
const deepestPath = 3;

function members({ value, path }: Level): Level[] {
  const isList = Array.isArray(value);
  return Object.entries(value as object).map(([key, member]) => {
    if (!key.isWellFormed()) refuse(path, 'a name is not valid Unicode');
    return { value: member, path: path.length >= deepestPath ? path : [...path, isList ? Number(key) : key] };
  });
}

function refuse(path: readonly PropertyKey[], message: string): never {
  throw new InvalidRequest([{ path: pathOf(path), message }]);
}
