import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readPointer, writePointer } from './pointer-message.ts';

const pointer = { v: 1 as const, jobId: `job_${'a'.repeat(32)}`, generation: 2, tenant: 'demo', lane: 'nova-lite' };

test('a pointer that was written is read back', () => {
  expect(readPointer(writePointer(pointer))).toEqual({ kind: 'pointer', pointer });
});

test('a field of tomorrow within version 1 does not matter', () => {
  expect(readPointer(JSON.stringify({ ...pointer, hint: 'x' }))).toEqual({ kind: 'pointer', pointer });
});

test('whose trace it belongs to is read back; a wrong one is as good as none', () => {
  const trace = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` };
  expect(readPointer(writePointer({ ...pointer, trace }))).toEqual({ kind: 'pointer', pointer: { ...pointer, trace } });
  for (const wrong of ['x', { traceparent: 7 }, { tracestate: 'a=b' }, null])
    expect(readPointer(JSON.stringify({ ...pointer, trace: wrong }))).toEqual({ kind: 'pointer', pointer });
});

test.each([2, 0, 1.5, -1])('version %s is one that this worker does not know', (version) => {
  expect(readPointer(JSON.stringify({ ...pointer, v: version }))).toEqual({ kind: 'unknown-version', version });
});

test.each([
  ['no JSON', 'hello {'],
  ['nothing', ''],
  ['null', 'null'],
  ['an array', '[1]'],
  ['a version in words', JSON.stringify({ ...pointer, v: 'two' })],
  ['no version', JSON.stringify({ ...pointer, v: undefined })],
  ['no job', JSON.stringify({ ...pointer, jobId: '' })],
  ['a generation before the first', JSON.stringify({ ...pointer, generation: 0 })],
  ['half a generation', JSON.stringify({ ...pointer, generation: 1.5 })],
  ['no tenant', JSON.stringify({ ...pointer, tenant: undefined })],
])('%s is not ours', (_what, body) => {
  expect(readPointer(body)).toEqual({ kind: 'unreadable' });
});

test('whatever the body, reading it never throws', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (body) => {
      expect(['pointer', 'unknown-version', 'unreadable']).toContain(readPointer(body).kind);
    }),
  );
});
