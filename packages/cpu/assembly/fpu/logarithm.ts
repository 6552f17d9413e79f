// F2XM1, FYL2X, FYL2XP1. [SDM] vol. 1 §8.3.9, §8.3.10; vol. 2A tables 3-13, 3-67, 3-68.

import { DE, PE, UE, ZE } from './environment';
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
  signedZero,
} from './number';
import {
  EXPONENTIAL,
  EXPONENTIAL_TERMS,
  LN2_HIGH,
  LN2_LOW,
  LOG2E_HIGH,
  LOG2E_LOW,
  LOGARITHM_TERMS,
  ODD,
  series,
} from './series';
import { roundWide } from './trigonometric';
import {
  addWide,
  divideWide,
  fractionHigh,
  fractionLow,
  fractionProductHigh,
  fractionProductLow,
  multiplyFractions,
  multiplyWide,
  normalizeWide,
  setFraction,
  setWide,
  wideExponent,
  wideHigh,
  wideLow,
  wideSign,
} from './wide';

/** Significand of sqrt(2). */
const ROOT2: u64 = 0xb504_f333_f9de_6484;

/** Multiplies the wide number by 1 + t or 1 - t, the fraction t being what a series left. */
function applySeries(isPlus: bool): void {
  const high = wideHigh;
  const low = wideLow;
  multiplyFractions(high, low, fractionProductHigh, fractionProductLow);
  if (!isPlus) {
    const lower = low - fractionProductLow;
    const higher = high - fractionProductHigh - (low < fractionProductLow ? 1 : 0);
    normalizeWide(wideSign, wideExponent, higher, lower);
    return;
  }
  const sumLow = low + fractionProductLow;
  const partial = high + fractionProductHigh;
  const sumHigh = partial + (sumLow < low ? 1 : 0);
  if (partial < high || sumHigh < partial) {
    const carried = (sumLow >> 1) | (sumHigh << 63);
    setWide(wideSign, wideExponent + 1, (sumHigh >> 1) | INTEGER_BIT, carried);
  } else {
    setWide(wideSign, wideExponent, sumHigh, sumLow);
  }
}

/** F2XM1: 2^x - 1 for x from -1 to 1. Beyond that the result is not defined: here x itself. */
export function powerLessOne(significand: u64, exponent: u32): u64 {
  const kind = kindOf(significand, exponent);
  const sign = exponent & SIGN;
  if (kind == UNSUPPORTED) return invalid();
  if (kind == NAN) return quiet(significand, exponent);
  if (kind == ZERO) return signedZero(sign);
  if (kind == INFINITE) return sign != 0 ? result(INTEGER_BIT, SIGN | BIAS) : infinity(0);
  if (kind == DENORMAL) note(DE);
  const power = powerOf(significand, exponent);
  if (power >= BIAS) {
    note(PE);
    if (power > BIAS || significand != INTEGER_BIT) return result(significand, exponent);
    return result(INTEGER_BIT, sign != 0 ? SIGN | (BIAS - 1) : BIAS);
  }
  setWide(sign, power, significand << clz(significand), 0);
  multiplyWide(BIAS - 1, LN2_HIGH, LN2_LOW);
  setFraction(wideHigh, wideLow, min<i32>(BIAS - 1 - wideExponent, 128));
  series(EXPONENTIAL, EXPONENTIAL_TERMS, fractionHigh, fractionLow, sign != 0);
  applySeries(sign == 0);
  return roundWide();
}

/** log2 e times twice the arc hyperbolic tangent of the wide number, up to 3 - sqrt(8). */
function logarithmOfRatio(): void {
  multiplyFractions(wideHigh, wideLow, wideHigh, wideLow);
  const shift = min<i32>((BIAS - 1 - wideExponent) << 1, 128);
  setFraction(fractionProductHigh, fractionProductLow, shift);
  series(ODD, LOGARITHM_TERMS, fractionHigh, fractionLow, false);
  applySeries(true);
  multiplyWide(BIAS + 1, LOG2E_HIGH, LOG2E_LOW);
}

/** log2 of (1.0 to 2.0 times) 2^power, the significand in 128 bits; zero for one. */
function logarithm(power: i32, high: u64, low: u64): void {
  if (high >= ROOT2) power++;
  if (high == INTEGER_BIT && low == 0) {
    setInteger(power);
    return;
  }
  // m between sqrt(1/2) and sqrt(2): (m - 1) / (m + 1).
  const exponent = high >= ROOT2 ? BIAS - 1 : BIAS;
  setWide(0, exponent, high, low);
  addWide(0, BIAS, INTEGER_BIT, 0);
  const divisorExponent = wideExponent;
  const divisorHigh = wideHigh;
  const divisorLow = wideLow;
  setWide(0, exponent, high, low);
  addWide(SIGN, BIAS, INTEGER_BIT, 0);
  divideWide(divisorExponent, divisorHigh, divisorLow);
  logarithmOfRatio();
  if (power == 0) return;
  const sign: u32 = power < 0 ? SIGN : 0;
  const magnitude = <u64>(power < 0 ? -power : power);
  const shift = clz(magnitude);
  addWide(sign, BIAS + 63 - <i32>shift, magnitude << shift, 0);
}

