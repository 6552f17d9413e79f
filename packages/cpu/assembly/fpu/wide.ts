// Numbers of 128 bits for the transcendental functions. A number is sign, exponent and significand
// hi.lo as for round(): hi.lo * 2^(exponent - BIAS - 63), hi with its top bit set. Results are
// truncated and left in the variables below.

import { multiplyHighUnsigned } from '../arithmetic';
import { divide128, remainderOut } from './arithmetic';
import { BIAS, INTEGER_BIT, SIGN } from './number';

export let wideSign: u32 = 0;
export let wideExponent: i32 = 0;
export let wideHigh: u64 = 0;
export let wideLow: u64 = 0;

/** Upper half of the product of two fractions of 128 bits, a few units too small. */
export let fractionProductHigh: u64 = 0;
export let fractionProductLow: u64 = 0;

export function setWide(sign: u32, exponent: i32, high: u64, low: u64): void {
  wideSign = sign;
  wideExponent = exponent;
  wideHigh = high;
  wideLow = low;
}

/** Sets the result after shifting its top bit into place. Not for zero. */
export function normalizeWide(sign: u32, exponent: i32, high: u64, low: u64): void {
  if (high == 0) {
    high = low;
    low = 0;
    exponent -= 64;
  }
  const shift = clz(high);
  if (shift != 0) {
    high = (high << shift) | (low >> (64 - shift));
    low <<= shift;
    exponent -= <i32>shift;
  }
  setWide(sign, exponent, high, low);
}

export function multiplyFractions(aHigh: u64, aLow: u64, bHigh: u64, bLow: u64): void {
  const high = multiplyHighUnsigned(aHigh, bHigh);
  const middle = aHigh * bHigh;
  const cross1 = multiplyHighUnsigned(aHigh, bLow);
  const cross2 = multiplyHighUnsigned(aLow, bHigh);
  const sum = middle + cross1;
  const low = sum + cross2;
  fractionProductLow = low;
  fractionProductHigh = high + (sum < middle ? 1 : 0) + (low < sum ? 1 : 0);
}

export function multiplyWide(exponent: i32, high: u64, low: u64): void {
  multiplyFractions(wideHigh, wideLow, high, low);
  const sum = wideExponent + exponent - BIAS + 1;
  normalizeWide(wideSign, sum, fractionProductHigh, fractionProductLow);
}

/** The fraction x = number / 2^0 of a number below one: its 128 bits behind the point. */
export let fractionHigh: u64 = 0;
export let fractionLow: u64 = 0;

/** Shifts hi.lo right by `count` into the fraction above. */
export function setFraction(high: u64, low: u64, count: i32): void {
  if (count >= 128) {
    fractionHigh = 0;
    fractionLow = 0;
  } else if (count >= 64) {
    fractionHigh = 0;
    fractionLow = high >> <u64>(count - 64);
  } else if (count == 0) {
    fractionHigh = high;
    fractionLow = low;
  } else {
    fractionHigh = high >> <u64>count;
    fractionLow = (low >> <u64>count) | (high << <u64>(64 - count));
  }
}

/** Adds a number to the result: the larger magnitude decides the sign. Cancellation to 0 gives 0. */
export function addWide(sign: u32, exponent: i32, high: u64, low: u64): void {
  const isLarger =
    exponent > wideExponent ||
    (exponent == wideExponent && (high > wideHigh || (high == wideHigh && low > wideLow)));
  if (isLarger) {
    const s = wideSign;
    const e = wideExponent;
    const h = wideHigh;
    const l = wideLow;
    setWide(sign, exponent, high, low);
    sign = s;
    exponent = e;
    high = h;
    low = l;
  }
  setFraction(high, low, wideExponent - exponent);
  if (sign == wideSign) {
    const sumLow = wideLow + fractionLow;
    const partial = wideHigh + fractionHigh;
    const sumHigh = partial + (sumLow < wideLow ? 1 : 0);
    if (partial < wideHigh || sumHigh < partial) {
      const carried = (sumLow >> 1) | (sumHigh << 63);
      setWide(wideSign, wideExponent + 1, (sumHigh >> 1) | INTEGER_BIT, carried);
    } else {
      setWide(wideSign, wideExponent, sumHigh, sumLow);
    }
    return;
  }
  const differenceLow = wideLow - fractionLow;
  const differenceHigh = wideHigh - fractionHigh - (wideLow < fractionLow ? 1 : 0);
  if ((differenceHigh | differenceLow) == 0) setWide(0, 0, 0, 0);
  else normalizeWide(wideSign, wideExponent, differenceHigh, differenceLow);
}

let restHigh: u64 = 0;
let restLow: u64 = 0;

/** One digit of 64 bits of (rest.0) / divisor, rest < divisor; Knuth's algorithm D again. */
function divideDigit(divisorHigh: u64, divisorLow: u64): u64 {
  let digit: u64;
  let left: u64;
  let isExact = true;
  if (restHigh >= divisorHigh) {
    digit = ~(<u64>0);
    left = restLow + divisorHigh;
    isExact = left >= restLow;
  } else {
    digit = divide128(restHigh, restLow, divisorHigh);
    left = remainderOut;
  }
  // left.0 - digit * divisorLow, made positive again.
  let productHigh = multiplyHighUnsigned(digit, divisorLow);
  let productLow = digit * divisorLow;
  while (isExact && (productHigh > left || (productHigh == left && productLow != 0))) {
    digit--;
    if (productLow < divisorLow) productHigh--;
    productLow -= divisorLow;
    const sum = left + divisorHigh;
    isExact = sum >= left;
    left = sum;
  }
  restHigh = left - productHigh - (productLow != 0 ? 1 : 0);
  restLow = -productLow;
  return digit;
}

/** Divides the result by a number. */
export function divideWide(exponent: i32, high: u64, low: u64): void {
  let quotientExponent = wideExponent - exponent + BIAS - 1;
  restHigh = wideHigh;
  restLow = wideLow;
  if (wideHigh > high || (wideHigh == high && wideLow >= low)) {
    quotientExponent++;
    restLow = (wideLow >> 1) | (wideHigh << 63);
    restHigh = wideHigh >> 1;
  }
  const first = divideDigit(high, low);
  const second = divideDigit(high, low);
  setWide(wideSign, quotientExponent, first, second);
}

export function flipWide(sign: u32): void {
  wideSign ^= sign & SIGN;
}
