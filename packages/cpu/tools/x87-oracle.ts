/** What x87 arithmetic must give, by exact rational numbers: for tests. [SDM] vol. 1 §4.8, §8.5. */

import type { Extended } from './x87-harness.ts';

export const FLAG = { IE: 1, DE: 2, ZE: 4, OE: 8, UE: 16, PE: 32, C1: 0x200 } as const;
export const NEAREST = 0;
export const DOWN = 1;
export const UP = 2;
const BIAS = 16383;
const INTEGER_BIT = 1n << 63n;
const QUIET_BIT = 1n << 62n;
const INDEFINITE: Extended = [0xc000_0000_0000_0000n, 0xffff];

export interface Outcome {
  readonly value: Extended;
  /** Exceptions, and C1 when the magnitude was rounded up. */
  readonly flags: number;
}

/** A non-negative rational. */
export interface Rational {
  readonly n: bigint;
  readonly d: bigint;
}

/** A binary format: bits of precision, exponent of the smallest and largest normal number. */
export interface Format {
  readonly precision: number;
  readonly lowest: number;
  readonly highest: number;
}

export const EXTENDED: Format = { precision: 64, lowest: -16382, highest: 16383 };
export const SINGLE: Format = { precision: 24, lowest: -126, highest: 127 };
export const DOUBLE: Format = { precision: 53, lowest: -1022, highest: 1023 };

export function kindOf([significand, exponent]: Extended): string {
  const e = exponent & 0x7fff;
  if (e === 0) return significand === 0n ? 'zero' : 'denormal';
  if (significand < INTEGER_BIT) return 'unsupported';
  if (e < 0x7fff) return 'normal';
  return significand === INTEGER_BIT ? 'infinite' : 'nan';
}

export const isNegative = ([, exponent]: Extended): boolean => exponent > 0x7fff;

/** n * 2^power. */
export function scaled(n: bigint, power: number): Rational {
  return power >= 0 ? { n: n << BigInt(power), d: 1n } : { n, d: 1n << BigInt(-power) };
}

/** Magnitude of a finite number. */
export function magnitude([significand, exponent]: Extended): Rational {
  return scaled(significand, Math.max(exponent & 0x7fff, 1) - BIAS - 63);
}

/** floor(log2(x)). */
export function logarithmOf({ n, d }: Rational): number {
  const guess = n.toString(2).length - d.toString(2).length;
  const power = guess >= 0 ? d << BigInt(guess) : d;
  const other = guess >= 0 ? n : n << BigInt(-guess);
  return other < power ? guess - 1 : guess;
}

/** Rounds x / 2^ulp to an integer; whether that was exact, and upward. */
export function roundTo(x: Rational, ulp: number, mode: number, negative: boolean) {
  const n = ulp >= 0 ? x.n : x.n << BigInt(-ulp);
  const d = ulp >= 0 ? x.d << BigInt(ulp) : x.d;
  const floor = n / d;
  const rest = n - floor * d;
  if (rest === 0n) return { integer: floor, exact: true, up: false };
  const twice = 2n * rest;
  const nearest = twice > d || (twice === d && (floor & 1n) === 1n);
  const up = mode === NEAREST ? nearest : mode === (negative ? DOWN : UP);
  return { integer: up ? floor + 1n : floor, exact: false, up };
}

/** A number rounded to a format, masked responses included: integer * 2^power, or an overflow. */
export function roundToFormat(x: Rational, negative: boolean, format: Format, mode: number) {
  const { precision, lowest, highest } = format;
  const unbounded = logarithmOf(x);
  const free = roundTo(x, unbounded - precision + 1, mode, negative);
  const carried = free.integer >> BigInt(precision) !== 0n;
  const exponent = unbounded + (carried ? 1 : 0);
  const tiny = exponent < lowest;
  const power = Math.max(unbounded, lowest);
  const kept = tiny ? roundTo(x, power - precision + 1, mode, negative) : free;
  let flags = kept.exact ? 0 : FLAG.PE;
  if (kept.up) flags |= FLAG.C1;
  if (tiny && !kept.exact) flags |= FLAG.UE;
  if (exponent > highest) {
    const toInfinity = mode === NEAREST || mode === (negative ? DOWN : UP);
    const overflow = FLAG.OE | FLAG.PE | (toInfinity ? FLAG.C1 : 0);
    return { integer: -1n, power: 0, toInfinity, flags: overflow };
  }
  return { integer: kept.integer, power: power - precision + 1, toInfinity: false, flags };
}

/** The same as an 80-bit number, `bits` of precision (24, 53, 64). */
export function pack(x: Rational, negative: boolean, bits: number, mode: number): Outcome {
  const sign = negative ? 0x8000 : 0;
  if (x.n === 0n) return { value: [0n, sign], flags: 0 };
  const r = roundToFormat(x, negative, { ...EXTENDED, precision: bits }, mode);
  if (r.integer < 0n) {
    const largest = INTEGER_BIT * 2n - (1n << BigInt(64 - bits));
    const value: Extended = r.toInfinity ? [INTEGER_BIT, sign | 0x7fff] : [largest, sign | 0x7ffe];
    return { value, flags: r.flags };
  }
  if (r.integer === 0n) return { value: [0n, sign], flags: r.flags };
  const top = r.integer.toString(2).length - 1;
  const exponent = Math.max(top + r.power, EXTENDED.lowest);
  const significand = r.integer << BigInt(r.power - exponent + 63);
  const field = significand >= INTEGER_BIT ? exponent + BIAS : 0;
  return { value: [significand, sign | field], flags: r.flags };
}

