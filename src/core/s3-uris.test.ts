import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { refusedUris } from './s3-uris.ts';

const allowed = ['s3://penstock/demo/', 's3://shared/prompts/'];
const paths = (request: unknown) => refusedUris(request, allowed, 'input').map(({ path }) => path);
const isRefused = (uri: string) => paths({ uri }).length > 0;

test.each([
  's3://penstock/demo/a.jsonl',
  's3://penstock/demo/deep/er/a',
  's3://shared/prompts/x?y#z',
  's3://penstock/demo/',
])('%j lies where the tenant may go', (uri) => {
  expect(paths({ uri })).toEqual([]);
});

describe('refused', () => {
  test.each([
    ['another tenant', 's3://penstock/other/a'],
    ['a neighbour whose name begins alike', 's3://penstock/demo2/a'],
    ['the prefix without its slash', 's3://penstock/demo'],
    ['another bucket', 's3://elsewhere/demo/a'],
    ['a bucket whose name begins alike', 's3://penstock2/demo/a'],
    ['the bucket alone', 's3://penstock'],
    ['a way up', 's3://penstock/demo/../other/a'],
    ['a way up at the end', 's3://penstock/demo/..'],
    ['a dot', 's3://penstock/demo/./a'],
    ['an encoded dot', 's3://penstock/demo/%2e%2e/other/a'],
    ['an encoded dot in capitals', 's3://penstock/demo/%2E%2E/other/a'],
    ['an encoded slash', 's3://penstock/demo/..%2fother/a'],
    ['an encoded backslash', 's3://penstock/demo/%5c..'],
    ['a backslash', 's3://penstock/demo/..\\other'],
    ['an empty segment', 's3://penstock/demo//a'],
    ['an empty segment before the prefix', 's3://penstock//demo/a'],
    ['no bucket', 's3:///penstock/demo/a'],
    ['the scheme in capitals', 'S3://penstock/demo/a'],
    ['the scheme in mixed case', 's3://Penstock/demo/a'],
    ['the tenant in capitals', 's3://penstock/Demo/a'],
    ['white space before it', ' s3://penstock/demo/a'],
    ['a line break before it', '\ns3://penstock/demo/a'],
    ['a control character within', 's3://penstock/demo/a\u0000b'],
    ['a byte order mark before it', '\ufeffs3://penstock/demo/a'],
  ])('%s', (_what, uri) => {
    expect(paths({ uri })).toEqual(['input.uri']);
  });
});

test('each place is named, at any depth, in values and in names', () => {
  const request = {
    messages: [
      { content: [{ document: { source: { s3Location: { uri: 's3://penstock/other/a' } } } }, { text: 'ok' }] },
    ],
    's3://penstock/other/key': 1,
    list: ['s3://penstock/demo/fine', 's3://elsewhere/x'],
  };
  expect(paths(request).sort()).toEqual([
    'input.list[1]',
    'input.messages[0].content[0].document.source.s3Location.uri',
    'input.s3://penstock/other/key',
  ]);
});

test('prose that mentions a place is no URI', () => {
  expect(paths({ text: 'copy it from s3://elsewhere/x please', other: 'http://s3://x' })).toEqual([]);
});

test('nothing is allowed where no prefix is', () => {
  expect(refusedUris({ uri: 's3://penstock/demo/a' }, [], 'input')).toHaveLength(1);
});

test('whatever is appended to an allowed prefix, a URI that passes stays under it once it is resolved', () => {
  const piece = fc.constantFrom(
    '..',
    '.',
    '/',
    '//',
    'a',
    '%2e',
    '%2E',
    '%2f',
    '\\',
    ' ',
    '\t',
    'other',
    '%252e',
    '?',
    '#',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const uri = `s3://penstock/demo/${pieces.join('')}`;
      if (isRefused(uri)) return;
      for (const name of [uri, decodeURIComponent(uri)])
        expect(resolved(name.slice('s3:/'.length))).toMatch(/^\/penstock\/demo(\/|$)/);
    }),
    { numRuns: 2000 },
  );
});

/** The path as a file system would see it, by a way of its own. */
function resolved(path: string): string {
  const left: string[] = [];
  for (const segment of path.split(/[/\\]/)) {
    if (segment === '..') left.pop();
    else if (segment !== '' && segment !== '.') left.push(segment);
  }
  return `/${left.join('/')}`;
}
