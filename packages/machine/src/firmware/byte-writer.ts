/** Builds little-endian structures, a field at a time. */
export class ByteWriter {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  u8(...values: readonly number[]): this {
    for (const value of values) this.#bytes.push(value & 0xff);
    return this;
  }

  u16(...values: readonly number[]): this {
    for (const value of values) this.u8(value, value >>> 8);
    return this;
  }

  u32(...values: readonly number[]): this {
    for (const value of values) this.u16(value, value >>> 16);
    return this;
  }

  /** A non-negative integer below 2^53 in eight bytes. */
  u64(value: number): this {
    return this.u32(value >>> 0, Math.floor(value / 2 ** 32));
  }

  /** Exactly `size` bytes of ASCII, filled up with `fill`. */
  text(text: string, size: number, fill = ' '): this {
    return this.u8(...Buffer.from(text.padEnd(size, fill).slice(0, size), 'latin1'));
  }

  bytes(values: Iterable<number>): this {
    for (const value of values) this.#bytes.push(value);
    return this;
  }

  /** Zeros up to the next multiple of `boundary`. */
  align(boundary: number): this {
    while (this.#bytes.length % boundary !== 0) this.#bytes.push(0);
    return this;
  }

  /** Zeros up to `length` bytes. */
  padTo(length: number): this {
    while (this.#bytes.length < length) this.#bytes.push(0);
    return this;
  }

  toBytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/** The byte that makes the sum of `bytes` (with 0 in its own place) a multiple of 256. */
export function checksumOf(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return -sum & 0xff;
}
