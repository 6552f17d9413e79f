/** WebAssembly value types, as encoded. [WASM] §5.3.1. */
export const TYPE = { I32: 0x7f, I64: 0x7e, F32: 0x7d, F64: 0x7c, V128: 0x7b } as const;
export type WasmType = (typeof TYPE)[keyof typeof TYPE];

/** Opcodes that the engines use by name. [WASM] §5.4. */
export const OP = {
  UNREACHABLE: 0x00,
  BLOCK: 0x02,
  LOOP: 0x03,
  IF: 0x04,
  ELSE: 0x05,
  END: 0x0b,
  BR: 0x0c,
  BR_IF: 0x0d,
  BR_TABLE: 0x0e,
  RETURN: 0x0f,
  CALL: 0x10,
  RETURN_CALL: 0x12,
  RETURN_CALL_INDIRECT: 0x13,
  CALL_INDIRECT: 0x11,
  DROP: 0x1a,
  SELECT: 0x1b,
  LOCAL_GET: 0x20,
  LOCAL_SET: 0x21,
  LOCAL_TEE: 0x22,
  I32_LOAD: 0x28,
  I64_LOAD: 0x29,
  I32_LOAD8_U: 0x2d,
  I32_LOAD16_U: 0x2f,
  I64_LOAD8_U: 0x31,
  I64_LOAD16_U: 0x33,
  I64_LOAD32_S: 0x34,
  I64_LOAD32_U: 0x35,
  I32_STORE: 0x36,
  I64_STORE: 0x37,
  I32_STORE8: 0x3a,
  I32_STORE16: 0x3b,
  I32_CONST: 0x41,
  I64_CONST: 0x42,
  I32_EQZ: 0x45,
  I32_EQ: 0x46,
  I32_NE: 0x47,
  I32_LT_S: 0x48,
  I32_LT_U: 0x49,
  I64_EQZ: 0x50,
  I64_EQ: 0x51,
  I64_NE: 0x52,
  I64_LT_S: 0x53,
  I64_LT_U: 0x54,
  I32_CLZ: 0x67,
  I32_CTZ: 0x68,
  I32_POPCNT: 0x69,
  I32_ADD: 0x6a,
  I32_SUB: 0x6b,
  I32_MUL: 0x6c,
  I32_AND: 0x71,
  I32_OR: 0x72,
  I32_XOR: 0x73,
  I32_SHL: 0x74,
  I32_SHR_S: 0x75,
  I32_SHR_U: 0x76,
  I64_CLZ: 0x79,
  I64_CTZ: 0x7a,
  I64_POPCNT: 0x7b,
  I64_ADD: 0x7c,
  I64_SUB: 0x7d,
  I64_MUL: 0x7e,
  I64_AND: 0x83,
  I64_OR: 0x84,
  I64_XOR: 0x85,
  I64_SHL: 0x86,
  I64_SHR_S: 0x87,
  I64_SHR_U: 0x88,
  I32_WRAP_I64: 0xa7,
  I64_EXTEND_I32_S: 0xac,
  I64_EXTEND_I32_U: 0xad,
  I32_EXTEND8_S: 0xc0,
  I32_EXTEND16_S: 0xc1,
} as const;

/** Block type of a block without a result. */
export const VOID = 0x40;

/** A growing sequence of bytes in WebAssembly's encodings. */
export class Code {
  #bytes = new Uint8Array(1024);
  length = 0;

  #grow(): void {
    const bigger = new Uint8Array(this.#bytes.length * 2);
    bigger.set(this.#bytes);
    this.#bytes = bigger;
  }

  byte(value: number): void {
    if (this.length === this.#bytes.length) this.#grow();
    this.#bytes[this.length++] = value;
  }

  /** Unsigned LEB128, below 2^32. */
  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest >= 0x80) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** Signed LEB128 of a 32-bit value. */
  signed(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && !(low & 0x40)) || (rest === -1 && low & 0x40)) {
        this.byte(low);
        return;
      }
      this.byte(low | 0x80);
    }
  }

  /** Signed LEB128 of a 64-bit value in halves. */
  signed64(high: number, low: number): void {
    if ((high | 0) === (low | 0) >> 31) {
      this.signed(low);
      return;
    }
    let rest = (BigInt(high | 0) << 32n) | BigInt(low >>> 0);
    for (;;) {
      const bits = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && !(bits & 0x40)) || (rest === -1n && bits & 0x40)) {
        this.byte(bits);
        return;
      }
      this.byte(bits | 0x80);
    }
  }

  append(other: Code): void {
    while (this.length + other.length > this.#bytes.length) this.#grow();
    this.#bytes.set(other.view(), this.length);
    this.length += other.length;
  }

  raw(bytes: Uint8Array): void {
    while (this.length + bytes.length > this.#bytes.length) this.#grow();
    this.#bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  text(value: string): void {
    const bytes = Array.from(value, (letter) => letter.charCodeAt(0));
    this.unsigned(bytes.length);
    for (const byte of bytes) this.byte(byte);
  }

  clear(): void {
    this.length = 0;
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }
}
