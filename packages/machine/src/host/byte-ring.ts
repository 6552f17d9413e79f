import { assert } from '@umbra/base';

/** Words at the head of the block, before the bytes. */
const WORD = {
  /** Bytes ever written and ever read, modulo 2^32. */
  WRITTEN: 0,
  READ: 1,
  /** 1 while a side sleeps until the other moves. */
  READER_WAITS: 2,
  WRITER_WAITS: 3,
  /** Bytes that found no room and were dropped, modulo 2^32. */
  DROPPED: 4,
} as const;
const HEAD_BYTES = 32;

/** Shared memory for a ring of `capacity` bytes (a power of two). */
export function createRingBlock(capacity: number): SharedArrayBuffer {
  assert(capacity > 0 && (capacity & (capacity - 1)) === 0, 'a ring holds a power of two bytes');
  return new SharedArrayBuffer(HEAD_BYTES + capacity);
}

/**
 * A bounded queue of bytes between two threads: one writes, the other reads. Neither ever blocks;
 * `whenReadable` and `whenWritable` are for the thread with an event loop.
 */
export class ByteRing {
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  readonly #mask: number;

  constructor(block: SharedArrayBuffer) {
    this.#words = new Int32Array(block, 0, HEAD_BYTES / 4);
    this.#bytes = new Uint8Array(block, HEAD_BYTES);
    this.#mask = this.#bytes.length - 1;
  }

  /** Bytes that wait to be read. */
  readable(): number {
    const { WRITTEN, READ } = WORD;
    return (Atomics.load(this.#words, WRITTEN) - Atomics.load(this.#words, READ)) | 0;
  }

  /** Bytes that there is room for. */
  writable(): number {
    return this.#bytes.length - this.readable();
  }

  dropped(): number {
    return Atomics.load(this.#words, WORD.DROPPED) >>> 0;
  }

  /** Puts in one byte; false (and counted) when the ring is full. */
  write(byte: number): boolean {
    if (this.writable() === 0) {
      Atomics.add(this.#words, WORD.DROPPED, 1);
      return false;
    }
    const written = Atomics.load(this.#words, WORD.WRITTEN);
    this.#bytes[written & this.#mask] = byte;
    Atomics.store(this.#words, WORD.WRITTEN, (written + 1) | 0);
    this.#wake(WORD.READER_WAITS, WORD.WRITTEN);
    return true;
  }

  /** Puts in as many bytes as fit; their number. */
  writeFrom(source: Uint8Array): number {
    const count = Math.min(source.length, this.writable());
    const written = Atomics.load(this.#words, WORD.WRITTEN);
    for (let index = 0; index < count; index += 1) {
      this.#bytes[(written + index) & this.#mask] = source[index] as number;
    }
    Atomics.store(this.#words, WORD.WRITTEN, (written + count) | 0);
    if (count > 0) this.#wake(WORD.READER_WAITS, WORD.WRITTEN);
    return count;
  }

  /** Takes one byte; -1 when there is none. */
  read(): number {
    if (this.readable() === 0) return -1;
    const read = Atomics.load(this.#words, WORD.READ);
    const byte = this.#bytes[read & this.#mask] as number;
    Atomics.store(this.#words, WORD.READ, (read + 1) | 0);
    this.#wake(WORD.WRITER_WAITS, WORD.READ);
    return byte;
  }

  /** Takes all bytes, at most `max`, as a copy. */
  readAll(max: number = this.#bytes.length): Uint8Array {
    const result = new Uint8Array(Math.min(max, this.readable()));
    const read = Atomics.load(this.#words, WORD.READ);
    for (let index = 0; index < result.length; index += 1) {
      result[index] = this.#bytes[(read + index) & this.#mask] as number;
    }
    Atomics.store(this.#words, WORD.READ, (read + result.length) | 0);
    if (result.length > 0) this.#wake(WORD.WRITER_WAITS, WORD.READ);
    return result;
  }

  /** Resolves when there is something to read; at once when there already is. */
  whenReadable(): Promise<void> {
    return this.#whenMoved(WORD.READER_WAITS, WORD.WRITTEN, () => this.readable() > 0);
  }

  /** Resolves when there is room; at once when there already is. */
  whenWritable(): Promise<void> {
    return this.#whenMoved(WORD.WRITER_WAITS, WORD.READ, () => this.writable() > 0);
  }

  async #whenMoved(flag: number, word: number, isReady: () => boolean): Promise<void> {
    while (!isReady()) {
      const seen = Atomics.load(this.#words, word);
      // Flag first, then look again: the other side looks at the flag after it moved the word.
      Atomics.store(this.#words, flag, 1);
      if (isReady()) return;
      const outcome = Atomics.waitAsync(this.#words, word, seen);
      if (outcome.async) await outcome.value;
    }
  }

  #wake(flag: number, word: number): void {
    if (Atomics.load(this.#words, flag) === 0) return;
    Atomics.store(this.#words, flag, 0);
    Atomics.notify(this.#words, word);
  }
}
