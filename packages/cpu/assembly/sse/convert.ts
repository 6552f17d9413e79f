// Conversions between integers and numbers of both precisions, rounding to integers, and the
// approximations RCPPS and RSQRTPS.

import { mxcsr } from '../generated/layout';
import {
  DE,
  DOWN,
  exponent,
  finishFlags,
  flag,
  IE,
  indefinite,
  isDenormal,
  isInfinite,
  isNotANumber,
  isSignaling,
  isZero,
  magnitude,
  NEAREST,
  operand,
  PE,
  quiet,
  RC,
  RC_SHIFT,
  round,
  significand,
  signOf,
  startFlags,
  UP,
} from './number';

const TRUNCATE: u32 = 3;
/** Integers up to here have single precision. */
const SINGLE_EXACT: i64 = 1 << 24;

/** A signed integer as a number. */
function fromInteger(value: i64, control: u32, wide: bool): u64 {
  if (!wide && value >= -SINGLE_EXACT && value <= SINGLE_EXACT) {
    return reinterpret<u32>(<f32>value);
  }
  if (value == 0) return 0;
  const sign = <u64>(value < 0);
  const size = sign ? 0 - <u64>value : <u64>value;
  const shift = clz(size);
  return round(sign, 63 - <i32>shift, size << shift, control, wide);
}

/** Double precision holds numbers of both formats. */
// @ts-ignore: decorator
@inline
function valueOf(x: u64, wide: bool): f64 {
  return wide ? reinterpret<f64>(x) : <f64>reinterpret<f32>(<u32>x);
}

function rounded(x: f64, rounding: u32): f64 {
  switch (rounding) {
    case NEAREST:
      return nearest<f64>(x);
    case DOWN:
      return floor<f64>(x);
    case UP:
      return ceil<f64>(x);
    default:
      return trunc<f64>(x);
  }
}

/** A number as a signed integer of `bits` bits: the integer indefinite where there is none. */
function toInteger(value: u64, rounding: u32, control: u32, bits: u32, wide: bool): u64 {
  const x = valueOf(operand(value, control, wide), wide);
  const whole = rounded(x, rounding);
  const limit = bits == 32 ? 2147483648.0 : 9223372036854775808.0;
  if (!(whole >= -limit && whole < limit)) {
    flag(IE);
    return (<u64>1) << (bits - 1);
  }
  if (whole != x) flag(PE);
  const result = <u64>(<i64>whole);
  return bits == 32 ? result & 0xffff_ffff : result;
}

// @ts-ignore: decorator
@inline
function roundingOf(control: u32): u32 {
  return (control & RC) >> RC_SHIFT;
}

export function cvtsi2ss(value: u64): u32 {
  const control = mxcsr();
  startFlags();
  const result = <u32>fromInteger(<i64>value, control, false);
  finishFlags(control);
  return result;
}
export function cvtsi2sd(value: u64): u64 {
  const direct = <f64>(<i64>value);
  // Below 2^53 there is nothing to round.
  if (value + 0x20_0000_0000_0000 <= 0x40_0000_0000_0000) return reinterpret<u64>(direct);
  const control = mxcsr();
  startFlags();
  const result = fromInteger(<i64>value, control, true);
  finishFlags(control);
  return result;
}
/** CVTSS2SI and CVTTSS2SI (`truncates` 1) to 32 or 64 bits. */
export function cvtss2si(value: u32, truncates: u32, bits: u32): u64 {
  const control = mxcsr();
  startFlags();
  const result = toInteger(value, truncates ? TRUNCATE : roundingOf(control), control, bits, false);
  finishFlags(control);
  return result;
}
export function cvtsd2si(value: u64, truncates: u32, bits: u32): u64 {
  const control = mxcsr();
  startFlags();
  const result = toInteger(value, truncates ? TRUNCATE : roundingOf(control), control, bits, true);
  finishFlags(control);
  return result;
}

/** A result above the least normal number was not tiny before it was rounded. */
const LEAST_NORMAL32: f32 = 1.1754943508222875e-38;

