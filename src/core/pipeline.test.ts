import { expect, test } from 'vitest';
import { datasetOf, graphProblems, inOrder, leavesOf, type Step, stepsSchema } from './pipeline.ts';

const infer = (name: string, ...dependsOn: string[]): Step => ({
  name,
  type: 'inference',
  model: 'm',
  operation: 'converse',
  dependsOn,
});
const reduce = (name: string, ...dependsOn: string[]): Step => ({
  name,
  type: 'reduce',
  model: 'm',
  instructions: 'sum up',
  dependsOn,
});
const report = (name: string, ...dependsOn: string[]): Step => ({ name, type: 'report', title: 't', dependsOn });

test('a cycle is named with its path, however long', () => {
  expect(graphProblems([infer('a', 'c'), infer('b', 'a'), infer('c', 'b'), infer('free')])).toEqual([
    { path: [0, 'dependsOn'], message: 'a cycle: a -> c -> b -> a' },
  ]);
  expect(graphProblems([infer('own', 'own')])).toEqual([{ path: [0, 'dependsOn'], message: 'a cycle: own -> own' }]);
});

test('unknown names, doubles and what follows a report are refused where they stand', () => {
  expect(graphProblems([infer('a', 'x'), infer('a'), report('r', 'a'), infer('b', 'r')])).toEqual([
    { path: [1, 'name'], message: 'a is there twice' },
    { path: [0, 'dependsOn', 0], message: 'there is no step x' },
    { path: [3, 'dependsOn', 0], message: 'r is a report: nothing comes after it' },
  ]);
});

test('records of the input and groups of a reduce do not go together, but in a report', () => {
  const steps = [infer('a'), reduce('sums', 'a'), infer('b', 'a', 'sums'), report('r', 'a', 'sums')];
  expect(graphProblems(steps)).toEqual([
    {
      path: [2, 'dependsOn'],
      message: 'these steps have different records: the input on one side, the groups of a reduce on another',
    },
  ]);
});

test('the order puts each step after those that it needs, and is the given one otherwise', () => {
  const steps = [infer('c', 'b'), infer('a'), infer('b', 'a'), infer('d')];
  expect(inOrder(steps).map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
});

test('whose records a step has, and which steps together are the output', () => {
  const steps = [infer('a'), infer('b', 'a'), infer('c', 'a'), reduce('sums', 'b'), infer('after', 'sums')];
  expect(steps.map(({ name }) => datasetOf(steps, name))).toEqual(['input', 'input', 'input', 'sums', 'sums']);
  expect(leavesOf(steps, 'input').map(({ name }) => name)).toEqual(['b', 'c']);
  expect(leavesOf(steps, 'sums').map(({ name }) => name)).toEqual(['after']);
});

test('the schema names what is wrong by its path', () => {
  const problems = stepsSchema.safeParse([{ name: 'a', type: 'inference', model: 'm', dependsOn: ['b'], speed: 1 }]);
  expect(problems.error?.issues.map(({ path, message }) => [path.join('.'), message])).toEqual([
    ['0', 'Unrecognized key: "speed"'],
    ['0.dependsOn.0', 'there is no step b'],
  ]);
});
