import { describe, expect, it } from 'vitest';
import { dangersIn, textIn } from '../../test/support/html-check.ts';
import { defaultBody, fillBody } from '../core/report-body.ts';
import { type Chart, chartOf } from '../core/report-charts.ts';
import { reportHtml, reportMarkdown } from './report-html.ts';

const hostile = [
  '<script>alert(1)</script>',
  '<img src=x onerror=alert(1)>',
  '[x](javascript:alert(1))',
  '\\[x](javascript:alert(1))',
  '![x](https://evil.example/?q=1)',
  '[x]: javascript:alert(1)\n\n[x]',
  '<javascript:alert(1)>',
  '"><svg onload=alert(1)>',
  "' onmouseover='alert(1)",
  '</style><script>alert(1)</script>',
  '```\n</code></pre><script>alert(1)</script>\n```',
  '    <script>alert(1)</script>',
  '&lt;script&gt;',
  '[x](java\nscript:alert(1))',
  '<a href="data:text/html,<script>alert(1)</script>">x</a>',
  ']]></text><script>alert(1)</script>',
  '{% $x %}',
  '<!--',
  '|\n|---|\n|<b onclick=x>',
  'https://evil.example www.evil.example me@evil.example',
];

const chart = (type: Chart['type'], label: string): Chart =>
  chartOf({ type, title: label, x: '', y: '' }, [label, 'b'], [1, 2]);

function everywhere(text: string) {
  const counts = { succeeded: 1, failed: 0, cancelled: 0, running: 0 };
  const groups = [{ id: 'g', key: text, count: 1, summary: text, error: { code: 'x', message: text, records: 1 } }];
  const records = [{ id: text, record: { [text]: text }, steps: {} }];
  const body = [
    defaultBody({ counts, reduces: [{ name: 'topics', groups }], records: [] }),
    defaultBody({ counts, reduces: [], records }),
    fillBody(
      'in a line {% x %} and\n\n- {% x %}\n\n| a |\n|---|\n| {% x %} |\n\n{% x %}\n\n{% x %}\n\n{% x %}\n\n{% x %}',
      [
        ...Array(4).fill({ value: text }),
        { value: [text, text] },
        { value: [{ [text]: text }] },
        { value: { a: { [text]: [text] } } },
      ],
    ),
  ].join('\n\n');
  const charts = [
    chart('bar', text),
    chart('line', text),
    chart('pie', text),
    chartOf({ type: 'bar', title: text, x: '', y: '' }, 1, [1, 2]),
  ];
  return { title: text, charts, body };
}

describe('hostile data in every place', () => {
  it.each(hostile)('%j', async (text) => {
    const parts = everywhere(text);
    const html = await reportHtml(parts);
    expect(dangersIn(html)).toEqual([]);
    const markdown = reportMarkdown(parts);
    // Whatever renders the Markdown: no tag in it, and outside of code no link.
    expect(markdown).not.toMatch(/<[a-z!/]/i);
    expect(markdown.replace(/^```json$[\s\S]*?^```$/gm, '')).not.toMatch(/\]\(/);
  });

  it('all at once, and it can still be read', async () => {
    const html = await reportHtml(everywhere(hostile.join('\n')));
    expect(dangersIn(html)).toEqual([]);
    expect(textIn(html)).toContain('<script>alert(1)</script>');
  });
});

describe('Markdown of the pipeline itself', () => {
  const html = (body: string) => reportHtml({ title: 't', charts: [], body });

  it('has no HTML either', async () => {
    const made = await html(
      '<script>alert(1)</script>\n\na <b onclick="x">b</b> ![i](https://x.y/z.png "t")\n\n<img src=x>',
    );
    expect(dangersIn(made)).toEqual([]);
    expect(textIn(made)).toContain('<b onclick="x">b</b> i');
  });

  it('has links to the web and to mail, and to nothing else', async () => {
    const made = await html(
      '[a](https://x.y/?a=1&b="2") [b](mailto:me@x.y) [c](javascript:alert(1)) [d](data:text/html,x) [e](JAVASCRIPT:x) [f](/v1/jobs) [g](vbscript:x)',
    );
    expect(made.match(/<a /g)).toHaveLength(2);
    expect(dangersIn(made).filter((danger) => danger !== '<a>')).toEqual([]);
  });
});

describe('charts', () => {
  it.each(['bar', 'line', 'pie'] as const)('%s: a drawing and its table, the same each time', async (type) => {
    const parts = { title: 't', charts: [chart(type, 'Größe')], body: '' };
    const html = await reportHtml(parts);
    expect(html.match(/<svg /g)).toHaveLength(1);
    expect(html).toContain('role="img" aria-label="Größe"');
    expect(html).not.toMatch(/zr\d/);
    expect(textIn(html)).toContain('Größe');
    expect(await reportHtml(parts)).toBe(html);
    expect(reportMarkdown(parts)).toContain('| Größe | 1 |\n| b | 2 |');
  });

  it('one that cannot be drawn says why, and the others are there', async () => {
    const bad = chartOf({ type: 'bar', title: 'Bad', x: '', y: '' }, ['a'], ['b']);
    const html = await reportHtml({ title: 't', charts: [bad, chart('bar', 'good')], body: '' });
    expect(textIn(html)).toContain('chart_not_numbers: y has a value that is no number, at 0');
    expect(html.match(/<svg /g)).toHaveLength(1);
  });
});
