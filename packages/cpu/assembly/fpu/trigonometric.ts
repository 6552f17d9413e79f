// FSIN, FCOS, FSINCOS, FPTAN, FPATAN. Results are right to well below a unit in the last place of
// the function of the reduced argument. [SDM] vol. 1 §8.3.7, §8.3.8, §8.3.10.

import { DE } from './environment';
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
  invalid,
  kindOf,
  note,
  powerOf,
  propagate,
  quiet,
  result,
  roundFull,
  signedZero,
} from './number';
import {
  ARCTANGENTS,
  ARCTANGENT_TERMS,
  COSINE,
  COSINE_TERMS,
  ODD,
  PI_HIGH,
  PI_LOW,
  SINE,
  SINE_TERMS,
  series,
} from './series';
import {
  addWide,
  divideWide,
  flipWide,
  fractionHigh,
  fractionLow,
  fractionProductHigh,
  fractionProductLow,
  multiplyFractions,
  normalizeWide,
  setFraction,
  setWide,
  wideExponent,
  wideHigh,
  wideLow,
  wideSign,
} from './wide';

/** The processor's pi: 66 bits, as pi/2 * 2^67. [SDM] vol. 1 §8.3.8. */
const HALF_PI_HIGH: u64 = 0xc;
const HALF_PI_LOW: u64 = 0x90fd_aa22_168c_234c;
/** Exponent of numbers whose unit is 2^-67. */
const UNIT_EXPONENT: i32 = BIAS + 60;
/** Arguments from 2^63 on are not reduced: C2. */
const REDUCIBLE: i32 = BIAS + 63;
/** Below 2^-40 a number and its tangent differ by less than a bit of 65. */
const TINY: i32 = BIAS - 40;
/** Below 2^-4 there is nothing to reduce. */
const SMALL: i32 = BIAS - 4;

// The reduced argument: quadrant, then |r| as a fraction in [1/2, 1) times 2^-shift, and its sign.
let quadrant: u32 = 0;
let reducedSign: u32 = 0;
let reducedExponent: i32 = 0;
let reducedHigh: u64 = 0;
let reducedLow: u64 = 0;
/** r^2 as a fraction. */
let squareHigh: u64 = 0;
let squareLow: u64 = 0;

/** Takes |x| modulo pi/2 to [-pi/4, pi/4]. */
function reduceArgument(significand: u64, power: i32): void {
  quadrant = 0;
  reducedSign = 0;
  if (power < SMALL) {
    setReduced(power, significand, 0);
    return;
  }
  let high: u64 = 0;
  let low = significand;
  for (let step = power - (BIAS - 4); step > 0; step--) {
    high = (high << 1) | (low >> 63);
    low <<= 1;
    quadrant <<= 1;
    if (high > HALF_PI_HIGH || (high == HALF_PI_HIGH && low >= HALF_PI_LOW)) {
      high -= HALF_PI_HIGH + (low < HALF_PI_LOW ? 1 : 0);
      low -= HALF_PI_LOW;
      quadrant |= 1;
    }
  }
  const otherHigh = HALF_PI_HIGH - high - (HALF_PI_LOW < low ? 1 : 0);
  const otherLow = HALF_PI_LOW - low;
  if (otherHigh < high || (otherHigh == high && otherLow < low)) {
    quadrant++;
    reducedSign = SIGN;
    high = otherHigh;
    low = otherLow;
  }
  normalizeWide(0, UNIT_EXPONENT + 64, high, low);
  setReduced(wideExponent - 64, wideHigh, wideLow);
}

function setReduced(power: i32, high: u64, low: u64): void {
  reducedExponent = power;
  reducedHigh = high;
  reducedLow = low;
  multiplyFractions(high, low, high, low);
  setFraction(fractionProductHigh, fractionProductLow, min<i32>((BIAS - 1 - power) << 1, 128));
  squareHigh = fractionHigh;
  squareLow = fractionLow;
}

/** r (1 - t), the fraction t being what a series left; never r itself. */
function takeOff(exponent: i32, high: u64, low: u64): void {
  multiplyFractions(high, low, fractionProductHigh, fractionProductLow);
  let offLow = fractionProductLow;
  if ((fractionProductHigh | offLow) == 0) offLow = 1;
  const newLow = low - offLow;
  normalizeWide(0, exponent, high - fractionProductHigh - (low < offLow ? 1 : 0), newLow);
}

