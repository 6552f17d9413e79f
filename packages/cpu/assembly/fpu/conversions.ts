// Conversions between the 80-bit format and integers, binary32, binary64, packed decimals. [SDM]
// vol. 1 §4.2, §8.1.

import { fpuControl } from '../generated/layout';
import { C1, DE, IE, OE, PE, UE } from './environment';
import {
  BIAS,
  DOWN,
  EXPONENT,
  INFINITE,
  INTEGER_BIT,
  NAN,
  NEAREST,
  QUIET_BIT,
  SIGN,
  UNSUPPORTED,
  UP,
  ZERO,
  exponentOut,
  isSignaling,
  kindOf,
  note,
  raised,
  result,
  roundingMode,
  roundsUp,
  setRaised,
  shiftRightJam,
} from './number';

export function fromInteger(value: i64): u64 {
  if (value == 0) return result(0, 0);
  const sign: u32 = value < 0 ? SIGN : 0;
  const magnitude = <u64>(value < 0 ? -value : value);
  const shift = clz(magnitude);
  return result(magnitude << shift, sign | (<u32>BIAS + 63 - <u32>shift));
}

export function fromF32(bits: u32): u64 {
  const sign = (bits >> 16) & SIGN;
  const exponent = (bits >> 23) & 0xff;
  const fraction = <u64>(bits & 0x7f_ffff) << 40;
  if (exponent != 0 && exponent != 0xff) {
    return result(INTEGER_BIT | fraction, sign | (exponent + (<u32>BIAS - 127)));
  }
  return fromSpecial(sign, exponent != 0, fraction, <u32>BIAS - 126);
}

export function fromF64(bits: u64): u64 {
  const sign = <u32>(bits >> 48) & SIGN;
  const exponent = <u32>(bits >> 52) & 0x7ff;
  const fraction = (bits << 12) >> 1;
  if (exponent != 0 && exponent != 0x7ff) {
    return result(INTEGER_BIT | fraction, sign | (exponent + (<u32>BIAS - 1023)));
  }
  return fromSpecial(sign, exponent != 0, fraction, <u32>BIAS - 1022);
}

/** Infinities, NaNs, zeros and denormals, whose fraction is worth 2^(lowest - BIAS - 63). */
function fromSpecial(sign: u32, isLarge: bool, fraction: u64, lowest: u32): u64 {
  if (isLarge) {
    // A signaling NaN stays one here: as an operand of arithmetic it must be seen as such.
    return result(INTEGER_BIT | fraction, sign | EXPONENT);
  }
  if (fraction == 0) return result(0, sign);
  note(DE);
  const shift = clz(fraction);
  return result(fraction << shift, sign | (lowest - <u32>shift));
}

/**
 * A number in a narrower binary format of `bits` of precision with `width - bits` bits of exponent,
 * as its bits.
 */
function toBinary(significand: u64, exponent: u32, width: u64, bits: u64): u64 {
  const sign = exponent & SIGN;
  const signBit = <u64>(sign >> 15) << (width - 1);
  const fractionBits = bits - 1;
  const maximum = (<u64>1 << (width - bits)) - 1;
  const kind = kindOf(significand, exponent);
  if (kind == ZERO) return signBit;
  if (kind == INFINITE) return signBit | (maximum << fractionBits);
  if (kind == UNSUPPORTED) {
    note(IE);
    return (<u64>1 << (width - 1)) | (maximum << fractionBits) | (<u64>1 << (fractionBits - 1));
  }
  if (kind == NAN) {
    if (isSignaling(significand)) note(IE);
    const payload = ((significand | QUIET_BIT) << 1) >> (65 - bits);
    return signBit | (maximum << fractionBits) | payload;
  }
  const shift = clz(significand);
  let power = <i32>(exponent & EXPONENT);
  if (power == 0) power = 1;
  power += <i32>(maximum >> 1) - BIAS - <i32>shift;
  return signBit | roundBinary(sign, power, significand << shift, bits, maximum);
}

