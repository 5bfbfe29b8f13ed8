import { expect, test } from 'vitest';
import { createScanner, type DatasetFormat, mostRecordBytes, type ScannedRecord } from './dataset-scanner.ts';

function scan(text: string | Buffer, format: DatasetFormat, partBytes = 1_000_000): ScannedRecord[] {
  const bytes = Buffer.from(text);
  const scanner = createScanner(format);
  const found: ScannedRecord[] = [];
  for (let at = 0; at < bytes.length; at += partBytes) found.push(...scanner.push(bytes.subarray(at, at + partBytes)));
  return [...found, ...scanner.end()];
}

const seen = (records: ScannedRecord[]) =>
  records.map(({ line, start, end, bytes }) => [line, start, end, bytes?.toString()]);

test.each([1, 2, 3, 1000])('JSONL in parts of %i bytes: blank lines, CRLF, a mark, no last line end', (partBytes) => {
  expect(seen(scan('\ufeff{"a":1}\r\n\n \t\r\n{"ä":2}\n{}', 'jsonl', partBytes))).toEqual([
    [1, 0, 12, '{"a":1}'],
    [4, 17, 26, '{"ä":2}'],
    [5, 26, 28, '{}'],
  ]);
});

test.each([1, 2, 3, 1000])('CSV in parts of %i bytes: quotes hide line ends, commas and quotes', (partBytes) => {
  const text = '\ufeff"a,\nb",c\r\n\n"x ""\n\n""",y\n1"2,"3"\n"ü",""\n""';
  expect(seen(scan(text, 'csv', partBytes))).toEqual([
    [1, 0, 13, '"a,\nb",c'],
    [4, 14, 27, '"x ""\n\n""",y'],
    [7, 27, 35, '1"2,"3"'],
    [8, 35, 43, '"ü",""'],
    [9, 43, 45, '""'],
  ]);
});

test('a quote that is never closed takes what follows; one closed in the wrong place spoils its own record only', () => {
  expect(seen(scan('a\n"b\nc\nd', 'csv'))).toEqual([
    [1, 0, 2, 'a'],
    [2, 2, 8, '"b\nc\nd'],
  ]);
  expect(seen(scan('"b"x,"c\n"\nd', 'csv')).map(([line]) => line)).toEqual([1, 3]);
});

test.each(['', '\n', '\ufeff', '\r\n \n\n'])('nothing in %j', (text) => {
  expect(scan(text, 'jsonl')).toEqual([]);
  expect(scan(text, 'csv')).toEqual([]);
});

test('a record that is too long is not held; the next ones are found', () => {
  const long = 'x'.repeat(mostRecordBytes + 1);
  const just = 'x'.repeat(mostRecordBytes);
  for (const format of ['jsonl', 'csv'] as const) {
    const found = scan(`\ufeff${just}\r\n${long}\n${just}\n{}\n${long}`, format, 65_536);
    expect(found.map(({ line, bytes }) => [line, bytes?.length])).toEqual([
      [1, mostRecordBytes],
      [2, undefined],
      [3, mostRecordBytes],
      [4, 2],
      [5, undefined],
    ]);
    expect(found.at(-1)?.end).toBe(2 * mostRecordBytes + 2 * (mostRecordBytes + 1) + 10);
  }
});

test('500 MB without a line end are passed over', () => {
  const scanner = createScanner('jsonl');
  const part = Buffer.alloc(1024 * 1024, 'x');
  for (let count = 0; count < 500; count += 1) expect(scanner.push(part)).toEqual([]);
  const [found, next] = scanner.push(Buffer.from('\n{}\n'));
  expect(found).toEqual({ line: 1, start: 0, end: 500 * 1024 * 1024 + 1, bytes: undefined });
  expect(next).toMatchObject({ line: 2 });
});
