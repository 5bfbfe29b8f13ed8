import { expect, test } from 'vitest';
import { InvalidRequest } from './invalid-request.ts';
import { deepestJson, refuseHostileJson } from './json-body.ts';

const nested = (depth: number) => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`) as unknown;

function refusal(body: unknown) {
  try {
    refuseHostileJson(body);
  } catch (error) {
    return error instanceof InvalidRequest ? error.errors : error;
  }
  return undefined;
}

test('documents are taken down to 100 levels, and no deeper', () => {
  expect(refusal({ input: nested(deepestJson - 1) })).toBeUndefined();
  expect(refusal({ input: nested(deepestJson) })).toEqual([
    { path: 'input', message: 'nested deeper than 100 levels' },
  ]);
});

test('a document of half a million levels does not exhaust the stack', () => {
  expect(refusal(nested(500_000))).toEqual([{ path: '[0]', message: 'nested deeper than 100 levels' }]);
});

test('a number that JSON can write and a double cannot hold is refused, with its place', () => {
  expect(refusal(JSON.parse('{"input":{"inferenceConfig":{"temperature":1e999}}}'))).toEqual([
    { path: 'input.inferenceConfig.temperature', message: 'the number is too large' },
  ]);
});

test('half a surrogate is refused, in a value and in a name', () => {
  expect(refusal(JSON.parse('{"metadata":{"a":"x\\ud800"}}'))).toEqual([
    { path: 'metadata.a', message: 'the text is not valid Unicode' },
  ]);
  expect(refusal(JSON.parse('{"metadata":{"\\udfff":"x"}}'))).toEqual([
    { path: 'metadata', message: 'a name is not valid Unicode' },
  ]);
  expect(refusal({ text: '🚰' })).toBeUndefined();
});

test.each([undefined, null, 0, '', [], {}, { a: null }])('%j is let through', (body) => {
  expect(refusal(body)).toBeUndefined();
});