/** Exponent and fraction of the narrower format, `power` being the exponent in its bias. */
function roundBinary(sign: u32, power: i32, significand: u64, bits: u64, maximum: u64): u64 {
  const mode = roundingMode();
  const drop = 64 - bits;
  const tail = significand << bits;
  const up = roundsUp(mode, sign, ((significand >> drop) & 1) != 0, tail);
  let kept = (significand >> drop) + (up ? 1 : 0);
  if (power > 0) {
    if (tail != 0) note(PE);
    if (up) note(C1);
    if (power >= <i32>maximum) return overflowBinary(sign, mode, bits, maximum);
    // The integer bit adds one to the exponent; so does a carry out of the fraction.
    const packed = (<u64>(power - 1) << (bits - 1)) + kept;
    if (packed >> (bits - 1) < maximum) return packed;
    return overflowBinary(sign, mode, bits, maximum);
  }
  const isTiny = power < 0 || kept >> bits == 0;
  if ((fpuControl() & UE) == 0) {
    // Not stored then; a tiny number is reported even when exact.
    if (isTiny) {
      note(UE);
      return 0;
    }
  }
  const jammed = shiftRightJam(significand, min<i32>(1 - power, 64));
  const rest = jammed << bits;
  kept = jammed >> drop;
  if (rest != 0) {
    note(isTiny ? PE | UE : PE);
    if (roundsUp(mode, sign, (kept & 1) != 0, rest)) {
      note(C1);
      kept++;
    }
  }
  return kept;
}

function overflowBinary(sign: u32, mode: u32, bits: u64, maximum: u64): u64 {
  const toInfinity = mode == NEAREST || mode == (sign != 0 ? DOWN : UP);
  const large = maximum << (bits - 1);
  setRaised((raised & ~C1) | OE | PE | (toInfinity ? C1 : 0));
  return toInfinity ? large : large - 1;
}

export function toF32(significand: u64, exponent: u32): u32 {
  return <u32>toBinary(significand, exponent, 32, 24);
}

export function toF64(significand: u64, exponent: u32): u64 {
  return toBinary(significand, exponent, 64, 53);
}

/** Magnitude of the last integer that roundToInteger made. */
let magnitudeOut: u64 = 0;

/** Rounds to a 64-bit magnitude; false when there is none: NaN, infinity, or too large. */
function roundToInteger(significand: u64, exponent: u32, mode: u32): bool {
  const kind = kindOf(significand, exponent);
  if (kind >= INFINITE) return false;
  magnitudeOut = 0;
  if (kind == ZERO) return true;
  const shift = BIAS + 63 - <i32>(exponent & EXPONENT);
  if (shift < 0) return false;
  let rest: u64 = 0;
  if (shift == 0) {
    magnitudeOut = significand;
  } else if (shift < 64) {
    magnitudeOut = significand >> <u64>shift;
    rest = significand << <u64>(64 - shift);
  } else {
    rest = shift == 64 ? significand : 1;
  }
  if (rest == 0) return true;
  note(PE);
  if (roundsUp(mode, exponent & SIGN, (magnitudeOut & 1) != 0, rest)) {
    note(C1);
    if (++magnitudeOut == 0) return false;
  }
  return true;
}

/** A signed integer of `bits`; the integer indefinite with #IA when it does not fit. */
export function toInteger(significand: u64, exponent: u32, bits: u32, mode: u32): u64 {
  const limit = <u64>1 << <u64>(bits - 1);
  const negative = (exponent & SIGN) != 0;
  if (
    !roundToInteger(significand, exponent, mode) ||
    magnitudeOut > limit ||
    (magnitudeOut == limit && !negative)
  ) {
    setRaised(IE);
    return limit;
  }
  return negative ? -magnitudeOut : magnitudeOut;
}

const DECIMAL_LIMIT: u64 = 1_000_000_000_000_000_000;
/** Sign and the highest two digits of the packed decimal last made. */
export let decimalHigh: u32 = 0;

/** A packed decimal: its low 16 digits, the rest in `decimalHigh`. */
export function toDecimal(significand: u64, exponent: u32): u64 {
  if (
    !roundToInteger(significand, exponent, roundingMode()) ||
    magnitudeOut >= DECIMAL_LIMIT
  ) {
    setRaised(IE);
    decimalHigh = 0xffff;
    return 0xc000_0000_0000_0000;
  }
  let value = magnitudeOut;
  let low: u64 = 0;
  for (let digit: u64 = 0; digit < 64; digit += 4) {
    low |= value % 10 << digit;
    value /= 10;
  }
  decimalHigh = (exponent & SIGN) | (<u32>(value / 10) << 4) | <u32>(value % 10);
  return low;
}

/** Digits above 9 count as what they are: the result is not defined, and does no harm. */
export function fromDecimal(low: u64, high: u32): u64 {
  let value = <u64>((high >> 4) & 15) * 10 + <u64>(high & 15);
  for (let shift: i32 = 60; shift >= 0; shift -= 4) value = value * 10 + ((low >> <u64>shift) & 15);
  const significand = fromInteger(<i64>value);
  return result(significand, exponentOut | (high & SIGN));
}
