import { expect, test } from 'vitest';
import { invalid, problemBody, problemCodes, problemSchema, statusOf } from './problem.ts';

test('each code makes a problem that matches its documentation', () => {
  for (const code of problemCodes) {
    const body = problemBody({ code, detail: 'why', errors: [{ path: 'a', message: 'b' }] });
    expect(problemSchema.parse(body)).toEqual(body);
    expect(body).toMatchObject({ type: `urn:penstock:problem:${code}`, status: statusOf(code), code, detail: 'why' });
  }
});

test('a thousand wrong values and a path of a megabyte make a small answer', () => {
  const errors = Array.from({ length: 1000 }, () => ({ path: 'x'.repeat(1_000_000), message: 'wrong' }));
  const body = problemBody(invalid(errors));
  expect(body.errors).toHaveLength(20);
  expect(JSON.stringify(body).length).toBeLessThan(10_000);
  expect(problemBody(invalid([{ path: 'a', message: 'b' }, ...errors])).detail).toBe('a: b (and 1000 more)');
});
