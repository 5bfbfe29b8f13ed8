import { type BatchOptions, chunkedBatch } from './batch-chunks.ts';
import { eventually } from './eventually.ts';
import { promptHash } from './load.ts';
import { nova, testLanes } from './test-lanes.ts';
import { startWorkerRig } from './worker-rig.ts';

export type ChunkRig = Awaited<ReturnType<typeof startChunkRig>>;

/** Workers for the chunks of batches whose step asks nova, and looks at what they did. */
export async function startChunkRig() {
  const rig = await startWorkerRig({ lanes: testLanes() });
  const { emulator } = rig;
  const { queues } = rig.stores.state;
  const statsOf = async () => (await emulator.stats())[nova];
  const depthOf = () => queues.depth('nova-lite-batch');
  return {
    ...rig,
    batchOf: (options: BatchOptions) => chunkedBatch(rig.stores.state, options),
    /** What the emulator counted of nova. */
    statsOf,
    /** How often each of the prompts was asked. */
    async askedOf(count: number, text: string): Promise<number[]> {
      const asked = (await statsOf())?.prompts ?? {};
      return Array.from({ length: count }, (_, index) => asked[promptHash(`${text} ${index}`)] ?? 0);
    },
    depthOf,
    isEmpty: () =>
      eventually(
        async () => {
          const { visible, inFlight } = await depthOf();
          return visible + inFlight === 0;
        },
        { timeoutMs: 20_000, what: 'the queue of chunks is empty' },
      ),
    /** How many messages ask the schedulers to advance this batch. */
    async advances(batchId: string): Promise<number> {
      const messages = await queues.receiveNow('batch-work', 10, 0);
      return messages.filter(({ body }) => body.includes(batchId) && body.includes('advance')).length;
    },
    /** Between two tests: no faults, nothing counted, nothing to advance. */
    async clear(): Promise<void> {
      await emulator.clearFaults();
      await emulator.resetModel(nova);
      const waiting = await queues.receiveNow('batch-work', 10, 30);
      await Promise.all(waiting.map(({ receiptHandle }) => queues.delete('batch-work', receiptHandle)));
      await emulator.clearStats();
    },
  };
}
