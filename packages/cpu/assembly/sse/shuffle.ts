// Vector instructions whose immediate is not known before they run: the interpreter's form of what
// translated code does with constant shuffles, and lanes chosen at run time.

import { OFFSET_xmmScratch, base } from '../generated/layout';

/** Byte numbers 0 to 15. */
// @ts-ignore: decorator
@inline
function indices(): v128 {
  return i8x16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

/** PSRLDQ: the second vector, all zeros, is there for translated code. */
export function shiftBytesRight(a: v128, _zero: v128, count: u32): v128 {
  return i8x16.swizzle(a, i8x16.add_sat_u(indices(), i8x16.splat(<i8>min<u32>(count, 16))));
}

export function shiftBytesLeft(a: v128, _zero: v128, count: u32): v128 {
  // Indices below 0 wrap to values from 240 on, which swizzle takes for zero.
  return i8x16.swizzle(a, i8x16.sub(indices(), i8x16.splat(<i8>min<u32>(count, 16))));
}

/** PALIGNR: 16 bytes of `high`:`low` from byte `count` on. */
export function alignRight(high: v128, low: v128, count: u32): v128 {
  if (count >= 16) return shiftBytesRight(high, low, count - 16);
  return v128.or(shiftBytesRight(low, low, count), shiftBytesLeft(high, high, 16 - count));
}

/** Byte selectors of four doublewords by pairs of bits. */
// @ts-ignore: decorator
@inline
function dwordIndices(immediate: u32): v128 {
  let lanes = i32x4.splat(immediate & 3);
  lanes = i32x4.replace_lane(lanes, 1, (immediate >> 2) & 3);
  lanes = i32x4.replace_lane(lanes, 2, (immediate >> 4) & 3);
  lanes = i32x4.replace_lane(lanes, 3, (immediate >> 6) & 3);
  return i32x4.add(i32x4.mul(lanes, i32x4.splat(0x0404_0404)), i32x4.splat(0x0302_0100));
}

export function pshufd(a: v128, _b: v128, immediate: u32): v128 {
  return i8x16.swizzle(a, dwordIndices(immediate));
}

/** The two bits at `position`, as byte selectors of a word. */
// @ts-ignore: decorator
@inline
function word(immediate: u32, position: u32): u64 {
  return <u64>(((immediate >> position) & 3) * 0x0202 + 0x0100);
}
function wordIndices(immediate: u32): u64 {
  return (
    word(immediate, 0) |
    (word(immediate, 2) << 16) |
    (word(immediate, 4) << 32) |
    (word(immediate, 6) << 48)
  );
}

export function pshuflw(a: v128, _b: v128, immediate: u32): v128 {
  return i8x16.swizzle(a, i64x2.replace_lane(indices(), 0, wordIndices(immediate)));
}
export function pshufhw(a: v128, _b: v128, immediate: u32): v128 {
  const high = wordIndices(immediate) + 0x0808_0808_0808_0808;
  return i8x16.swizzle(a, i64x2.replace_lane(indices(), 1, high));
}

export function shufps(a: v128, b: v128, immediate: u32): v128 {
  const order = dwordIndices(immediate);
  return v128.shuffle<u64>(i8x16.swizzle(a, order), i8x16.swizzle(b, order), 0, 3);
}
export function shufpd(a: v128, b: v128, immediate: u32): v128 {
  const low = immediate & 1 ? i64x2.extract_lane(a, 1) : i64x2.extract_lane(a, 0);
  const high = immediate & 2 ? i64x2.extract_lane(b, 1) : i64x2.extract_lane(b, 0);
  return i64x2(low, high);
}

/** Whole lanes under the bits of the immediate. */
export function pblendw(a: v128, b: v128, immediate: u32): v128 {
  const bits = v128.and(i16x8.splat(<i16>immediate), i16x8(1, 2, 4, 8, 16, 32, 64, 128));
  return v128.bitselect(a, b, i16x8.eq(bits, i16x8.splat(0)));
}
export function blendps(a: v128, b: v128, immediate: u32): v128 {
  const bits = v128.and(i32x4.splat(immediate), i32x4(1, 2, 4, 8));
  return v128.bitselect(a, b, i32x4.eq(bits, i32x4.splat(0)));
}
export function blendpd(a: v128, b: v128, immediate: u32): v128 {
  const bits = v128.and(i64x2.splat(<i64>immediate), i64x2(1, 2));
  return v128.bitselect(a, b, i64x2.eq(bits, i64x2.splat(0)));
}

/** A lane of `bytes` (1, 2, 4, 8) bytes, zero-extended. */
export function extractLane(a: v128, lane: u32, bytes: u32): u64 {
  const place = base() + OFFSET_xmmScratch;
  v128.store(place, a, 32);
  const at = place + lane * bytes;
  if (bytes == 8) return load<u64>(at, 32);
  if (bytes == 4) return <u64>load<u32>(at, 32);
  if (bytes == 2) return <u64>load<u16>(at, 32);
  return <u64>load<u8>(at, 32);
}

export function insertLane(a: v128, value: u64, lane: u32, bytes: u32): v128 {
  const place = base() + OFFSET_xmmScratch;
  v128.store(place, a, 32);
  const at = place + lane * bytes;
  if (bytes == 8) store<u64>(at, value, 32);
  else if (bytes == 4) store<u32>(at, <u32>value, 32);
  else if (bytes == 2) store<u16>(at, <u16>value, 32);
  else store<u8>(at, <u8>value, 32);
  return v128.load(place, 32);
}

/** INSERTPS: one doubleword in, then zeros under the low four bits. */
export function insertps(a: v128, value: u32, immediate: u32): v128 {
  const merged = insertLane(a, <u64>value, (immediate >> 4) & 3, 4);
  const bits = v128.and(i32x4.splat(immediate), i32x4(1, 2, 4, 8));
  return v128.and(merged, i32x4.eq(bits, i32x4.splat(0)));
}

/** PHMINPOSUW: the least word and its index; the first of equals. */
export function phminposuw(a: v128): v128 {
  let least: u32 = 0xffff;
  let index: u32 = 0;
  for (let lane: u32 = 0; lane < 8; lane++) {
    const word = <u32>extractLane(a, lane, 2);
    if (word < least) {
      least = word;
      index = lane;
    }
  }
  return i64x2(least | (index << 16), 0);
}

/** MPSADBW: eight sums of absolute differences of four bytes each. */
export function mpsadbw(a: v128, b: v128, immediate: u32): v128 {
  const start = immediate & 4;
  const block = (immediate & 3) * 4;
  // Words of the wandering window: bytes i to i + 3 of the first operand for sum i.
  let sums = i16x8.splat(0);
  const order = i8x16(0, 16, 1, 16, 2, 16, 3, 16, 4, 16, 5, 16, 6, 16, 7, 16);
  for (let index: u32 = 0; index < 4; index++) {
    const window = i8x16.swizzle(shiftBytesRight(a, a, start + index), order);
    const byte = i16x8.splat(<i16>extractLane(b, block + index, 1));
    sums = i16x8.add(sums, i16x8.abs(i16x8.sub(window, byte)));
  }
  return sums;
}
