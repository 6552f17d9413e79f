// Comparisons, MIN and MAX of SSE numbers.

import { EFLAGS_CF, EFLAGS_PF, EFLAGS_ZF, mxcsr } from '../generated/layout';
import {
  DE,
  finishFlags,
  flag,
  IE,
  isDenormal,
  isNotANumber,
  isSignaling,
  operand,
  startFlags,
} from './number';

/** How two numbers compare. */
const LESS: u32 = 1;
const EQUAL: u32 = 2;
const GREATER: u32 = 4;
const UNORDERED: u32 = 8;

/** Which of LESS, EQUAL and UNORDERED make predicates 0 to 3 true; 4 to 7 are their negations. */
const PREDICATES: u32 = EQUAL | (LESS << 4) | ((LESS | EQUAL) << 8) | (UNORDERED << 12);

/** Compares, raising IE for a NaN (only a signaling one when `quietly`) and DE. */
function relation(first: u64, second: u64, quietly: bool, control: u32, wide: bool): u32 {
  const a = operand(first, control, wide);
  const b = operand(second, control, wide);
  if (isNotANumber(a, wide) || isNotANumber(b, wide)) {
    if (!quietly || isSignaling(a, wide) || isSignaling(b, wide)) flag(IE);
    return UNORDERED;
  }
  if (isDenormal(a, wide) || isDenormal(b, wide)) flag(DE);
  const x = wide ? reinterpret<f64>(a) : <f64>reinterpret<f32>(<u32>a);
  const y = wide ? reinterpret<f64>(b) : <f64>reinterpret<f32>(<u32>b);
  return x < y ? LESS : x == y ? EQUAL : GREATER;
}

/** A predicate of CMPxx, bits 2:0 of the immediate. */
function holds(a: u64, b: u64, predicate: u32, control: u32, wide: bool): bool {
  // LT, LE and their negations signal for any NaN.
  const quietly = ((predicate + 1) & 2) == 0;
  const outcome = relation(a, b, quietly, control, wide);
  const isIn = ((PREDICATES >> ((predicate & 3) << 2)) & outcome) != 0;
  return isIn != ((predicate & 4) != 0);
}

export function cmpss(a: u32, b: u32, predicate: u32): u32 {
  const control = mxcsr();
  startFlags();
  const result = holds(a, b, predicate & 7, control, false);
  finishFlags(control);
  return result ? 0xffff_ffff : 0;
}
export function cmpsd(a: u64, b: u64, predicate: u32): u64 {
  const control = mxcsr();
  startFlags();
  const result = holds(a, b, predicate & 7, control, true);
  finishFlags(control);
  return result ? 0xffff_ffff_ffff_ffff : 0;
}
export function cmpps(a: v128, b: v128, immediate: u32): v128 {
  const control = mxcsr();
  const predicate = immediate & 7;
  startFlags();
  const e0 = holds(
    <u32>i32x4.extract_lane(a, 0),
    <u32>i32x4.extract_lane(b, 0),
    predicate,
    control,
    false,
  );
  const e1 = holds(
    <u32>i32x4.extract_lane(a, 1),
    <u32>i32x4.extract_lane(b, 1),
    predicate,
    control,
    false,
  );
  const e2 = holds(
    <u32>i32x4.extract_lane(a, 2),
    <u32>i32x4.extract_lane(b, 2),
    predicate,
    control,
    false,
  );
  const e3 = holds(
    <u32>i32x4.extract_lane(a, 3),
    <u32>i32x4.extract_lane(b, 3),
    predicate,
    control,
    false,
  );
  finishFlags(control);
  return i32x4(-(<i32>e0), -(<i32>e1), -(<i32>e2), -(<i32>e3));
}
export function cmppd(a: v128, b: v128, immediate: u32): v128 {
  const control = mxcsr();
  const predicate = immediate & 7;
  startFlags();
  const low = holds(i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0), predicate, control, true);
  const high = holds(i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1), predicate, control, true);
  finishFlags(control);
  return i64x2(-(<i64>low), -(<i64>high));
}

