// 80-bit numbers: a 64-bit significand with its integer bit; sign and biased exponent in 16 bits.
// Functions return the significand and leave sign and exponent in `exponentOut`; exceptions gather
// in `raised`. [SDM] vol. 1 §4.2, §4.8, §8.2.

import { fpuControl } from '../generated/layout';
import { C1, IE, OE, PE, UE } from './environment';

export const SIGN: u32 = 0x8000;
export const EXPONENT: u32 = 0x7fff;
export const BIAS: i32 = 0x3fff;
export const INTEGER_BIT: u64 = 0x8000_0000_0000_0000;
export const QUIET_BIT: u64 = 0x4000_0000_0000_0000;
/** The QNaN floating-point indefinite. */
export const INDEFINITE: u64 = 0xc000_0000_0000_0000;
export const INDEFINITE_EXPONENT: u32 = 0xffff;

/** What an exponent is moved by when an unmasked overflow or underflow goes to a register. */
const EXPONENT_ADJUSTMENT: i32 = 24576;
const HALF: u64 = 0x8000_0000_0000_0000;

// Rounding control.
export const NEAREST: u32 = 0;
export const DOWN: u32 = 1;
export const UP: u32 = 2;

// Kinds of operands.
export const NORMAL: u32 = 0;
export const ZERO: u32 = 1;
export const DENORMAL: u32 = 2;
export const INFINITE: u32 = 3;
export const NAN: u32 = 4;
export const UNSUPPORTED: u32 = 5;

/** Exceptions of the operation in progress, with C1 when it rounded away from zero. */
export let raised: u32 = 0;
/** Sign and exponent that belong to the significand last returned. */
export let exponentOut: u32 = 0;

// @ts-ignore: decorator
@inline
export function beginOperation(): void {
  raised = 0;
}

// @ts-ignore: decorator
@inline
export function note(flags: u32): void {
  raised |= flags;
}

/** Takes back the exceptions that a step of a longer operation raised. */
// @ts-ignore: decorator
@inline
export function setRaised(flags: u32): void {
  raised = flags;
}

// @ts-ignore: decorator
@inline
export function result(significand: u64, exponent: u32): u64 {
  exponentOut = exponent;
  return significand;
}

// @ts-ignore: decorator
@inline
export function signedZero(sign: u32): u64 {
  return result(0, sign);
}

// @ts-ignore: decorator
@inline
export function infinity(sign: u32): u64 {
  return result(INTEGER_BIT, sign | EXPONENT);
}

/** The answer to an invalid operation. */
export function invalid(): u64 {
  raised |= IE;
  return result(INDEFINITE, INDEFINITE_EXPONENT);
}

// @ts-ignore: decorator
@inline
export function roundingMode(): u32 {
  return (fpuControl() >> 10) & 3;
}

// @ts-ignore: decorator
@inline
export function isNormal(significand: u64, exponent: u32): bool {
  return <i64>significand < 0 && ((exponent + 1) & EXPONENT) > 1;
}

export function kindOf(significand: u64, exponent: u32): u32 {
  const e = exponent & EXPONENT;
  if (e == 0) return significand == 0 ? ZERO : DENORMAL;
  if (<i64>significand >= 0) return UNSUPPORTED;
  if (e != EXPONENT) return NORMAL;
  return significand << 1 == 0 ? INFINITE : NAN;
}

/** Exponent of a finite operand but zero, once its significand is shifted to have the top bit set. */
// @ts-ignore: decorator
@inline
export function powerOf(significand: u64, exponent: u32): i32 {
  const e = <i32>(exponent & EXPONENT);
  return e == 0 ? 1 - <i32>clz(significand) : e;
}

// @ts-ignore: decorator
@inline
export function isSignaling(significand: u64): bool {
  return (significand & QUIET_BIT) == 0;
}

/** The one NaN operand, made quiet. */
export function quiet(significand: u64, exponent: u32): u64 {
  if (isSignaling(significand)) raised |= IE;
  return result(significand | QUIET_BIT, exponent);
}

/** The NaN that comes out of two operands of which one at least is a NaN. [SDM] vol. 1 table 4-7. */
export function propagate(a: u64, aExponent: u32, b: u64, bExponent: u32): u64 {
  const aIsNan = kindOf(a, aExponent) == NAN;
  const bIsNan = kindOf(b, bExponent) == NAN;
  if (!bIsNan) return quiet(a, aExponent);
  if (!aIsNan) return quiet(b, bExponent);
  const aSignals = isSignaling(a);
  const bSignals = isSignaling(b);
  if (aSignals || bSignals) raised |= IE;
  // A quiet NaN wins over a signaling one; of two alike the larger significand wins.
  if (aSignals != bSignals) {
    return aSignals ? result(b, bExponent) : result(a, aExponent);
  }
  const aQuiet = a | QUIET_BIT;
  const bQuiet = b | QUIET_BIT;
  const takeA = aQuiet == bQuiet ? aExponent < bExponent : aQuiet > bQuiet;
  return takeA ? result(aQuiet, aExponent) : result(bQuiet, bExponent);
}

