import { expect, test } from 'vitest';
import { requestId } from './request-log.ts';

const idFor = (given: string | undefined) =>
  requestId({ headers: given === undefined ? {} : { 'x-request-id': given } });

test.each(['abc', 'Root=1-67891233-abcdef012345678912345678', 'x'.repeat(128)])('%s is taken over', (given) => {
  expect(idFor(given)).toBe(given);
});

test.each([undefined, '', 'a b', 'x'.repeat(129), 'a"b', '{"level":60}', 'é'])('%s is replaced', (given) => {
  expect(idFor(given)).toMatch(/^[0-9a-f-]{36}$/);
});
