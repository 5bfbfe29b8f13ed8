import { isRecordLine, type RecordLine, type SegmentLine } from '../core/record-line.ts';
import type { StateDeps } from './state-deps.ts';

/** Segments: what a chunk's worker made since its last checkpoint, one line of JSON a record, never changed once named. */

const contentType = 'application/jsonl';
/** A chunk has a handful of segments; more at once gains nothing. */
const readAtOnce = 8;

/** Writes a segment under `segmentKey(...)`. Safe to run twice. Throws AwsError. */
export async function writeSegment(
  deps: Pick<StateDeps, 'objects'>,
  key: string,
  lines: readonly SegmentLine[],
): Promise<void> {
  await deps.objects.putText(key, lines.map((line) => `${JSON.stringify(line)}\n`).join(''), contentType);
}

/** The lines of a chunk's segments by n; of a record the last line counts. `keys` in the order of the chunk item. */
export async function readSegments(
  deps: Pick<StateDeps, 'objects'>,
  keys: readonly string[],
): Promise<Map<number, SegmentLine>> {
  const lines = new Map<number, SegmentLine>();
  for (let from = 0; from < keys.length; from += readAtOnce) {
    const texts = await Promise.all(keys.slice(from, from + readAtOnce).map((key) => deps.objects.getText(key)));
    for (const text of texts) for (const line of linesOf(text)) lines.set(line.n, line);
  }
  return lines;
}

function linesOf(text: string): SegmentLine[] {
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as SegmentLine]));
}

/**
 * The records that all of `sources` have, in order: what a step that depends on several steps sees. The record itself is
 * that of the first; the answers come together.
 */
export function mergedRecords(sources: readonly ReadonlyMap<number, SegmentLine>[]): RecordLine[] {
  const [first, ...others] = sources;
  const records = [...(first?.values() ?? [])].filter(isRecordLine).sort((a, b) => a.n - b.n);
  return records.flatMap((record) => {
    const same = others.map((lines) => lines.get(record.n));
    if (!same.every((line) => line !== undefined && isRecordLine(line))) return [];
    const answers = (same as RecordLine[]).map((line) => line.steps);
    return [{ ...record, steps: Object.assign({}, ...answers, record.steps) as Record<string, unknown> }];
  });
}