/** Whether to round the magnitude up, given the bits beyond the last place as a 64-bit fraction. */
// @ts-ignore: decorator
@inline
export function roundsUp(mode: u32, sign: u32, isOdd: bool, rest: u64): bool {
  if (mode == NEAREST) return rest > HALF || (rest == HALF && isOdd);
  if (mode == UP) return sign == 0 && rest != 0;
  return mode == DOWN && sign != 0 && rest != 0;
}

/** `value` shifted right by `count`, what falls off kept as a one in the last place. */
export function shiftRightJam(value: u64, count: i32): u64 {
  if (count <= 0) return value;
  if (count >= 64) return value != 0 ? 1 : 0;
  return (value >> <u64>count) | (value << <u64>(64 - count) != 0 ? 1 : 0);
}

/**
 * The number hi.lo * 2^(exponent - BIAS - 63), hi with its top bit set, rounded as the control word
 * says.
 */
export function round(sign: u32, exponent: i32, hi: u64, lo: u64): u64 {
  const precision = (fpuControl() >> 8) & 3;
  if (precision == 0) return roundTo(sign, exponent, hi, lo, 24);
  if (precision == 2) return roundTo(sign, exponent, hi, lo, 53);
  return roundFull(sign, exponent, hi, lo);
}

/** The same whatever the precision control says. */
export function roundFull(sign: u32, exponent: i32, hi: u64, lo: u64): u64 {
  if (exponent > 0 && exponent < 0x7ffe) {
    if (lo == 0) return result(hi, sign | exponent);
    raised |= PE;
    if (!roundsUp(roundingMode(), sign, (hi & 1) != 0, lo)) return result(hi, sign | exponent);
    raised |= C1;
    hi += 1;
    if (hi != 0) return result(hi, sign | exponent);
    return result(INTEGER_BIT, sign | (exponent + 1));
  }
  return roundTo(sign, exponent, hi, lo, 64);
}

/** The general case: `bits` of precision, any exponent. */
function roundTo(sign: u32, exponent: i32, hi: u64, lo: u64, bits: u64): u64 {
  const mode = roundingMode();
  const ulp: u64 = 1 << (64 - bits);
  let rest = bits == 64 ? lo : (hi << bits) | (lo != 0 ? 1 : 0);
  let kept = hi & ~(ulp - 1);
  let up = roundsUp(mode, sign, (kept & ulp) != 0, rest);
  if (exponent <= 0) {
    // Tiny unless rounding to the precision alone would have made it normal.
    const isTiny = exponent < 0 || !up || kept + ulp != 0;
    if ((fpuControl() & UE) == 0) {
      if (isTiny) {
        raised |= UE;
        exponent += EXPONENT_ADJUSTMENT;
        // FSCALE alone can get as far as this.
        if (exponent <= 0) {
          raised |= PE;
          return signedZero(sign);
        }
      }
    } else {
      return roundDenormal(sign, exponent, hi, lo, bits, isTiny);
    }
  }
  if (up) {
    kept += ulp;
    if (kept == 0) {
      kept = INTEGER_BIT;
      exponent += 1;
    }
  }
  if (exponent >= <i32>EXPONENT) {
    if ((fpuControl() & OE) != 0) return overflow(sign, mode, ulp);
    raised |= OE;
    exponent -= EXPONENT_ADJUSTMENT;
    if (exponent >= <i32>EXPONENT) {
      raised |= PE | C1;
      return infinity(sign);
    }
  }
  if (rest != 0) raised |= PE;
  if (up) raised |= C1;
  return result(kept, sign | exponent);
}

/** Masked overflow: infinity, or the largest number of the precision. [SDM] vol. 1 table 4-11. */
function overflow(sign: u32, mode: u32, ulp: u64): u64 {
  raised |= OE | PE;
  const toInfinity = mode == NEAREST || mode == (sign != 0 ? DOWN : UP);
  if (!toInfinity) return result(~(ulp - 1), sign | (EXPONENT - 1));
  raised |= C1;
  return infinity(sign);
}

/** Masked underflow: a denormal, an exception only when it is inexact. */
function roundDenormal(sign: u32, exponent: i32, hi: u64, lo: u64, bits: u64, isTiny: bool): u64 {
  const ulp: u64 = 1 << (64 - bits);
  const shift = 1 - exponent;
  let rest: u64;
  let significand: u64;
  if (shift < 64) {
    significand = hi >> <u64>shift;
    rest = (hi << <u64>(64 - shift)) | (lo != 0 ? 1 : 0);
  } else {
    significand = 0;
    rest = shift == 64 ? hi | (lo != 0 ? 1 : 0) : shiftRightJam(hi, shift - 64);
  }
  if (bits != 64) rest = (significand << bits) | (rest != 0 ? 1 : 0);
  let kept = significand & ~(ulp - 1);
  if (rest != 0) {
    raised |= PE;
    if (isTiny) raised |= UE;
    if (roundsUp(roundingMode(), sign, (kept & ulp) != 0, rest)) {
      raised |= C1;
      kept += ulp;
    }
  }
  return result(kept, sign | <u32>(kept >> 63));
}
