// FPREM, FPREM1, FRNDINT, FSCALE, FXTRACT. [SDM] vol. 1 §8.3.5 to §8.3.8; vol. 2A.

import { C0, C1, C2, C3, DE, PE, ZE } from './environment';
import {
  BIAS,
  DENORMAL,
  EXPONENT,
  INFINITE,
  INTEGER_BIT,
  NAN,
  SIGN,
  UNSUPPORTED,
  ZERO,
  exponentOut,
  infinity,
  invalid,
  kindOf,
  note,
  powerOf,
  propagate,
  quiet,
  result,
  roundFull,
  roundingMode,
  roundsUp,
  signedZero,
} from './number';
import { divide128, remainderOut } from './arithmetic';
import { fromInteger } from './conversions';

/** There was no division: a NaN came out. */
export const NO_QUOTIENT: u32 = 0xffff;
/** C3, C2, C1 and C0 of the last partial remainder. */
export let quotientBits: u32 = 0;

/** Q0, Q1 and Q2 at C1, C3 and C0. */
function setQuotient(quotient: u64): void {
  quotientBits = (quotient & 1) != 0 ? C1 : 0;
  if ((quotient & 2) != 0) quotientBits |= C3;
  if ((quotient & 4) != 0) quotientBits |= C0;
}

/** a rem b; `nearest`: the quotient is rounded to nearest, as IEEE 754 wants, else truncated. */
export function remainder(a: u64, aExponent: u32, b: u64, bExponent: u32, nearest: bool): u64 {
  quotientBits = NO_QUOTIENT;
  const aKind = kindOf(a, aExponent);
  const bKind = kindOf(b, bExponent);
  if (aKind == UNSUPPORTED || bKind == UNSUPPORTED) return invalid();
  if (aKind == NAN || bKind == NAN) return propagate(a, aExponent, b, bExponent);
  if (aKind == INFINITE || bKind == ZERO) return invalid();
  if (aKind == DENORMAL || bKind == DENORMAL) note(DE);
  quotientBits = 0;
  const sign = aExponent & SIGN;
  if (aKind == ZERO) return signedZero(sign);
  const aPower = powerOf(a, aExponent);
  const normal = a << clz(a);
  if (bKind == INFINITE) return roundFull(sign, aPower, normal, 0);
  const bPower = powerOf(b, bExponent);
  return reduce(sign, aPower, normal, bPower, b << clz(b), nearest);
}

function reduce(sign: u32, aPower: i32, a: u64, bPower: i32, b: u64, nearest: bool): u64 {
  const distance = aPower - bPower;
  if (distance < -1 || (distance < 0 && !nearest)) return roundFull(sign, aPower, a, 0);
  if (distance >= 64) {
    // Reduces the exponents' distance by 32 to 63, and leaves the rest to another go.
    const by = (distance & 31) | 32;
    const rest = remainderShifted(a, b, by);
    quotientBits = C2;
    return packRemainder(sign, aPower - by, rest);
  }
  if (distance == -1) {
    // The quotient is 0 or, when a exceeds half of b, 1.
    if (a <= b) return roundFull(sign, aPower, a, 0);
    setQuotient(1);
    // b - a in units of half of b's last place.
    const hi = b - (a >> 1) - (a & 1);
    return packWide(sign ^ SIGN, bPower, hi, (a & 1) << 63);
  }
  let rest = remainderShifted(a, b, distance);
  let quotient = quotientOut;
  let flipped: u32 = 0;
  if (nearest) {
    const other = b - rest;
    if (rest > other || (rest == other && (quotient & 1) != 0)) {
      rest = other;
      quotient++;
      flipped = SIGN;
    }
  }
  setQuotient(quotient);
  if (rest == 0) return signedZero(sign);
  return packRemainder(sign ^ flipped, bPower, rest);
}

let quotientOut: u64 = 0;

/** a * 2^distance rem b, distance below 64; the quotient's low bits in `quotientOut`. */
function remainderShifted(a: u64, b: u64, distance: i32): u64 {
  // The integer part first, so that the dividend's upper half is below b.
  let quotient: u64 = 0;
  let hi = a;
  if (hi >= b) {
    hi -= b;
    quotient = 1;
  }
  if (distance != 0) {
    const shift = <u64>distance;
    const digit = divide128(hi >> (64 - shift), hi << shift, b);
    hi = remainderOut;
    quotient = (quotient << shift) + digit;
  }
  quotientOut = quotient;
  return hi;
}

