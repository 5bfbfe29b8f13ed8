import { describe, expect, it } from 'vitest';
import { type DefaultBody, defaultBody, expressionsIn, fillBody } from './report-body.ts';

describe('fillBody', () => {
  it('puts values within a line and alone on a line', () => {
    const body = 'All {% $a %} of {%$b%}.\n\n{% $c %}\n\nEnd {% $d %}';
    expect(expressionsIn(body)).toEqual([' $a ', '$b', ' $c ', ' $d ']);
    const values = [{ value: 3 }, { value: 'x\ny' }, { value: [{ n: 1 }] }, { value: undefined }];
    expect(fillBody(body, values)).toBe('All 3 of x y.\n\n| n |\n| --- |\n| 1 |\n\nEnd ');
  });

  it('a value is never read again: neither as an expression nor as a replacement pattern', () => {
    expect(fillBody('{% $a %} {% $b %}', [{ value: '{% $b %}' }, { value: "$& $' $1" }])).toBe("{% $b %} $&amp; $' $1");
  });

  it('names an error in its place', () => {
    const error = { code: 'expression_failed', message: 'no <b>' };
    expect(fillBody('x {% $a %}\n{% $b %}', [{ error }, { error }])).toBe(
      'x **expression_failed**\n> **expression_failed**: no &lt;b&gt;',
    );
  });
});

describe('defaultBody', () => {
  const counts = { total: 5, succeeded: 4, failed: 1, cancelled: 0, running: 0 };
  const base: DefaultBody = { counts, reduces: [], records: [] };

  it('has counts, then each group with its summary or why there is none', () => {
    const groups = [
      { id: 'g1', key: 'price', count: 3, summary: 'Too *dear*.' },
      { id: 'g2', key: null, count: 1, error: { code: 'model_error', message: 'busy', records: 1 } },
    ];
    expect(defaultBody({ ...base, reduces: [{ name: 'topics', groups }] })).toBe(
      [
        '| total | succeeded | failed | cancelled | running |\n| --- | --- | --- | --- | --- |\n| 5 | 4 | 1 | 0 | 0 |',
        '## topics',
        '### price (3)\n\nToo *dear*.',
        '### (none) (1)\n\n> **model_error**: 1 records: busy',
      ].join('\n\n'),
    );
  });

  it('without a reduce has the first 50 records, each with what was answered last', () => {
    const records = Array.from({ length: 60 }, (_, n) => ({
      id: `r${n}`,
      record: { n },
      steps: n === 0 ? {} : { a: { text: 'early' }, b: { text: `late ${n}` } },
    }));
    const body = defaultBody({ ...base, records });
    expect(body.match(/^### /gm)).toHaveLength(50);
    expect(body).toContain('### r1\n\nlate 1');
    expect(body).toContain('### r0\n\n```json');
  });
});
