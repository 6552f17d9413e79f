/** Transcendental functions by power series in fixed point of 400 bits: for tests. */

import type { Extended } from './x87-harness.ts';
import { isNegative, magnitude } from './x87-oracle.ts';

const BITS = 400n;
export const ONE = 1n << BITS;
/** pi / 4 as the processor has it: 66 bits. [SDM] vol. 1 §8.3.8. */
const QUARTER_PI = (0xc90f_daa2_2168_c234_cn << BITS) >> 68n;

/** The number in fixed point; truncated when it is smaller than that. */
export function fixed(a: Extended): bigint {
  const { n, d } = magnitude(a);
  const value = (n << BITS) / d;
  return isNegative(a) ? -value : value;
}

const times = (a: bigint, b: bigint) => (a * b) >> BITS;

/** Sum of first * ratio^k * factor(k) until nothing is left. */
function series(first: bigint, ratio: bigint, factor: (k: bigint, term: bigint) => bigint): bigint {
  let term = first;
  let sum = 0n;
  for (let k = 0n; term !== 0n && term !== -1n; k++) {
    sum += term;
    term = factor(k, times(term, ratio));
  }
  return sum;
}

const sineOf = (r: bigint) =>
  series(r, times(r, r), (k, term) => -term / ((2n * k + 2n) * (2n * k + 3n)));
const cosineOf = (r: bigint) =>
  series(ONE, times(r, r), (k, term) => -term / ((2n * k + 1n) * (2n * k + 2n)));

/** Sum of x^(2k+1)/(2k+1), with alternating signs for the arc tangent. */
function odd(x: bigint, alternates: boolean): bigint {
  const square = times(x, x);
  let power = x;
  let sum = 0n;
  for (let k = 0n; power !== 0n && power !== -1n; k++) {
    sum += (alternates && (k & 1n) === 1n ? -power : power) / (2n * k + 1n);
    power = times(power, square);
  }
  return sum;
}

const LN2 = 2n * odd(ONE / 3n, false);

/** Sine and cosine of an argument reduced by the processor's pi. */
export function sineAndCosine(a: Extended): readonly [bigint, bigint] {
  const half = 2n * QUARTER_PI;
  const x = fixed(a);
  const turns = (x + (x < 0n ? -QUARTER_PI : QUARTER_PI)) / half;
  const r = x - turns * half;
  const sine = sineOf(r);
  const cosine = cosineOf(r);
  const pairs = [
    [sine, cosine],
    [cosine, -sine],
    [-sine, -cosine],
    [-cosine, sine],
  ] as const;
  return pairs[Number(((turns % 4n) + 4n) % 4n)] as readonly [bigint, bigint];
}

export const quotient = (a: bigint, b: bigint) => (a << BITS) / b;

/** 2^x - 1. */
export function powerLessOne(a: Extended): bigint {
  const y = times(fixed(a), LN2);
  return series(y, y, (k, term) => term / (k + 2n));
}

/** log2 of a positive number given in fixed point. */
export function logarithm(value: bigint): bigint {
  let x = value;
  let power = 0n;
  while (x > (ONE * 3n) / 2n) {
    x >>= 1n;
    power++;
  }
  while (x < (ONE * 3n) / 4n) {
    x <<= 1n;
    power--;
  }
  return (power << BITS) + quotient(2n * odd(quotient(x - ONE, x + ONE), false), LN2);
}

/** The angle of a point. Angles are halved first: tan(a/2) = t / (1 + sqrt(1 + t^2)), t = tan a. */
export function angle(x: Extended, y: Extended): bigint {
  const a = fixed(x);
  const b = fixed(y);
  const steep = (b < 0n ? -b : b) > (a < 0n ? -a : a);
  const pi = 16n * odd(ONE / 5n, true) - 4n * odd(ONE / 239n, true);
  if (steep) return (b < 0n ? -pi : pi) / 2n - smallAngle(quotient(a, b));
  if (a >= 0n) return smallAngle(quotient(b, a));
  return smallAngle(quotient(b, a)) + (b < 0n ? -pi : pi);
}

function smallAngle(t: bigint): bigint {
  let x = t;
  for (let halving = 0; halving < 3; halving++) {
    x = quotient(x, ONE + root((ONE * ONE + x * x) >> BITS));
  }
  return 8n * odd(x, true);
}

function root(x: bigint): bigint {
  const square = x << BITS;
  let guess = 1n << BigInt((square.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (guess + square / guess) >> 1n;
    if (next >= guess) return guess;
    guess = next;
  }
}