function widen(value: u32, control: u32): u64 {
  const x = operand(value, control, false);
  if (isNotANumber(x, false)) {
    if (isSignaling(x, false)) flag(IE);
    return quiet(((x & 0x8000_0000) << 32) | 0x7ff0_0000_0000_0000 | ((x & 0x7f_ffff) << 29), true);
  }
  if (isDenormal(x, false)) flag(DE);
  return reinterpret<u64>(<f64>reinterpret<f32>(<u32>x));
}
function narrow(value: u64, control: u32): u32 {
  const x = operand(value, control, true);
  const top = <u32>(x >> 32) & 0x8000_0000;
  if ((control & RC) == 0) {
    const single = <f32>reinterpret<f64>(x);
    const size = abs<f32>(single);
    if (size > LEAST_NORMAL32 && size < <f32>Infinity) {
      if (<f64>single != reinterpret<f64>(x)) flag(PE);
      return reinterpret<u32>(single);
    }
  }
  if (isNotANumber(x, true)) {
    if (isSignaling(x, true)) flag(IE);
    return top | 0x7fc0_0000 | (<u32>(x >> 29) & 0x7f_ffff);
  }
  if (isInfinite(x, true)) return top | 0x7f80_0000;
  if (isZero(x, true)) return top;
  if (isDenormal(x, true)) flag(DE);
  return <u32>round(signOf(x, true), exponent(x, true), significand(x, true), control, false);
}
export function cvtss2sd(value: u32): u64 {
  const control = mxcsr();
  startFlags();
  const result = widen(value, control);
  finishFlags(control);
  return result;
}
export function cvtsd2ss(value: u64): u32 {
  const control = mxcsr();
  startFlags();
  const result = narrow(value, control);
  finishFlags(control);
  return result;
}
export function cvtps2pd(a: v128): v128 {
  const control = mxcsr();
  startFlags();
  const low = widen(i32x4.extract_lane(a, 0), control);
  const high = widen(i32x4.extract_lane(a, 1), control);
  finishFlags(control);
  return i64x2(low, high);
}
export function cvtpd2ps(a: v128): v128 {
  const control = mxcsr();
  startFlags();
  const low = narrow(i64x2.extract_lane(a, 0), control);
  const high = narrow(i64x2.extract_lane(a, 1), control);
  finishFlags(control);
  return i32x4(low, high, 0, 0);
}
/** CVTDQ2PS; CVTPI2PS takes the low two. */
export function cvtdq2ps(a: v128): v128 {
  const control = mxcsr();
  startFlags();
  const e0 = fromInteger(i32x4.extract_lane(a, 0), control, false);
  const e1 = fromInteger(i32x4.extract_lane(a, 1), control, false);
  const e2 = fromInteger(i32x4.extract_lane(a, 2), control, false);
  const e3 = fromInteger(i32x4.extract_lane(a, 3), control, false);
  finishFlags(control);
  return i32x4(<i32>e0, <i32>e1, <i32>e2, <i32>e3);
}
/** CVTPI2PS: the elements above do not take part. */
export function cvtpi2ps(value: u64): u64 {
  const control = mxcsr();
  startFlags();
  const low = fromInteger(<i32>value, control, false);
  const high = fromInteger(<i32>(value >> 32), control, false);
  finishFlags(control);
  return low | (high << 32);
}
/** CVTDQ2PD and CVTPI2PD: always exact. */
export function cvtdq2pd(a: v128): v128 {
  return f64x2.convert_low_i32x4_s(a);
}
export function cvtps2dq(a: v128, truncates: u32): v128 {
  const control = mxcsr();
  const rounding = truncates ? TRUNCATE : roundingOf(control);
  startFlags();
  const e0 = toInteger(<u32>i32x4.extract_lane(a, 0), rounding, control, 32, false);
  const e1 = toInteger(<u32>i32x4.extract_lane(a, 1), rounding, control, 32, false);
  const e2 = toInteger(<u32>i32x4.extract_lane(a, 2), rounding, control, 32, false);
  const e3 = toInteger(<u32>i32x4.extract_lane(a, 3), rounding, control, 32, false);
  finishFlags(control);
  return i32x4(<i32>e0, <i32>e1, <i32>e2, <i32>e3);
}
/** CVTPS2PI and CVTTPS2PI. */
export function cvtps2pi(value: u64, truncates: u32): u64 {
  const control = mxcsr();
  const rounding = truncates ? TRUNCATE : roundingOf(control);
  startFlags();
  const low = toInteger(value & 0xffff_ffff, rounding, control, 32, false);
  const high = toInteger(value >> 32, rounding, control, 32, false);
  finishFlags(control);
  return low | (high << 32);
}
/** CVTPD2DQ, CVTTPD2DQ, CVTPD2PI and CVTTPD2PI. */
export function cvtpd2dq(a: v128, truncates: u32): v128 {
  const control = mxcsr();
  const rounding = truncates ? TRUNCATE : roundingOf(control);
  startFlags();
  const low = toInteger(i64x2.extract_lane(a, 0), rounding, control, 32, true);
  const high = toInteger(i64x2.extract_lane(a, 1), rounding, control, 32, true);
  finishFlags(control);
  return i64x2(low | (high << 32), 0);
}

