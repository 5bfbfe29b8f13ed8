import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Totals } from '../../src/core/batch.ts';
import type { ChunkMessage } from '../../src/core/batch-messages.ts';
import { hasBit, newBitmap, setBit } from '../../src/core/bitmap.ts';
import { asChunk, type ChunkItem, chunkKey } from '../../src/state/batch-item.ts';
import { type ChunkProgress, checkpointChunk, endChunk, openChunk } from '../../src/state/checkpoint-chunk.ts';
import { type ChunkClaim, type ClaimOptions, claimChunk, mostLost } from '../../src/state/claim-chunk.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';
import { endLease, renewLease } from '../../src/state/worker-lease.ts';
import { crashing, meanwhile, recording } from '../support/state-races.ts';
import { type StateStores, startStateStores } from '../support/state-stores.ts';

let stores: StateStores;
beforeAll(async () => {
  stores = await startStateStores();
});
afterAll(() => stores.stop());

const leaseMs = 20_000;
const skewMs = 5_000;
const records = 10;
let batches = 0;
const aMessage = (): ChunkMessage => {
  batches += 1;
  return { v: 1, type: 'chunk', batchId: `bat_${batches}`, tenant: 'demo', generation: 1, step: 'ask', chunk: 3 };
};
const stored = async (message: ChunkMessage): Promise<ChunkItem | undefined> =>
  asChunk(await stores.state.tables.get('batches', chunkKey(message.batchId, message.step, message.chunk)));
const claim = async (
  message: ChunkMessage,
  holder: string,
  options: Partial<ClaimOptions> = {},
  state = stores.state,
) => await claimChunk(state, holder, message, { records, holds: false, seen: await stored(message), ...options });
function claimedOf(claimed: ChunkClaim): ChunkItem {
  if (claimed.kind !== 'claimed') throw new Error(JSON.stringify(claimed));
  return claimed.chunk;
}
async function held(message: ChunkMessage, holder: string) {
  await renewLease(stores.state, holder, leaseMs, {}, []);
  return { ...message, item: claimedOf(await claim(message, holder)) };
}
const totals = (succeeded: number, failed: number, costUsd: number): Totals => ({
  succeeded,
  failed,
  filtered: 0,
  usage: { inputTokens: succeeded, outputTokens: succeeded, cacheReadTokens: 0, cacheWriteTokens: 0 },
  costUsd,
});
function bits(...set: number[]): Uint8Array {
  const bitmap = newBitmap(records);
  for (const bit of set) setBit(bitmap, bit);
  return bitmap;
}
/** Three ended, the second of them failed. */
const someProgress: ChunkProgress = {
  segments: ['s0'],
  ended: bits(0, 1, 2),
  failed: bits(1),
  totals: totals(2, 1, 0.5),
};

test('the first claim makes the item, in one write and without a read', async () => {
  const message = aMessage();
  const { state, names } = recording(stores.state);
  const chunk = claimedOf(await claim(message, 'a', {}, state));
  expect(names).toEqual(['tables.update']);
  expect(chunk).toMatchObject({ status: 'running', generation: 1, fence: 1, worker: 'a', segments: [] });
  expect(chunk.totals).toEqual(totals(0, 0, 0));
  expect([...chunk.ended]).toEqual([0, 0]);
  expect(await stored(message)).toEqual(chunk);
});

test('of ten that claim at once, one gets the chunk, whatever they had read', async () => {
  const message = aMessage();
  const holders = Array.from({ length: 10 }, (_, index) => `race-${index}`);
  await Promise.all(holders.map((holder) => renewLease(stores.state, holder, leaseMs, {}, [])));
  const claims = await Promise.all(holders.map((holder) => claim(message, holder, { seen: undefined })));
  expect(claims.map(({ kind }) => kind).sort()).toEqual([...Array(9).fill('busy'), 'claimed']);
  expect(await stored(message)).toMatchObject({ fence: 1 });
});

test('a second copy of the message is busy while the lease lives and clocks may differ, and takes the chunk after that', async () => {
  const message = aMessage();
  const first = await held(message, 'copy-a');
  expect(await claim(message, 'copy-b')).toEqual({ kind: 'busy', retryAfterMs: leaseMs + skewMs });
  expect(await claim(message, 'copy-a', { holds: true })).toMatchObject({ kind: 'busy' });
  await checkpointChunk(stores.state, first, someProgress);
  await endLease(stores.state, 'copy-a');
  const second = claimedOf(await claim(message, 'copy-b'));
  expect(second).toMatchObject({ fence: 2, worker: 'copy-b', segments: ['s0'], totals: someProgress.totals });
  expect([hasBit(second.ended, 2), hasBit(second.ended, 3)]).toEqual([true, false]);
  expect(await checkpointChunk(stores.state, first, { ...someProgress, segments: ['s0', 'late'] })).toBe(false);
  expect(await endChunk(stores.state, first, someProgress)).toBe(false);
  expect(await openChunk(stores.state, first, someProgress)).toBe(false);
  expect(await stored(message)).toEqual(second);
});

