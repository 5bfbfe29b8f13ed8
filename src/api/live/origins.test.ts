import { expect, test } from 'vitest';
import { isAllowedOrigin } from './origins.ts';

const host = 'jobs.example:8080';
const isAllowed = (origin: string | undefined, allowed: string[] = []) =>
  isAllowedOrigin({ headers: origin === undefined ? {} : { origin }, host }, allowed);

test('no origin is no browser', () => {
  expect(isAllowed(undefined)).toBe(true);
});

test('pages of this very host may, whatever is on the list', () => {
  expect(isAllowed('http://jobs.example:8080')).toBe(true);
  expect(isAllowed('https://jobs.example:8080', ['https://app.example'])).toBe(true);
});

test('pages of the list may, and of any origin where the list says so', () => {
  expect(isAllowed('https://app.example', ['https://other.example', 'https://app.example'])).toBe(true);
  expect(isAllowed('https://any.example', ['*'])).toBe(true);
});

test.each([
  'https://evil.example',
  'http://jobs.example',
  'http://jobs.example:8081',
  'http://sub.jobs.example:8080',
  'http://jobs.example:8080.evil.example',
  'http://app.example',
  'https://app.example:444',
  'https://app.example.evil.example',
  'https://evil.example/https://app.example',
  'null',
  '',
  'not a URL',
])('%j may not', (origin) => {
  expect(isAllowed(origin, ['https://app.example'])).toBe(false);
});
