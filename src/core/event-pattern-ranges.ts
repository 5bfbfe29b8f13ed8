/** A range of numbers; whether its bounds belong to it is for the rule's own test to say. */
export interface Bounds {
  low: number;
  high: number;
}

/**
 * Finds the ranges that hold a number, out of many: a segment tree, which needs time for what it finds and for the
 * logarithm of their count, and memory for their count times its logarithm, also where all overlap.
 * https://en.wikipedia.org/wiki/Segment_tree
 */
export class RangeTable {
  /** Every bound once, ascending. Leaf 2i+1 stands for the bound i itself, leaf 2i for the numbers before it. */
  readonly #bounds: readonly number[];
  readonly #leaves: number;
  /** Node 1 is the root, nodes 2n and 2n+1 are the children of n; the leaves come last. */
  readonly #idsOfNode: (number[] | undefined)[] = [];

  constructor(ranges: readonly (Bounds & { id: number })[]) {
    this.#bounds = [...new Set(ranges.flatMap(({ low, high }) => [low, high]))].sort((a, b) => a - b);
    this.#leaves = 2 * this.#bounds.length + 1;
    for (const { low, high, id } of ranges) this.#cover(this.#leafOf(low), this.#leafOf(high), id);
  }

  /** Calls back for each range that holds the number, its bounds included. */
  find(value: number, found: (id: number) => void): void {
    for (let node = this.#leafOf(value) + this.#leaves; node >= 1; node >>= 1) this.#idsOfNode[node]?.forEach(found);
  }

  /** Puts the range at the few nodes that cover its leaves exactly. */
  #cover(first: number, last: number, id: number): void {
    const put = (node: number): void => {
      this.#idsOfNode[node] ??= [];
      this.#idsOfNode[node].push(id);
    };
    let left = first + this.#leaves;
    let right = last + this.#leaves + 1;
    for (; left < right; left >>= 1, right >>= 1) {
      if (left & 1) put(left++);
      if (right & 1) put(--right);
    }
  }

  #leafOf(value: number): number {
    let from = 0;
    let to = this.#bounds.length;
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((this.#bounds[middle] ?? Infinity) < value) from = middle + 1;
      else to = middle;
    }
    return this.#bounds[from] === value ? 2 * from + 1 : 2 * from;
  }
}
