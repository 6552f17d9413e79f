import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import * as functions from '../tools/x87-functions-oracle.ts';
import { type Extended, loaded, X87Harness, type X87Result } from '../tools/x87-harness.ts';

const INTEGER_BIT = 1n << 63n;
const ONE: Extended = [INTEGER_BIT, 0x3fff];
const FRACTION_BITS = 400;
const INEXACT = 0x20;
const INCOMPLETE = 0x400;
const harness = new X87Harness('interpreter');

let seed = 1n;
function bits(): bigint {
  seed = BigInt.asUintN(64, seed * 6364136223846793005n + 1442695040888963407n);
  return BigInt.asUintN(64, (seed ^ (seed >> 33n)) * 0xff51afd7ed558ccdn) | INTEGER_BIT;
}
const below = (limit: number) => Number((bits() >> 20n) % BigInt(limit));
/** A random number with an exponent from `low` to `high`. */
function number(low: number, high: number, sign = below(2) << 15): Extended {
  return [bits(), sign | (0x3fff + low + below(high - low + 1))];
}

/** The result is at most one unit in the last place away, and inexact. */
function check(result: X87Result, index: number, exact: bigint, context: string): void {
  const found = result.registers[index] as Extended;
  const size = exact < 0n ? -exact : exact;
  const ulp = 1n << BigInt(Math.max(size.toString(2).length - 64, 0));
  const error = functions.fixed(found) - exact;
  assert.ok(error <= ulp && error >= -ulp, `${context}: off by ${error} of ${ulp}`);
  assert.ok(result.status & INEXACT, `${context} is inexact`);
}

const show = (...all: Extended[]) =>
  all.map(([s, e]) => `${e.toString(16)}:${s.toString(16)}`).join();

suite('x87 transcendental functions', () => {
  test('FSIN, FCOS, FSINCOS, FPTAN reduce by 66 bits of pi', () => {
    for (let round = 0; round < 150; round++) {
      const a = round % 3 === 0 ? number(-60, 62) : number(-4, 8);
      const [sine, cosine] = functions.sineAndCosine(a);
      const context = show(a);
      check(harness.run([0xd9, 0xfe], loaded([a])), 0, sine, `sin ${context}`);
      check(harness.run([0xd9, 0xff], loaded([a])), 0, cosine, `cos ${context}`);
      const both = harness.run([0xd9, 0xfb], loaded([a]));
      check(both, 0, cosine, `cos ${context}`);
      check(both, 1, sine, `sin ${context}`);
      const tangent = harness.run([0xd9, 0xf2], loaded([a]));
      check(tangent, 1, functions.quotient(sine, cosine), `tan ${context}`);
      assert.deepEqual(tangent.registers[0], ONE);
    }
  });

  test('an argument of 2^63 is not reduced', () => {
    const large: Extended = [INTEGER_BIT, 0x3fff + 63];
    for (const opcode of [0xfe, 0xff, 0xfb, 0xf2]) {
      const result = harness.run([0xd9, opcode], loaded([large]));
      assert.equal(result.status & INCOMPLETE, INCOMPLETE);
      assert.deepEqual(result.registers[0], large);
      assert.equal((result.status >> 11) & 7, 7);
    }
  });

  test('F2XM1', () => {
    for (let round = 0; round < 150; round++) {
      const a = number(round & 1 ? -60 : -5, -1);
      check(harness.run([0xd9, 0xf0], loaded([a])), 0, functions.powerLessOne(a), show(a));
    }
  });

  test('FYL2X and FYL2XP1', () => {
    for (let round = 0; round < 150; round++) {
      const y = number(-5, 5);
      const far = number(round & 1 ? -80 : -1, round & 1 ? 80 : 0, 0);
      const scale = (value: bigint) => (value * functions.fixed(y)) >> BigInt(FRACTION_BITS);
      const logarithm = functions.logarithm(functions.fixed(far));
      const result = harness.run([0xd9, 0xf1], loaded([far, y]));
      check(result, 0, scale(logarithm), show(far, y));
      const small = number(-60, -3);
      const plusOne = functions.logarithm(functions.ONE + functions.fixed(small));
      check(harness.run([0xd9, 0xf9], loaded([small, y])), 0, scale(plusOne), show(small, y));
    }
  });

  test('FPATAN in all quadrants', () => {
    for (let round = 0; round < 150; round++) {
      const x = number(-30, 30);
      const y = round & 1 ? number(-30, 30) : number(-2, 2);
      const result = harness.run([0xd9, 0xf3], loaded([x, y]));
      check(result, 0, functions.angle(x, y), show(x, y));
    }
  });

  test('special points', () => {
    const zero: Extended = [0n, 0];
    const infinite: Extended = [INTEGER_BIT, 0x7fff];
    const run = (opcode: number, ...registers: Extended[]) =>
      harness.run([0xd9, opcode], loaded(registers));
    assert.deepEqual(run(0xfe, zero).registers[0], zero);
    assert.deepEqual(run(0xff, zero).registers[0], ONE);
    assert.equal(run(0xfe, infinite).status & 0x7f, 1);
    const pole = run(0xf1, zero, ONE);
    assert.deepEqual(pole.registers[0], [INTEGER_BIT, 0xffff]);
    assert.equal(pole.status & 0x7f, 4);
    assert.deepEqual(run(0xf1, ONE, ONE).registers[0], zero);
    assert.equal(run(0xf1, [INTEGER_BIT, 0xbfff], ONE).status & 0x7f, 1);
    // atan2(infinity, infinity) = pi/4, atan2(0, -1) = pi
    const quarter = 0xc90f_daa2_2168_c235n;
    assert.deepEqual(run(0xf3, infinite, infinite).registers[0], [quarter, 0x3ffe]);
    assert.deepEqual(run(0xf3, [INTEGER_BIT, 0xbfff], zero).registers[0], [quarter, 0x4000]);
  });

  test('constants in all rounding modes', () => {
    const opcodes = [0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee];
    const found = [0, 1, 2, 3].map((mode) =>
      opcodes.map((opcode) => {
        const input = loaded([], 0x37f | (mode << 10));
        const [significand] = harness.run([0xd9, opcode], input).registers[0] as Extended;
        return Number(significand & 0xfffn).toString(16);
      }),
    );
    const low = ['0', 'afe', '0bb', '234', '798', '9ab', '0'].map((x) => x.replace(/^0(?=.)/, ''));
    const near = ['0', 'afe', 'bc', '235', '799', '9ac', '0'];
    const high = ['0', 'aff', 'bc', '235', '799', '9ac', '0'];
    assert.deepEqual(found, [near, low, high, low]);
  });
});
