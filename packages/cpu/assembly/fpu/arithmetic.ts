// Addition, multiplication, division, square root. [SDM] vol. 1 §8.3.5, §4.9.1.

import { multiplyHighUnsigned } from '../arithmetic';
import { DE, ZE } from './environment';
import {
  BIAS,
  DENORMAL,
  DOWN,
  EXPONENT,
  INFINITE,
  NAN,
  SIGN,
  UNSUPPORTED,
  ZERO,
  infinity,
  invalid,
  isNormal,
  kindOf,
  note,
  powerOf,
  propagate,
  quiet,
  round,
  roundingMode,
  signedZero,
} from './number';

// Operations by ModRM.reg of D8.
export const ADD: u32 = 0;
export const MUL: u32 = 1;
export const SUB: u32 = 4;
export const SUBR: u32 = 5;
export const DIV: u32 = 6;
export const DIVR: u32 = 7;

const HALF: u64 = 0x8000_0000_0000_0000;

/** a `operation` b, rounded. */
export function operate(operation: u32, a: u64, aExponent: u32, b: u64, bExponent: u32): u64 {
  if (!isNormal(a, aExponent) || !isNormal(b, bExponent)) {
    return operateSpecial(operation, a, aExponent, b, bExponent);
  }
  const aSign = aExponent & SIGN;
  const bSign = bExponent & SIGN;
  const aPower = <i32>(aExponent & EXPONENT);
  const bPower = <i32>(bExponent & EXPONENT);
  return operateFinite(operation, aSign, aPower, a, bSign, bPower, b);
}

/** Operands with their top bit set; exponents of any size. */
function operateFinite(
  operation: u32,
  aSign: u32,
  aPower: i32,
  a: u64,
  bSign: u32,
  bPower: i32,
  b: u64,
): u64 {
  switch (operation) {
    case ADD:
      return addFinite(aSign, aPower, a, bSign, bPower, b);
    case MUL:
      return multiplyFinite(aSign ^ bSign, aPower + bPower, a, b);
    case SUB:
      return addFinite(aSign, aPower, a, bSign ^ SIGN, bPower, b);
    case SUBR:
      return addFinite(aSign ^ SIGN, aPower, a, bSign, bPower, b);
    case DIV:
      return divideFinite(aSign ^ bSign, aPower - bPower, a, b);
    default:
      return divideFinite(aSign ^ bSign, bPower - aPower, b, a);
  }
}

function addFinite(aSign: u32, aPower: i32, a: u64, bSign: u32, bPower: i32, b: u64): u64 {
  if (aPower < bPower || (aPower == bPower && a < b)) {
    const sign = aSign;
    aSign = bSign;
    bSign = sign;
    const power = aPower;
    aPower = bPower;
    bPower = power;
    const significand = a;
    a = b;
    b = significand;
  }
  const distance = aPower - bPower;
  let lo: u64 = 0;
  if (distance >= 128) {
    b = 0;
    lo = 1;
  } else if (distance > 64) {
    lo = (b >> <u64>(distance - 64)) | (b << <u64>(128 - distance) != 0 ? 1 : 0);
    b = 0;
  } else if (distance == 64) {
    lo = b;
    b = 0;
  } else if (distance != 0) {
    lo = b << <u64>(64 - distance);
    b >>= <u64>distance;
  }
  if (aSign == bSign) {
    const sum = a + b;
    if (sum >= a) return round(aSign, aPower, sum, lo);
    const low = (lo >> 1) | (lo & 1) | (sum << 63);
    return round(aSign, aPower + 1, (sum >> 1) | HALF, low);
  }
  let hi = a - b - (lo != 0 ? 1 : 0);
  lo = -lo;
  if (hi == 0) {
    if (lo == 0) return signedZero(roundingMode() == DOWN ? SIGN : 0);
    hi = lo;
    lo = 0;
    aPower -= 64;
  }
  const shift = clz(hi);
  if (shift != 0) {
    hi = (hi << shift) | (lo >> (64 - shift));
    lo <<= shift;
  }
  return round(aSign, aPower - <i32>shift, hi, lo);
}