test('a claim whose answer was lost is taken up by its own worker at once, and by no other', async () => {
  const message = aMessage();
  await renewLease(stores.state, 'lost-a', leaseMs, {}, []);
  const crashed = crashing(stores.state, 0, 'after');
  await expect(claim(message, 'lost-a', { seen: undefined }, crashed.state)).rejects.toThrow('died');
  expect(await claim(message, 'lost-b')).toMatchObject({ kind: 'busy' });
  expect(claimedOf(await claim(message, 'lost-a', { seen: undefined }))).toMatchObject({ fence: 2, lost: 0 });
});

test('a claimer of a newer generation that was overtaken by a checkpoint reads again, and opens nothing of it', async () => {
  const message = aMessage();
  const first = await held(message, 'slow-a');
  await endLease(stores.state, 'slow-a');
  const write = (name: string) => name === 'tables.update';
  const late = meanwhile(stores.state, write, () => checkpointChunk(stores.state, first, someProgress));
  const again = claimedOf(await claim({ ...message, generation: 2 }, 'slow-b', {}, late));
  expect(again).toMatchObject({ fence: 2, segments: ['s0'], totals: { succeeded: 2, failed: 0 } });
  expect([...again.ended]).toEqual([...bits(0, 2)]);
});

test('an open chunk is anybody’s at once; one that is done is nobody’s', async () => {
  const message = aMessage();
  const first = await held(message, 'open-a');
  expect(await openChunk(stores.state, first, someProgress)).toBe(true);
  const second = { ...message, item: claimedOf(await claim(message, 'open-b')) };
  const all = { ...someProgress, segments: ['s0', 's1'] };
  expect(await endChunk(stores.state, second, all)).toBe(true);
  expect(await endChunk(stores.state, second, all), 'the answer was lost').toBe(true);
  const done = await claim(message, 'open-a');
  expect(done).toMatchObject({ kind: 'done', chunk: { status: 'done', fence: 2, segments: ['s0', 's1'] } });
});

test('a chunk that ended with an error loses it when it goes on', async () => {
  const message = aMessage();
  const first = await held(message, 'error-a');
  await endChunk(stores.state, first, someProgress, { code: 'cost_limit', message: 'all spent' });
  expect(await stored(message)).toMatchObject({ status: 'done', error: { code: 'cost_limit' } });
  const again = claimedOf(await claim({ ...message, generation: 2 }, 'error-b'));
  expect(again).not.toHaveProperty('error');
});

test('a newer generation opens what failed, keeps what succeeded, and knows what was spent before', async () => {
  const message = aMessage();
  await endChunk(stores.state, await held(message, 'gen-a'), someProgress);
  const again = claimedOf(await claim({ ...message, generation: 2 }, 'gen-b'));
  expect(again).toMatchObject({ generation: 2, fence: 2, segments: ['s0'], costBefore: 0.5 });
  expect(again.totals).toEqual({ ...someProgress.totals, failed: 0 });
  expect([...again.ended]).toEqual([...bits(0, 2)]);
  expect([...again.failed]).toEqual([...bits()]);
  expect(await claim(message, 'gen-a')).toEqual({ kind: 'outdated' });
});

test('a chunk that kills whoever has it ends with an error; a checkpoint in between begins the count anew', async () => {
  const message = aMessage();
  const dies = async (index: number): Promise<void> => {
    claimedOf(await claim(message, `dies-${index}`));
  };
  for (let index = 0; index < mostLost; index += 1) await dies(index);
  await checkpointChunk(
    stores.state,
    { ...message, item: claimedOf(await claim(message, 'dies-3', {})) },
    someProgress,
  );
  for (let index = 0; index < mostLost - 1; index += 1) await dies(index);
  expect(await claim(message, 'finds it')).toMatchObject({
    kind: 'done',
    chunk: { status: 'done', error: { code: 'dead_letter' }, segments: ['s0'] },
  });
});

test('every moment at which a claimer may die leaves the chunk to the next', async () => {
  const run = async (state: StateDeps, message: ChunkMessage): Promise<unknown> => {
    const item = claimedOf(await claim(message, 'crash', { seen: undefined }, state));
    return await endChunk(state, { ...message, item }, someProgress);
  };
  for (const when of ['before', 'after'] as const)
    for (let at = 0; at < 2; at += 1) {
      const message = aMessage();
      await expect(run(crashing(stores.state, at, when).state, message)).rejects.toThrow('died');
      expect((await claim(message, 'next')).kind).toBe(at === 1 && when === 'after' ? 'done' : 'claimed');
    }
});
