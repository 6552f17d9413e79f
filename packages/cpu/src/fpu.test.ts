import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import {
  type Extended,
  IMAGE,
  loaded,
  OPERAND,
  X87Harness,
  type X87Result,
  type X87State,
} from '../tools/x87-harness.ts';
import * as oracle from '../tools/x87-oracle.ts';
import { FLAG, kindOf, NEAREST, type Outcome } from '../tools/x87-oracle.ts';

const INTEGER_BIT = 1n << 63n;
const INDEFINITE: Extended = [0xc000_0000_0000_0000n, 0xffff];
const MASK64 = (1n << 64n) - 1n;
const MODES = [0, 1, 2, 3] as const;
/** Precision control by bits of precision. */
const PRECISION: Readonly<Record<number, number>> = { 24: 0, 53: 2, 64: 3 };
const TOP = 0x3800;
const EXCEPTIONS = 0x7f;
const STACK_FAULT = 0x40;
const SUMMARY = 0x8080;

const harness = new X87Harness('interpreter');

class Chance {
  #state: bigint;
  constructor(seed: number) {
    this.#state = BigInt(seed);
  }
  bits(): bigint {
    this.#state = (this.#state * 6364136223846793005n + 1442695040888963407n) & MASK64;
    const mixed = ((this.#state ^ (this.#state >> 33n)) * 0xff51afd7ed558ccdn) & MASK64;
    return mixed ^ (mixed >> 29n);
  }
  below(limit: number): number {
    return Number((this.bits() >> 11n) % BigInt(limit));
  }
  /** A normal number near one, or with an exponent at the ends, or special. */
  number(): Extended {
    const sign = this.below(2) << 15;
    const dense = this.bits();
    const sparse = this.bits() & this.bits() & this.bits();
    const significand = [dense, sparse, ~sparse & MASK64][this.below(3)] as bigint;
    const normal = significand | INTEGER_BIT;
    switch (this.below(12)) {
      case 0:
        return SPECIALS[this.below(SPECIALS.length)] as Extended;
      case 1:
        return [normal, sign | (1 + this.below(70))];
      case 2:
        return [normal, sign | (0x7ffe - this.below(70))];
      case 3:
        return [significand & (INTEGER_BIT - 1n), sign];
      case 4:
        return [normal, sign | (1 + this.below(0x7ffe))];
      default:
        return [normal, sign | (0x3fff - 40 + this.below(80))];
    }
  }
}

const SPECIALS: readonly Extended[] = [
  [0n, 0],
  [0n, 0x8000],
  [INTEGER_BIT, 0x7fff],
  [INTEGER_BIT, 0xffff],
  [0xc000_0000_0000_0000n, 0x7fff],
  [0xc000_0000_0000_1234n, 0xffff],
  [0x8000_0000_0000_0001n, 0x7fff], // Signaling.
  [0xbfff_ffff_ffff_ffffn, 0xffff], // Signaling.
  [1n, 0],
  [0x7fff_ffff_ffff_ffffn, 0x8000],
  [0x8000_0000_0000_0000n, 0], // Pseudo-denormal.
  [0x4000_0000_0000_0000n, 0x3fff], // Unnormal.
  [0n, 0x7fff], // Pseudo-infinity.
  [MASK64, 0x7ffe],
  [INTEGER_BIT, 1],
  [INTEGER_BIT, 0x3fff],
];

const hex = ([significand, exponent]: Extended) =>
  `${exponent.toString(16)}:${significand.toString(16)}`;

function controlWord(bits: number, mode: number, masks = 0x3f): number {
  return masks | 0x40 | ((PRECISION[bits] as number) << 8) | (mode << 10);
}

const st = (result: X87State, index = 0) => result.registers[index] as Extended;
const topOf = (state: X87State) => (state.status & TOP) >> 11;

function expectOutcome(result: X87Result, expected: Outcome, context: string): void {
  const found = `${hex(st(result))} flags ${(result.status & (EXCEPTIONS | FLAG.C1)).toString(16)}`;
  const wanted = `${hex(expected.value)} flags ${expected.flags.toString(16)}`;
  assert.equal(found, wanted, context);
}

const ARITHMETIC = { '+': 0xc1, '*': 0xc9, '-': 0xe1, '/': 0xf1 } as const;
type Operation = keyof typeof ARITHMETIC;
const OPERATIONS = Object.keys(ARITHMETIC) as Operation[];

function checkArithmetic(op: Operation, a: Extended, b: Extended, bits: number, mode: number) {
  const input = loaded([a, b], controlWord(bits, mode));
  const result = harness.run([0xd8, ARITHMETIC[op]], input);
  const context = `${hex(a)} ${op} ${hex(b)}, ${bits} bits, mode ${mode}`;
  expectOutcome(result, oracle.arithmetic(op, a, b, bits, mode), context);
}

suite('x87 arithmetic', () => {
  test('add, subtract, multiply, divide in all precisions and rounding modes', () => {
    const chance = new Chance(1);
    for (const op of OPERATIONS)
      for (const bits of [24, 53, 64])
        for (const mode of MODES)
          for (let round = 0; round < 120; round++) {
            const a = chance.number();
            let b = chance.number();
            // Neighbours in exponent cancel or tie more often.
            if (round % 3 === 0) b = [b[0], Math.max((a[1] & 0x7fff) - (round % 67), 0)];
            checkArithmetic(op, a, b, bits, mode);
          }
  });

  test('special operands against each other', () => {
    for (const op of OPERATIONS)
      for (const a of SPECIALS) for (const b of SPECIALS) checkArithmetic(op, a, b, 64, NEAREST);
  });

  test('square root', () => {
    const chance = new Chance(2);
    for (const mode of MODES)
      for (let round = 0; round < 150; round++) {
        const bits = [24, 53, 64][round % 3] as number;
        const a = round < SPECIALS.length ? (SPECIALS[round] as Extended) : chance.number();
        const result = harness.run([0xd9, 0xfa], loaded([a], controlWord(bits, mode)));
        expectOutcome(result, oracle.squareRoot(a, bits, mode), `sqrt ${hex(a)}, ${bits}, ${mode}`);
      }
  });

  test('rounding to an integer', () => {
    const chance = new Chance(3);
    for (const mode of MODES)
      for (let round = 0; round < 150; round++) {
        const a = round < SPECIALS.length ? (SPECIALS[round] as Extended) : chance.number();
        const result = harness.run([0xd9, 0xfc], loaded([a], controlWord(64, mode)));
        expectOutcome(result, rounded(a, mode), `frndint ${hex(a)}, ${mode}`);
      }
  });

  function rounded(a: Extended, mode: number): Outcome {
    const early = oracle.special(a);
    if (early !== undefined) return early;
    const integral = oracle.toIntegral(a, mode);
    if (integral === undefined || kindOf(a) === 'zero') return { value: a, flags: 0 };
    const size = integral.integer < 0n ? -integral.integer : integral.integer;
    const value = oracle.pack({ n: size, d: 1n }, oracle.isNegative(a), 64, NEAREST).value;
    const denormal = kindOf(a) === 'denormal' ? FLAG.DE : 0;
    return { value, flags: integral.flags | denormal };
  }

  test('both engines, and the forms with memory, ST(i) and pops', () => {
    const forced = new X87Harness('forced');
    const one: Extended = [INTEGER_BIT, 0x3fff];
    const six: Extended = [0xc000_0000_0000_0000n, 0x4001];
    const operand = new Uint8Array(16);
    new DataView(operand.buffer).setFloat64(0, 1.5, true);
    const value = (n: number) => oracle.pack({ n: BigInt(n * 16), d: 16n }, n < 0, 64, 0).value;
    for (const machine of [harness, forced]) {
      const run = (...code: number[]) => machine.run(code, { ...loaded([six, one]), operand });
      assert.deepEqual(st(run(0xdc, 0x06)), value(7.5)); // fadd qword
      assert.deepEqual(st(run(0xdc, 0x2e)), oracle.pack({ n: 9n, d: 2n }, true, 64, 0).value);
      assert.deepEqual(st(run(0xdc, 0xe9), 1), oracle.pack({ n: 5n, d: 1n }, true, 64, 0).value);
      const popped = run(0xde, 0xf1); // fdivrp: 6 / 1
      assert.deepEqual([st(popped), topOf(popped), popped.tags], [six, 7, 0x3fff]);
    }
  });
});

suite('x87 partial remainder, scale, extract', () => {
  const run = (opcode: number, a: Extended, b: Extended) =>
    harness.run([0xd9, opcode], loaded([a, b]));

  test('FPREM and FPREM1 give the remainder and the quotient in steps', () => {
    const chance = new Chance(4);
    for (let round = 0; round < 400; round++) {
      const a = [chance.bits() | INTEGER_BIT, 0x3fff + chance.below(200)] as const;
      const b = [chance.bits() | INTEGER_BIT, 0x3fff + chance.below(20)] as const;
      for (const [opcode, nearest] of [
        [0xf8, false],
        [0xf5, true],
      ] as const) {
        let result = run(opcode, a, b);
        while (result.status & 0x400) result = run(opcode, st(result), b);
        checkRemainder(result, a, b, nearest);
      }
    }
  });

  function checkRemainder(result: X87Result, a: Extended, b: Extended, nearest: boolean): void {
    const x = oracle.magnitude(a);
    const y = oracle.magnitude(b);
    const mode = nearest ? NEAREST : 3;
    const { integer } = oracle.roundTo({ n: x.n * y.d, d: x.d * y.n }, 0, mode, false);
    const n = x.n * y.d - integer * y.n * x.d;
    const rest = { n: n < 0n ? -n : n, d: x.d * y.d };
    const context = `${hex(a)} rem ${hex(b)}`;
    assert.equal(hex(st(result)), hex(oracle.pack(rest, n < 0n, 64, NEAREST).value), context);
    const { status } = result;
    const quotient = ((status >> 6) & 4) | ((status >> 13) & 2) | ((status >> 9) & 1);
    assert.equal(quotient, Number(integer & 7n), context);
  }

  test('FSCALE multiplies by a power of two, FXTRACT takes it off', () => {
    const chance = new Chance(5);
    for (let round = 0; round < 200; round++) {
      const a: Extended = [chance.bits() | INTEGER_BIT, 0x3fff - 100 + chance.below(200)];
      const by = chance.below(600) - 300;
      const power = oracle.pack({ n: BigInt(Math.abs(by)), d: 1n }, by < 0, 64, NEAREST).value;
      const scaled = st(run(0xfd, a, power));
      assert.deepEqual(scaled, [a[0], a[1] + by]);
      const parts = harness.run([0xd9, 0xf4], loaded([a]));
      assert.deepEqual(st(parts), [a[0], 0x3fff]);
      const taken = a[1] - 0x3fff;
      const exponent = oracle.pack({ n: BigInt(Math.abs(taken)), d: 1n }, taken < 0, 64, NEAREST);
      assert.deepEqual(st(parts, 1), exponent.value);
    }
  });
});

suite('x87 conversions', () => {
  const store = (code: readonly number[], a: Extended, mode: number) =>
    harness.run(code, loaded([a], controlWord(64, mode)));
  const view = (result: X87State) => new DataView(result.operand.buffer);
  const flagsOf = (result: X87State) => result.status & (EXCEPTIONS | FLAG.C1);

  /** Operands with exponents about the range of a narrower format. */
  function near(chance: Chance, spread: number): Extended {
    const [significand, exponent] = chance.number();
    if (chance.below(3) === 0) return [significand, exponent];
    const e = 0x3fff - spread + chance.below(2 * spread);
    return [significand | INTEGER_BIT, (exponent & 0x8000) | e];
  }

  test('FST to binary32 and binary64', () => {
    const chance = new Chance(6);
    for (const mode of MODES)
      for (let round = 0; round < 250; round++) {
        const a = near(chance, round & 1 ? 180 : 1100);
        const single = store([0xd9, 0x16], a, mode);
        const double = store([0xdd, 0x16], a, mode);
        checkStore(BigInt(view(single).getUint32(0, true)), flagsOf(single), a, mode, 32);
        checkStore(view(double).getBigUint64(0, true), flagsOf(double), a, mode, 64);
      }
  });

  function checkStore(found: bigint, flags: number, a: Extended, mode: number, width: 32 | 64) {
    const format = width === 32 ? oracle.SINGLE : oracle.DOUBLE;
    const fraction = BigInt(format.precision - 1);
    const maximum = (1n << (BigInt(width) - fraction - 1n)) - 1n;
    const sign = (oracle.isNegative(a) ? 1n : 0n) << BigInt(width - 1);
    const quietBit = 1n << (fraction - 1n);
    const expect = (value: bigint, wanted: number) =>
      assert.deepEqual([found, flags], [value, wanted], `${hex(a)} to ${width} bits, ${mode}`);
    const kind = kindOf(a);
    if (kind === 'zero') return expect(sign, 0);
    if (kind === 'infinite') return expect(sign | (maximum << fraction), 0);
    if (kind === 'unsupported')
      return expect((1n << BigInt(width - 1)) | (maximum << fraction) | quietBit, FLAG.IE);
    if (kind === 'nan') {
      const payload = ((a[0] << 1n) & MASK64) >> (64n - fraction);
      const signals = (a[0] >> 62n) & 1n ? 0 : FLAG.IE;
      return expect(sign | (maximum << fraction) | payload | quietBit, signals);
    }
    const r = oracle.roundToFormat(oracle.magnitude(a), oracle.isNegative(a), format, mode);
    const large = maximum << fraction;
    if (r.integer < 0n) return expect(sign | (r.toInfinity ? large : large - 1n), r.flags);
    const biased = BigInt(r.power - (format.lowest - format.precision + 1));
    // The integer bit of a normal number adds one to the exponent field.
    return expect(sign | ((biased << fraction) + r.integer), r.flags);
  }

  test('FIST, FISTP, FISTTP', () => {
    const chance = new Chance(7);
    const forms = [
      [[0xdf, 0x16], 16, false],
      [[0xdb, 0x16], 32, false],
      [[0xdf, 0x3e], 64, false],
      [[0xdf, 0x0e], 16, true],
      [[0xdb, 0x0e], 32, true],
      [[0xdd, 0x0e], 64, true],
    ] as const;
    for (const mode of MODES)
      for (let round = 0; round < 240; round++) {
        const [code, width, truncates] = forms[round % 6] as (typeof forms)[number];
        const a = near(chance, width + 3);
        const result = store(code, a, mode);
        const found = view(result).getBigUint64(0, true) & ((1n << BigInt(width)) - 1n);
        const integral = oracle.toIntegral(a, truncates ? 3 : mode);
        const limit = 1n << BigInt(width - 1);
        const fits =
          integral !== undefined && integral.integer < limit && integral.integer >= -limit;
        const value = fits ? BigInt.asUintN(width, integral.integer) : limit;
        const context = `${hex(a)} to a ${width}-bit integer, ${mode}`;
        assert.deepEqual([found, flagsOf(result)], [value, fits ? integral.flags : 1], context);
      }
  });

  test('FBSTP and FBLD', () => {
    const chance = new Chance(8);
    for (let round = 0; round < 200; round++) {
      const a = near(chance, 64);
      const result = store([0xdf, 0x36], a, NEAREST);
      const integral = oracle.toIntegral(a, NEAREST);
      const size =
        integral === undefined ? -1n : integral.integer < 0n ? -integral.integer : integral.integer;
      const fits = size >= 0n && size < 10n ** 18n;
      const digits = fits ? size.toString().padStart(18, '0') : 'c00000000000000000';
      const top = fits ? (oracle.isNegative(a) ? '80' : '00') : 'ffff';
      const text = Buffer.from(result.operand.subarray(0, 10)).reverse().toString('hex');
      const wanted = fits ? top + digits : 'ffffc000000000000000';
      assert.equal(text, wanted, hex(a));
      assert.equal(flagsOf(result), fits ? integral?.flags : FLAG.IE);
      if (!fits) continue;
      const again = harness.run([0xdf, 0x26], { ...loaded([]), operand: result.operand });
      const back = oracle.pack({ n: size, d: 1n }, oracle.isNegative(a), 64, NEAREST).value;
      assert.deepEqual(st(again), back);
    }
  });

  test('FLD and FILD', () => {
    const chance = new Chance(9);
    for (let round = 0; round < 200; round++) {
      const operand = new Uint8Array(16);
      const data = new DataView(operand.buffer);
      data.setBigUint64(0, chance.bits(), true);
      const load = (...code: number[]) => st(harness.run(code, { ...loaded([]), operand }));
      const same = (found: Extended, value: number | bigint) => {
        const bits = new DataView(new ArrayBuffer(8));
        bits.setFloat64(0, Number(value));
        if (Number.isNaN(Number(value))) return assert.equal(kindOf(found), 'nan');
        const { n, d } = oracle.magnitude(found);
        const sign = oracle.isNegative(found) ? -1n : 1n;
        if (typeof value === 'bigint') return assert.equal((sign * n) / d, value);
        return assert.equal(Number(sign) * (Number(n) / Number(d)), value);
      };
      same(load(0xdb, 0x06), BigInt(data.getInt32(0, true)));
      same(load(0xdf, 0x06), BigInt(data.getInt16(0, true)));
      same(load(0xdf, 0x2e), data.getBigInt64(0, true));
      same(load(0xd9, 0x06), data.getFloat32(0, true));
      const narrow = data.getFloat64(0, true);
      if (Math.abs(narrow) < 1e300 && Math.abs(narrow) > 1e-290) {
        const found = load(0xdd, 0x06);
        const exact = oracle.roundToFormat(oracle.magnitude(found), narrow < 0, oracle.DOUBLE, 0);
        assert.equal(exact.flags, 0);
        assert.equal(Number(exact.integer) * 2 ** exact.power, Math.abs(narrow));
      }
    }
  });
});

suite('x87 comparisons', () => {
  const C = { LESS: 0x100, EQUAL: 0x4000, UNORDERED: 0x4500 } as const;

  function order(a: Extended, b: Extended): number {
    const ranks = [a, b].map((x) => {
      const kind = kindOf(x);
      if (kind === 'infinite') return { n: 1n << 20000n, d: 1n };
      return oracle.magnitude(x);
    });
    const [x, y] = ranks as [oracle.Rational, oracle.Rational];
    const left = (oracle.isNegative(a) ? -1n : 1n) * x.n * y.d;
    const right = (oracle.isNegative(b) ? -1n : 1n) * y.n * x.d;
    return left < right ? C.LESS : left === right ? C.EQUAL : 0;
  }

  test('FCOM, FUCOM, FCOMI', () => {
    const chance = new Chance(10);
    const operands = SPECIALS.concat(Array.from({ length: 12 }, () => chance.number()));
    for (const a of operands)
      for (const b of operands) {
        const kinds = [kindOf(a), kindOf(b)];
        const signals = [a, b].some(([s, e]) => kindOf([s, e]) === 'nan' && !((s >> 62n) & 1n));
        const bad = kinds.includes('unsupported') || signals;
        const unordered = bad || kinds.includes('nan');
        const denormal = !unordered && kinds.includes('denormal') ? FLAG.DE : 0;
        const wanted = unordered ? C.UNORDERED : order(a, b);
        const context = `${hex(a)} with ${hex(b)}`;
        for (const [code, quiet] of [
          [[0xd8, 0xd1], false],
          [[0xdd, 0xe1], true],
        ] as const) {
          const { status } = harness.run(code, loaded([a, b]));
          const invalid = (quiet ? bad : unordered) ? FLAG.IE : 0;
          assert.equal(status & 0x4500, wanted, context);
          assert.equal(status & EXCEPTIONS, invalid | denormal, context);
        }
        const { flags } = harness.run([0xdb, 0xf1], loaded([a, b]), 0x8d5);
        assert.equal(flags, (wanted >> 8) & 0x45, context);
      }
  });

  test('FXAM and FTST', () => {
    const classes: Record<string, number> = {
      unsupported: 0,
      nan: 0x100,
      normal: 0x400,
      infinite: 0x500,
      zero: 0x4000,
      denormal: 0x4400,
    };
    for (const a of SPECIALS) {
      const { status } = harness.run([0xd9, 0xe5], loaded([a]));
      const sign = oracle.isNegative(a) ? 0x200 : 0;
      assert.equal(status & 0x4700, (classes[kindOf(a)] ?? 0) | sign, hex(a));
      const tested = harness.run([0xd9, 0xe4], loaded([a])).status & 0x4500;
      const nan = ['nan', 'unsupported'].includes(kindOf(a));
      assert.equal(tested, nan ? C.UNORDERED : order(a, [0n, 0]), hex(a));
    }
    assert.equal(harness.run([0xd9, 0xe5], loaded([])).status & 0x4500, 0x4100);
  });
});

suite('x87 moves', () => {
  const a: Extended = [INTEGER_BIT | 1n, 0x3fff];
  const b: Extended = [INTEGER_BIT | 2n, 0x4000];
  const FLAGS = { CF: 1, PF: 4, ZF: 0x40 } as const;
  const engines = [harness, new X87Harness('forced')];

  test('FCMOVcc by CF, ZF, CF or ZF, PF', () => {
    const moves = [
      [0xda, 0xc1, FLAGS.CF],
      [0xda, 0xc9, FLAGS.ZF],
      [0xda, 0xd1, FLAGS.CF | FLAGS.ZF],
      [0xda, 0xd9, FLAGS.PF],
    ] as const;
    for (const machine of engines)
      for (const [first, modrm, mask] of moves)
        for (const flags of [0, FLAGS.CF, FLAGS.ZF, FLAGS.PF, 0x45]) {
          const holds = (flags & mask) !== 0;
          const when = machine.run([first, modrm], loaded([a, b]), flags);
          const unless = machine.run([first + 1, modrm], loaded([a, b]), flags);
          assert.deepEqual([st(when), st(unless)], holds ? [b, a] : [a, b]);
        }
  });

  test('exchange, free, rotate, and the encodings that the manual leaves out', () => {
    for (const machine of engines) {
      const run = (...code: number[]) => machine.run(code, loaded([a, b]));
      for (const code of [
        [0xd9, 0xc9],
        [0xdd, 0xc9],
        [0xdf, 0xc9],
      ])
        assert.deepEqual(run(...code).registers.slice(0, 2), [b, a]);
      for (const code of [
        [0xdd, 0xd9],
        [0xdf, 0xd1],
        [0xdf, 0xd9],
        [0xd9, 0xd9],
      ]) {
        const stored = run(...code);
        assert.deepEqual([st(stored), topOf(stored), stored.tags], [a, 7, 0x3fff]);
      }
      const freed = run(0xdd, 0xc1);
      assert.deepEqual([topOf(freed), freed.tags], [6, 0xcfff]);
      const popped = run(0xdf, 0xc1); // ffreep st(1)
      assert.deepEqual([topOf(popped), popped.tags], [7, 0xffff]);
      assert.deepEqual([topOf(run(0xd9, 0xf6)), topOf(run(0xd9, 0xf7))], [5, 7]);
      // The alias of FSTP in D9 has no stack underflow.
      const empty = machine.run([0xd9, 0xd8], loaded([]));
      assert.deepEqual([empty.status & EXCEPTIONS, topOf(empty)], [0, 1]);
    }
  });

  test('FCHS, FABS, loads and stores of 80 bits', () => {
    const operand = new Uint8Array(16);
    new DataView(operand.buffer).setBigUint64(0, 0x1234n, true);
    operand[8] = 0xff;
    operand[9] = 0xff;
    for (const machine of engines) {
      const signed = machine.run([0xd9, 0xe0], loaded([a]));
      assert.deepEqual(st(signed), [a[0], 0xbfff]);
      assert.deepEqual(st(machine.run([0xd9, 0xe1], loaded([st(signed)]))), a);
      // Even what is no number comes and goes as it is.
      const copied = machine.run([0xdb, 0x2e, 0xdb, 0x3e], { ...loaded([]), operand });
      assert.deepEqual(copied.operand, operand);
      assert.equal(copied.status & EXCEPTIONS, 0);
    }
  });
});

suite('x87 exceptions', () => {
  const one: Extended = [INTEGER_BIT, 0x3fff];
  const tiny: Extended = [INTEGER_BIT, 1];
  const huge: Extended = [INTEGER_BIT, 0x7ffe];
  const flags = (result: X87State) => result.status & (EXCEPTIONS | FLAG.C1 | SUMMARY);

  test('stack underflow and overflow', () => {
    const underflow = harness.run([0xd8, 0xc1], loaded([one]));
    assert.deepEqual(st(underflow), INDEFINITE);
    assert.equal(flags(underflow), FLAG.IE | STACK_FAULT);
    const full = loaded(Array.from({ length: 8 }, () => one));
    const overflow = harness.run([0xd9, 0xe8], full);
    assert.deepEqual(st(overflow), INDEFINITE);
    assert.equal(flags(overflow), FLAG.IE | STACK_FAULT | FLAG.C1);
    const kept = harness.run([0xd9, 0xe8], { ...full, control: 0x37e });
    assert.equal(topOf(kept), topOf(full));
    assert.equal(flags(kept), FLAG.IE | STACK_FAULT | FLAG.C1 | SUMMARY);
  });

  test('unmasked overflow and underflow leave a result with another exponent', () => {
    const over = harness.run([0xd8, 0xc9], loaded([huge, huge], 0x377));
    assert.deepEqual(st(over), [INTEGER_BIT, 2 * 0x7ffe - 0x3fff - 24576]);
    assert.equal(flags(over), FLAG.OE | SUMMARY);
    const under = harness.run([0xd8, 0xc9], loaded([tiny, tiny], 0x36f));
    assert.deepEqual(st(under), [INTEGER_BIT, 2 - 0x3fff + 24576]);
    assert.equal(flags(under), FLAG.UE | SUMMARY);
  });

  test('unmasked exceptions before the operation change nothing', () => {
    const zero: Extended = [0n, 0];
    const divided = harness.run([0xde, 0xf9], loaded([zero, one], 0x37b));
    assert.deepEqual([st(divided), st(divided, 1)], [zero, one]);
    assert.equal(flags(divided), FLAG.ZE | SUMMARY);
    assert.equal(topOf(divided), 6);
    const operand = new Uint8Array(16).fill(0x5a);
    const stored = harness.run([0xdd, 0x1e], { ...loaded([huge], 0x377), operand });
    assert.deepEqual(stored.operand, operand);
    assert.equal(flags(stored), FLAG.OE | SUMMARY);
    assert.equal(topOf(stored), 7);
  });

  test('an inexact result is stored before the exception', () => {
    const three: Extended = [0xc000_0000_0000_0000n, 0x4000];
    const result = harness.run([0xde, 0xf9], loaded([three, one], 0x35f));
    assert.equal(hex(st(result)), '3ffd:aaaaaaaaaaaaaaab');
    assert.equal(flags(result), FLAG.PE | FLAG.C1 | SUMMARY);
  });

  test('#MF at the next waiting instruction, not at FNSTSW', () => {
    const zeroDivide = loaded([[0n, 0], one], 0x37b);
    const next = harness.run([0xde, 0xf9, 0xdf, 0xe0, 0xd9, 0xe8], zeroDivide);
    assert.equal(next.fault, 16);
    const waits = harness.run([0xde, 0xf9, 0x9b], zeroDivide);
    assert.equal(waits.fault, 16);
    const cleared = harness.run([0xde, 0xf9, 0xdb, 0xe2, 0xd9, 0xe8], zeroDivide);
    assert.equal(cleared.fault, -1);
    assert.equal(flags(cleared), 0);
  });

  test('#NM under CR0.TS and CR0.EM; FWAIT heeds TS with MP only', () => {
    const { processor } = harness;
    const cr0 = processor.state.get('cr0') & ~0xe;
    const codes = [[0xd9, 0xe8], [0x9b], [0xdf, 0xe0]];
    const faults = (bits: number) => {
      harness.control('cr0', cr0 | bits);
      return codes.map((code) => harness.execute(code));
    };
    harness.execute([0xdb, 0xe3]);
    assert.deepEqual(faults(8), [7, -1, 7]);
    assert.deepEqual(faults(10), [7, 7, 7]);
    assert.deepEqual(faults(4), [7, -1, 7]);
    assert.deepEqual(faults(0), [-1, -1, -1]);
  });

  test('a store to a missing page changes no register', () => {
    const long = new X87Harness('forced', 64);
    const input = loaded([one]);
    // mov rsi, 1 << 30; fstp qword [rsi]
    const code = [0xbe, 0, 0, 0, 0x40, 0xdd, 0x1e];
    const result = long.run(code, input);
    assert.equal(result.fault, 14);
    assert.equal((long.processor.state.get('fpuStatus') & TOP) >> 11, 7);
    assert.ok(IMAGE < OPERAND);
  });
});