function multiplyFinite(sign: u32, power: i32, a: u64, b: u64): u64 {
  let hi = multiplyHighUnsigned(a, b);
  let lo = a * b;
  if (<i64>hi < 0) return round(sign, power - BIAS + 1, hi, lo);
  hi = (hi << 1) | (lo >> 63);
  lo <<= 1;
  return round(sign, power - BIAS, hi, lo);
}

/** Remainder of the last divide128. */
export let remainderOut: u64 = 0;

/** (hi.lo) / divisor, hi < divisor, divisor with its top bit set: two digits of 32 bits. */
export function divide128(hi: u64, lo: u64, divisor: u64): u64 {
  const dHigh = divisor >> 32;
  const dLow = divisor & 0xffff_ffff;
  let quotient: u64 = 0;
  let rest = hi;
  for (let step = 0; step < 2; step++) {
    const next = step == 0 ? lo >> 32 : lo & 0xffff_ffff;
    let digit = rest / dHigh;
    let left = rest % dHigh;
    // Knuth's algorithm D: the estimate is at most two too large.
    while (digit > 0xffff_ffff || digit * dLow > ((left << 32) | next)) {
      digit--;
      left += dHigh;
      if (left > 0xffff_ffff) break;
    }
    rest = ((rest << 32) | next) - digit * divisor;
    quotient = (quotient << 32) | digit;
  }
  remainderOut = rest;
  return quotient;
}

/** What is left over, as a 64-bit fraction good enough to round by. */
// @ts-ignore: decorator
@inline
function restOf(remainder: u64, divisor: u64): u64 {
  if (remainder == 0) return 0;
  const other = divisor - remainder;
  return remainder > other ? HALF + 1 : remainder == other ? HALF : 1;
}

function divideFinite(sign: u32, power: i32, a: u64, b: u64): u64 {
  let quotient: u64;
  if (a >= b) {
    quotient = divide128(a >> 1, a << 63, b);
    power += BIAS;
  } else {
    quotient = divide128(a, 0, b);
    power += BIAS - 1;
  }
  return round(sign, power, quotient, restOf(remainderOut, b));
}

/** An operand is not a normal number. */
function operateSpecial(operation: u32, a: u64, aExponent: u32, b: u64, bExponent: u32): u64 {
  const aKind = kindOf(a, aExponent);
  const bKind = kindOf(b, bExponent);
  if (aKind == UNSUPPORTED || bKind == UNSUPPORTED) return invalid();
  if (aKind == NAN || bKind == NAN) return propagate(a, aExponent, b, bExponent);
  if (operation == DIVR) return divideSpecial(b, bExponent, bKind, a, aExponent, aKind);
  if (operation == DIV) return divideSpecial(a, aExponent, aKind, b, bExponent, bKind);
  if (operation == MUL) return multiplySpecial(a, aExponent, aKind, b, bExponent, bKind);
  if (operation == SUB) bExponent ^= SIGN;
  else if (operation == SUBR) aExponent ^= SIGN;
  return addSpecial(a, aExponent, aKind, b, bExponent, bKind);
}

// @ts-ignore: decorator
@inline
function noteDenormals(aKind: u32, bKind: u32): void {
  if (aKind == DENORMAL || bKind == DENORMAL) note(DE);
}

// @ts-ignore: decorator
@inline
function normalized(significand: u64): u64 {
  return significand << clz(significand);
}

function addSpecial(
  a: u64,
  aExponent: u32,
  aKind: u32,
  b: u64,
  bExponent: u32,
  bKind: u32,
): u64 {
  const aSign = aExponent & SIGN;
  const bSign = bExponent & SIGN;
  if (aKind == INFINITE && bKind == INFINITE && aSign != bSign) return invalid();
  noteDenormals(aKind, bKind);
  if (aKind == INFINITE) return infinity(aSign);
  if (bKind == INFINITE) return infinity(bSign);
  if (aKind == ZERO && bKind == ZERO) {
    if (aSign == bSign) return signedZero(aSign);
    return signedZero(roundingMode() == DOWN ? SIGN : 0);
  }
  if (aKind == ZERO) return round(bSign, powerOf(b, bExponent), normalized(b), 0);
  if (bKind == ZERO) return round(aSign, powerOf(a, aExponent), normalized(a), 0);
  return addFinite(
    aSign,
    powerOf(a, aExponent),
    normalized(a),
    bSign,
    powerOf(b, bExponent),
    normalized(b),
  );
}

