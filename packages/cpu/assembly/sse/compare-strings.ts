// PCMPESTRI, PCMPESTRM, PCMPISTRI and PCMPISTRM. [SDM] vol. 2B §4.1.

import { EFLAGS_CF, EFLAGS_OF, EFLAGS_SF, EFLAGS_ZF } from '../generated/layout';
import { extractLane } from './shuffle';

const WORDS: u32 = 1;
const SIGNED: u32 = 2;
const UPPER: u32 = 0x40;

// Kinds of aggregation, bits 3:2 of the immediate.
const EQUAL_ANY: u32 = 0;
const RANGES: u32 = 1;
const EQUAL_EACH: u32 = 2;

/** Length of an explicit operand: the magnitude, at most the number of elements. */
function saturated(length: i64, count: u32): u32 {
  const magnitude = length < 0 ? 0 - <u64>length : <u64>length;
  return magnitude > count ? count : <u32>magnitude;
}

export function compareExplicit(a: v128, b: v128, control: u32, lengthA: u64, lengthB: u64): u64 {
  const count: u32 = control & WORDS ? 8 : 16;
  return compare(a, b, control, saturated(<i64>lengthA, count), saturated(<i64>lengthB, count));
}

export function compareImplicit(a: v128, b: v128, control: u32): u64 {
  return compare(a, b, control, lengthOf(a, control), lengthOf(b, control));
}

/** Elements before the first that is zero. */
function lengthOf(a: v128, control: u32): u32 {
  if (control & WORDS) return min<u32>(ctz(i16x8.bitmask(i16x8.eq(a, i16x8.splat(0)))), 8);
  return min<u32>(ctz(i8x16.bitmask(i8x16.eq(a, i8x16.splat(0)))), 16);
}

function element(a: v128, index: u32, control: u32): i32 {
  if (control & WORDS) {
    const word = <u32>extractLane(a, index, 2);
    return control & SIGNED ? <i32>(<i16>word) : <i32>word;
  }
  const byte = <u32>extractLane(a, index, 1);
  return control & SIGNED ? <i32>(<i8>byte) : <i32>byte;
}

/** IntRes2 in the low half, the flags at their EFLAGS places in the high half. */
function compare(a: v128, b: v128, control: u32, lengthA: u32, lengthB: u32): u64 {
  const count: u32 = control & WORDS ? 8 : 16;
  const all: u32 = (1 << count) - 1;
  let result = aggregate(a, b, control, lengthA, lengthB, count);
  const polarity = (control >> 4) & 3;
  if (polarity == 1) result ^= all;
  else if (polarity == 3) result ^= (1 << lengthB) - 1;
  let flags: u32 = result != 0 ? EFLAGS_CF : 0;
  if (lengthB < count) flags |= EFLAGS_ZF;
  if (lengthA < count) flags |= EFLAGS_SF;
  if (result & 1) flags |= EFLAGS_OF;
  return <u64>result | ((<u64>flags) << 32);
}

function aggregate(a: v128, b: v128, control: u32, lengthA: u32, lengthB: u32, count: u32): u32 {
  const kind = (control >> 2) & 3;
  let result: u32 = 0;
  if (kind == EQUAL_EACH) {
    for (let index: u32 = 0; index < count; index++) {
      const validA = index < lengthA;
      const validB = index < lengthB;
      const equal =
        validA && validB
          ? element(a, index, control) == element(b, index, control)
          : validA == validB;
      if (equal) result |= 1 << index;
    }
    return result;
  }
  if (kind == EQUAL_ANY || kind == RANGES) {
    for (let index: u32 = 0; index < lengthB; index++) {
      const value = element(b, index, control);
      if (
        kind == EQUAL_ANY ? isAny(a, value, control, lengthA) : isInside(a, value, control, lengthA)
      ) {
        result |= 1 << index;
      }
    }
    return result;
  }
  // Equal ordered: the first operand as a whole, found in the second from each place on.
  for (let start: u32 = 0; start < count; start++) {
    if (startsAt(a, b, start, control, lengthA, lengthB, count)) result |= 1 << start;
  }
  return result;
}

function isAny(a: v128, value: i32, control: u32, length: u32): bool {
  for (let index: u32 = 0; index < length; index++) {
    if (element(a, index, control) == value) return true;
  }
  return false;
}

/** Elements of the first operand are pairs, least and greatest. A lone one bounds nothing. */
function isInside(a: v128, value: i32, control: u32, length: u32): bool {
  for (let index: u32 = 0; index + 1 < length; index += 2) {
    if (element(a, index, control) <= value && value <= element(a, index + 1, control)) return true;
  }
  return false;
}

function startsAt(
  a: v128,
  b: v128,
  start: u32,
  control: u32,
  lengthA: u32,
  lengthB: u32,
  count: u32,
): bool {
  for (let index: u32 = 0; index < lengthA && start + index < count; index++) {
    const at = start + index;
    if (at >= lengthB || element(a, index, control) != element(b, at, control)) return false;
  }
  return true;
}

/** ECX of the index forms: the lowest or the highest bit, or the number of elements. */
export function stringIndex(result: u32, control: u32): u32 {
  if (result == 0) return control & WORDS ? 8 : 16;
  return control & UPPER ? 31 - clz(result) : ctz(result);
}

/** XMM0 of the mask forms: bits, or whole elements. */
export function stringMask(result: u32, control: u32): v128 {
  if ((control & UPPER) == 0) return i64x2(<i64>result, 0);
  if (control & WORDS) {
    const bits = v128.and(i16x8.splat(<i16>result), i16x8(1, 2, 4, 8, 16, 32, 64, 128));
    return i16x8.ne(bits, i16x8.splat(0));
  }
  const spread = i8x16.swizzle(
    i16x8.splat(<i16>result),
    i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1),
  );
  const bits = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
  return i8x16.ne(v128.and(spread, bits), i8x16.splat(0));
}
