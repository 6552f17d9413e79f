// Numbers of SSE in integer arithmetic: taking them apart, rounding them, and the exceptions of one
// instruction. Single and double precision share the code; a number of either is in the low bits of
// a u64. [SDM] vol. 1 chapters 4 and 11.

import { raiseNoError, UD, XM } from '../fault';
import { cr4, setMxcsr } from '../generated/layout';

/** Exception flags of MXCSR; their masks are seven bits higher. */
export const IE: u32 = 1;
export const DE: u32 = 2;
export const ZE: u32 = 4;
export const OE: u32 = 8;
export const UE: u32 = 16;
export const PE: u32 = 32;
const BEFORE_COMPUTATION: u32 = IE | DE | ZE;
export const MASK_SHIFT: u32 = 7;

export const DAZ: u32 = 1 << 6;
export const RC: u32 = 3 << 13;
export const RC_SHIFT: u32 = 13;
export const FTZ: u32 = 1 << 15;

export const NEAREST: u32 = 0;
export const DOWN: u32 = 1;
export const UP: u32 = 2;

const CR4_OSXMMEXCPT: u64 = 1 << 10;

/** Flags raised so far by the instruction being executed. */
let raised: u32 = 0;

// @ts-ignore: decorator
@inline
export function startFlags(): void {
  raised = 0;
}

// @ts-ignore: decorator
@inline
export function flag(bits: u32): void {
  raised |= bits;
}

/**
 * Flags of the instruction go to MXCSR; an unmasked one is #XM, or #UD when the system cannot take
 * that. Overflow, underflow and precision of any element are not seen when an element has an
 * unmasked exception that comes before the computation. [SDM] vol. 1 §11.5.3.
 */
// @ts-ignore: decorator
@inline
export function finishFlags(control: u32): void {
  if (raised != 0) reportFlags(control);
}

function reportFlags(control: u32): void {
  const unmasked = raised & ~(control >> MASK_SHIFT);
  if (unmasked == 0) {
    setMxcsr(control | raised);
    return;
  }
  setMxcsr(control | (unmasked & BEFORE_COMPUTATION ? raised & BEFORE_COMPUTATION : raised));
  raiseNoError((<u64>cr4() & CR4_OSXMMEXCPT) != 0 ? XM : UD);
}

// --- Parts of a number -------------------------------------------------------------------------

// @ts-ignore: decorator
@inline
export function signMask(wide: bool): u64 {
  return wide ? 0x8000_0000_0000_0000 : 0x8000_0000;
}
// @ts-ignore: decorator
@inline
export function infinity(wide: bool): u64 {
  return wide ? 0x7ff0_0000_0000_0000 : 0x7f80_0000;
}
// @ts-ignore: decorator
@inline
function leastNormal(wide: bool): u64 {
  return wide ? 0x0010_0000_0000_0000 : 0x0080_0000;
}
// @ts-ignore: decorator
@inline
function quietBit(wide: bool): u64 {
  return wide ? 0x0008_0000_0000_0000 : 0x0040_0000;
}
/** The NaN of an invalid operation. */
// @ts-ignore: decorator
@inline
export function indefinite(wide: bool): u64 {
  return signMask(wide) | infinity(wide) | quietBit(wide);
}
// @ts-ignore: decorator
@inline
export function magnitude(x: u64, wide: bool): u64 {
  return x & ~signMask(wide);
}
// @ts-ignore: decorator
@inline
export function signOf(x: u64, wide: bool): u64 {
  return wide ? x >> 63 : x >> 31;
}
// @ts-ignore: decorator
@inline
export function isNotANumber(x: u64, wide: bool): bool {
  return magnitude(x, wide) > infinity(wide);
}
// @ts-ignore: decorator
@inline
export function isSignaling(x: u64, wide: bool): bool {
  return isNotANumber(x, wide) && (x & quietBit(wide)) == 0;
}
// @ts-ignore: decorator
@inline
export function isInfinite(x: u64, wide: bool): bool {
  return magnitude(x, wide) == infinity(wide);
}
// @ts-ignore: decorator
@inline
export function isZero(x: u64, wide: bool): bool {
  return magnitude(x, wide) == 0;
}
// @ts-ignore: decorator
@inline
export function isDenormal(x: u64, wide: bool): bool {
  const size = magnitude(x, wide);
  return size != 0 && size < leastNormal(wide);
}
// @ts-ignore: decorator
@inline
export function quiet(x: u64, wide: bool): u64 {
  return x | quietBit(wide);
}

/** A denormal operand counts as zero when MXCSR.DAZ says so. */
// @ts-ignore: decorator
@inline
export function operand(x: u64, control: u32, wide: bool): u64 {
  return (control & DAZ) != 0 && isDenormal(x, wide) ? x & signMask(wide) : x;
}

