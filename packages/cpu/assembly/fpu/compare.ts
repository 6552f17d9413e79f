// Comparisons and FXAM. [SDM] vol. 1 §8.3.6, tables 8-6 to 8-8; vol. 2A "FXAM".

import { C0, C2, C3, DE, IE } from './environment';
import {
  DENORMAL,
  EXPONENT,
  NAN,
  SIGN,
  UNSUPPORTED,
  isNormal,
  isSignaling,
  kindOf,
  note,
} from './number';

export const GREATER: u32 = 0;
export const LESS: u32 = C0;
export const EQUAL: u32 = C3;
export const UNORDERED: u32 = C0 | C2 | C3;

/** Condition codes of a compared with b. `isQuiet`: quiet NaNs are no invalid operation. */
export function compare(a: u64, aExponent: u32, b: u64, bExponent: u32, isQuiet: bool): u32 {
  if (!isNormal(a, aExponent) || !isNormal(b, bExponent)) {
    const aKind = kindOf(a, aExponent);
    const bKind = kindOf(b, bExponent);
    if (aKind >= NAN || bKind >= NAN) {
      const unsupported = aKind == UNSUPPORTED || bKind == UNSUPPORTED;
      const signals = (aKind == NAN && isSignaling(a)) || (bKind == NAN && isSignaling(b));
      if (!isQuiet || unsupported || signals) note(IE);
      return UNORDERED;
    }
    if (aKind == DENORMAL || bKind == DENORMAL) note(DE);
    if ((a | b) == 0) return EQUAL;
  }
  const aNegative = (aExponent & SIGN) != 0;
  if (((aExponent ^ bExponent) & SIGN) != 0) return aNegative ? LESS : GREATER;
  const order = compareMagnitudes(a, aExponent & EXPONENT, b, bExponent & EXPONENT);
  if (order == EQUAL) return EQUAL;
  return (order == LESS) != aNegative ? LESS : GREATER;
}

function compareMagnitudes(a: u64, aExponent: u32, b: u64, bExponent: u32): u32 {
  // A pseudo-denormal has the value that exponent 1 gives it.
  const aPower = aExponent == 0 ? <u32>1 : aExponent;
  const bPower = bExponent == 0 ? <u32>1 : bExponent;
  // Zero and denormals are below all that has the integer bit, whatever the exponents.
  if (aPower != bPower && a != 0 && b != 0) return aPower < bPower ? LESS : GREATER;
  return a == b ? EQUAL : a < b ? LESS : GREATER;
}

/** C3, C2 and C0 of FXAM for a register that is not empty. */
export function examine(significand: u64, exponent: u32): u32 {
  switch (kindOf(significand, exponent)) {
    case 0:
      return C2;
    case 1:
      return C3;
    case 2:
      return C3 | C2;
    case 3:
      return C2 | C0;
    case 4:
      return C0;
    default:
      return 0;
  }
}
