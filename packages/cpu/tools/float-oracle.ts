/**
 * SSE arithmetic on exact fractions of BigInts: the tests' own reading of [SDM] vol. 1 §4.9 and
 * §11.5. A number is its bits, in a format of 32 or 64 bits.
 */

export const FLAG = { IE: 1, DE: 2, ZE: 4, OE: 8, UE: 16, PE: 32 } as const;
const DAZ = 1 << 6;
const FTZ = 1 << 15;

export interface Format {
  readonly bits: 32 | 64;
  /** Significant bits, with the hidden one. */
  readonly precision: number;
  readonly bias: number;
}
export const SINGLE: Format = { bits: 32, precision: 24, bias: 127 };
export const DOUBLE: Format = { bits: 64, precision: 53, bias: 1023 };

/** A positive or negative fraction, with the sign of a zero. */
export interface Fraction {
  readonly isNegative: boolean;
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** One element's result: bits, and the flags it raises. */
export interface Rounded {
  readonly bits: bigint;
  readonly flags: number;
}

const fractionBits = (f: Format): number => f.precision - 1;
const exponentMask = (f: Format): bigint => (1n << BigInt(f.bits - f.precision)) - 1n;
const signBit = (f: Format): bigint => 1n << BigInt(f.bits - 1);
export const infinity = (f: Format): bigint => exponentMask(f) << BigInt(fractionBits(f));
const quietBit = (f: Format): bigint => 1n << BigInt(fractionBits(f) - 1);
export const indefinite = (f: Format): bigint => signBit(f) | infinity(f) | quietBit(f);
const size = (x: bigint, f: Format): bigint => x & ~signBit(f);
export const isNan = (x: bigint, f: Format): boolean => size(x, f) > infinity(f);
export const isSignaling = (x: bigint, f: Format): boolean =>
  isNan(x, f) && (x & quietBit(f)) === 0n;
export const isInfinite = (x: bigint, f: Format): boolean => size(x, f) === infinity(f);
export const isZero = (x: bigint, f: Format): boolean => size(x, f) === 0n;
export const isDenormal = (x: bigint, f: Format): boolean =>
  !isZero(x, f) && size(x, f) < 1n << BigInt(fractionBits(f));
export const isNegative = (x: bigint, f: Format): boolean => (x & signBit(f)) !== 0n;
export const quiet = (x: bigint, f: Format): bigint => x | quietBit(f);
export const withSign = (x: bigint, negative: boolean, f: Format): bigint =>
  negative ? x | signBit(f) : x;

/** What an operand counts as under MXCSR.DAZ. */
export function operand(x: bigint, control: number, f: Format): bigint {
  return control & DAZ && isDenormal(x, f) ? x & signBit(f) : x;
}

/** 2^exponent as a fraction's numerator and denominator. */
const power = (exponent: number): [bigint, bigint] =>
  exponent >= 0 ? [1n << BigInt(exponent), 1n] : [1n, 1n << BigInt(-exponent)];

/** The value of a finite number. */
export function fraction(x: bigint, f: Format): Fraction {
  const field = Number((x >> BigInt(fractionBits(f))) & exponentMask(f));
  const low = x & ((1n << BigInt(fractionBits(f))) - 1n);
  const significand = field === 0 ? low : low | (1n << BigInt(fractionBits(f)));
  const [up, down] = power(Math.max(field, 1) - f.bias - fractionBits(f));
  return { isNegative: isNegative(x, f), numerator: significand * up, denominator: down };
}

const bitLength = (x: bigint): number => x.toString(2).length;

/** Rounds to a multiple of 2^quantum: the multiple and whether it is inexact. */
export function roundToMultiple(
  value: Fraction,
  quantum: number,
  rounding: number,
): { multiple: bigint; isInexact: boolean } {
  const [up, down] = power(-quantum);
  const numerator = value.numerator * up;
  const denominator = value.denominator * down;
  const whole = numerator / denominator;
  const rest = numerator % denominator;
  const twice = 2n * rest;
  const away = [
    twice > denominator || (twice === denominator && (whole & 1n) === 1n),
    value.isNegative && rest !== 0n,
    !value.isNegative && rest !== 0n,
    false,
  ][rounding];
  return { multiple: away ? whole + 1n : whole, isInexact: rest !== 0n };
}

/** Rounds a fraction to a format as MXCSR says. */
export function round(value: Fraction, control: number, f: Format): Rounded {
  const rounding = (control >> 13) & 3;
  const { isNegative: negative } = value;
  if (value.numerator === 0n) return { bits: withSign(0n, negative, f), flags: 0 };
  let exponent = bitLength(value.numerator) - bitLength(value.denominator);
  const [up, down] = power(exponent);
  if (value.numerator * down < value.denominator * up) exponent--;
  const least = 1 - f.bias;
  const free = roundToMultiple(value, exponent - fractionBits(f), rounding);
  const carried = bitLength(free.multiple) > f.precision ? exponent + 1 : exponent;
  if (carried < least) return roundTiny(value, free.isInexact, control, f);
  const quantum = Math.max(exponent, least) - fractionBits(f);
  const { multiple, isInexact } = roundToMultiple(value, quantum, rounding);
  if (carried > f.bias) return overflow(negative, free.isInexact, control, f);
  const field = BigInt(quantum + fractionBits(f) + f.bias - 1);
  const bits = (field << BigInt(fractionBits(f))) + multiple;
  return { bits: withSign(bits, negative, f), flags: isInexact ? FLAG.PE : 0 };
}

function overflow(negative: boolean, inexact: boolean, control: number, f: Format): Rounded {
  const rounding = (control >> 13) & 3;
  const toInfinity = rounding === 0 || rounding === (negative ? 1 : 2);
  const isMasked = (control & (FLAG.OE << 7)) !== 0;
  const bits = infinity(f) - (toInfinity ? 0n : 1n);
  const flags = FLAG.OE | (isMasked || inexact ? FLAG.PE : 0);
  return { bits: withSign(bits, negative, f), flags };
}

function roundTiny(value: Fraction, inexact: boolean, control: number, f: Format): Rounded {
  const isMasked = (control & (FLAG.UE << 7)) !== 0;
  if (!isMasked) return { bits: 0n, flags: FLAG.UE | (inexact ? FLAG.PE : 0) };
  if (control & FTZ) return { bits: withSign(0n, value.isNegative, f), flags: FLAG.UE | FLAG.PE };
  const quantum = 1 - f.bias - fractionBits(f);
  const { multiple, isInexact } = roundToMultiple(value, quantum, (control >> 13) & 3);
  const flags = isInexact ? FLAG.UE | FLAG.PE : 0;
  return { bits: withSign(multiple, value.isNegative, f), flags };
}

export type Operation = 'add' | 'sub' | 'mul' | 'div';

/** ADD, SUB, MUL and DIV of one element. */
export function arithmetic(
  operation: Operation,
  first: bigint,
  second: bigint,
  control: number,
  f: Format,
): Rounded {
  const a = operand(first, control, f);
  const b = operand(second, control, f);
  if (isNan(a, f) || isNan(b, f)) {
    const flags = isSignaling(a, f) || isSignaling(b, f) ? FLAG.IE : 0;
    return { bits: quiet(isNan(a, f) ? a : b, f), flags };
  }
  const flipped = operation === 'sub' ? b ^ signBit(f) : b;
  const negative = isNegative(a, f) !== isNegative(b, f);
  const invalid: Rounded = { bits: indefinite(f), flags: FLAG.IE };
  const denormal = isDenormal(a, f) || isDenormal(b, f) ? FLAG.DE : 0;
  const infinite = (isMinus: boolean): Rounded => ({
    bits: withSign(infinity(f), isMinus, f),
    flags: denormal,
  });
  const finish = (value: Fraction): Rounded => {
    const { bits, flags } = round(value, control, f);
    return { bits, flags: flags | denormal };
  };
  if (operation === 'add' || operation === 'sub') {
    if (isInfinite(a, f) && isInfinite(b, f) && isNegative(a, f) !== isNegative(flipped, f))
      return invalid;
    if (isInfinite(a, f)) return infinite(isNegative(a, f));
    if (isInfinite(b, f)) return infinite(isNegative(flipped, f));
    return finish(sum(fraction(a, f), fraction(flipped, f), ((control >> 13) & 3) === 1));
  }
  if (operation === 'mul') {
    if (isInfinite(a, f) || isInfinite(b, f))
      return isZero(a, f) || isZero(b, f) ? invalid : infinite(negative);
    return finish(product(fraction(a, f), fraction(b, f), negative));
  }
  if (isInfinite(a, f)) return isInfinite(b, f) ? invalid : infinite(negative);
  if (isInfinite(b, f)) return { bits: withSign(0n, negative, f), flags: denormal };
  if (isZero(b, f)) {
    if (isZero(a, f)) return invalid;
    return { bits: withSign(infinity(f), negative, f), flags: FLAG.ZE };
  }
  const inverse = fraction(b, f);
  return finish(
    product(
      fraction(a, f),
      { ...inverse, numerator: inverse.denominator, denominator: inverse.numerator },
      negative,
    ),
  );
}

function sum(a: Fraction, b: Fraction, roundsDown: boolean): Fraction {
  const signed = (x: Fraction) => (x.isNegative ? -x.numerator : x.numerator);
  const total = signed(a) * b.denominator + signed(b) * a.denominator;
  const sameSign = a.isNegative === b.isNegative;
  return {
    isNegative: total === 0n ? (sameSign ? a.isNegative : roundsDown) : total < 0n,
    numerator: total < 0n ? -total : total,
    denominator: a.denominator * b.denominator,
  };
}

function product(a: Fraction, b: Fraction, negative: boolean): Fraction {
  return {
    isNegative: negative,
    numerator: a.numerator * b.numerator,
    denominator: a.denominator * b.denominator,
  };
}

function integerRoot(x: bigint): bigint {
  let root = 1n << BigInt((bitLength(x) + 1) >> 1);
  for (;;) {
    const next = (root + x / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** SQRT of one element. */
export function squareRoot(value: bigint, control: number, f: Format): Rounded {
  const x = operand(value, control, f);
  if (isNan(x, f)) return { bits: quiet(x, f), flags: isSignaling(x, f) ? FLAG.IE : 0 };
  if (isZero(x, f) || (isInfinite(x, f) && !isNegative(x, f))) return { bits: x, flags: 0 };
  if (isNegative(x, f)) return { bits: indefinite(f), flags: FLAG.IE };
  const { numerator, denominator } = fraction(x, f);
  // The denominator is a power of two; made even, its root is exact. 200 bits more than enough, and
  // one that stands for the rest.
  const even = bitLength(denominator) % 2 === 1 ? 1n : 2n;
  const scaled = (numerator * even) << 400n;
  const root = integerRoot(scaled);
  const sticky = root * root === scaled ? 0n : 1n;
  const result = round(
    {
      isNegative: false,
      numerator: root * 2n + sticky,
      denominator: integerRoot(denominator * even) << 201n,
    },
    control,
    f,
  );
  return { bits: result.bits, flags: result.flags | (isDenormal(x, f) ? FLAG.DE : 0) };
}

/** To a signed integer of so many bits: the integer indefinite where there is none. */
export function toInteger(
  value: bigint,
  control: number,
  f: Format,
  bits: number,
  rounding: number,
): Rounded {
  const x = operand(value, control, f);
  const least = 1n << BigInt(bits - 1);
  const invalid: Rounded = { bits: least, flags: FLAG.IE };
  if (isNan(x, f) || isInfinite(x, f)) return invalid;
  const exact = fraction(x, f);
  const { multiple, isInexact } = roundToMultiple(exact, 0, rounding);
  if (multiple > (exact.isNegative ? least : least - 1n)) return invalid;
  const signed = exact.isNegative ? -multiple : multiple;
  return { bits: BigInt.asUintN(bits, signed), flags: isInexact ? FLAG.PE : 0 };
}

/** An integer as a number. */
export function fromInteger(value: bigint, control: number, f: Format): Rounded {
  const numerator = value < 0n ? -value : value;
  return round({ isNegative: value < 0n, numerator, denominator: 1n }, control, f);
}

/** From one format to the other. */
export function convert(value: bigint, control: number, from: Format, to: Format): Rounded {
  const x = operand(value, control, from);
  const negative = isNegative(x, from);
  if (isNan(x, from)) {
    const payload = x & ((1n << BigInt(fractionBits(from))) - 1n);
    const shift = BigInt(Math.abs(from.precision - to.precision));
    const moved = from.bits < to.bits ? payload << shift : payload >> shift;
    const bits = quiet(infinity(to) | moved, to);
    return { bits: withSign(bits, negative, to), flags: isSignaling(x, from) ? FLAG.IE : 0 };
  }
  if (isInfinite(x, from)) return { bits: withSign(infinity(to), negative, to), flags: 0 };
  const { bits, flags } = round(fraction(x, from), control, to);
  return { bits, flags: flags | (isDenormal(x, from) ? FLAG.DE : 0) };
}

/** ROUNDxx of one element. */
export function roundToIntegral(
  value: bigint,
  control: number,
  f: Format,
  immediate: number,
): Rounded {
  const x = operand(value, control, f);
  if (isNan(x, f)) return { bits: quiet(x, f), flags: isSignaling(x, f) ? FLAG.IE : 0 };
  if (isInfinite(x, f)) return { bits: x, flags: 0 };
  const exact = fraction(x, f);
  const rounding = immediate & 4 ? (control >> 13) & 3 : immediate & 3;
  const { multiple, isInexact } = roundToMultiple(exact, 0, rounding);
  const whole = { isNegative: exact.isNegative, numerator: multiple, denominator: 1n };
  const flags = isInexact && !(immediate & 8) ? FLAG.PE : 0;
  return { bits: round(whole, 0x1f80, f).bits, flags };
}

/** How two numbers compare, and the flags of asking. */
export function order(
  first: bigint,
  second: bigint,
  control: number,
  f: Format,
  isQuiet: boolean,
): { relation: 'less' | 'equal' | 'greater' | 'unordered'; flags: number } {
  const a = operand(first, control, f);
  const b = operand(second, control, f);
  if (isNan(a, f) || isNan(b, f)) {
    const signals = !isQuiet || isSignaling(a, f) || isSignaling(b, f);
    return { relation: 'unordered', flags: signals ? FLAG.IE : 0 };
  }
  const flags = isDenormal(a, f) || isDenormal(b, f) ? FLAG.DE : 0;
  // Bits of numbers are ordered as their magnitudes are.
  const signed = (x: bigint) => (isNegative(x, f) ? -size(x, f) : size(x, f));
  const difference = signed(a) - signed(b);
  return { relation: difference < 0n ? 'less' : difference > 0n ? 'greater' : 'equal', flags };
}