/** Sine of the reduced argument to the wide result. */
function sineWide(): void {
  series(SINE, SINE_TERMS, squareHigh, squareLow, true);
  takeOff(reducedExponent, reducedHigh, reducedLow);
  flipWide(reducedSign);
}

function cosineWide(): void {
  series(COSINE, COSINE_TERMS, squareHigh, squareLow, true);
  let low = fractionProductLow;
  if ((fractionProductHigh | low) == 0) low = 1;
  normalizeWide(0, BIAS - 1, -fractionProductHigh - (low != 0 ? 1 : 0), -low);
}

/** Rounds the wide result, which is never exact. */
export function roundWide(): u64 {
  return roundFull(wideSign, wideExponent, wideHigh, wideLow | 1);
}

/** Sine of the reduced argument plus `turns` right angles, times the sign. */
function ofQuadrant(turns: u32, sign: u32): u64 {
  if ((turns & 1) != 0) cosineWide();
  else sineWide();
  if ((turns & 2) != 0) flipWide(SIGN);
  flipWide(sign);
  return roundWide();
}

/** Whether an argument is finite but too large: C2. */
export function isBeyondReduction(significand: u64, exponent: u32): bool {
  return (
    <i32>(exponent & EXPONENT) >= REDUCIBLE && kindOf(significand, exponent) == 0
  );
}

/** What the functions have in common: true when the answer is given by the kind of argument. */
function isSpecial(significand: u64, exponent: u32): bool {
  const kind = kindOf(significand, exponent);
  if (kind == UNSUPPORTED || kind == INFINITE) {
    specialResult = invalid();
    return true;
  }
  if (kind == NAN) {
    specialResult = quiet(significand, exponent);
    return true;
  }
  if (kind == DENORMAL) note(DE);
  return false;
}

let specialResult: u64 = 0;

// @ts-ignore: decorator
@inline
function reduceOperand(significand: u64, exponent: u32): void {
  reduceArgument(significand << clz(significand), powerOf(significand, exponent));
}

/** FSIN. */
export function sine(significand: u64, exponent: u32): u64 {
  if (significand == 0 && (exponent & EXPONENT) == 0) return signedZero(exponent & SIGN);
  if (isSpecial(significand, exponent)) return specialResult;
  reduceOperand(significand, exponent);
  return ofQuadrant(quadrant, exponent & SIGN);
}

/** FCOS. */
export function cosine(significand: u64, exponent: u32): u64 {
  if (significand == 0 && (exponent & EXPONENT) == 0) return result(INTEGER_BIT, BIAS);
  if (isSpecial(significand, exponent)) return specialResult;
  reduceOperand(significand, exponent);
  return ofQuadrant(quadrant + 1, 0);
}

/** FPTAN's quotient. */
export function tangent(significand: u64, exponent: u32): u64 {
  if (significand == 0 && (exponent & EXPONENT) == 0) return signedZero(exponent & SIGN);
  if (isSpecial(significand, exponent)) return specialResult;
  reduceOperand(significand, exponent);
  if (reducedExponent < TINY && reducedSign == 0 && quadrant == 0) {
    // A little more than the argument.
    return roundFull(exponent & SIGN, reducedExponent, reducedHigh, reducedLow | 1);
  }
  const odd = (quadrant & 1) != 0;
  if (odd) sineWide();
  else cosineWide();
  const divisorSign = wideSign;
  const divisorExponent = wideExponent;
  const divisorHigh = wideHigh;
  const divisorLow = wideLow;
  if (odd) cosineWide();
  else sineWide();
  divideWide(divisorExponent, divisorHigh, divisorLow);
  flipWide(divisorSign ^ exponent ^ (odd ? SIGN : 0));
  return roundWide();
}

/** k * pi/4 with a sign, rounded. */
function quarters(sign: u32, count: u32): u64 {
  setWide(sign, BIAS - 1, PI_HIGH, PI_LOW);
  if (count == 2) setWide(sign, BIAS, PI_HIGH, PI_LOW);
  else if (count == 4) setWide(sign, BIAS + 1, PI_HIGH, PI_LOW);
  else if (count == 3) addWide(sign, BIAS, PI_HIGH, PI_LOW);
  return roundWide();
}

