// The smallest ELF files that Linux runs: a header, one segment, no sections. [ELF] ch. 1, 2.

import type { Bits } from './assembler.ts';

const BASE = 0x0040_0000;
const HEADER_BYTES = 0x1000;
/** Where the code of a program begins. */
export const CODE_ADDRESS = BASE + HEADER_BYTES;
/** Where its zeroed memory begins; code must end before. */
export const MEMORY_ADDRESS = 0x0050_0000;

const ET_EXEC = 2;
const EM = { 32: 3, 64: 62 } as const;
const PT_LOAD = 1;
/** Readable, writable and executable: one segment for everything. */
const PF_ALL = 7;
const PAGE_BYTES = 0x1000;

/** A static program of `code` that has `memoryBytes` of zeros at MEMORY_ADDRESS. */
export function writeElf(bits: Bits, code: Uint8Array, memoryBytes: number): Uint8Array {
  const file = new Uint8Array(HEADER_BYTES + code.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, bits / 32, 1, 1]);
  let at = 16;
  const u16 = (...values: readonly number[]): void => {
    for (const value of values) {
      view.setUint16(at, value, true);
      at += 2;
    }
  };
  const u32 = (...values: readonly number[]): void => {
    for (const value of values) {
      view.setUint32(at, value, true);
      at += 4;
    }
  };
  const word = (...values: readonly number[]): void => {
    for (const value of values) {
      u32(value);
      if (bits === 64) u32(0);
    }
  };
  const [headerBytes, segmentBytes] = bits === 32 ? [52, 32] : [64, 56];
  u16(ET_EXEC, EM[bits]);
  u32(1);
  word(CODE_ADDRESS, headerBytes, 0);
  u32(0);
  u16(headerBytes, segmentBytes, 1, 0, 0, 0);
  const memorySize = MEMORY_ADDRESS - BASE + memoryBytes;
  u32(PT_LOAD);
  if (bits === 64) u32(PF_ALL);
  word(0, BASE, BASE, file.length, memorySize);
  if (bits === 32) u32(PF_ALL);
  word(PAGE_BYTES);
  file.set(code, HEADER_BYTES);
  return file;
}
