import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type OpcodeRow, ROWS } from '@umbra/isa';
import { Chance } from '../tools/chance.ts';
import {
  arithmetic,
  convert,
  DOUBLE,
  FLAG,
  type Format,
  fromInteger,
  infinity,
  isDenormal,
  isInfinite,
  isNan,
  isNegative,
  isZero,
  type Operation,
  operand,
  order,
  type Rounded,
  roundToIntegral,
  SINGLE,
  squareRoot,
  toInteger,
  withSign,
} from '../tools/float-oracle.ts';
import { join, split } from '../tools/packed-oracle.ts';
import {
  type Encoding,
  encodings,
  VectorHarness,
  type VectorState,
} from '../tools/vector-harness.ts';

const engines = [new VectorHarness('interpreter'), new VectorHarness('forced')];
const chance = new Chance(2);
const BEFORE = FLAG.IE | FLAG.DE | FLAG.ZE;

const SPECIAL_64 = [
  0x0n,
  0x1n,
  0x000f_ffff_ffff_ffffn,
  0x0010_0000_0000_0000n,
  0x7fef_ffff_ffff_ffffn,
  0x7ff0_0000_0000_0000n,
  0x7ff0_0000_0000_0001n,
  0x7ff8_0000_0000_0123n,
  0x3ff0_0000_0000_0000n,
  0x3fe0_0000_0000_0000n,
  0x4340_0000_0000_0000n,
  0x41df_ffff_ffc0_0000n,
  0x41e0_0000_0000_0000n,
  0x43e0_0000_0000_0000n,
  0x380f_ffff_ffff_ffffn,
  0x3690_0000_0000_0000n,
  0x47ef_ffff_efff_ffffn,
] as const;
const SPECIAL_32 = [
  0x0n,
  0x1n,
  0x007f_ffffn,
  0x0080_0000n,
  0x7f7f_ffffn,
  0x7f80_0000n,
  0x7f80_0001n,
  0x7fc0_0123n,
  0x3f80_0000n,
  0x3f00_0000n,
  0x4b00_0000n,
  0x4eff_ffffn,
  0x4f00_0000n,
  0x5f00_0000n,
] as const;

/** A number near an edge, of a likely exponent, with few bits, or any. */
function number(f: Format): bigint {
  const negative = chance.below(2) === 1;
  const special = f === DOUBLE ? chance.pick(SPECIAL_64) : chance.pick(SPECIAL_32);
  const kind = chance.below(6);
  if (kind < 2) return withSign(special, negative, f);
  const any = BigInt.asUintN(f.bits, chance.bits64());
  if (kind === 2) return any;
  const fractionBits = BigInt(f.precision - 1);
  const spread = kind === 3 ? 4 : kind === 4 ? 64 : f.bias / 2;
  const exponent = BigInt(Math.floor(f.bias + chance.below(2 * spread + 1) - spread));
  const drop = kind === 3 ? 0n : BigInt(chance.below(f.precision));
  const low = ((any & ((1n << fractionBits) - 1n)) >> drop) << drop;
  return withSign((exponent << fractionBits) | low, negative, f);
}
const vector = (f: Format): bigint =>
  join(
    Array.from({ length: 128 / f.bits }, () => number(f)),
    f.bits,
  );

function controlWord(): number {
  const masks = chance.below(3) === 0 ? chance.below(64) : 63;
  const rounding = chance.below(2) === 0 ? 0 : chance.below(4);
  const zeros = chance.below(3) === 0 ? (chance.below(2) << 6) | (chance.below(2) << 15) : 0;
  const sticky = chance.below(2) === 0 ? FLAG.PE : chance.below(64);
  return (masks << 7) | (rounding << 13) | zeros | sticky;
}

/** Results of an instruction's elements, or of all steps one after another. */
type Elements = readonly Rounded[];
type Oracle = (
  i: VectorState,
  source: bigint,
  e: Encoding,
) => { result: Partial<VectorState>; elements: Elements };

