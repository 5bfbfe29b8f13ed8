import fc from 'fast-check';
import { expect, test } from 'vitest';
import { countBody, LineCount } from './counted-body.ts';

async function* pieces(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}
const kind = { mostBytes: 10, limit: '', hasLines: true };

test('lines are counted as they would be by splitting, wherever the pieces end', () => {
  const text = fc.stringMatching(/^[a \t\r\n]{0,60}$/);
  fc.assert(
    fc.property(text, fc.array(fc.nat(60)), (whole, cuts) => {
      const lines = new LineCount();
      const at = [0, ...cuts.sort((a, b) => a - b), whole.length];
      for (const [index, from] of at.entries())
        lines.add(Buffer.from(whole.slice(from, at[index + 1] ?? whole.length)));
      expect(lines.total).toBe(whole.split('\n').filter((line) => line.trim() !== '').length);
    }),
  );
});

test('what passes is what came; records are counted where lines are records', async () => {
  const body = countBody(pieces('{"a', '":1}\n', '\n2'), kind);
  expect(Buffer.concat(await Array.fromAsync(body.chunks)).toString()).toBe('{"a":1}\n\n2');
  expect(body.records()).toBe(2);
  const bytes = countBody(pieces('1\n2\n'), { ...kind, hasLines: false });
  await Array.fromAsync(bytes.chunks);
  expect(bytes.records()).toBeUndefined();
});

test('one byte too many, and none at all, are refused', async () => {
  expect(await Array.fromAsync(countBody(pieces('12345', '67890'), kind).chunks)).toHaveLength(2);
  await expect(Array.fromAsync(countBody(pieces('12345', '67890', '1'), kind).chunks)).rejects.toMatchObject({
    why: 'too large',
  });
  await expect(Array.fromAsync(countBody(pieces(), kind).chunks)).rejects.toMatchObject({ why: 'empty' });
});
