import { AwsError } from '../aws/aws-error.ts';
import type { Step } from '../core/pipeline.ts';
import { hashOf } from '../core/request-hash.ts';
import { type BatchItem, specKey } from './batch-item.ts';
import type { StateDeps } from './state-deps.ts';

/** The steps of a batch, by the hash of what they say: the `batch` item names the version that counts. */

/** Small, and read for every chunk: some are kept. A version never changes. */
const mostKept = 50;

/** The version of steps: the same steps have the same one, whoever writes them. */
export function versionOf(steps: readonly Step[]): string {
  return hashOf(steps).slice(0, 16);
}

/** Writes the steps; gives their version. Safe to run twice. Throws AwsError. */
export async function putSpec(deps: StateDeps, batchId: string, steps: readonly Step[]): Promise<string> {
  const version = versionOf(steps);
  await deps.tables.put('batches', {
    ...specKey(batchId, version),
    steps: JSON.stringify(steps),
    ttl: Math.ceil((deps.now() + 2 * deps.retentionMs) / 1000),
  });
  return version;
}

/** Reads steps, and keeps those of the last batches. Rejects with AwsError; `not_found` if there are none. */
export function createSpecReader(
  deps: StateDeps,
): (batch: Pick<BatchItem, 'pk' | 'pipelineVersion'>) => Promise<Step[]> {
  const kept = new Map<string, Step[]>();
  return async ({ pk, pipelineVersion }) => {
    const name = `${pk}#${pipelineVersion}`;
    const known = kept.get(name);
    if (known !== undefined) return known;
    const item = await deps.tables.get('batches', specKey(pk, pipelineVersion));
    if (typeof item?.steps !== 'string') throw new AwsError('not_found', 'read the steps', `of ${pk}`);
    const steps = JSON.parse(item.steps) as Step[];
    const [oldest] = kept.keys();
    if (kept.size >= mostKept && oldest !== undefined) kept.delete(oldest);
    kept.set(name, steps);
    return steps;
  };
}