/** rest * 2^(power - BIAS - 63), which is exact. */
function packRemainder(sign: u32, power: i32, rest: u64): u64 {
  if (rest == 0) return signedZero(sign);
  const shift = clz(rest);
  return roundFull(sign, power - <i32>shift, rest << shift, 0);
}

function packWide(sign: u32, power: i32, hi: u64, lo: u64): u64 {
  if (hi == 0) return packRemainder(sign, power - 64, lo);
  const shift = clz(hi);
  if (shift == 0) return roundFull(sign, power, hi, lo);
  return roundFull(sign, power - <i32>shift, (hi << shift) | (lo >> (64 - shift)), lo << shift);
}

/** FRNDINT. */
export function roundToIntegral(significand: u64, exponent: u32): u64 {
  const kind = kindOf(significand, exponent);
  if (kind == UNSUPPORTED) return invalid();
  if (kind == NAN) return quiet(significand, exponent);
  if (kind == INFINITE || kind == ZERO) return result(significand, exponent);
  if (kind == DENORMAL) note(DE);
  const sign = exponent & SIGN;
  const shift = BIAS + 63 - <i32>(exponent & EXPONENT);
  if (shift <= 0) return result(significand, exponent);
  const mode = roundingMode();
  if (shift >= 64) {
    // Below one: zero or one.
    note(PE);
    const rest = shift == 64 ? significand : <u64>1;
    if (!roundsUp(mode, sign, false, rest)) return signedZero(sign);
    note(C1);
    return result(INTEGER_BIT, sign | <u32>BIAS);
  }
  const unit = <u64>1 << <u64>shift;
  const rest = significand << <u64>(64 - shift);
  let kept = significand & ~(unit - 1);
  if (rest == 0) return result(kept, exponent);
  note(PE);
  if (!roundsUp(mode, sign, (kept & unit) != 0, rest)) return result(kept, exponent);
  note(C1);
  kept += unit;
  return kept == 0 ? result(INTEGER_BIT, exponent + 1) : result(kept, exponent);
}

/** Powers of two beyond this overflow or underflow whatever the number. */
const SCALE_MAX: i32 = 0x1_0000;

/** FSCALE: a * 2^trunc(b). */
export function scale(a: u64, aExponent: u32, b: u64, bExponent: u32): u64 {
  const aKind = kindOf(a, aExponent);
  const bKind = kindOf(b, bExponent);
  if (aKind == UNSUPPORTED || bKind == UNSUPPORTED) return invalid();
  if (aKind == NAN || bKind == NAN) return propagate(a, aExponent, b, bExponent);
  const sign = aExponent & SIGN;
  const down = (bExponent & SIGN) != 0;
  if (bKind == INFINITE) {
    if (aKind == (down ? INFINITE : ZERO)) return invalid();
    if (aKind == DENORMAL) note(DE);
    return down ? signedZero(sign) : infinity(sign);
  }
  if (aKind == DENORMAL || bKind == DENORMAL) note(DE);
  if (aKind == ZERO || aKind == INFINITE) return result(a, aExponent);
  const shift = BIAS + 63 - <i32>(bExponent & EXPONENT);
  let by: i32 = 0;
  if (bKind != ZERO && shift < 64) {
    const magnitude = shift < 47 ? <u64>SCALE_MAX : b >> <u64>shift;
    by = <i32>min<u64>(magnitude, SCALE_MAX);
    if (down) by = -by;
  }
  return roundFull(sign, powerOf(a, aExponent) + by, a << clz(a), 0);
}

/** The exponent that FXTRACT took off, as a number. */
export let extracted: u64 = 0;
export let extractedExponent: u32 = 0;

/** FXTRACT: returns the significand as a number between 1 and 2; `extracted` is the exponent. */
export function extract(a: u64, exponent: u32): u64 {
  const kind = kindOf(a, exponent);
  const sign = exponent & SIGN;
  if (kind == UNSUPPORTED || kind == NAN) {
    extracted = kind == NAN ? quiet(a, exponent) : invalid();
    extractedExponent = exponentOut;
    return extracted;
  }
  if (kind == INFINITE || kind == ZERO) {
    if (kind == ZERO) note(ZE);
    extracted = INTEGER_BIT;
    extractedExponent = kind == ZERO ? SIGN | EXPONENT : EXPONENT;
    return result(a, exponent);
  }
  if (kind == DENORMAL) note(DE);
  extracted = fromInteger(<i64>(powerOf(a, exponent) - BIAS));
  extractedExponent = exponentOut;
  return result(a << clz(a), sign | <u32>BIAS);
}
