import { expect, it } from 'vitest';
import { chartMarkdown, chartOf, mostPoints } from './report-charts.ts';

const step = { type: 'bar', title: 'A *title*', x: 'x', y: 'y' } as const;

it.each([
  [['a', 'b'], [1], 'chart_lengths_differ', 'x has 2 labels, y has 1 numbers'],
  [['a'], ['1'], 'chart_not_numbers', 'y has a value that is no number, at 0'],
  [['a', 'b'], [1, null], 'chart_not_numbers', 'y has a value that is no number, at 1'],
  [undefined, [1], 'chart_lengths_differ', 'x has 0 labels, y has 1 numbers'],
  [
    Array(mostPoints + 1).fill('a'),
    Array(mostPoints + 1).fill(1),
    'chart_too_large',
    '501 points; 500 are drawn at most',
  ],
])('%j %j: %s', (x, y, code, message) => {
  const chart = chartOf(step, x, y);
  expect(chart).toMatchObject({ problem: { code, message } });
  expect(chartMarkdown(chart)).toContain(`> **${code}**: ${message}`);
});

it('takes one value for an array of one, as JSONata gives it, and nothing for none', () => {
  expect(chartOf(step, 'a', 1)).toMatchObject({ points: [{ label: 'a', value: 1 }] });
  expect(chartMarkdown(chartOf(step, undefined, undefined))).toBe('### A &#42;title&#42;\n\nNo data.');
});

it('has labels of anything', () => {
  const chart = chartOf(step, [null, '', 7, true, ['x']], [1, 2, 3, 4, 5]);
  expect('points' in chart && chart.points.map(({ label }) => label)).toEqual([
    '(none)',
    '(none)',
    '7',
    'true',
    '["x"]',
  ]);
  expect(chartMarkdown(chart)).toContain('| 7 | 3 |');
});
