import fc from 'fast-check';
import { expect, test } from 'vitest';
import { newBitmap, setBit } from './bitmap.ts';
import { type ChunkRange, type ChunkSize, type ChunkSource, recordsOf, withRecord } from './dataset-chunk.ts';
import { csvColumns, isRefusal, parseRecord } from './dataset-record.ts';
import { createScanner, type DatasetFormat, type ScannedRecord } from './dataset-scanner.ts';

/** Splits a file that comes in parts of any size, as the split does; gives its chunks with their refused bits. */
function split(file: Buffer, format: DatasetFormat, size: ChunkSize, cuts: readonly number[]) {
  const scanner = createScanner(format);
  const scanned: ScannedRecord[] = [];
  let at = 0;
  for (const cut of [...cuts, file.length]) {
    scanned.push(...scanner.push(file.subarray(at, at + cut)).map((one) => ({ ...one, bytes: copy(one.bytes) })));
    at += cut;
  }
  scanned.push(...scanner.end());
  const header = format === 'csv' ? scanned.shift() : undefined;
  const columns = header === undefined ? undefined : (csvColumns(header.bytes) as string[]);
  const chunks: { range: ChunkRange; refused: boolean[] }[] = [];
  for (const [n, one] of scanned.entries()) {
    const last = chunks.at(-1);
    const grown = last && withRecord(last.range, one, n, size);
    const refused = isRefusal(parseRecord(one.bytes, format, columns));
    if (last && grown) Object.assign(last, { range: grown, refused: [...last.refused, refused] });
    else chunks.push({ range: withRecord(undefined, one, n, size) as ChunkRange, refused: [refused] });
  }
  return chunks.map(({ range, refused }): ChunkSource => {
    const bitmap = newBitmap(range.records);
    for (const [index, is] of refused.entries()) if (is) setBit(bitmap, index);
    return { ...range, file: 0, format, refused: bitmap, ...(columns && { columns }) };
  });
}

const copy = (bytes: Buffer | undefined) => bytes && Buffer.from(bytes);
const lineEnd = fc.constantFrom('\n', '\r\n');
const size = fc.record({ mostRecords: fc.integer({ min: 1, max: 5 }), mostBytes: fc.integer({ min: 1, max: 200 }) });
const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 20 });
const any = fc.string({ unit: 'grapheme', maxLength: 12 });

/** Reads every chunk by its range alone. */
const readAll = (file: Buffer, chunks: ChunkSource[]) =>
  chunks.flatMap((chunk) => recordsOf(chunk, file.subarray(chunk.start, chunk.end)));

test('any mix of JSONL lines, chunked anyhow, gives each record once, in order, with its line number', () => {
  const lines = fc.array(
    fc.oneof(
      fc.record({ record: fc.dictionary(any, fc.jsonValue(), { maxKeys: 3 }) }),
      fc.record({ bad: fc.constantFrom('{"a"', '[]', 'null', 'x') }),
      fc.record({ blank: fc.constantFrom('', ' ', '\t') }),
    ),
  );
  fc.assert(
    fc.property(lines, lineEnd, fc.boolean(), fc.boolean(), size, cuts, (given, eol, mark, ended, sizes, at) => {
      const texts = given.map((line) =>
        'record' in line ? JSON.stringify(line.record) : 'bad' in line ? line.bad : line.blank,
      );
      const file = Buffer.from(`${mark ? '\ufeff' : ''}${texts.join(eol)}${ended ? eol : ''}`);
      const chunks = split(file, 'jsonl', sizes, at);
      const counted = given.flatMap((line, index) => ('blank' in line ? [] : [{ line, number: index + 1 }]));
      const wanted = counted.flatMap(({ line, number }, n) =>
        'record' in line ? [{ n, line: number, record: JSON.parse(JSON.stringify(line.record)) }] : [],
      );
      expect(readAll(file, chunks).map(({ n, line, record }) => ({ n, line, record }))).toEqual(wanted);
      expect(chunks.reduce((sum, chunk) => sum + chunk.records, 0)).toBe(counted.length);
      for (const { records, start, end } of chunks)
        expect(records <= sizes.mostRecords && (end - start <= sizes.mostBytes || records === 1)).toBe(true);
    }),
  );
});

test('any CSV, chunked anyhow, gives each record once, in order', () => {
  const field = fc.string({
    unit: fc.oneof(fc.constantFrom('"', ',', '\n', '\r', ' ', 'ß'), fc.string({ unit: 'grapheme' })),
    maxLength: 8,
  });
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const cell = fc.tuple(field, fc.boolean()).map(([text, always]) => ({
    text,
    written: always || text === '' || /[",\r\n]|^\ufeff/.test(text) ? quoted(text) : text,
  }));
  const rows = fc.array(fc.array(cell, { minLength: 3, maxLength: 3 }));
  fc.assert(
    fc.property(rows, lineEnd, fc.boolean(), fc.boolean(), size, cuts, (given, eol, mark, ended, sizes, at) => {
      const lines = ['a,"b\n",c', ...given.map((row) => row.map(({ written }) => written).join(','))];
      const file = Buffer.from(`${mark ? '\ufeff' : ''}${lines.join(eol)}${ended ? eol : ''}`);
      const read = readAll(file, split(file, 'csv', sizes, at));
      expect(read.map(({ record }) => Object.values(record as object))).toEqual(
        given.map((row) => row.map(({ text }) => text)),
      );
    }),
  );
});
