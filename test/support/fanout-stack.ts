import type { FanoutView } from './fanouts.ts';
import { type Stack, startStack } from './stack.ts';
import { claude, nova, testLanes, testLimits } from './test-lanes.ts';

export const pro = 'amazon.nova-pro-v1:0';

/** One stack with a router, for all tests of a file: lanes for nova, claude and pro, and for these targets. */
export async function startFanoutStack(targets: Record<string, Lane> = {}): Promise<Stack> {
  const { lanes } = testLanes();
  const like = ({ models, operations }: Lane) => ({ ...lanes['nova-lite'], models, operations });
  const all = { 'nova-pro': { models: [pro], operations: ['converse', 'invoke'] }, ...targets };
  const more = Object.fromEntries(Object.entries(all).map(([name, lane]) => [name, like(lane)]));
  return await startStack({ router: 1, limits: testLimits, lanes: { lanes: { ...lanes, ...more } } });
}

interface Lane {
  models: string[];
  operations: string[];
}

/** Between two tests: no faults, and the models as they were. */
export async function clearModels({ emulator }: Stack): Promise<void> {
  await emulator.clearFaults();
  for (const model of [nova, claude, pro]) await emulator.resetModel(model);
}

/** Latency of a model that takes its time to begin, and none after that. */
export const slowly = (firstTokenMs: number) => ({ latency: { firstTokenMs, perTokenMs: 0, spread: 0 } }) as const;

/** Branches b0, b1 and so on. */
export const branchesOf = (models: readonly string[]) => models.map((model, index) => ({ name: `b${index}`, model }));

export async function finishedFanout(stack: Stack, id: string): Promise<FanoutView> {
  return (await stack.waitForFinal([id]))[0] as FanoutView;
}