/** ZF PF CF of COMISS and its kin. */
function orderFlags(a: u64, b: u64, quietly: bool, wide: bool): u32 {
  const control = mxcsr();
  startFlags();
  const outcome = relation(a, b, quietly, control, wide);
  finishFlags(control);
  if (outcome == UNORDERED) return EFLAGS_ZF | EFLAGS_PF | EFLAGS_CF;
  return outcome == LESS ? EFLAGS_CF : outcome == EQUAL ? EFLAGS_ZF : 0;
}
export function comiss(a: u32, b: u32): u32 {
  return orderFlags(a, b, false, false);
}
export function comisd(a: u64, b: u64): u32 {
  return orderFlags(a, b, false, true);
}
export function ucomiss(a: u32, b: u32): u32 {
  return orderFlags(a, b, true, false);
}
export function ucomisd(a: u64, b: u64): u32 {
  return orderFlags(a, b, true, true);
}

/** The second operand wins when they are equal or not comparable. */
function extreme(first: u64, second: u64, wanted: u32, control: u32, wide: bool): u64 {
  const outcome = relation(first, second, false, control, wide);
  return operand(outcome == wanted ? first : second, control, wide);
}
// @ts-ignore: decorator
@inline
function extreme32(a: u32, b: u32, wanted: u32): u32 {
  const control = mxcsr();
  startFlags();
  const result = <u32>extreme(a, b, wanted, control, false);
  finishFlags(control);
  return result;
}
// @ts-ignore: decorator
@inline
function extreme64(a: u64, b: u64, wanted: u32): u64 {
  const control = mxcsr();
  startFlags();
  const result = extreme(a, b, wanted, control, true);
  finishFlags(control);
  return result;
}
function extremes32(a: v128, b: v128, wanted: u32): v128 {
  const control = mxcsr();
  startFlags();
  const e0 = extreme(
    <u32>i32x4.extract_lane(a, 0),
    <u32>i32x4.extract_lane(b, 0),
    wanted,
    control,
    false,
  );
  const e1 = extreme(
    <u32>i32x4.extract_lane(a, 1),
    <u32>i32x4.extract_lane(b, 1),
    wanted,
    control,
    false,
  );
  const e2 = extreme(
    <u32>i32x4.extract_lane(a, 2),
    <u32>i32x4.extract_lane(b, 2),
    wanted,
    control,
    false,
  );
  const e3 = extreme(
    <u32>i32x4.extract_lane(a, 3),
    <u32>i32x4.extract_lane(b, 3),
    wanted,
    control,
    false,
  );
  finishFlags(control);
  return i32x4(<i32>e0, <i32>e1, <i32>e2, <i32>e3);
}
function extremes64(a: v128, b: v128, wanted: u32): v128 {
  const control = mxcsr();
  startFlags();
  const low = extreme(i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0), wanted, control, true);
  const high = extreme(i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1), wanted, control, true);
  finishFlags(control);
  return i64x2(low, high);
}
export function minss(a: u32, b: u32): u32 {
  return extreme32(a, b, LESS);
}
export function minsd(a: u64, b: u64): u64 {
  return extreme64(a, b, LESS);
}
export function minps(a: v128, b: v128): v128 {
  return extremes32(a, b, LESS);
}
export function minpd(a: v128, b: v128): v128 {
  return extremes64(a, b, LESS);
}
export function maxss(a: u32, b: u32): u32 {
  return extreme32(a, b, GREATER);
}
export function maxsd(a: u64, b: u64): u64 {
  return extreme64(a, b, GREATER);
}
export function maxps(a: v128, b: v128): v128 {
  return extremes32(a, b, GREATER);
}
export function maxpd(a: v128, b: v128): v128 {
  return extremes64(a, b, GREATER);
}