function multiplySpecial(
  a: u64,
  aExponent: u32,
  aKind: u32,
  b: u64,
  bExponent: u32,
  bKind: u32,
): u64 {
  const sign = (aExponent ^ bExponent) & SIGN;
  if (aKind + bKind == INFINITE + ZERO && (aKind == ZERO || bKind == ZERO)) return invalid();
  noteDenormals(aKind, bKind);
  if (aKind == INFINITE || bKind == INFINITE) return infinity(sign);
  if (aKind == ZERO || bKind == ZERO) return signedZero(sign);
  const power = powerOf(a, aExponent) + powerOf(b, bExponent);
  return multiplyFinite(sign, power, normalized(a), normalized(b));
}

function divideSpecial(
  a: u64,
  aExponent: u32,
  aKind: u32,
  b: u64,
  bExponent: u32,
  bKind: u32,
): u64 {
  const sign = (aExponent ^ bExponent) & SIGN;
  if (aKind == bKind && (aKind == INFINITE || aKind == ZERO)) return invalid();
  if (bKind == ZERO && aKind != INFINITE) {
    note(ZE);
    return infinity(sign);
  }
  noteDenormals(aKind, bKind);
  if (aKind == INFINITE) return infinity(sign);
  if (bKind == INFINITE || aKind == ZERO) return signedZero(sign);
  const power = powerOf(a, aExponent) - powerOf(b, bExponent);
  return divideFinite(sign, power, normalized(a), normalized(b));
}

/** Square root, rounded. */
export function squareRoot(a: u64, exponent: u32): u64 {
  const kind = kindOf(a, exponent);
  const sign = exponent & SIGN;
  if (kind == UNSUPPORTED) return invalid();
  if (kind == NAN) return quiet(a, exponent);
  if (kind == ZERO) return signedZero(sign);
  if (sign != 0) return invalid();
  if (kind == INFINITE) return infinity(0);
  if (kind == DENORMAL) note(DE);
  const power = powerOf(a, exponent) - BIAS;
  a = normalized(a);
  // root^2 = a.0 or half of it, so that the exponent is even.
  const hi = (power & 1) != 0 ? a : a >> 1;
  const lo = (power & 1) != 0 ? <u64>0 : a << 63;
  let root = estimateRoot(hi);
  root = refineRoot(hi, lo, root);
  return round(0, (power >> 1) + BIAS, root, rootRest(hi, lo, root));
}

/** sqrt(hi * 2^64) to about 50 bits. */
function estimateRoot(hi: u64): u64 {
  const estimate = Math.sqrt(<f64>hi) * 4294967296.0;
  return estimate >= 18446744073709551615.0 ? ~(<u64>0) : <u64>estimate;
}

/** floor(sqrt(hi.lo)). */
function refineRoot(hi: u64, lo: u64, root: u64): u64 {
  for (let step = 0; step < 2; step++) {
    const squareHigh = multiplyHighUnsigned(root, root);
    const squareLow = root * root;
    const low = lo - squareLow;
    const high = <i64>(hi - squareHigh - (lo < squareLow ? 1 : 0));
    const error = <f64>high * 18446744073709551616.0 + <f64>low;
    const correction = Math.floor(error / (2.0 * <f64>root));
    const moved = root + <u64>(<i64>correction);
    // Past the largest 64-bit number the root is that number.
    root = correction > 0 && moved < root ? ~(<u64>0) : moved;
  }
  while (squareExceeds(root, hi, lo)) root--;
  while (root != ~(<u64>0) && !squareExceeds(root + 1, hi, lo)) root++;
  return root;
}

function squareExceeds(root: u64, hi: u64, lo: u64): bool {
  const squareHigh = multiplyHighUnsigned(root, root);
  return squareHigh > hi || (squareHigh == hi && root * root > lo);
}

/** A root is never half way between two numbers: above half when the remainder exceeds the root. */
function rootRest(hi: u64, lo: u64, root: u64): u64 {
  const squareLow = root * root;
  const high = hi - multiplyHighUnsigned(root, root) - (lo < squareLow ? 1 : 0);
  const low = lo - squareLow;
  if ((high | low) == 0) return 0;
  return high != 0 || low > root ? HALF + 1 : 1;
}

