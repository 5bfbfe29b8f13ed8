import { expect, test } from 'vitest';
import { cronProblem, nextTimeAfter, timesBetween } from './cron-times.ts';

const times = (cron: string, timeZone: string, from: string, until: string): string[] =>
  timesBetween(cron, timeZone, { afterMs: Date.parse(from), untilMs: Date.parse(until), most: 1_000 }).map((ms) =>
    new Date(ms).toISOString().replace(':00.000Z', 'Z'),
  );

test.each([
  ['New York', 'America/New_York', '2026-03-07T12:00Z', ['2026-03-08T07:00Z', '2026-03-09T06:30Z']],
  ['Berlin', 'Europe/Berlin', '2026-03-28T12:00Z', ['2026-03-29T01:00Z', '2026-03-30T00:30Z']],
])('%s: 02:30 on the day without it is due when the gap ends', (_, zone, from, expected) => {
  const until = new Date(Date.parse(from) + 2 * 24 * 3600_000).toISOString();
  expect(times('30 2 * * *', zone, from, until)).toEqual(expected);
});

test.each([
  ['New York', '30 1 * * *', 'America/New_York', '2026-10-31T12:00Z', ['2026-11-01T05:30Z', '2026-11-02T06:30Z']],
  ['Berlin', '30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', ['2026-10-25T00:30Z', '2026-10-26T01:30Z']],
])('%s: a time that is there twice is due the first time only', (_, cron, zone, from, expected) => {
  const until = new Date(Date.parse(from) + 2 * 24 * 3600_000).toISOString();
  expect(times(cron, zone, from, until)).toEqual(expected);
});

test('asked between the two, it is due on the next day', () => {
  for (const between of ['2026-11-01T05:30Z', '2026-11-01T05:45Z', '2026-11-01T06:15Z', '2026-11-01T06:30Z'])
    expect(nextTimeAfter('30 1 * * *', 'America/New_York', Date.parse(between))).toBe(Date.parse('2026-11-02T06:30Z'));
});

test('times of a list that fall into one gap are due once, at its end; in autumn each once', () => {
  expect(times('0,30 2 * * *', 'America/New_York', '2026-03-08T00:00Z', '2026-03-09T00:00Z')).toEqual([
    '2026-03-08T07:00Z',
  ]);
  expect(times('30 2,14 * * *', 'America/New_York', '2026-03-08T05:00Z', '2026-03-09T05:00Z')).toEqual([
    '2026-03-08T07:00Z',
    '2026-03-08T18:30Z',
  ]);
  expect(times('0,30 1 * * *', 'America/New_York', '2026-11-01T00:00Z', '2026-11-02T00:00Z')).toEqual([
    '2026-11-01T05:00Z',
    '2026-11-01T05:30Z',
  ]);
});

test('what is due every so often goes on by real time', () => {
  const day = (from: string, until: string) => times('0 * * * *', 'America/New_York', from, until);
  expect(day('2026-03-08T04:59Z', '2026-03-09T03:59Z')).toHaveLength(23);
  expect(day('2026-11-01T03:59Z', '2026-11-02T04:59Z')).toHaveLength(25);
  expect(times('*/30 * * * *', 'America/New_York', '2026-11-01T04:59Z', '2026-11-01T07:00Z')).toEqual([
    '2026-11-01T05:00Z',
    '2026-11-01T05:30Z',
    '2026-11-01T06:00Z',
    '2026-11-01T06:30Z',
    '2026-11-01T07:00Z',
  ]);
});

test('wherever one begins to ask, the times are the same, and each comes after the one before', () => {
  for (const cron of ['30 2 * * *', '*/20 1-3 * * *', '0 3 * * SUN', '15 0-23/2 * * *', '30 1,2 * * *'])
    for (const [zone, day] of [
      ['America/New_York', '2026-03-08T00:00Z'],
      ['America/New_York', '2026-11-01T00:00Z'],
      ['Europe/Berlin', '2026-03-29T00:00Z'],
      ['Australia/Lord_Howe', '2026-04-04T00:00Z'],
    ] as const) {
      const from = Date.parse(day) - 24 * 3600_000;
      const all = timesBetween(cron, zone, { afterMs: from, untilMs: from + 12 * 24 * 3600_000, most: 5_000 });
      for (let at = from; at < from + 3 * 24 * 3600_000; at += 7 * 60_000)
        expect([cron, zone, at, nextTimeAfter(cron, zone, at)]).toEqual([
          cron,
          zone,
          at,
          all.find((time) => time > at),
        ]);
    }
});

test('the time given is not due again', () => {
  const at = Date.parse('2026-05-01T10:00Z');
  expect(nextTimeAfter('0 * * * *', 'UTC', at)).toBe(at + 3600_000);
  expect(nextTimeAfter('0 * * * *', 'UTC', at - 1)).toBe(at);
  expect(nextTimeAfter('@hourly', 'UTC', at)).toBe(at + 3600_000);
});

const notFive = 'not five fields: minute, hour, day of month, month, day of week';
test.each([
  ['61 * * * *', 'UTC', 'cron', 'Invalid value for minute: 61'],
  ['* * * * * *', 'UTC', 'cron', notFive],
  ['* * *', 'UTC', 'cron', notFive],
  ['', 'UTC', 'cron', notFive],
  ['0 0 30 2 *', 'UTC', 'cron', 'this time never comes'],
  ['2027-01-01T00:00:00', 'UTC', 'cron', notFive],
  ['@reboot', 'UTC', 'cron', expect.stringContaining('not supported')],
  ['0 * * * *', 'Mars/Base', 'timeZone', 'not a time zone of the IANA database, like Europe/Berlin or UTC'],
  ['0 * * * *', '', 'timeZone', expect.any(String)],
  ['0 * * * *', '+02:00', 'timeZone', expect.any(String)],
])('%j in %j is refused', (cron, zone, field, message) => {
  expect(cronProblem(cron, zone)).toEqual({ field, message });
});

test.each(['0 6 * * MON-FRI', '*/5 * * * *', '0 0 L * *', '0 9 * * 5#2', '@daily', '@weekly'])(
  '%j is taken',
  (cron) => {
    expect(cronProblem(cron, 'Europe/Berlin')).toBeUndefined();
  },
);
