/** Bits over the records of a chunk: 1,000 records in 125 bytes. */

/** An empty bitmap with room for `bits`. */
export function newBitmap(bits: number): Uint8Array {
  return new Uint8Array(Math.ceil(bits / 8));
}

export function hasBit(bitmap: Uint8Array | undefined, bit: number): boolean {
  return bitmap !== undefined && ((bitmap[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;
}

export function setBit(bitmap: Uint8Array, bit: number): void {
  bitmap[bit >> 3] = (bitmap[bit >> 3] ?? 0) | (1 << (bit & 7));
}

/** How many bits are set. */
export function countBits(bitmap: Uint8Array | undefined): number {
  let count = 0;
  for (const byte of bitmap ?? []) for (let rest = byte; rest > 0; rest &= rest - 1) count += 1;
  return count;
}

/** The bits of `bitmap` that are not in `taken`, as a copy. */
export function withoutBits(bitmap: Uint8Array, taken: Uint8Array): Uint8Array {
  return bitmap.map((byte, index) => byte & ~(taken[index] ?? 0));
}
