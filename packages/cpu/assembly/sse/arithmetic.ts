// ADD, SUB, MUL, DIV and SQRT of one element, with exceptions. WebAssembly's own arithmetic rounds
// to nearest; whatever else MXCSR or the operands ask for is done in integers.

import { multiplyHighUnsigned } from '../arithmetic';
import {
  chooseNan,
  DE,
  DOWN,
  exponent,
  flag,
  IE,
  indefinite,
  infinity,
  isDenormal,
  isInfinite,
  isNotANumber,
  isZero,
  magnitude,
  MASK_SHIFT,
  operand,
  PE,
  RC,
  RC_SHIFT,
  round,
  shiftRightSticky,
  significand,
  signMask,
  signOf,
  ZE,
} from './number';

/** Operations, as constants that disappear when functions are inlined. */
export const ADD: u32 = 0;
export const SUB: u32 = 1;
export const MUL: u32 = 2;
export const DIV: u32 = 3;

const FRACTION: u64 = 0x000f_ffff_ffff_ffff;

/** Precision need not be looked at when its flag is set already and masked. */
// @ts-ignore: decorator
@inline
function precisionMatters(control: u32): bool {
  return (~control & (PE | (PE << MASK_SHIFT))) != 0;
}

/** Normal numbers and zeros. */
// @ts-ignore: decorator
@inline
function isOrdinary(x: u64): bool {
  return ((x >> 52) & 0x7ff) - 1 < 0x7fe || x << 1 == 0;
}
// @ts-ignore: decorator
@inline
function isOrdinary32(x: u32): bool {
  return ((x >> 23) & 0xff) - 1 < 0xfe || x << 1 == 0;
}

/** Whether the product of two normal numbers has at most 53 significant bits. */
function isExactProduct(a: u64, b: u64): bool {
  let first = (a & FRACTION) | (FRACTION + 1);
  let second = (b & FRACTION) | (FRACTION + 1);
  first >>= ctz(first);
  second >>= ctz(second);
  const bits = 128 - clz(first) - clz(second);
  return bits <= 53 || (bits == 54 && (first * second) >> 53 == 0);
}

/** 0 when x + y = sum exactly; else the error, or no number when it cannot be told. */
// @ts-ignore: decorator
@inline
function sumError<T>(x: T, y: T, sum: T): T {
  const part = <T>(sum - x);
  return <T>(<T>(x - <T>(sum - part)) + <T>(y - part));
}

/** One element in double precision. */
// @ts-ignore: decorator
@inline
export function arithmetic64(op: u32, a: u64, b: u64, control: u32): u64 {
  if ((control & RC) != 0 || !isOrdinary(a) || !isOrdinary(b))
    return exact(op, a, b, control, true);
  const x = reinterpret<f64>(a);
  const y = reinterpret<f64>(b);
  let result: f64;
  if (op == ADD) result = x + y;
  else if (op == SUB) result = x - y;
  else if (op == MUL) result = x * y;
  else result = x / y;
  const bits = reinterpret<u64>(result);
  if (!isOrdinary(bits)) return exact(op, a, b, control, true);
  if (op == MUL || op == DIV) {
    // A zero may have come of underflow.
    if (bits << 1 == 0) return exact(op, a, b, control, true);
  }
  if (precisionMatters(control)) return checked64(op, a, b, bits, control);
  return bits;
}

/** Raises PE when the rounded result is not the exact one. */
function checked64(op: u32, a: u64, b: u64, bits: u64, control: u32): u64 {
  const x = reinterpret<f64>(a);
  const y = reinterpret<f64>(b);
  const result = reinterpret<f64>(bits);
  let isExact: bool;
  if (op == MUL) {
    isExact = isExactProduct(a, b);
  } else if (op == DIV) {
    isExact = isExactProduct(bits, b) && result * y == x;
  } else {
    const error = sumError<f64>(x, op == ADD ? y : -y, result);
    if (error - error != 0) return exact(op, a, b, control, true);
    isExact = error == 0;
  }
  if (!isExact) flag(PE);
  return bits;
}

