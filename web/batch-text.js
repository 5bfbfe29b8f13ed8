import { endedRecords, isFinalBatch } from './batch-state.js';
import { formatCost, formatCount, formatMs } from './format.js';

/** How a batch is told. Pure. */

/** @typedef {import('./batch-state.js').Batch} Batch */

/** @type {Record<import('./batch-state.js').BatchStatus, string>} */
export const batchStatusNames = {
  queued: 'Queued',
  splitting: 'Splitting',
  running: 'Running',
  finishing: 'Finishing',
  succeeded: 'Succeeded',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

/** Each is empty where there is nothing to say. @param {Batch} batch @param {number} nowMs */
export function batchTexts(batch, nowMs) {
  const { counts, usage, costUsd, rate, estimatedEndAt, steps = [] } = batch;
  const isOver = isFinalBatch(batch);
  const leftMs = estimatedEndAt === undefined || isOver ? Number.NaN : Date.parse(estimatedEndAt) - nowMs;
  const ended = formatCount(isOver ? counts.succeeded : endedRecords(batch));
  return {
    title: batch.pipeline ?? 'Own steps',
    records: counts.total === undefined ? `${ended} records` : `${ended} of ${formatCount(counts.total)} records`,
    failed: some(counts.failed, 'failed'),
    cancelled: some(counts.cancelled, 'cancelled'),
    filtered: some(counts.filtered ?? 0, 'filtered out'),
    rate: rate === undefined || rate === 0 || isOver ? '' : `${formatCount(rate)}/s`,
    tokens: usage === undefined ? '' : some(usage.inputTokens + usage.outputTokens, 'tokens'),
    cost: costUsd === undefined ? '' : formatCost(costUsd),
    left: Number.isNaN(leftMs) ? '' : `${formatMs(Math.max(0, Math.round(leftMs / 1000) * 1000))} left`,
    steps: steps.map(({ name, status }) => ({ name, status })),
  };
}

/** @param {number} count @param {string} what */
function some(count, what) {
  return count === 0 ? '' : `${formatCount(count)} ${what}`;
}
