import { expect, test } from 'vitest';
import { logFormatter } from './log-lines.ts';

test('a line of the log is readable and carries the name of its process', () => {
  const format = logFormatter({ colour: false, nameWidth: 6 });
  const line = JSON.stringify({
    level: 30,
    time: '2026-01-02T03:04:05.678Z',
    mode: 'api',
    jobId: 'j1',
    msg: 'accepted',
  });
  expect(format('api', line)).toMatch(/^api {4}\| \[\d\d:\d\d:05\.678\] INFO: accepted \{"jobId":"j1"\}\n$/);
});

test('each line of an error carries the name', () => {
  const format = logFormatter({ colour: false, nameWidth: 3 });
  const err = { type: 'Error', message: 'boom', stack: 'Error: boom\n    at here' };
  const lines = format('api', JSON.stringify({ level: 50, time: 0, msg: 'failed', err }))
    .trimEnd()
    .split('\n');
  expect(lines.length).toBeGreaterThan(1);
  for (const line of lines) expect(line).toMatch(/^api \| /);
});

test.each(['plain text', '{ not json }', '{"level":', '[1]', ''])(
  'what is not a log line passes through: %s',
  (line) => {
    expect(logFormatter({ colour: false, nameWidth: 3 })('api', line)).toBe(`api | ${line}\n`);
  },
);

test('colours are for terminals, one for each process', () => {
  const format = logFormatter({ colour: true, nameWidth: 3 });
  expect(format('api', 'x')).not.toBe(format('xyz', 'x').replace('xyz', 'api'));
  expect(format('api', 'x')).toBe(format('api', 'x'));
});