/** The NaN that comes out of two operands of which one at least is a NaN. */
export function chooseNan(a: u64, b: u64, wide: bool): u64 {
  if (isSignaling(a, wide) || isSignaling(b, wide)) flag(IE);
  return quiet(isNotANumber(a, wide) ? a : b, wide);
}

/** Significand of a finite number that is not zero, its first bit at bit 63. */
export function significand(x: u64, wide: bool): u64 {
  const bits = wide ? (x << 12) >> 1 : (x << 41) >> 1;
  if (magnitude(x, wide) < leastNormal(wide)) return bits << clz(bits);
  return bits | 0x8000_0000_0000_0000;
}

/** Its exponent: the number is significand * 2^(exponent - 63). */
export function exponent(x: u64, wide: bool): i32 {
  const field = wide ? <i32>((x >> 52) & 0x7ff) : <i32>((x >> 23) & 0xff);
  const bias: i32 = wide ? 1023 : 127;
  if (field != 0) return field - bias;
  const bits = wide ? (x << 12) >> 1 : (x << 41) >> 1;
  return 1 - bias - <i32>clz(bits);
}

/** Shifts right; a one shifted out stays as the lowest bit. */
export function shiftRightSticky(x: u64, count: u32): u64 {
  if (count == 0) return x;
  if (count > 63) return x != 0 ? 1 : 0;
  return (x >> count) | (x << (64 - count) != 0 ? 1 : 0);
}

// --- Rounding ----------------------------------------------------------------------------------

/** What to add below the last kept bit; bits under `mask` are to go. */
function increment(sign: u64, mask: u64, rounding: u32): u64 {
  switch (rounding) {
    case NEAREST:
      return (mask >> 1) + 1;
    case DOWN:
      return sign != 0 ? mask : 0;
    case UP:
      return sign != 0 ? 0 : mask;
    default:
      return 0;
  }
}

/** Rounds to a number with the exponent field unchanged; the carry goes into it. */
function roundBits(bits: u64, sign: u64, shift: u32, rounding: u32): u64 {
  const mask = ((<u64>1) << shift) - 1;
  const sum = bits + increment(sign, mask, rounding);
  const result = sum >> shift;
  const isTie = rounding == NEAREST && (bits & mask) == (mask >> 1) + 1;
  return isTie ? result & ~(<u64>1) : result;
}

/**
 * The number nearest, as MXCSR says, to significand * 2^(exponent - 63), whose first bit is bit 63
 * and whose last may stand for what is beyond it. Raises OE, UE and PE.
 */
export function round(sign: u64, exponent: i32, bits: u64, control: u32, wide: bool): u64 {
  const bias: i32 = wide ? 1023 : 127;
  const last: i32 = wide ? 2047 : 255;
  const shift: u32 = wide ? 11 : 40;
  const mask = ((<u64>1) << shift) - 1;
  const rounding = (control & RC) >> RC_SHIFT;
  const top = sign * signMask(wide);
  const field = exponent + bias;
  if (field <= 0) return roundTiny(sign, field, bits, control, wide);
  if ((bits & mask) != 0) flag(PE);
  const ceiling = bits + increment(sign, mask, rounding);
  const carries = ceiling < bits;
  if (field + <i32>carries >= last) return overflow(sign, rounding, control, wide);
  // The first bit adds one to the field, so the field starts at one less.
  const rounded = carries ? (<u64>1) << (64 - shift) : roundBits(bits, sign, shift, rounding);
  return top | (((<u64>(field - 1)) << (63 - shift)) + rounded);
}

function overflow(sign: u64, rounding: u32, control: u32, wide: bool): u64 {
  // An exact result that is too large is inexact only by what masked overflow makes of it.
  flag((control & (OE << MASK_SHIFT)) != 0 ? OE | PE : OE);
  const towardsZero =
    rounding == NEAREST ? false : rounding == DOWN ? sign == 0 : rounding == UP ? sign != 0 : true;
  return (sign * signMask(wide)) | (infinity(wide) - <u64>towardsZero);
}

/** Tininess is seen after rounding, as if the exponent had no bounds. [SDM] vol. 1 §4.9.1.5. */
function roundTiny(sign: u64, field: i32, bits: u64, control: u32, wide: bool): u64 {
  const shift: u32 = wide ? 11 : 40;
  const mask = ((<u64>1) << shift) - 1;
  const rounding = (control & RC) >> RC_SHIFT;
  const top = sign * signMask(wide);
  const isTiny = field < 0 || bits + increment(sign, mask, rounding) >= bits;
  const isMasked = (control & (UE << MASK_SHIFT)) != 0;
  if (isTiny && !isMasked) {
    flag((bits & mask) != 0 ? UE | PE : UE);
    return top;
  }
  if (isTiny && (control & FTZ) != 0) {
    flag(UE | PE);
    return top;
  }
  const shifted = shiftRightSticky(bits, <u32>(1 - field));
  if ((shifted & mask) != 0) flag(isTiny ? UE | PE : PE);
  return top | roundBits(shifted, sign, shift, rounding);
}
