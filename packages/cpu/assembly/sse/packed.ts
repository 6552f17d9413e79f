// Floating-point instructions on the low element or on all of them: each starts with no flags, does
// its elements and reports. A caller looks at the pending fault before it writes the result.

import { faulted } from '../fault';
import { mxcsr } from '../generated/layout';
import {
  ADD,
  arithmetic32,
  arithmetic64,
  DIV,
  MUL,
  squareRoot32,
  squareRoot64,
  SUB,
} from './arithmetic';
import { finishFlags, PE, startFlags } from './number';

/** MXCSR of which only the precision flag can change: to nearest, all masked, no DAZ or FTZ. */
const PLAIN_MASK: u32 = 0xffe0;
const PLAIN: u32 = 0x1f80 | PE;

// @ts-ignore: decorator
@inline
function scalar64(op: u32, a: u64, b: u64): u64 {
  const control = mxcsr();
  startFlags();
  const result = arithmetic64(op, a, b, control);
  finishFlags(control);
  return result;
}
// @ts-ignore: decorator
@inline
function scalar32(op: u32, a: u32, b: u32): u32 {
  const control = mxcsr();
  startFlags();
  const result = arithmetic32(op, a, b, control);
  finishFlags(control);
  return result;
}

export function addsd(a: u64, b: u64): u64 {
  return scalar64(ADD, a, b);
}
export function subsd(a: u64, b: u64): u64 {
  return scalar64(SUB, a, b);
}
export function mulsd(a: u64, b: u64): u64 {
  return scalar64(MUL, a, b);
}
export function divsd(a: u64, b: u64): u64 {
  return scalar64(DIV, a, b);
}
export function addss(a: u32, b: u32): u32 {
  return scalar32(ADD, a, b);
}
export function subss(a: u32, b: u32): u32 {
  return scalar32(SUB, a, b);
}
export function mulss(a: u32, b: u32): u32 {
  return scalar32(MUL, a, b);
}
export function divss(a: u32, b: u32): u32 {
  return scalar32(DIV, a, b);
}

export function sqrtsd(a: u64): u64 {
  const control = mxcsr();
  startFlags();
  const result = squareRoot64(a, control);
  finishFlags(control);
  return result;
}
export function sqrtss(a: u32): u32 {
  const control = mxcsr();
  startFlags();
  const result = squareRoot32(a, control);
  finishFlags(control);
  return result;
}

// --- Packed ------------------------------------------------------------------------------------

/** All ones in elements that are normal. */
// @ts-ignore: decorator
@inline
function normal64(x: v128): v128 {
  const size = f64x2.abs(x);
  return v128.and(
    f64x2.ge(size, f64x2.splat(reinterpret<f64>(<u64>0x0010_0000_0000_0000))),
    f64x2.lt(size, f64x2.splat(Infinity)),
  );
}
// @ts-ignore: decorator
@inline
function normal32(x: v128): v128 {
  const size = f32x4.abs(x);
  return v128.and(
    f32x4.ge(size, f32x4.splat(reinterpret<f32>(<u32>0x0080_0000))),
    f32x4.lt(size, f32x4.splat(<f32>Infinity)),
  );
}

// @ts-ignore: decorator
@inline
function native64(op: u32, a: v128, b: v128): v128 {
  if (op == ADD) return f64x2.add(a, b);
  if (op == SUB) return f64x2.sub(a, b);
  if (op == MUL) return f64x2.mul(a, b);
  return f64x2.div(a, b);
}
// @ts-ignore: decorator
@inline
function native32(op: u32, a: v128, b: v128): v128 {
  if (op == ADD) return f32x4.add(a, b);
  if (op == SUB) return f32x4.sub(a, b);
  if (op == MUL) return f32x4.mul(a, b);
  return f32x4.div(a, b);
}

// @ts-ignore: decorator
@inline
function packed64(op: u32, a: v128, b: v128): v128 {
  const control = mxcsr();
  if ((control & PLAIN_MASK) == PLAIN) {
    const result = native64(op, a, b);
    const all = v128.and(v128.and(normal64(a), normal64(b)), normal64(result));
    if (i64x2.all_true(all)) return result;
  }
  startFlags();
  const low = one64(op, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0), control);
  const high = one64(op, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1), control);
  finishFlags(control);
  return i64x2(low, high);
}
function one64(op: u32, a: u64, b: u64, control: u32): u64 {
  if (op == ADD) return arithmetic64(ADD, a, b, control);
  if (op == SUB) return arithmetic64(SUB, a, b, control);
  if (op == MUL) return arithmetic64(MUL, a, b, control);
  return arithmetic64(DIV, a, b, control);
}
function one32(op: u32, a: u32, b: u32, control: u32): u32 {
  if (op == ADD) return arithmetic32(ADD, a, b, control);
  if (op == SUB) return arithmetic32(SUB, a, b, control);
  if (op == MUL) return arithmetic32(MUL, a, b, control);
  return arithmetic32(DIV, a, b, control);
}

