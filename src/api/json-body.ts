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
 * Refuses what JSON can carry and the stores cannot: nesting deeper than 100, and numbers beyond a double, which
 * would be stored as null. Level by level, without recursion.
 * @throws InvalidRequest naming the field
 */
export function refuseHostileJson(body: unknown): void {
  let level: Level[] = [{ value: body, path: [] }];
  for (let depth = 0; level.length > 0; depth += 1) {
    const next: Level[] = [];
    for (const { value, path } of level) {
      if (typeof value === 'number' && !Number.isFinite(value)) refuse(path, 'the number is too large');
      if (typeof value !== 'object' || value === null) continue;
      if (depth >= deepestJson) refuse(path.slice(0, 1), `nested deeper than ${deepestJson} levels`);
      // Paths of the top levels suffice to find the place, and cost nothing on large bodies.
      for (const [key, member] of Object.entries(value)) next.push({ value: member, path: below(path, value, key) });
    }
    level = next;
  }
}

const deepestPath = 3;

function below(path: readonly PropertyKey[], parent: object, key: string): readonly PropertyKey[] {
  return path.length >= deepestPath ? path : [...path, Array.isArray(parent) ? Number(key) : key];
}

function refuse(path: readonly PropertyKey[], message: string): never {
  throw new InvalidRequest([{ path: pathOf(path), message }]);
}