/** FPATAN: the angle of the point (x, y). [SDM] vol. 2A table 3-31. */
export function arctangent(x: u64, xExponent: u32, y: u64, yExponent: u32): u64 {
  const xKind = kindOf(x, xExponent);
  const yKind = kindOf(y, yExponent);
  if (xKind == UNSUPPORTED || yKind == UNSUPPORTED) return invalid();
  if (xKind == NAN || yKind == NAN) return propagate(x, xExponent, y, yExponent);
  const sign = yExponent & SIGN;
  const left = (xExponent & SIGN) != 0;
  if (xKind == DENORMAL || yKind == DENORMAL) note(DE);
  if (yKind == INFINITE) {
    if (xKind == INFINITE) return quarters(sign, left ? 3 : 1);
    return quarters(sign, 2);
  }
  if (xKind == INFINITE || yKind == ZERO) return left ? quarters(sign, 4) : signedZero(sign);
  if (xKind == ZERO) return quarters(sign, 2);
  const xPower = powerOf(x, xExponent);
  const yPower = powerOf(y, yExponent);
  return angle(sign, left, xPower, x << clz(x), yPower, y << clz(y));
}

function angle(sign: u32, left: bool, xPower: i32, x: u64, yPower: i32, y: u64): u64 {
  const steep = yPower > xPower || (yPower == xPower && y > x);
  if (steep) {
    setWide(0, xPower, x, 0);
    divideWide(yPower, y, 0);
  } else {
    if (!left && x == INTEGER_BIT && yPower - xPower < -64) {
      // y/x is exact, and the angle a little less.
      setWide(0, yPower - xPower + BIAS, y, 0);
    } else {
      setWide(0, yPower, y, 0);
      divideWide(xPower, x, 0);
    }
  }
  arctangentWide();
  if (steep) {
    flipWide(left ? 0 : SIGN);
    addWide(0, BIAS, PI_HIGH, PI_LOW);
  } else if (left) {
    flipWide(SIGN);
    addWide(0, BIAS + 1, PI_HIGH, PI_LOW);
  }
  flipWide(sign);
  return roundWide();
}

/** Arc tangent of the wide number, which is positive and at most 1: by way of the nearest k/8. */
function arctangentWide(): void {
  let k: u64 = 0;
  if (wideExponent >= BIAS - 4) {
    // t in units of 1/16, plus one, halved: round(8 t).
    k = ((wideHigh >> <u64>(59 + BIAS - wideExponent)) + 1) >> 1;
  }
  if (k == 0) {
    smallArctangent();
    return;
  }
  const exponent = wideExponent;
  const high = wideHigh;
  const low = wideLow;
  // (t - k/8) / (1 + t k/8)
  const shift = clz(k);
  const kExponent = BIAS + 60 - <i32>shift;
  const kHigh = k << shift;
  multiplyFractions(high, low, kHigh, 0);
  normalizeWide(0, exponent + kExponent - BIAS + 1, fractionProductHigh, fractionProductLow);
  addWide(0, BIAS, INTEGER_BIT, 0);
  const divisorExponent = wideExponent;
  const divisorHigh = wideHigh;
  const divisorLow = wideLow;
  setWide(0, exponent, high, low);
  addWide(SIGN, kExponent, kHigh, 0);
  if ((wideHigh | wideLow) != 0) {
    divideWide(divisorExponent, divisorHigh, divisorLow);
    smallArctangent();
  }
  const at = ARCTANGENTS + (<usize>k << 4) - 16;
  const baseHigh = load<u64>(at);
  const baseLow = load<u64>(at, 8);
  const by = clz(baseHigh);
  const alignedHigh = by == 0 ? baseHigh : (baseHigh << by) | (baseLow >> (64 - by));
  if ((wideHigh | wideLow) == 0) setWide(0, BIAS - 1 - <i32>by, alignedHigh, baseLow << by);
  else addWide(0, BIAS - 1 - <i32>by, alignedHigh, baseLow << by);
}

/** Arc tangent of a wide number up to 1/16 by its series; keeps the sign. */
function smallArctangent(): void {
  const sign = wideSign;
  const exponent = wideExponent;
  const high = wideHigh;
  const low = wideLow;
  multiplyFractions(high, low, high, low);
  setFraction(fractionProductHigh, fractionProductLow, min<i32>((BIAS - 1 - exponent) << 1, 128));
  series(ODD, ARCTANGENT_TERMS, fractionHigh, fractionLow, true);
  takeOff(exponent, high, low);
  flipWide(sign);
}