// @ts-ignore: decorator
@inline
function packed32(op: u32, a: v128, b: v128): v128 {
  const control = mxcsr();
  if ((control & PLAIN_MASK) == PLAIN) {
    const result = native32(op, a, b);
    const all = v128.and(v128.and(normal32(a), normal32(b)), normal32(result));
    if (i32x4.all_true(all)) return result;
  }
  return elements32(op, op, a, b, control);
}
/** Even elements by one operation, odd ones by another. */
function elements32(even: u32, odd: u32, a: v128, b: v128, control: u32): v128 {
  startFlags();
  const e0 = one32(even, i32x4.extract_lane(a, 0), i32x4.extract_lane(b, 0), control);
  const e1 = one32(odd, i32x4.extract_lane(a, 1), i32x4.extract_lane(b, 1), control);
  const e2 = one32(even, i32x4.extract_lane(a, 2), i32x4.extract_lane(b, 2), control);
  const e3 = one32(odd, i32x4.extract_lane(a, 3), i32x4.extract_lane(b, 3), control);
  finishFlags(control);
  return i32x4(e0, e1, e2, e3);
}

export function addpd(a: v128, b: v128): v128 {
  return packed64(ADD, a, b);
}
export function subpd(a: v128, b: v128): v128 {
  return packed64(SUB, a, b);
}
export function mulpd(a: v128, b: v128): v128 {
  return packed64(MUL, a, b);
}
export function divpd(a: v128, b: v128): v128 {
  return packed64(DIV, a, b);
}
export function addps(a: v128, b: v128): v128 {
  return packed32(ADD, a, b);
}
export function subps(a: v128, b: v128): v128 {
  return packed32(SUB, a, b);
}
export function mulps(a: v128, b: v128): v128 {
  return packed32(MUL, a, b);
}
export function divps(a: v128, b: v128): v128 {
  return packed32(DIV, a, b);
}
/** ADDSUBPS, ADDSUBPD: even elements are subtracted. */
export function addsubps(a: v128, b: v128): v128 {
  return elements32(SUB, ADD, a, b, mxcsr());
}
export function addsubpd(a: v128, b: v128): v128 {
  const control = mxcsr();
  startFlags();
  const low = one64(SUB, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0), control);
  const high = one64(ADD, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1), control);
  finishFlags(control);
  return i64x2(low, high);
}

export function sqrtpd(a: v128): v128 {
  const control = mxcsr();
  startFlags();
  const low = squareRoot64(i64x2.extract_lane(a, 0), control);
  const high = squareRoot64(i64x2.extract_lane(a, 1), control);
  finishFlags(control);
  return i64x2(low, high);
}
export function sqrtps(a: v128): v128 {
  const control = mxcsr();
  startFlags();
  const e0 = squareRoot32(i32x4.extract_lane(a, 0), control);
  const e1 = squareRoot32(i32x4.extract_lane(a, 1), control);
  const e2 = squareRoot32(i32x4.extract_lane(a, 2), control);
  const e3 = squareRoot32(i32x4.extract_lane(a, 3), control);
  finishFlags(control);
  return i32x4(e0, e1, e2, e3);
}

/**
 * Ends one step of an instruction of several: its flags are kept, and an unmasked one leaves the
 * later steps undone.
 */
function endStep(control: u32): bool {
  finishFlags(control);
  startFlags();
  return !faulted();
}

/** DPPS: products under the high bits of the immediate, their sum under the low ones. */
export function dpps(a: v128, b: v128, immediate: u32): v128 {
  let control = mxcsr();
  startFlags();
  const e0 = product32(i32x4.extract_lane(a, 0), i32x4.extract_lane(b, 0), immediate & 16, control);
  const e1 = product32(i32x4.extract_lane(a, 1), i32x4.extract_lane(b, 1), immediate & 32, control);
  const e2 = product32(i32x4.extract_lane(a, 2), i32x4.extract_lane(b, 2), immediate & 64, control);
  const e3 = product32(
    i32x4.extract_lane(a, 3),
    i32x4.extract_lane(b, 3),
    immediate & 128,
    control,
  );
  if (!endStep(control)) return a;
  control = mxcsr();
  const first = one32(ADD, e0, e1, control);
  const second = one32(ADD, e2, e3, control);
  if (!endStep(control)) return a;
  control = mxcsr();
  const sum = one32(ADD, first, second, control);
  finishFlags(control);
  const bits = v128.and(i32x4.splat(immediate), i32x4(1, 2, 4, 8));
  return v128.andnot(i32x4.splat(sum), i32x4.eq(bits, i32x4.splat(0)));
}
function product32(a: u32, b: u32, isChosen: u32, control: u32): u32 {
  return isChosen ? one32(MUL, a, b, control) : 0;
}

export function dppd(a: v128, b: v128, immediate: u32): v128 {
  let control = mxcsr();
  startFlags();
  let low: u64 = 0;
  let high: u64 = 0;
  if (immediate & 16) low = one64(MUL, i64x2.extract_lane(a, 0), i64x2.extract_lane(b, 0), control);
  if (immediate & 32)
    high = one64(MUL, i64x2.extract_lane(a, 1), i64x2.extract_lane(b, 1), control);
  if (!endStep(control)) return a;
  control = mxcsr();
  const sum = one64(ADD, low, high, control);
  finishFlags(control);
  return i64x2(immediate & 1 ? sum : 0, immediate & 2 ? sum : 0);
}