function setInteger(value: i32): void {
  const sign: u32 = value < 0 ? SIGN : 0;
  const magnitude = <u64>(value < 0 ? -value : value);
  if (value == 0) setWide(0, 0, 0, 0);
  else normalizeWide(sign, BIAS + 63, magnitude, 0);
}

/** The wide logarithm times y, rounded; inexact even when an exact logarithm's product is not. */
function timesY(isExact: bool, y: u64, yExponent: u32): u64 {
  const sign = wideSign ^ (yExponent & SIGN);
  if (wideHigh == 0) return signedZero(yExponent & SIGN);
  multiplyWide(powerOf(y, yExponent), y << clz(y), 0);
  note(PE);
  if (isExact) {
    const value = roundFull(sign, wideExponent, wideHigh, wideLow);
    if ((exponentOut & EXPONENT) == 0) note(UE);
    return value;
  }
  return roundFull(sign, wideExponent, wideHigh, wideLow | 1);
}

/** FYL2X: y log2 x. */
export function yLogarithm(x: u64, xExponent: u32, y: u64, yExponent: u32): u64 {
  const xKind = kindOf(x, xExponent);
  const yKind = kindOf(y, yExponent);
  if (xKind == UNSUPPORTED || yKind == UNSUPPORTED) return invalid();
  if (xKind == NAN || yKind == NAN) return propagate(x, xExponent, y, yExponent);
  const negative = (xExponent & SIGN) != 0;
  const ySign = yExponent & SIGN;
  if (negative && xKind != ZERO) return invalid();
  if (xKind == ZERO) {
    if (yKind == ZERO) return invalid();
    if (yKind != INFINITE) note(ZE);
    return infinity(ySign ^ SIGN);
  }
  const xPower = powerOf(x, xExponent);
  const isOne = xPower == BIAS && x == INTEGER_BIT;
  if (xKind == INFINITE ? yKind == ZERO : isOne && yKind == INFINITE) return invalid();
  if (xKind == DENORMAL || yKind == DENORMAL) note(DE);
  const below: u32 = xPower < BIAS ? SIGN : 0;
  if (xKind == INFINITE) return infinity(ySign);
  if (yKind == INFINITE) return infinity(ySign ^ below);
  if (yKind == ZERO) return signedZero(ySign ^ below);
  const normal = x << clz(x);
  logarithm(xPower - BIAS, normal, 0);
  return timesY(normal == INTEGER_BIT, y, yExponent);
}

/** Numbers from this exponent on are added to one before the logarithm: from 1/4. */
const LARGE: i32 = BIAS - 2;

/** FYL2XP1: y log2(x + 1), defined for |x| up to 1 - sqrt(1/2). */
export function yLogarithmPlusOne(x: u64, xExponent: u32, y: u64, yExponent: u32): u64 {
  const xKind = kindOf(x, xExponent);
  const yKind = kindOf(y, yExponent);
  if (xKind == UNSUPPORTED || yKind == UNSUPPORTED) return invalid();
  if (xKind == NAN || yKind == NAN) return propagate(x, xExponent, y, yExponent);
  const sign = (xExponent ^ yExponent) & SIGN;
  const xPower = xKind == ZERO ? 0 : powerOf(x, xExponent);
  // Beyond the domain: nothing below -1 has a logarithm.
  if ((xExponent & SIGN) != 0 && xPower >= BIAS) return invalid();
  if (xKind == INFINITE ? yKind == ZERO : xKind == ZERO && yKind == INFINITE) return invalid();
  if (xKind == DENORMAL || yKind == DENORMAL) note(DE);
  if (xKind == INFINITE || yKind == INFINITE) return infinity(sign);
  if (xKind == ZERO || yKind == ZERO) return signedZero(sign);
  setWide(xExponent & SIGN, xPower, x << clz(x), 0);
  if (xPower >= LARGE) {
    addWide(0, BIAS, INTEGER_BIT, 0);
    const isExact = wideHigh == INTEGER_BIT && wideLow == 0;
    logarithm(wideExponent - BIAS, wideHigh, wideLow);
    return timesY(isExact, y, yExponent);
  }
  smallLogarithm(xExponent & SIGN, xPower, x << clz(x));
  return timesY(false, y, yExponent);
}

/** log2(x + 1) by x / (x + 2), which loses nothing of a small x. */
function smallLogarithm(sign: u32, power: i32, x: u64): void {
  addWide(0, BIAS + 1, INTEGER_BIT, 0);
  const divisorExponent = wideExponent;
  const divisorHigh = wideHigh;
  const divisorLow = wideLow;
  setWide(sign, power, x, 0);
  divideWide(divisorExponent, divisorHigh, divisorLow);
  logarithmOfRatio();
}