function check(row: OpcodeRow, f: Format, oracle: Oracle, rounds: number): void {
  const immediates = Array.from({ length: 16 }, (_, index) => index);
  for (const encoding of encodings(row, immediates)) {
    const count = Math.ceil(rounds / (row.operands.includes('Ib') ? 8 : 1));
    for (let round = 0; round < count; round++) {
      const input = inputs(f);
      const source = encoding.isMemory ? input.memory : input.xmm1;
      const { result, elements } = oracle(input, source, encoding);
      const wanted = outcome(input, result, elements);
      for (const engine of engines) {
        const name = `${row.instruction.mnemonic} ${encoding.code} mxcsr ${input.mxcsr.toString(16)}`;
        assert.deepEqual(engine.run(encoding.code, input), wanted, name);
      }
    }
  }
}

function inputs(f: Format): VectorState {
  return {
    xmm0: vector(f),
    xmm1: vector(f),
    mm0: chance.lanes(),
    mm1: chance.lanes(),
    rax: chance.lanes(),
    rcx: chance.lanes(),
    rdx: chance.lanes(),
    memory: vector(f),
    mxcsr: controlWord(),
    flags: 0x44,
    fault: -1,
  };
}

/** The state after: flags in MXCSR, and nothing else but #XM when one of them is not masked. */
function outcome(
  input: VectorState,
  result: Partial<VectorState>,
  elements: Elements,
): VectorState {
  const raised = elements.reduce((flags, element) => flags | element.flags, 0);
  const unmasked = raised & ~(input.mxcsr >> 7);
  if (unmasked === 0) return { ...input, ...result, mxcsr: input.mxcsr | raised };
  const seen = unmasked & BEFORE ? raised & BEFORE : raised;
  return { ...input, mxcsr: input.mxcsr | seen, fault: 19 };
}

const rowOf = (key: string): OpcodeRow => {
  const row = ROWS.find((candidate) => candidate.key === key && candidate.instruction.sse);
  assert.ok(row !== undefined, key);
  return row;
};
const bitsOf = (elements: Elements): bigint[] => elements.map(({ bits }) => bits);
const replaceLow = (old: bigint, value: bigint, bits: number): bigint =>
  ((old >> BigInt(bits)) << BigInt(bits)) | value;

type Binary = (a: bigint, b: bigint, control: number, f: Format, immediate: number) => Rounded;

/** The four forms of an opcode: packed and scalar, single and double. */
function forms(opcode: string, f: Binary): void {
  const prefixes: [string, Format, boolean][] = [
    ['NP', SINGLE, false],
    ['66', DOUBLE, false],
    ['F3', SINGLE, true],
    ['F2', DOUBLE, true],
  ];
  for (const [prefix, format, isScalar] of prefixes)
    elementwise(`${prefix} ${opcode}`, format, isScalar, f);
}

function elementwise(key: string, format: Format, isScalar: boolean, f: Binary): void {
  const { bits } = format;
  const row = rowOf(key);
  test(`${row.instruction.mnemonic} [${key}]`, () => {
    check(
      row,
      format,
      (input, source, encoding) => {
        const b = split(source, bits, 128);
        const all = split(input.xmm0, bits, 128).map((lane, index) =>
          f(lane, b[index] ?? 0n, input.mxcsr, format, encoding.immediate),
        );
        const elements = isScalar ? all.slice(0, 1) : all;
        const low = elements[0]?.bits ?? 0n;
        const xmm0 = isScalar ? replaceLow(input.xmm0, low, bits) : join(bitsOf(all), bits);
        return { result: { xmm0 }, elements };
      },
      60,
    );
  });
}

const binary =
  (operation: Operation): Binary =>
  (a, b, control, f) =>
    arithmetic(operation, a, b, control, f);
const extreme =
  (wanted: 'less' | 'greater'): Binary =>
  (a, b, control, f) => {
    const { relation, flags } = order(a, b, control, f, false);
    return { bits: operand(relation === wanted ? a : b, control, f), flags };
  };
const compare: Binary = (a, b, control, f, immediate) => {
  const isQuiet = [true, false, false, true][immediate & 3] === true;
  const { relation, flags } = order(a, b, control, f, isQuiet);
  const holds = [
    relation === 'equal',
    relation === 'less',
    relation === 'less' || relation === 'equal',
    relation === 'unordered',
  ][immediate & 3];
  const isTrue = holds !== ((immediate & 4) !== 0);
  return { bits: isTrue ? (1n << BigInt(f.bits)) - 1n : 0n, flags };
};

