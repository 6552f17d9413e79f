import type { SparseLayout } from './header.ts';

/** Data that starts on a page of the host's cache is written without reading the page first. */
const DATA_ALIGNMENT = 4096;

/** A place for a block: its bitmap, and its data behind that. */
export interface BlockPlace {
  readonly offset: number;
  /** Whether something may be left there from before. */
  readonly isUsed: boolean;
}

/** Where blocks may be put: places that were given back, else behind all other parts. */
export class BlockSpace {
  readonly #layout: SparseLayout;
  readonly #free: number[];
  #end: number;

  /** `gaps` are places between other parts; `end` is where the last part ends. */
  constructor(layout: SparseLayout, gaps: readonly number[], end: number) {
    this.#layout = layout;
    this.#free = gaps.toReversed(); // The lowest one goes first.
    this.#end = end;
  }

  /** Where the file's last footer belongs. */
  get end(): number {
    return this.#end;
  }

  get strideBytes(): number {
    return this.#layout.bitmapBytes + this.#layout.blockBytes;
  }

  /** Reserves a place for a block until `take` or `giveBack`; one at a time behind the end. */
  reserve(): BlockPlace {
    const offset = this.#free.pop();
    if (offset !== undefined) return { offset, isUsed: true };
    const { bitmapBytes, blockBytes } = this.#layout;
    const alignment = Math.min(DATA_ALIGNMENT, blockBytes);
    const dataOffset = Math.ceil((this.#end + bitmapBytes) / alignment) * alignment;
    return { offset: dataOffset - bitmapBytes, isUsed: false };
  }

  /** Reserves the lowest of the places that were given back, if that is below `limit`. */
  reserveBelow(limit: number): BlockPlace | undefined {
    this.#free.sort((a, b) => b - a);
    const lowest = this.#free.at(-1);
    return lowest !== undefined && lowest < limit ? this.reserve() : undefined;
  }

  /** A reserved place is now a block's. */
  take({ offset, isUsed }: BlockPlace): void {
    if (!isUsed) this.#end = offset + this.strideBytes;
  }

  /** A reserved place is not needed. */
  giveBack({ offset, isUsed }: BlockPlace): void {
    if (isUsed) this.#free.push(offset);
  }

  /** Everything from `end` on is no part of the file any more. */
  cut(end: number): void {
    const kept = this.#free.filter((offset) => offset < end);
    this.#free.splice(0, this.#free.length, ...kept);
    this.#end = end;
  }

  /** Gives places back that nothing in the file names any more. */
  release(offsets: readonly number[]): void {
    this.#free.push(...offsets);
  }
}
