import { expect, test } from 'vitest';
import { isNoData, kindByContent, kindByName, kindByType } from './input-kind.ts';

test.each([
  ['t/a.jsonl', { format: 'jsonl' }],
  ['t/a.NDJSON', { format: 'jsonl' }],
  ['a.b.csv', { format: 'csv' }],
  ['t/cat.JPG', { contentType: 'image/jpeg' }],
  ['t/paper.pdf', { contentType: 'application/pdf' }],
  ['t/film.mp4', { contentType: 'video/mp4' }],
  ['t/a.jsonl.gz', undefined],
  ['t/a.constructor', undefined],
  ['t.csv/a', undefined],
])('%s by its name', (key, kind) => {
  expect(kindByName(key)).toEqual(kind);
});

test.each([
  ['application/x-ndjson; charset=utf-8', { format: 'jsonl' }],
  ['Text/CSV', { format: 'csv' }],
  ['image/png', { contentType: 'image/png' }],
  ['text/plain', undefined],
  ['application/octet-stream', undefined],
  ['', undefined],
])('%s by its type', (type, kind) => {
  expect(kindByType(type)).toEqual(kind);
});

test.each([
  [' \n{"a": 1}', { format: 'jsonl' }],
  ['\ufeff{}', { format: 'jsonl' }],
  ['id,text\n1,x', { format: 'csv' }],
  ['some words\nmore', undefined],
  ['a,b\0\n', undefined],
  ['%PDF-1.7', { contentType: 'application/pdf' }],
  [Buffer.from('89504e470d0a1a0a', 'hex'), { contentType: 'image/png' }],
  ['', undefined],
])('%j by its content', (content, kind) => {
  expect(kindByContent(Buffer.from(content as string))).toEqual(kind);
});

test('what lies beside data', () => {
  expect(['a/', 'a/_SUCCESS', 'a/.part.crc', 'a/part-0.jsonl', '_old/x.csv'].map(isNoData)).toEqual([
    true,
    true,
    true,
    false,
    false,
  ]);
});