describe('element by element', () => {
  forms('0F 58', binary('add'));
  forms('0F 5C', binary('sub'));
  forms('0F 59', binary('mul'));
  forms('0F 5E', binary('div'));
  forms('0F 5D', extreme('less'));
  forms('0F 5F', extreme('greater'));
  forms('0F 51', (_a, b, control, f) => squareRoot(b, control, f));
  forms('0F C2', compare);
  const rounding: Binary = (_a, b, control, f, immediate) =>
    roundToIntegral(b, control, f, immediate);
  elementwise('66 0F3A 08', SINGLE, false, rounding);
  elementwise('66 0F3A 09', DOUBLE, false, rounding);
  elementwise('66 0F3A 0A', SINGLE, true, rounding);
  elementwise('66 0F3A 0B', DOUBLE, true, rounding);
});

describe('neighbours', () => {
  const neighbours = (key: string, f: Format, operation: Operation) => {
    const row = rowOf(key);
    test(row.instruction.mnemonic, () => {
      check(
        row,
        f,
        (input, source) => {
          const all = [...split(input.xmm0, f.bits, 128), ...split(source, f.bits, 128)];
          const elements = Array.from({ length: all.length / 2 }, (_, i) =>
            arithmetic(operation, all[2 * i] ?? 0n, all[2 * i + 1] ?? 0n, input.mxcsr, f),
          );
          return { result: { xmm0: join(bitsOf(elements), f.bits) }, elements };
        },
        60,
      );
    });
  };
  neighbours('F2 0F 7C', SINGLE, 'add');
  neighbours('66 0F 7C', DOUBLE, 'add');
  neighbours('F2 0F 7D', SINGLE, 'sub');
  neighbours('66 0F 7D', DOUBLE, 'sub');
  for (const [key, f] of [
    ['F2 0F D0', SINGLE],
    ['66 0F D0', DOUBLE],
  ] as const) {
    const row = rowOf(key);
    test(row.instruction.mnemonic, () => {
      check(
        row,
        f,
        (input, source) => {
          const b = split(source, f.bits, 128);
          const elements = split(input.xmm0, f.bits, 128).map((a, i) =>
            arithmetic(i % 2 === 0 ? 'sub' : 'add', a, b[i] ?? 0n, input.mxcsr, f),
          );
          return { result: { xmm0: join(bitsOf(elements), f.bits) }, elements };
        },
        60,
      );
    });
  }

  const dotProduct = (key: string, f: Format) => {
    const row = rowOf(key);
    test(row.instruction.mnemonic, () => {
      for (const encoding of encodings(row, [0xff, 0x31, 0x72, 0xa5, 0xf1, 0x1f, 0]))
        for (let round = 0; round < 12; round++) checkDotProduct(encoding, f);
    });
  };
  function checkDotProduct(encoding: Encoding, f: Format): void {
    const input = { ...inputs(f), mxcsr: controlWord() | 0x1f80 };
    const source = encoding.isMemory ? input.memory : input.xmm1;
    const b = split(source, f.bits, 128);
    const steps: Rounded[] = [];
    const step = (operation: Operation, x: bigint, y: bigint): bigint => {
      const done = arithmetic(operation, x, y, input.mxcsr, f);
      steps.push(done);
      return done.bits;
    };
    let terms = split(input.xmm0, f.bits, 128).map((a, i) =>
      (encoding.immediate >> (i + 4)) & 1 ? step('mul', a, b[i] ?? 0n) : 0n,
    );
    while (terms.length > 1) {
      const pairs = terms;
      terms = Array.from({ length: pairs.length / 2 }, (_, i) =>
        step('add', pairs[2 * i] ?? 0n, pairs[2 * i + 1] ?? 0n),
      );
    }
    const total = terms[0] ?? 0n;
    const lanes = b.map((_, i) => ((encoding.immediate >> i) & 1 ? total : 0n));
    const wanted = outcome(input, { xmm0: join(lanes, f.bits) }, steps);
    for (const engine of engines) assert.deepEqual(engine.run(encoding.code, input), wanted);
  }
  dotProduct('66 0F3A 40', SINGLE);
  dotProduct('66 0F3A 41', DOUBLE);
});