/** The NaN that two operands give, or undefined when neither is one. */
function nanOf(a: Extended, b: Extended): Outcome | undefined {
  const nans = [a, b].filter((x) => kindOf(x) === 'nan');
  if (nans.length === 0) return undefined;
  const signals = nans.map(([significand]) => (significand & QUIET_BIT) === 0n);
  const flags = signals.includes(true) ? FLAG.IE : 0;
  const silent = nans.filter((_, index) => !signals[index]);
  const candidates = (silent.length > 0 ? silent : nans).map(
    ([significand, exponent]): Extended => [significand | QUIET_BIT, exponent],
  );
  candidates.sort((x, y) => (x[0] === y[0] ? x[1] - y[1] : x[0] > y[0] ? -1 : 1));
  return { value: candidates[0] as Extended, flags };
}

const INVALID: Outcome = { value: INDEFINITE, flags: FLAG.IE };

/** What precedes arithmetic for all operations: unsupported encodings and NaNs. */
export function special(a: Extended, b: Extended = a): Outcome | undefined {
  if (kindOf(a) === 'unsupported' || kindOf(b) === 'unsupported') return INVALID;
  return nanOf(a, b);
}

const infinite = (negative: boolean): Extended => [INTEGER_BIT, negative ? 0xffff : 0x7fff];

export type Operation = '+' | '-' | '*' | '/';

/** a op b with exceptions masked. */
export function arithmetic(
  operation: Operation,
  a: Extended,
  b: Extended,
  bits: number,
  mode: number,
): Outcome {
  const early = special(a, b);
  if (early !== undefined) return early;
  const denormal = kindOf(a) === 'denormal' || kindOf(b) === 'denormal' ? FLAG.DE : 0;
  let outcome: Outcome;
  if (operation === '*' || operation === '/') outcome = product(operation, a, b, bits, mode);
  else {
    const flip: Extended = operation === '-' ? [b[0], b[1] ^ 0x8000] : b;
    outcome = sum(a, flip, bits, mode);
  }
  const hides = (outcome.flags & (FLAG.IE | FLAG.ZE)) !== 0;
  return hides ? outcome : { ...outcome, flags: outcome.flags | denormal };
}

function sum(a: Extended, b: Extended, bits: number, mode: number): Outcome {
  const aInfinite = kindOf(a) === 'infinite';
  const bInfinite = kindOf(b) === 'infinite';
  const opposite = isNegative(a) !== isNegative(b);
  if (aInfinite && bInfinite && opposite) return INVALID;
  if (aInfinite || bInfinite) return { value: aInfinite ? a : b, flags: 0 };
  const x = magnitude(a);
  const y = magnitude(b);
  const n = (isNegative(a) ? -1n : 1n) * x.n * y.d + (isNegative(b) ? -1n : 1n) * y.n * x.d;
  const zeroSign = opposite ? mode === DOWN : isNegative(a);
  if (n === 0n) return { value: [0n, zeroSign ? 0x8000 : 0], flags: 0 };
  return pack({ n: n < 0n ? -n : n, d: x.d * y.d }, n < 0n, bits, mode);
}

function product(op: '*' | '/', a: Extended, b: Extended, bits: number, mode: number): Outcome {
  const negative = isNegative(a) !== isNegative(b);
  const kinds = `${kindOf(a)} ${kindOf(b)}`;
  const invalid =
    op === '*' ? ['zero infinite', 'infinite zero'] : ['zero zero', 'infinite infinite'];
  if (invalid.includes(kinds)) return INVALID;
  const aInfinite = kindOf(a) === 'infinite';
  const bInfinite = kindOf(b) === 'infinite';
  if (aInfinite || (bInfinite && op === '*')) return { value: infinite(negative), flags: 0 };
  if (bInfinite) return { value: [0n, negative ? 0x8000 : 0], flags: 0 };
  if (op === '/' && kindOf(b) === 'zero') return { value: infinite(negative), flags: FLAG.ZE };
  const x = magnitude(a);
  const y = magnitude(b);
  const exact = op === '*' ? { n: x.n * y.n, d: x.d * y.d } : { n: x.n * y.d, d: x.d * y.n };
  return pack(exact, negative, bits, mode);
}

/** floor(sqrt(x)). */
export function integerRoot(x: bigint): bigint {
  if (x < 2n) return x;
  let root = 1n << BigInt((x.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (root + x / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** Square root: exact to 200 bits, with a bit more when it goes on. */
export function squareRoot(a: Extended, bits: number, mode: number): Outcome {
  const early = special(a);
  if (early !== undefined) return early;
  const kind = kindOf(a);
  if (kind === 'zero') return { value: a, flags: 0 };
  if (isNegative(a)) return INVALID;
  if (kind === 'infinite') return { value: a, flags: 0 };
  const power = Math.max(a[1], 1) - BIAS - 63;
  const shift = 400 + (power & 1);
  const square = a[0] << BigInt(shift);
  const root = integerRoot(square);
  const sticky = root * root === square ? 0n : 1n;
  const outcome = pack(scaled(2n * root + sticky, (power - shift) / 2 - 1), false, bits, mode);
  return kind === 'denormal' ? { ...outcome, flags: outcome.flags | FLAG.DE } : outcome;
}

/** The integer nearest a number, in the rounding mode; undefined when there is none. */
export function toIntegral(a: Extended, mode: number) {
  if (!['zero', 'normal', 'denormal'].includes(kindOf(a))) return undefined;
  const r = roundTo(magnitude(a), 0, mode, isNegative(a));
  const flags = (r.exact ? 0 : FLAG.PE) | (r.up ? FLAG.C1 : 0);
  return { integer: isNegative(a) ? -r.integer : r.integer, flags };
}