/** One element in single precision. */
// @ts-ignore: decorator
@inline
export function arithmetic32(op: u32, a: u32, b: u32, control: u32): u32 {
  if ((control & RC) != 0 || !isOrdinary32(a) || !isOrdinary32(b))
    return <u32>exact(op, a, b, control, false);
  const x = reinterpret<f32>(a);
  const y = reinterpret<f32>(b);
  let result: f32;
  if (op == ADD) result = x + y;
  else if (op == SUB) result = x - y;
  else if (op == MUL) result = x * y;
  else result = x / y;
  const bits = reinterpret<u32>(result);
  if (!isOrdinary32(bits)) return <u32>exact(op, a, b, control, false);
  if (op == MUL || op == DIV) {
    if (bits << 1 == 0) return <u32>exact(op, a, b, control, false);
  }
  if (precisionMatters(control)) return checked32(op, a, b, bits, control);
  return bits;
}

function checked32(op: u32, a: u32, b: u32, bits: u32, control: u32): u32 {
  const x = reinterpret<f32>(a);
  const y = reinterpret<f32>(b);
  const result = reinterpret<f32>(bits);
  let isExact: bool;
  // Products of two single-precision numbers are exact in double precision.
  if (op == MUL) {
    isExact = <f64>x * <f64>y == <f64>result;
  } else if (op == DIV) {
    isExact = <f64>result * <f64>y == <f64>x;
  } else {
    const error = sumError<f32>(x, op == ADD ? y : -y, result);
    if (error - error != 0) return <u32>exact(op, a, b, control, false);
    isExact = error == 0;
  }
  if (!isExact) flag(PE);
  return bits;
}

// --- In integers -------------------------------------------------------------------------------

function exact(op: u32, first: u64, second: u64, control: u32, wide: bool): u64 {
  const a = operand(first, control, wide);
  const b = operand(second, control, wide);
  if (isNotANumber(a, wide) || isNotANumber(b, wide)) return chooseNan(a, b, wide);
  switch (op) {
    case ADD:
      return add(a, b, control, wide);
    case SUB:
      return add(a, b ^ signMask(wide), control, wide);
    case MUL:
      return multiply(a, b, control, wide);
    default:
      return divide(a, b, control, wide);
  }
}

// @ts-ignore: decorator
@inline
function flagDenormals(a: u64, b: u64, wide: bool): void {
  if (isDenormal(a, wide) || isDenormal(b, wide)) flag(DE);
}

function invalid(wide: bool): u64 {
  flag(IE);
  return indefinite(wide);
}

function add(a: u64, b: u64, control: u32, wide: bool): u64 {
  const signA = signOf(a, wide);
  const signB = signOf(b, wide);
  if (isInfinite(a, wide) && isInfinite(b, wide) && signA != signB) return invalid(wide);
  flagDenormals(a, b, wide);
  if (isInfinite(a, wide)) return a;
  if (isInfinite(b, wide)) return b;
  const zeroSign = <u64>((control & RC) >> RC_SHIFT == DOWN) * signMask(wide);
  if (isZero(a, wide) && isZero(b, wide)) return signA == signB ? a : zeroSign;
  if (isZero(a, wide)) return round(signB, exponent(b, wide), significand(b, wide), control, wide);
  if (isZero(b, wide)) return round(signA, exponent(a, wide), significand(a, wide), control, wide);
  const isFirst = magnitude(a, wide) >= magnitude(b, wide);
  const large = isFirst ? a : b;
  const small = isFirst ? b : a;
  const scale = exponent(large, wide);
  const distance = <u32>(scale - exponent(small, wide));
  // One bit of room for the carry; at least ten bits below are zeros, so nothing is lost.
  const upper = significand(large, wide) >> 1;
  const lower = shiftRightSticky(significand(small, wide) >> 1, distance);
  const sum = signA == signB ? upper + lower : upper - lower;
  if (sum == 0) return zeroSign;
  const shift = clz(sum);
  return round(signOf(large, wide), scale + 1 - <i32>shift, sum << shift, control, wide);
}

