import type { FileKind } from './file-kinds.ts';

/** A body that cannot become a file. What has been stored of it by then is taken away by the upload. */
export class RefusedBody extends Error {
  override name = 'RefusedBody';
  readonly why: 'too large' | 'empty' | 'stalled';

  constructor(why: RefusedBody['why']) {
    super(`the body is ${why}`);
    this.why = why;
  }
}

/** What was seen of a body on its way. */
export interface CountedBody {
  chunks: AsyncIterable<Buffer>;
  /** Lines that are not blank, once all has passed; undefined where they are not records. */
  records(): number | undefined;
}

/** Counts a body while it passes, a piece at a time. `chunks` throws RefusedBody for one that is too large or empty. */
export function countBody(body: AsyncIterable<Buffer>, { mostBytes, hasLines }: FileKind): CountedBody {
  const lines = new LineCount();
  async function* chunks(): AsyncGenerator<Buffer> {
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > mostBytes) throw new RefusedBody('too large');
      if (hasLines) lines.add(chunk);
      yield chunk;
    }
    if (bytes === 0) throw new RefusedBody('empty');
  }
  return { chunks: chunks(), records: () => (hasLines ? lines.total : undefined) };
}

const lineFeed = 10;

/** Lines with anything but white space in them, over pieces that end anywhere. */
export class LineCount {
  #ended = 0;
  #isBlank = true;

  add(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      const end = chunk.indexOf(lineFeed, at);
      const lineEnd = end === -1 ? chunk.length : end;
      this.#isBlank &&= isBlank(chunk, at, lineEnd);
      if (end === -1) return;
      if (!this.#isBlank) this.#ended += 1;
      this.#isBlank = true;
      at = end + 1;
    }
  }

  /** Also the last line, which may have no end. */
  get total(): number {
    return this.#ended + (this.#isBlank ? 0 : 1);
  }
}

/** Mostly over at the first byte. */
function isBlank(chunk: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; at += 1) {
    const byte = chunk[at];
    if (byte !== 32 && byte !== 9 && byte !== 13) return false;
  }
  return true;
}
