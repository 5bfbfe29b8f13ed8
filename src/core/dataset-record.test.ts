import { expect, test } from 'vitest';
import { csvColumns, csvFields, parseRecord, shapeOf } from './dataset-record.ts';

const json = (text: string) => parseRecord(Buffer.from(text), 'jsonl');
const csv = (text: string) => parseRecord(Buffer.from(text), 'csv', ['id', 'name']);

test.each([
  ['{"id": "a", "x": 1}', 'plain', 'a'],
  ['{"id": 7}', 'plain', '7'],
  ['{"id": ""}', 'plain', undefined],
  ['{"id": {}}', 'plain', undefined],
  ['{}', 'plain', undefined],
  ['{"recordId": "r1", "modelInput": {}}', 'bedrock', 'r1'],
  ['{"modelInput": {}, "id": "not this"}', 'bedrock', undefined],
  ['{"modelInput": "text", "id": "p"}', 'plain', 'p'],
  ['{"custom_id": "c", "method": "POST", "url": "/v1/chat/completions", "body": {}}', 'openai', 'c'],
  ['{"custom_id": "c", "id": "p"}', 'plain', 'p'],
])('%s is %s', (text, shape, ownId) => {
  expect(json(text)).toEqual({ shape, record: JSON.parse(text), ...(ownId !== undefined && { ownId }) });
});

test.each([
  ['{"a": 1', 'invalid_json'],
  ["{'a': 1}", 'invalid_json'],
  ['[1]', 'not_an_object'],
  ['null', 'not_an_object'],
  ['"text"', 'not_an_object'],
])('%s is refused: %s', (text, code) => {
  expect(json(text)).toEqual({ code, message: expect.any(String) });
});

test('bytes that are not UTF-8, and records that were too long', () => {
  expect(parseRecord(Buffer.from([0x7b, 0xff, 0x7d]), 'jsonl')).toMatchObject({ code: 'invalid_utf8' });
  expect(parseRecord(Buffer.from([0x61, 0xc3]), 'csv', ['a'])).toMatchObject({ code: 'invalid_utf8' });
  expect(parseRecord(undefined, 'jsonl')).toMatchObject({ code: 'line_too_long' });
});

test.each([
  ['1,Ann', { id: '1', name: 'Ann' }],
  ['1,"a, ""b""\nc"', { id: '1', name: 'a, "b"\nc' }],
  [',', { id: '', name: '' }],
  ['1,a\rb', { id: '1', name: 'a\rb' }],
])('CSV %j', (text, record) => {
  expect(csv(text)).toEqual({ shape: 'plain', record, ...(record.id !== '' && { ownId: record.id }) });
});

test.each([
  ['1', 'column_count'],
  ['1,2,3', 'column_count'],
  ['1,"a', 'invalid_csv'],
  ['1,"a"b', 'invalid_csv'],
  ['1,a"b', 'invalid_csv'],
])('CSV %j is refused: %s', (text, code) => {
  expect(csv(text)).toEqual({ code, message: expect.any(String) });
});

test('columns', () => {
  expect(csvColumns(Buffer.from(' id ,"a,b",'))).toEqual(['id', 'a,b', 'column_3']);
  expect(csvColumns(Buffer.from('a,b,a'))).toMatchObject({ message: 'the header has the column a twice' });
  expect(csvColumns(Buffer.from('a,"b'))).toMatchObject({ code: 'invalid_csv' });
  expect(csvColumns(undefined)).toMatchObject({ code: 'invalid_csv' });
  expect(csvFields('')).toMatchObject({ code: 'invalid_csv' });
});

test('the shape of what is no record', () => {
  for (const odd of [null, undefined, [], 'x', 1]) expect(shapeOf(odd)).toBe('plain');
});

test('a column or member named __proto__ is only a name', () => {
  const parsed = parseRecord(Buffer.from('1,x'), 'csv', ['__proto__', 'b']);
  expect(Object.keys((parsed as { record: object }).record)).toEqual(['__proto__', 'b']);
});
