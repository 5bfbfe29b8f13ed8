import { expect, test } from 'vitest';
import { type Step, stepsSchema } from '../core/pipeline.ts';
import { expressionProblems } from './check-steps.ts';

const steps = (given: object[]): Step[] => stepsSchema.parse(given);
const paths = (given: object[]) => expressionProblems(steps(given)).map(({ path }) => path);

test('steps whose expressions can be read have no problem, whatever else their texts hold', () => {
  expect(
    paths([
      { name: 'keep', type: 'transform', filter: '{% $record.stars > 3 %}', map: { text: '{% $record.text %}', n: 1 } },
      {
        name: 'judge',
        type: 'inference',
        model: 'm',
        dependsOn: ['keep'],
        input: { messages: [{ role: 'user', content: [{ text: '{% "Judge: " & $record.text %}' }] }] },
      },
      {
        name: 'groups',
        type: 'reduce',
        dependsOn: ['judge'],
        groupBy: '{% $record.lang %}',
        content: '{% $steps.judge.text %}',
        model: 'm',
        instructions: 'Sum up: {% is no expression here',
      },
      {
        name: 'report',
        type: 'report',
        dependsOn: ['groups'],
        title: 'Report',
        body: 'There are {% $count(groups) %} groups, 100 % of {them}: {% groups.key %}',
        charts: [{ type: 'bar', title: 'Groups', x: '{% groups.key %}', y: '{% groups.count %}' }],
      },
    ]),
  ).toEqual([]);
});

test('each expression that cannot be read is named with its place and position', () => {
  const found = expressionProblems(
    steps([
      { name: 'keep', type: 'transform', filter: '{% $record. %}', map: ['{% 1 + %}', { deep: '{% ( %}' }] },
      { name: 'ask', type: 'inference', model: 'm', input: { messages: [{ content: '{% [1 %}' }] } },
      { name: 'sum', type: 'reduce', model: 'm', instructions: 'x', groupBy: '{% } %}', content: '{% ) %}' },
      {
        name: 'tell',
        type: 'report',
        title: 't',
        body: 'fine {% 1 %}, not {% 1 + %}',
        charts: [{ type: 'pie', title: 't', x: '{% [ %}', y: '{% { %}' }],
      },
    ]),
  );
  expect(found.map(({ path }) => path)).toEqual([
    'steps[0].filter',
    'steps[0].map[0]',
    'steps[0].map[1].deep',
    'steps[1].input.messages[0].content',
    'steps[2].groupBy',
    'steps[2].content',
    'steps[3].body',
    'steps[3].charts[0].x',
    'steps[3].charts[0].y',
  ]);
  expect(found[0]?.message).toMatch(/at character \d+/);
});

test('a filter, a key and an axis are expressions and nothing else', () => {
  expect(
    expressionProblems(
      steps([
        { name: 'a', type: 'transform', filter: '$record.stars > 3' },
        { name: 'b', type: 'reduce', model: 'm', instructions: 'x', groupBy: 'lang' },
      ]),
      'here',
    ),
  ).toEqual([
    { path: 'here[0].filter', message: 'a JSONata expression inside {% %}' },
    { path: 'here[1].groupBy', message: 'a JSONata expression inside {% %}' },
  ]);
});

test('a step without expressions, and an expression that is longer than one may be', () => {
  expect(paths([{ name: 'a', type: 'inference', model: 'm' }])).toEqual([]);
  expect(paths([{ name: 'a', type: 'transform', filter: `{% ${'1 + '.repeat(2_000)}1 %}` }])).toEqual([
    'steps[0].filter',
  ]);
});
