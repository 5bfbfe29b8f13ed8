/**
 * A record on its way through a pipeline, as a line of a segment. A line is whole: it carries the record and what each
 * step before made of it, so that the next step, the join and a report need one reading only.
 */

/** The form in which a record came in: the same goes out. */
export type RecordShape = 'plain' | 'bedrock' | 'openai';

export interface RecordPlace {
  /** Position in its dataset, from 0: every line that is not blank counts, refused ones too. */
  n: number;
  /** Index of its file. */
  file: number;
  /** Line number in that file, from 1. */
  line: number;
  /** The record's own id (`recordId`, `custom_id`, `id`), else made of its position. */
  id: string;
}

export interface RecordLine extends RecordPlace {
  shape: RecordShape;
  record: unknown;
  /** What each inference step before answered, by its name: what the operation gave (`converse`: Bedrock's response). */
  steps: Record<string, unknown>;
}

/** Why a record has no answer. `retryable`: the same may succeed later. */
export interface RecordFailure {
  step: string;
  code: string;
  message: string;
  retryable: boolean;
}

export interface FailedLine extends RecordPlace {
  failed: RecordFailure;
}

/** Taken out by a transform's filter: it is not an error, and no later step sees it. */
export interface FilteredLine extends RecordPlace {
  filtered: true;
}

export type SegmentLine = RecordLine | FailedLine | FilteredLine;

export function isRecordLine(line: SegmentLine): line is RecordLine {
  return 'record' in line;
}

export function isFailedLine(line: SegmentLine): line is FailedLine {
  return 'failed' in line;
}