describe('conversions', () => {
  const converted = (key: string, f: Format, oracle: Oracle) => {
    const row = rowOf(key);
    test(`${row.instruction.mnemonic} [${key}]`, () => check(row, f, oracle, 100));
  };
  const general =
    (f: Format, rounding: number | undefined): Oracle =>
    (input, source, encoding) => {
      const bits = encoding.isWide ? 64 : 32;
      const way = rounding ?? (input.mxcsr >> 13) & 3;
      const one = toInteger(BigInt.asUintN(f.bits, source), input.mxcsr, f, bits, way);
      return { result: { rax: one.bits }, elements: [one] };
    };
  converted('F3 0F 2C', SINGLE, general(SINGLE, 3));
  converted('F2 0F 2C', DOUBLE, general(DOUBLE, 3));
  converted('F3 0F 2D', SINGLE, general(SINGLE, undefined));
  converted('F2 0F 2D', DOUBLE, general(DOUBLE, undefined));
  const fromGeneral =
    (f: Format): Oracle =>
    (input, _source, encoding) => {
      const value = encoding.isMemory ? input.memory : input.rcx;
      const one = fromInteger(BigInt.asIntN(encoding.isWide ? 64 : 32, value), input.mxcsr, f);
      return { result: { xmm0: replaceLow(input.xmm0, one.bits, f.bits) }, elements: [one] };
    };
  converted('F3 0F 2A', SINGLE, fromGeneral(SINGLE));
  converted('F2 0F 2A', DOUBLE, fromGeneral(DOUBLE));
  const precision =
    (from: Format, to: Format): Oracle =>
    (input, source) => {
      const one = convert(BigInt.asUintN(from.bits, source), input.mxcsr, from, to);
      return { result: { xmm0: replaceLow(input.xmm0, one.bits, to.bits) }, elements: [one] };
    };
  converted('F3 0F 5A', SINGLE, precision(SINGLE, DOUBLE));
  converted('F2 0F 5A', DOUBLE, precision(DOUBLE, SINGLE));
  /** The low `count` elements, of `from` bits, to elements of `to` bits; zeros above. */
  const packed =
    (
      from: number,
      to: number,
      count: number,
      f: (value: bigint, input: VectorState) => Rounded,
    ): Oracle =>
    (input, source) => {
      const elements = split(source, from, 128)
        .slice(0, count)
        .map((lane) => f(lane, input));
      return { result: { xmm0: join(bitsOf(elements), to) }, elements };
    };
  converted(
    'NP 0F 5A',
    SINGLE,
    packed(32, 64, 2, (x, i) => convert(x, i.mxcsr, SINGLE, DOUBLE)),
  );
  converted(
    '66 0F 5A',
    DOUBLE,
    packed(64, 32, 2, (x, i) => convert(x, i.mxcsr, DOUBLE, SINGLE)),
  );
  const signed = (x: bigint, i: VectorState, f: Format) =>
    fromInteger(BigInt.asIntN(32, x), i.mxcsr, f);
  converted(
    'NP 0F 5B',
    SINGLE,
    packed(32, 32, 4, (x, i) => signed(x, i, SINGLE)),
  );
  converted(
    'F3 0F E6',
    SINGLE,
    packed(32, 64, 2, (x, i) => signed(x, i, DOUBLE)),
  );
  const integer = (x: bigint, i: VectorState, f: Format, rounding: number) =>
    toInteger(x, i.mxcsr, f, 32, rounding);
  const current = (i: VectorState) => (i.mxcsr >> 13) & 3;
  converted(
    '66 0F 5B',
    SINGLE,
    packed(32, 32, 4, (x, i) => integer(x, i, SINGLE, current(i))),
  );
  converted(
    'F3 0F 5B',
    SINGLE,
    packed(32, 32, 4, (x, i) => integer(x, i, SINGLE, 3)),
  );
  converted(
    'F2 0F E6',
    DOUBLE,
    packed(64, 32, 2, (x, i) => integer(x, i, DOUBLE, current(i))),
  );
  converted(
    '66 0F E6',
    DOUBLE,
    packed(64, 32, 2, (x, i) => integer(x, i, DOUBLE, 3)),
  );
  const toMmx =
    (f: Format, truncates: boolean): Oracle =>
    (input, source) => {
      const elements = split(source, f.bits, 128)
        .slice(0, 2)
        .map((lane) => integer(lane, input, f, truncates ? 3 : current(input)));
      return { result: { mm0: join(bitsOf(elements), 32) }, elements };
    };
  converted('NP 0F 2C', SINGLE, toMmx(SINGLE, true));
  converted('NP 0F 2D', SINGLE, toMmx(SINGLE, false));
  converted('66 0F 2C', DOUBLE, toMmx(DOUBLE, true));
  converted('66 0F 2D', DOUBLE, toMmx(DOUBLE, false));
  const fromMmx =
    (f: Format): Oracle =>
    (input, _source, encoding) => {
      const value = encoding.isMemory ? input.memory : input.mm1;
      const elements = split(BigInt.asUintN(64, value), 32, 64).map((lane) =>
        signed(lane, input, f),
      );
      const low = join(bitsOf(elements), f.bits);
      return { result: { xmm0: f === DOUBLE ? low : replaceLow(input.xmm0, low, 64) }, elements };
    };
  converted('NP 0F 2A', SINGLE, fromMmx(SINGLE));
  converted('66 0F 2A', DOUBLE, fromMmx(DOUBLE));
});

