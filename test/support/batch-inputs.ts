import type { Tables } from '../../src/aws/tables.ts';
import type { Step } from '../../src/core/pipeline.ts';
import type { RecordLine } from '../../src/core/record-line.ts';
import { asSource, type BatchItem, type SourceItem, sourceKey } from '../../src/state/batch-item.ts';
import { readChunkInputs } from '../../src/state/chunk-inputs.ts';
import type { StateDeps } from '../../src/state/state-deps.ts';

export const tenant = 'team-a';

/** One step that reads the input as it is. */
export const oneStep: Step[] = [{ name: 'ask', type: 'inference', model: 'm', operation: 'converse' }];

let made = 0;

/** The record of a batch that is about to be split; nothing is written. */
export function batchOf(inputUri: string, more: Partial<BatchItem> = {}): BatchItem {
  made += 1;
  return {
    pk: `bat_${String(made).padStart(32, '0')}`,
    sk: 'batch',
    tenant,
    status: 'splitting',
    rev: 1,
    generation: 1,
    createdAt: 1_700_000_000_000,
    requestHash: 'hash',
    inputUri,
    pipelineVersion: 'v1',
    listKey: tenant,
    listSort: '1',
    ...more,
  };
}

/** The chunks that a split wrote, in order. */
export async function sourcesOf(tables: Tables, batchId: string): Promise<SourceItem[]> {
  const prefix = sourceKey(batchId, 'input', 0).sk.replace(/\d+$/, '');
  const items = await tables.partition('batches', batchId);
  return items.filter(({ sk }) => String(sk).startsWith(prefix)).map((item) => asSource(item) as SourceItem);
}

/** All records of the input, read chunk by chunk as a worker reads them. */
export async function recordsOfInput(state: StateDeps, batchId: string): Promise<RecordLine[]> {
  const sources = await sourcesOf(state.tables, batchId);
  const chunks = sources.map((_, chunk) =>
    readChunkInputs(state, { tenant, batchId, steps: oneStep, step: 'ask', chunk }),
  );
  return (await Promise.all(chunks)).flatMap(({ records }) => records);
}
