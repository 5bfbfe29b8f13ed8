import { expect, test } from 'vitest';
import { nextWebhookAttempt, webhookDelaysSeconds } from './webhook-retry.ts';

const now = 1_700_000_000_000;

test('the delays are those of Standard Webhooks 1.0.0, with its times since the start', () => {
  const clock = (seconds: number) =>
    [seconds / 3600, (seconds / 60) % 60, seconds % 60]
      .map((part) => String(Math.floor(part)).padStart(2, '0'))
      .join(':');
  const since = (index: number) =>
    webhookDelaysSeconds.slice(0, index + 1).reduce<number>((sum, delay) => sum + delay, 0);
  expect(webhookDelaysSeconds.map((_delay, index) => clock(since(index)))).toEqual([
    '00:00:00',
    '00:00:05',
    '00:05:05',
    '00:35:05',
    '02:35:05',
    '07:35:05',
    '17:35:05',
    '31:35:05',
    '51:35:05',
    '75:35:05',
  ]);
});

test('after each attempt comes the next delay, after the tenth nothing', () => {
  const delays = Array.from({ length: 11 }, (_, index) => nextWebhookAttempt(index + 1, now, 0));
  expect(delays).toEqual([...webhookDelaysSeconds.slice(1).map((delay) => now + delay * 1000), undefined, undefined]);
});

test('chance adds up to a quarter', () => {
  expect(nextWebhookAttempt(2, now, 1)).toBe(now + 375_000);
  expect(nextWebhookAttempt(2, now, 0.5)).toBe(now + 338_000);
});

test('Retry-After puts it off, for a day at most, and never earlier', () => {
  const after = (header: string) => ((nextWebhookAttempt(2, now, 0, header) ?? 0) - now) / 1000;
  expect(['301', '299', '0', '999999', '-1', '1.5', 'soon', '', 'Wed, 21 Oct 2026 07:28:00 GMT'].map(after)).toEqual([
    301, 300, 300, 86_400, 300, 300, 300, 300, 300,
  ]);
  expect(nextWebhookAttempt(10, now, 0, '60')).toBeUndefined();
});
