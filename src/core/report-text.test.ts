import { describe, expect, it } from 'vitest';
import { blockText, inlineText, markdownTable } from './report-text.ts';

describe('inlineText', () => {
  it.each([
    ['a <b> & [c](javascript:x)', 'a &lt;b&gt; &amp; &#91;c&#93;(javascript:x)'],
    [
      '\\[x](y) `code` | *bold* _it_ # ~',
      '&#92;&#91;x&#93;(y) &#96;code&#96; &#124; &#42;bold&#42; &#95;it&#95; &#35; &#126;',
    ],
    ['two\n\n# lines', 'two &#35; lines'],
    ['https://x.y me@x.y', 'https&#58;//x.y me&#64;x.y'],
    [0.1 + 0.2, '0.3'],
    [1234567.5, '1234567.5'],
    [true, 'true'],
    [null, ''],
    [undefined, ''],
    [['a', 1, null], 'a, 1, '],
    [{ a: '<i>' }, '{"a":"&lt;i&gt;"}'],
  ])('%j', (value, text) => expect(inlineText(value)).toBe(text));
});

describe('blockText', () => {
  it('keeps lists and emphasis of a text, makes its headings small, and no HTML, link or code of it', () => {
    const text = '# Big\n\n- **one** <script>\n- two [x](y)\n\n    code\n\nTitle\n===';
    expect(blockText(text)).toBe('#### Big\n\n- **one** &lt;script&gt;\n- two &#91;x&#93;(y)\n\n   code\n\nTitle');
  });

  it('records are a table, with all their columns and cells without bars or lines', () => {
    expect(
      blockText([
        { a: 1, b: 'x|y' },
        { a: 2, c: 'p\nq' },
      ]),
    ).toBe('| a | b | c |\n| --- | --- | --- |\n| 1 | x&#124;y |  |\n| 2 |  | p q |');
  });

  it('a list is a list, anything else JSON without a tag in it', () => {
    expect(blockText(['a', 2])).toBe('- a\n- 2');
    expect(blockText({ a: ['</script>`'] })).toBe(
      '```json\n{\n  "a": [\n    "\\u003c/script\\u003e\\u0060"\n  ]\n}\n```',
    );
    expect(
      JSON.parse(
        blockText({ a: ['</b>'] })
          .split('\n')
          .slice(1, -1)
          .join('\n'),
      ),
    ).toEqual({ a: ['</b>'] });
  });

  it('says how many rows are not shown', () => {
    const table = markdownTable(
      ['n'],
      Array.from({ length: 203 }, (_, n) => [n]),
    );
    expect(table.split('\n')).toHaveLength(2 + 200 + 2);
    expect(table).toMatch(/3 more$/);
  });
});