function multiply(a: u64, b: u64, control: u32, wide: bool): u64 {
  const sign = signOf(a ^ b, wide);
  const top = sign * signMask(wide);
  if (isInfinite(a, wide) || isInfinite(b, wide)) {
    if (isZero(a, wide) || isZero(b, wide)) return invalid(wide);
    flagDenormals(a, b, wide);
    return top | infinity(wide);
  }
  flagDenormals(a, b, wide);
  if (isZero(a, wide) || isZero(b, wide)) return top;
  const first = significand(a, wide);
  const second = significand(b, wide);
  const low = first * second;
  const high = multiplyHighUnsigned(first, second) | <u64>(low != 0);
  const shift = clz(high);
  const scale = exponent(a, wide) + exponent(b, wide) + 1 - <i32>shift;
  return round(sign, scale, high << shift, control, wide);
}

function divide(a: u64, b: u64, control: u32, wide: bool): u64 {
  const sign = signOf(a ^ b, wide);
  const top = sign * signMask(wide);
  if (isInfinite(a, wide)) {
    if (isInfinite(b, wide)) return invalid(wide);
    flagDenormals(a, b, wide);
    return top | infinity(wide);
  }
  if (isZero(b, wide)) {
    if (isZero(a, wide)) return invalid(wide);
    flag(ZE);
    return top | infinity(wide);
  }
  flagDenormals(a, b, wide);
  if (isInfinite(b, wide) || isZero(a, wide)) return top;
  // Significands of 53 bits; the quotient of two numbers in [1, 2) is rounded to nearest, and the
  // remainder's sign tells on which side of it the true quotient is.
  const dividend = significand(a, wide) >> 11;
  const divisor = significand(b, wide) >> 11;
  const ratio = reinterpret<u64>(<f64>dividend / <f64>divisor);
  const quotient = (ratio & FRACTION) | (FRACTION + 1);
  // Rounding may have carried a quotient below one up to one.
  const scale = <i32>((ratio >> 52) & 0x7ff) - 1023;
  const remainder = <i64>((dividend << (<u64>(52 - scale))) - quotient * divisor);
  return round(
    sign,
    exponent(a, wide) - exponent(b, wide) + scale,
    nudged(quotient, remainder),
    control,
    wide,
  );
}

/** A result of 53 bits at the top, with what is known of the rest: its sign. */
function nudged(bits: u64, remainder: i64): u64 {
  return (bits << 11) + <u64>(remainder > 0 ? 1 : remainder < 0 ? -1 : 0);
}

// --- Square roots ------------------------------------------------------------------------------

export function squareRoot64(x: u64, control: u32): u64 {
  if ((control & RC) != 0 || !isOrdinary(x) || <i64>x <= 0) return exactRoot(x, control, true);
  const root = reinterpret<u64>(sqrt<f64>(reinterpret<f64>(x)));
  if (precisionMatters(control)) {
    const value = reinterpret<f64>(root);
    if (!isExactProduct(root, root) || value * value != reinterpret<f64>(x)) flag(PE);
  }
  return root;
}

export function squareRoot32(x: u32, control: u32): u32 {
  if ((control & RC) != 0 || !isOrdinary32(x) || <i32>x <= 0)
    return <u32>exactRoot(x, control, false);
  const root = sqrt<f32>(reinterpret<f32>(x));
  if (<f64>root * <f64>root != <f64>reinterpret<f32>(x)) flag(PE);
  return reinterpret<u32>(root);
}

function exactRoot(value: u64, control: u32, wide: bool): u64 {
  const x = operand(value, control, wide);
  if (isNotANumber(x, wide)) return chooseNan(x, x, wide);
  if (isZero(x, wide)) return x;
  if (signOf(x, wide) != 0) return invalid(wide);
  if (isInfinite(x, wide)) return x;
  flagDenormals(x, x, wide);
  const scale = exponent(x, wide);
  const odd = <u64>(scale & 1);
  const bits = significand(x, wide) >> 11;
  // The radicand in [1, 4), its root in [1, 2) rounded to nearest.
  const radicand = <f64>bits * (odd ? 2.0 : 1.0) * (1.0 / 4503599627370496.0);
  const root = (reinterpret<u64>(sqrt<f64>(radicand)) & FRACTION) | (FRACTION + 1);
  const remainder = <i64>((bits << (52 + odd)) - root * root);
  return round(0, (scale - <i32>odd) >> 1, nudged(root, remainder), control, wide);
}
