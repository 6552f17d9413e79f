// Lists of pieces of guest memory, as drivers describe their buffers.

import type { GuestMemory } from '@umbra/core';
import type { MemoryRange } from './sector-transfer.ts';

export function totalLength(ranges: readonly MemoryRange[]): number {
  return ranges.reduce((sum, { length }) => sum + length, 0);
}

/** The part of `ranges` from byte `start` on, at most `length` bytes of it. */
export function slice(
  ranges: readonly MemoryRange[],
  start: number,
  length: number = Number.POSITIVE_INFINITY,
): MemoryRange[] {
  const result: MemoryRange[] = [];
  let [skip, rest] = [start, length];
  for (const range of ranges) {
    const taken = Math.min(range.length - skip, rest);
    if (taken > 0) result.push({ address: range.address + skip, length: taken });
    rest -= Math.max(0, taken);
    skip = Math.max(0, skip - range.length);
  }
  return result;
}

/** Copies out of guest memory; as many bytes as there are, at most `max`. */
export function gather(
  memory: GuestMemory,
  ranges: readonly MemoryRange[],
  max: number,
): Uint8Array {
  const bytes = new Uint8Array(Math.min(max, totalLength(ranges)));
  let at = 0;
  for (const { address, length } of ranges) {
    if (at === bytes.length) break;
    const part = bytes.subarray(at, at + length);
    memory.readInto(address, part);
    at += part.length;
  }
  return bytes;
}

/** Copies into guest memory; the number of bytes for which there was room. */
export function scatter(
  memory: GuestMemory,
  ranges: readonly MemoryRange[],
  bytes: Uint8Array,
): number {
  let at = 0;
  for (const { address, length } of ranges) {
    if (at === bytes.length) break;
    const part = bytes.subarray(at, at + length);
    memory.writeFrom(address, part);
    at += part.length;
  }
  return at;
}
