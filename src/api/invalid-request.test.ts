import { expect, test } from 'vitest';
import { z } from 'zod';
import { checkRequest, InvalidRequest, pathOf } from './invalid-request.ts';

const schema = z.strictObject({
  items: z.array(z.strictObject({ role: z.enum(['user']) })),
  pairs: z.record(z.string().max(3, 'too long'), z.string()),
});
const check = checkRequest({ schema } as never) as (data: unknown) => { error?: InvalidRequest; value?: unknown };

test('each wrong value is named by its place', () => {
  const { error } = check({ items: [{ role: 'user' }, { role: 'model' }], pairs: { long: 'x' } });
  expect(error).toBeInstanceOf(InvalidRequest);
  expect(error?.errors).toEqual([
    { path: 'items[1].role', message: expect.stringContaining('user') },
    { path: 'pairs.long', message: 'too long' },
  ]);
});

test('each unknown field has its own entry, at any depth', () => {
  const { error } = check({ items: [{ role: 'user', a: 1, b: 2 }], pairs: {}, c: 3 });
  expect(error?.errors.map(({ path }) => path).sort()).toEqual(['c', 'items[0].a', 'items[0].b']);
});

test('a good request comes back as the schema made it', () => {
  expect(check({ items: [], pairs: {} })).toEqual({ value: { items: [], pairs: {} } });
});

test('the place of the whole value has a name', () => {
  expect(pathOf([])).toBe('body');
  expect(pathOf([0, 'a'])).toBe('[0].a');
});
