/**
 * What the page knows of batches, and what it says of them. Pure: no socket, no clock, no document.
 *
 * A batch is told of from two sides, which pass each other: frames of the live connection, and the list that is read now
 * and then. Neither may take a batch back from where the other has brought it: see `isBehind`.
 */

/** @typedef {'queued' | 'splitting' | 'running' | 'finishing' | 'succeeded' | 'failed' | 'cancelled'} BatchStatus */
/** @typedef {{ total?: number, succeeded: number, failed: number, cancelled: number, running: number, filtered?: number }} Counts */

/**
 * A batch as `GET /v1/batches/{id}` answers; the fields that the page shows.
 * @typedef {object} Batch
 * @property {string} id
 * @property {BatchStatus} status
 * @property {string} createdAt
 * @property {Counts} counts
 * @property {string} [pipeline]
 * @property {number} [generation]
 * @property {{ name: string, type: string, status: string, error?: { code: string, message: string } }[]} [steps]
 * @property {{ inputTokens: number, outputTokens: number }} [usage]
 * @property {number} [costUsd]
 * @property {number} [rate] records a second
 * @property {string} [estimatedEndAt]
 * @property {{ code: string, message: string }} [error]
 * @property {{ reports?: Record<string, string> }} [urls]
 */

/** `isUnlisted`: started here, and not seen in a list yet. @typedef {{ batch: Batch, isUnlisted: boolean }} BatchState */

/** @type {Record<BatchStatus, number>} */
const places = { queued: 0, splitting: 1, running: 2, finishing: 3, succeeded: 4, failed: 4, cancelled: 4 };

/** True for the states that only a retry leaves. @param {Batch} batch */
export function isFinalBatch({ status }) {
  return places[status] === 4;
}

/** Records that are not worked on any more. @param {Batch} batch */
export function endedRecords({ counts }) {
  return counts.succeeded + counts.failed + counts.cancelled + (counts.filtered ?? 0);
}

/** True where `told` is older than what is known: an earlier generation, an earlier state, fewer records. @param {Batch} known @param {Batch} told */
export function isBehind(known, told) {
  const generations = (told.generation ?? 1) - (known.generation ?? 1);
  if (generations !== 0) return generations < 0;
  const steps = places[told.status] - places[known.status];
  if (steps !== 0) return steps < 0;
  return !isFinalBatch(told) && endedRecords(told) < endedRecords(known);
}

/**
 * The list as it was read: what it does not have is gone, unless it was started here since it was asked for.
 * @param {readonly BatchState[]} known @param {readonly Batch[]} items newest first @returns {BatchState[]}
 */
export function applyList(known, items) {
  const unlisted = known.filter(({ batch, isUnlisted }) => isUnlisted && !items.some(({ id }) => id === batch.id));
  const listed = items.map((told) => {
    const before = known.find(({ batch }) => batch.id === told.id)?.batch;
    return { batch: before !== undefined && isBehind(before, told) ? before : told, isUnlisted: false };
  });
  return newestFirst([...unlisted, ...listed]);
}

/** One batch as it was told: by a frame, or in answer to what was asked here. @param {readonly BatchState[]} known @param {Batch} told @returns {readonly BatchState[]} */
export function applyBatch(known, told) {
  const before = known.find(({ batch }) => batch.id === told.id);
  if (before === undefined) return newestFirst([{ batch: told, isUnlisted: true }, ...known]);
  if (isBehind(before.batch, told)) return known;
  return known.map((state) => (state === before ? { ...before, batch: told } : state));
}

/** @param {BatchState[]} states */
function newestFirst(states) {
  return states.toSorted((a, b) => b.batch.createdAt.localeCompare(a.batch.createdAt));
}

/** What is followed by the live connection; `ref` leads an answer back. @param {readonly BatchState[]} known */
export function subscribeFrames(known) {
  return known.flatMap(({ batch }) =>
    isFinalBatch(batch) ? [] : [{ type: 'subscribe', ref: `${refPrefix}${batch.id}`, batchId: batch.id }],
  );
}

const refPrefix = 'batch/';

/** True for what comes over the live connection about batches. @param {any} frame */
export function isBatchFrame(frame) {
  return String(frame?.type).startsWith('batch.') || String(frame?.ref).startsWith(refPrefix);
}

/** What can be done with it. @param {Batch} batch */
export function actionsOf(batch) {
  const { counts, status, urls } = batch;
  const isOver = isFinalBatch(batch);
  return {
    canCancel: !isOver,
    canRetry: isOver && (status !== 'succeeded' || counts.failed > 0),
    hasOutput: isOver && counts.succeeded > 0,
    hasErrors: isOver && counts.failed > 0,
    reports: Object.keys(urls?.reports ?? {}),
  };
}

/** Percent of the records that have ended; undefined while nobody knows how many there are. @param {Batch} batch */
export function percentOf(batch) {
  const { total } = batch.counts;
  if (total === undefined || total === 0) return isFinalBatch(batch) ? 100 : undefined;
  return Math.min(100, Math.floor((100 * endedRecords(batch)) / total));
}

/** By the ends of names: a browser often does not know a dataset's type. @type {Record<string, string>} */
const contentTypes = {
  jsonl: 'application/jsonl',
  ndjson: 'application/jsonl',
  csv: 'text/csv',
  json: 'application/json',
};

/** The type that a file is uploaded as; undefined for what is no dataset. @param {string} name */
export function datasetType(name) {
  const end = name.toLowerCase().split('.').at(-1) ?? '';
  return Object.hasOwn(contentTypes, end) ? contentTypes[end] : undefined;
}

/**
 * What is to be sent for a form as it was filled in, or what is wrong with it, and in which field.
 * @param {{ fileName: string | undefined, pipeline: string, maxCost: string }} form
 * @returns {{ ok: true, contentType: string, choices: { pipeline: string, maxCostUsd?: number } } | { ok: false, field: 'file' | 'pipeline' | 'maxCost', title: string }}
 */
export function readBatchForm({ fileName, pipeline, maxCost }) {
  if (fileName === undefined) return { ok: false, field: 'file', title: 'Choose a dataset first' };
  const contentType = datasetType(fileName);
  if (contentType === undefined)
    return { ok: false, field: 'file', title: 'A dataset is JSON lines (.jsonl), .csv or .json' };
  if (pipeline.trim() === '') return { ok: false, field: 'pipeline', title: 'Name a pipeline' };
  const usd = Number(maxCost);
  if (maxCost.trim() !== '' && !(Number.isFinite(usd) && usd > 0))
    return { ok: false, field: 'maxCost', title: 'A cost limit is an amount above 0' };
  return {
    ok: true,
    contentType,
    choices: { pipeline: pipeline.trim(), ...(maxCost.trim() !== '' && { maxCostUsd: usd }) },
  };
}