// --- Rounding in place -------------------------------------------------------------------------

/** ROUNDxx: bits 1:0 round unless bit 2 says MXCSR.RC; bit 3 keeps PE quiet. */
function roundInPlace(value: u64, immediate: u32, control: u32, wide: bool): u64 {
  const x = operand(value, control, wide);
  if (isNotANumber(x, wide)) {
    if (isSignaling(x, wide)) flag(IE);
    return quiet(x, wide);
  }
  const rounding = immediate & 4 ? roundingOf(control) : immediate & 3;
  const before = valueOf(x, wide);
  const whole = rounded(before, rounding);
  if (whole != before && (immediate & 8) == 0) flag(PE);
  return wide ? reinterpret<u64>(whole) : <u64>reinterpret<u32>(<f32>whole);
}
export function roundss(value: u32, immediate: u32): u32 {
  const control = mxcsr();
  startFlags();
  const result = <u32>roundInPlace(value, immediate, control, false);
  finishFlags(control);
  return result;
}
export function roundsd(value: u64, immediate: u32): u64 {
  const control = mxcsr();
  startFlags();
  const result = roundInPlace(value, immediate, control, true);
  finishFlags(control);
  return result;
}
export function roundps(a: v128, immediate: u32): v128 {
  const control = mxcsr();
  startFlags();
  const e0 = roundInPlace(<u32>i32x4.extract_lane(a, 0), immediate, control, false);
  const e1 = roundInPlace(<u32>i32x4.extract_lane(a, 1), immediate, control, false);
  const e2 = roundInPlace(<u32>i32x4.extract_lane(a, 2), immediate, control, false);
  const e3 = roundInPlace(<u32>i32x4.extract_lane(a, 3), immediate, control, false);
  finishFlags(control);
  return i32x4(<i32>e0, <i32>e1, <i32>e2, <i32>e3);
}
export function roundpd(a: v128, immediate: u32): v128 {
  const control = mxcsr();
  startFlags();
  const low = roundInPlace(i64x2.extract_lane(a, 0), immediate, control, true);
  const high = roundInPlace(i64x2.extract_lane(a, 1), immediate, control, true);
  finishFlags(control);
  return i64x2(low, high);
}

// --- Approximations ----------------------------------------------------------------------------

const INFINITY32: u32 = 0x7f80_0000;

/**
 * RCPSS: no flags, whatever MXCSR says; denormals are zeros in and out. The result is the rounded
 * reciprocal, closer than the 1.5 * 2^-12 that [SDM] asks for.
 */
export function rcpss(x: u32): u32 {
  if (isNotANumber(x, false)) return <u32>quiet(x, false);
  const top = x & 0x8000_0000;
  if (isInfinite(x, false)) return top;
  if (isZero(x, false) || isDenormal(x, false)) return top | INFINITY32;
  const result = reinterpret<u32>(<f32>1 / reinterpret<f32>(x));
  return isDenormal(result, false) ? top : result;
}
export function rsqrtss(x: u32): u32 {
  if (isNotANumber(x, false)) return <u32>quiet(x, false);
  if (isZero(x, false) || isDenormal(x, false)) return (x & 0x8000_0000) | INFINITY32;
  if (<i32>x < 0) return <u32>indefinite(false);
  if (magnitude(x, false) == INFINITY32) return 0;
  return reinterpret<u32>(<f32>(1.0 / sqrt<f64>(<f64>reinterpret<f32>(x))));
}
export function rcpps(a: v128): v128 {
  return i32x4(
    rcpss(i32x4.extract_lane(a, 0)),
    rcpss(i32x4.extract_lane(a, 1)),
    rcpss(i32x4.extract_lane(a, 2)),
    rcpss(i32x4.extract_lane(a, 3)),
  );
}
export function rsqrtps(a: v128): v128 {
  return i32x4(
    rsqrtss(i32x4.extract_lane(a, 0)),
    rsqrtss(i32x4.extract_lane(a, 1)),
    rsqrtss(i32x4.extract_lane(a, 2)),
    rsqrtss(i32x4.extract_lane(a, 3)),
  );
}
