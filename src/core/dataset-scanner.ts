/**
 * Finds the records of a JSONL or CSV file in its bytes, as they come, without holding more than one record. Each is given
 * with its byte range [start, end), its line end included: whoever reads the range alone finds the same record, so ranges
 * can be cut between any two records. Pure.
 *
 * The ends of CSV records are found here and not by a CSV parser, which would hold a record however long, and would stop
 * at the first broken quote: only quotes decide where a record ends (RFC 4180), so a record that is broken spoils itself only.
 */

export type DatasetFormat = 'jsonl' | 'csv';

/** Of one record without its line end. A file without line ends must not fill the memory. */
export const mostRecordBytes = 1024 * 1024;

export interface ScannedRecord {
  /** From 1: of its first line, where a CSV record has several. */
  line: number;
  start: number;
  end: number;
  /** Without line end and byte order mark; undefined where it is over `mostRecordBytes`. */
  bytes: Buffer | undefined;
}

export interface DatasetScanner {
  /** The records that end in this part. Their bytes are views of it: copy what is kept. Blank lines are left out. */
  push(part: Buffer): ScannedRecord[];
  /** The last record, where the file does not end with a line end. */
  end(): ScannedRecord[];
}

const lineFeed = 10;
const carriageReturn = 13;
const quote = 34;
const comma = 44;
const byteOrderMark = Buffer.from([0xef, 0xbb, 0xbf]);
/** What may be around a record that is just not too long: mark and line end. */
const slackBytes = 8;

/** Where in its file the first byte is; `line` counts from 1. */
export interface ScanStart {
  offset: number;
  line: number;
}

/** A scanner for bytes that begin at `start` of a file, which must be the beginning of a record. */
export function createScanner(format: DatasetFormat, start: ScanStart = { offset: 0, line: 1 }): DatasetScanner {
  const nextEnd = format === 'csv' ? csvEnds(start) : lineEnds();
  let { offset: recordStart, line } = start;
  let held: Buffer[] = [];
  let heldBytes = 0;

  const hold = (piece: Buffer): void => {
    heldBytes += piece.length;
    if (heldBytes <= mostRecordBytes + slackBytes) held.push(piece);
    else held = [];
  };
  const take = (lines: number): ScannedRecord | undefined => {
    const isLong = heldBytes > mostRecordBytes + slackBytes;
    const bytes = isLong
      ? undefined
      : contentOf(held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held), recordStart);
    const found: ScannedRecord = {
      line,
      start: recordStart,
      end: recordStart + heldBytes,
      bytes: bytes !== undefined && bytes.length > mostRecordBytes ? undefined : bytes,
    };
    recordStart = found.end;
    line += lines;
    held = [];
    heldBytes = 0;
    return bytes !== undefined && isBlank(bytes) ? undefined : found;
  };

  return {
    push(part) {
      const records: ScannedRecord[] = [];
      let from = 0;
      for (let end = nextEnd(part, from); end !== undefined; end = nextEnd(part, from)) {
        hold(part.subarray(from, end.after));
        from = end.after;
        const found = take(end.lines);
        if (found !== undefined) records.push(found);
      }
      if (from < part.length) hold(part.subarray(from));
      return records;
    },
    end() {
      const found = heldBytes === 0 ? undefined : take(1);
      return found === undefined ? [] : [found];
    },
  };
}

/** A record's end in a part: the index after its line feed, and how many lines it took. */
interface RecordEnd {
  after: number;
  lines: number;
}

function lineEnds(): (part: Buffer, from: number) => RecordEnd | undefined {
  return (part, from) => {
    const at = part.indexOf(lineFeed, from);
    return at === -1 ? undefined : { after: at + 1, lines: 1 };
  };
}

/** A line feed inside quotes does not end a record; a quote opens only at the beginning of a field. */
function csvEnds({ offset }: ScanStart): (part: Buffer, from: number) => RecordEnd | undefined {
  type State = 'field' | 'plain' | 'quoted' | 'closing';
  let state: State = 'field';
  let lines = 1;
  /** How many bytes of a byte order mark may still come: only at the very beginning of the file. */
  let markAt = offset === 0 ? 0 : byteOrderMark.length;
  const isMark = (byte: number): boolean => {
    const is = markAt < byteOrderMark.length && byte === byteOrderMark[markAt];
    markAt = is ? markAt + 1 : byteOrderMark.length;
    return is;
  };
  const after = (byte: number): State => {
    if (state === 'quoted') return byte === quote ? 'closing' : 'quoted';
    if (state === 'closing' && byte === quote) return 'quoted';
    if (state === 'field' && byte === quote) return 'quoted';
    return byte === comma ? 'field' : 'plain';
  };
  return (part, from) => {
    for (let at = from; at < part.length; at += 1) {
      const byte = part[at] as number;
      if (markAt < byteOrderMark.length && isMark(byte)) continue;
      if (byte !== lineFeed) state = after(byte);
      else if (state === 'quoted') lines += 1;
      else {
        const end = { after: at + 1, lines };
        state = 'field';
        lines = 1;
        return end;
      }
    }
    return undefined;
  };
}

function contentOf(raw: Buffer, offset: number): Buffer {
  let end = raw.length;
  if (raw[end - 1] === lineFeed) end -= 1;
  if (raw[end - 1] === carriageReturn) end -= 1;
  const isMarked = offset === 0 && raw.subarray(0, byteOrderMark.length).equals(byteOrderMark);
  return raw.subarray(isMarked ? byteOrderMark.length : 0, end);
}

/** Nothing but spaces, tabs and carriage returns. */
function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 32 || byte === 9 || byte === carriageReturn);
}
