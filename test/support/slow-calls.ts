import { eventually } from './eventually.ts';
import { promptOf, submitAll } from './load.ts';
import type { Stack } from './stack.ts';
import { nova } from './test-lanes.ts';

export const inFlight = 20;
const texts = Array.from({ length: inFlight }, (_, index) => promptOf(index));

/** For the emulator: each call takes four seconds. */
export const slowModel = { [nova]: { latency: { firstTokenMs: 4_000, perTokenMs: 0, spread: 0 } as const } };

/** Gives the one worker of a stack 20 slow calls, and waits until all are in flight. */
export async function withCallsInFlight(own: Stack): Promise<string[]> {
  const ids = await submitAll(own, texts);
  await eventually(async () => (await own.emulator.stats())[nova]?.started === inFlight, {
    timeoutMs: 30_000,
    what: `${inFlight} calls are in flight`,
  });
  return ids;
}
