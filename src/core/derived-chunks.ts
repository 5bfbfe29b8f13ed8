import { createHash, type Hash } from 'node:crypto';
import type { ChunkRange } from './dataset-chunk.ts';

/** Cuts lines into chunks while they are written. Pure but for what it holds. */

export interface ChunkCutter {
  /** The line as it is to be written, with its end. */
  add(line: unknown): string;
  /** The chunks of all lines, each with the SHA-256 of its bytes. */
  end(): (ChunkRange & { digest: string })[];
}

/** A chunk of calls is a worker's turn, and comes in one request. */
const mostLines = 100;
const mostBytes = 4 * 1024 * 1024;

interface Open {
  range: ChunkRange;
  hash: Hash;
}

/** Chunks of at most 100 lines and 4 MiB, of a file that begins with the first line. */
export function createChunkCutter(): ChunkCutter {
  const chunks: (ChunkRange & { digest: string })[] = [];
  let open: Open | undefined;
  let at = 0;
  let n = 0;
  const close = ({ range, hash }: Open): void => {
    chunks.push({ ...range, digest: hash.digest('hex') });
    open = undefined;
  };
  return {
    add(value) {
      const line = `${JSON.stringify(value)}\n`;
      const bytes = Buffer.byteLength(line);
      if (open !== undefined && (open.range.records >= mostLines || at + bytes - open.range.start > mostBytes))
        close(open);
      open ??= { range: { start: at, end: at, firstN: n, records: 0, firstLine: n + 1 }, hash: createHash('sha256') };
      at += bytes;
      n += 1;
      open.range = { ...open.range, end: at, records: open.range.records + 1 };
      open.hash.update(line);
      return line;
    },
    end() {
      if (open !== undefined) close(open);
      return chunks;
    },
  };
}
