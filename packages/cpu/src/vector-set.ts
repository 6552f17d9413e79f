import type { u8, u32 } from '@umbra/base';

/** A set of interrupt vectors as the 256-bit registers IRR, ISR and TMR hold it. */
export class VectorSet {
  readonly #words = new Uint32Array(8);

  /** Vectors 32 * index to 32 * index + 31. */
  word(index: number): u32 {
    return this.#words[index] ?? 0;
  }

  has(vector: u8): boolean {
    return (this.word(vector >> 5) & (1 << (vector & 31))) !== 0;
  }

  add(vector: u8): void {
    this.#words[vector >> 5] = this.word(vector >> 5) | (1 << (vector & 31));
  }

  delete(vector: u8): void {
    this.#words[vector >> 5] = this.word(vector >> 5) & ~(1 << (vector & 31));
  }

  /** The greatest vector, which is the one of highest priority; -1 when the set is empty. */
  highest(): number {
    for (let index = 7; index >= 0; index--) {
      const word = this.word(index);
      if (word !== 0) return 32 * index + 31 - Math.clz32(word);
    }
    return -1;
  }

  clear(): void {
    this.#words.fill(0);
  }

  toWords(): u32[] {
    return [...this.#words];
  }

  load(words: readonly u32[]): void {
    this.#words.set(words);
  }
}