describe('order and approximations', () => {
  for (const [key, f, isQuiet] of [
    ['NP 0F 2E', SINGLE, true],
    ['66 0F 2E', DOUBLE, true],
    ['NP 0F 2F', SINGLE, false],
    ['66 0F 2F', DOUBLE, false],
  ] as const) {
    const row = rowOf(key);
    test(row.instruction.mnemonic, () => {
      const bits = { less: 0x01, equal: 0x40, greater: 0, unordered: 0x45 };
      const low = (x: bigint) => BigInt.asUintN(f.bits, x);
      check(
        row,
        f,
        (input, source) => {
          const { relation, flags } = order(low(input.xmm0), low(source), input.mxcsr, f, isQuiet);
          return { result: { flags: bits[relation] }, elements: [{ bits: 0n, flags }] };
        },
        100,
      );
    });
  }

  const asNumber = (x: bigint): number => {
    const view = new DataView(new ArrayBuffer(4));
    view.setUint32(0, Number(x));
    return view.getFloat32(0);
  };
  for (const [key, exact] of [
    ['F3 0F 53', (x: number) => 1 / x],
    ['F3 0F 52', (x: number) => 1 / Math.sqrt(x)],
  ] as const) {
    const row = rowOf(key);
    test(`${row.instruction.mnemonic} is within 1.5 * 2^-12`, () => {
      for (const encoding of encodings(row, []))
        for (let round = 0; round < 300; round++) checkApproximation(encoding, exact);
    });
  }

  function checkApproximation(encoding: Encoding, exact: (x: number) => number): void {
    const input = inputs(SINGLE);
    const source = BigInt.asUintN(32, encoding.isMemory ? input.memory : input.xmm1);
    const [first, second] = engines.map((engine) => engine.run(encoding.code, input));
    assert.deepEqual(second, first);
    assert.ok(first !== undefined);
    assert.equal(first.mxcsr, input.mxcsr);
    const got = BigInt.asUintN(32, first.xmm0);
    if (isNan(source, SINGLE)) {
      assert.equal(got, source | 0x40_0000n);
      return;
    }
    const flat = isDenormal(source, SINGLE) ? source & 0x8000_0000n : source;
    const wanted = exact(asNumber(flat));
    if (Number.isNaN(wanted)) assert.equal(got, 0xffc0_0000n);
    else if (isZero(flat, SINGLE)) assert.equal(got, infinity(SINGLE) | flat);
    else if (isInfinite(flat, SINGLE) || Math.abs(wanted) < 2 ** -126)
      assert.equal(got, isNegative(flat, SINGLE) ? 0x8000_0000n : 0n);
    else assert.ok(Math.abs(asNumber(got) / wanted - 1) <= 1.5 * 2 ** -12);
  }
});

describe('exceptions', () => {
  test('an unmasked exception is #XM, or #UD when the system does not take that', () => {
    const [divide] = encodings(rowOf('F2 0F 5E'), []);
    assert.ok(divide !== undefined);
    const input = { ...inputs(DOUBLE), xmm0: 0x3ff0_0000_0000_0000n, xmm1: 0n, mxcsr: 0x1d80 };
    for (const engine of engines) {
      assert.deepEqual(engine.run(divide.code, input), { ...input, mxcsr: 0x1d84, fault: 19 });
      const cr4 = engine.processor.state.get('cr4');
      engine.control('cr4', cr4 & ~0x400);
      assert.deepEqual(engine.run(divide.code, input), { ...input, mxcsr: 0x1d84, fault: 6 });
      engine.control('cr4', cr4);
    }
  });
});
