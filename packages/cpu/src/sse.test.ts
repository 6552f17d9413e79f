import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type OpcodeRow, ROWS } from '@umbra/isa';
import { Chance } from '../tools/chance.ts';
import { PACKED_ORACLES, split } from '../tools/packed-oracle.ts';
import { compareStrings } from '../tools/string-oracle.ts';
import {
  DATA,
  type Encoding,
  encodings,
  VectorHarness,
  type VectorState,
} from '../tools/vector-harness.ts';

const interpreter = new VectorHarness('interpreter');
const translated = new VectorHarness('forced');
const chance = new Chance(1);
const DEFAULT_MXCSR = 0x1f80;
/** Rows of the tables of MMX and SSE: those with a mandatory prefix and a vector operand. */
const VECTOR_OPERAND = /^[VWUPQN][a-z]/;
const ROWS_HERE = ROWS.filter(
  (row) =>
    (row.instruction.sse || row.instruction.mmx) &&
    row.operands.some((operand) => VECTOR_OPERAND.test(operand)),
);
const FLOAT =
  /^(add|sub|mul|div|min|max|sqrt|rcp|rsqrt|cmp|u?comi|cvt|h?add|h?sub|round|dp)[a-z0-9]*$/;

function random(): VectorState {
  const wide = () => chance.lanes() | (chance.lanes() << 64n);
  const xmm1 = chance.below(4) === 0 ? BigInt(chance.below(140)) : wide();
  return {
    xmm0: wide(),
    xmm1,
    mm0: chance.lanes(),
    mm1: chance.below(4) === 0 ? BigInt(chance.below(70)) : chance.lanes(),
    rax: chance.lanes(),
    rcx: chance.lanes(),
    rdx: chance.lanes(),
    memory: chance.below(4) === 0 ? BigInt(chance.below(140)) : wide(),
    mxcsr: DEFAULT_MXCSR,
    flags: 0x44,
    fault: -1,
  };
}

/** Runs in both engines, which must agree, and returns the outcome. */
function both(encoding: Encoding, input: VectorState, offset = 0): VectorState {
  const first = interpreter.run(encoding.code, input, offset);
  const second = translated.run(encoding.code, input, offset);
  const name = `${encoding.row.instruction.mnemonic} [${encoding.row.key}] ${encoding.code}`;
  assert.deepEqual(second, first, name);
  return first;
}

const immediates = (): number[] =>
  Array.from({ length: 12 }, (_, index) => (index < 6 ? chance.below(34) : chance.below(256)));
const allEncodings = (filter: (row: OpcodeRow) => boolean): Encoding[] =>
  ROWS_HERE.filter(filter).flatMap((row) => encodings(row, immediates()));

describe('every row', () => {
  test('interpreter and translator agree on random operands', () => {
    for (const encoding of allEncodings(() => true)) {
      const isFloat = FLOAT.test(encoding.row.instruction.mnemonic);
      for (let round = 0; round < 6; round++) {
        const input = random();
        if (isFloat) input.mxcsr = chance.below(0x10000);
        both(encoding, input);
      }
    }
  });

  test('packed integers are what the manual computes', () => {
    let rows = 0;
    for (const row of ROWS_HERE) {
      const oracle = PACKED_ORACLES[row.instruction.mnemonic];
      if (oracle === undefined) continue;
      rows++;
      for (const encoding of encodings(row, immediates())) checkPacked(encoding, oracle);
    }
    assert.ok(rows > 200, `${rows} rows have an oracle`);
  });

  function checkPacked(encoding: Encoding, oracle: (typeof PACKED_ORACLES)[string]): void {
    const { row, isMemory, immediate } = encoding;
    const isMmx = row.operands.some((operand) => /^[PN]q/.test(operand));
    const isByte = row.operands.length === 2 && row.operands[1] === 'Ib';
    const bits = isMmx ? 64 : 128;
    for (let round = 0; round < 6; round++) {
      const input = random();
      const memory = BigInt.asUintN(bits, input.memory);
      const register = isMmx ? input.mm1 : input.xmm1;
      const before = isMmx ? input.mm0 : input.xmm0;
      const b = isByte ? BigInt(immediate) : isMemory ? memory : register;
      const wanted = oracle({ a: before, b, bits, immediate, selector: input.xmm0 });
      const after = both(encoding, input);
      const got = isMmx ? after.mm0 : after.xmm0;
      assert.equal(
        got,
        BigInt.asUintN(bits, wanted),
        `${row.instruction.mnemonic} ${encoding.code}`,
      );
    }
  }
});

describe('moves between kinds of registers', () => {
  const low = (value: bigint, bits: number) => BigInt.asUintN(bits, value);
  const keep = (old: bigint, value: bigint, bits: number) =>
    ((old >> BigInt(bits)) << BigInt(bits)) | low(value, bits);
  type Expect = (i: VectorState, src: bigint, e: Encoding) => Partial<VectorState>;
  const general = (value: bigint): Partial<VectorState> => ({ rax: value });
  const load =
    (bits: number): Expect =>
    (i, src, e) => ({
      xmm0: e.isMemory ? low(src, bits) : keep(i.xmm0, src, bits),
    });
  const store =
    (bits: number): Expect =>
    (i, _src, e) =>
      e.isMemory ? { memory: keep(i.memory, i.xmm1, bits) } : { xmm0: keep(i.xmm0, i.xmm1, bits) };
  const extract =
    (width: number): Expect =>
    (i, _src, e) => {
      const lane = split(i.xmm1, width, 128)[e.immediate % (128 / width)] ?? 0n;
      return e.isMemory ? { memory: keep(i.memory, lane, width) } : general(lane);
    };
  const insert =
    (width: number): Expect =>
    (i, _src, e) => {
      const value = low(e.isMemory ? i.memory : i.rcx, width);
      const place = BigInt((e.immediate % (128 / width)) * width);
      const hole = ((1n << BigInt(width)) - 1n) << place;
      return { xmm0: (i.xmm0 & ~hole) | (value << place) };
    };
  const signs =
    (width: number): Expect =>
    (_i, src) =>
      general(
        split(src, width, 128).reduceRight(
          (sum, lane) => (sum << 1n) | (lane >> BigInt(width - 1)),
          0n,
        ),
      );
  const EXPECTED: Record<string, Expect> = {
    'F3 0F 10': load(32),
    'F2 0F 10': load(64),
    'F3 0F 11': store(32),
    'F2 0F 11': store(64),
    '66 0F D6': (i, _src, e) =>
      e.isMemory ? { memory: keep(i.memory, i.xmm1, 64) } : { xmm0: low(i.xmm1, 64) },
    'F3 0F 7E': (_i, src) => ({ xmm0: low(src, 64) }),
    'NP 0F 12 m': (i, src) => ({ xmm0: keep(i.xmm0, src, 64) }),
    'NP 0F 16 m': (i, src) => ({ xmm0: low(i.xmm0, 64) | (low(src, 64) << 64n) }),
    'NP 0F 13 m': store(64),
    'NP 0F 17 m': (i) => ({ memory: keep(i.memory, i.xmm1 >> 64n, 64) }),
    '66 0F 6E': (i, _src, e) => ({
      xmm0: low(e.isMemory ? i.memory : i.rcx, e.isWide ? 64 : 32),
    }),
    '66 0F 7E': (i, _src, e) => {
      const bits = e.isWide ? 64 : 32;
      return e.isMemory ? { memory: keep(i.memory, i.xmm1, bits) } : general(low(i.xmm1, bits));
    },
    '66 0F 6F': (_i, src) => ({ xmm0: src }),
    'F3 0F 7F': (i, _src, e) => (e.isMemory ? { memory: i.xmm1 } : { xmm0: i.xmm1 }),
    'F2 0F F0 m': (_i, src) => ({ xmm0: src }),
    '66 0F D7 r': signs(8),
    'NP 0F 50 r': signs(32),
    '66 0F 50 r': signs(64),
    '66 0F C5 r': extract(16),
    '66 0F3A 14': extract(8),
    '66 0F3A 15': extract(16),
    '66 0F3A 17': extract(32),
    '66 0F3A 16': (i, src, e) => extract(e.isWide ? 64 : 32)(i, src, e),
    '66 0F C4': insert(16),
    '66 0F3A 20': insert(8),
    '66 0F3A 22': (i, src, e) => insert(e.isWide ? 64 : 32)(i, src, e),
    '66 0F3A 21': (i, _src, e) => {
      const source = e.isMemory
        ? low(i.memory, 32)
        : (split(i.xmm1, 32, 128)[e.immediate >> 6] ?? 0n);
      const place = BigInt(((e.immediate >> 4) & 3) * 32);
      let value = (i.xmm0 & ~(0xffff_ffffn << place)) | (source << place);
      for (let lane = 0n; lane < 4n; lane++)
        if ((e.immediate >> Number(lane)) & 1) value &= ~(0xffff_ffffn << (lane * 32n));
      return { xmm0: value };
    },
    'F3 0F D6 r': (i) => ({ xmm0: i.mm1 }),
    'F2 0F D6 r': (i) => ({ mm0: low(i.xmm1, 64) }),
    'NP 0F 6E': (i, _src, e) => ({ mm0: low(e.isMemory ? i.memory : i.rcx, e.isWide ? 64 : 32) }),
    'NP 0F D7 r': (i) => general(signs(8)(i, i.mm1, undefined as never).rax ?? 0n),
    '66 0F38 17': (i, src) => ({
      flags: ((i.xmm0 & src) === 0n ? 0x40 : 0) | ((~i.xmm0 & src) === 0n ? 1 : 0),
    }),
  };
  for (const [key, expected] of Object.entries(EXPECTED)) {
    const row = ROWS_HERE.find((candidate) => candidate.key === key);
    test(`${row?.instruction.mnemonic} [${key}]`, () => {
      assert.ok(row !== undefined);
      for (const encoding of encodings(row, immediates())) {
        for (let round = 0; round < 8; round++) {
          const input = random();
          if (round === 0) input.xmm1 = input.xmm0;
          const after = both(encoding, input);
          const source = encoding.isMemory ? input.memory : input.xmm1;
          assert.deepEqual(after, { ...input, ...expected(input, source, encoding) });
        }
      }
    });
  }

  test('MASKMOVDQU writes the chosen bytes', () => {
    const [encoding] = allEncodings((row) => row.instruction.mnemonic === 'maskmovdqu');
    assert.ok(encoding !== undefined);
    const input = { ...random(), xmm1: 0x80ff_0000_0000_0000_007f_0000_0000_0081n };
    const mask = 0xffff_0000_0000_0000_0000_0000_0000_00ffn;
    const after = both(encoding, input);
    assert.equal(after.memory, (input.memory & ~mask) | (input.xmm0 & mask));
  });
});

describe('string comparisons', () => {
  const letters = [0, 0, 1, 2, 3, 0x41, 0x42, 0x80, 0xff] as const;
  const text = (): bigint =>
    Array.from({ length: 16 }, () => BigInt(chance.pick(letters))).reduce(
      (sum, byte) => (sum << 8n) | byte,
      0n,
    );

  test('all kinds, explicit and implicit lengths', () => {
    const controls = Array.from({ length: 128 }, (_, index) => index);
    for (const row of ROWS_HERE.filter((r) => /^pcmp[ei]str/.test(r.instruction.mnemonic))) {
      for (const encoding of encodings(row, controls)) {
        for (let round = 0; round < 3; round++) checkStrings(encoding);
      }
    }
  });

  function checkStrings(encoding: Encoding): void {
    const { mnemonic } = encoding.row.instruction;
    const control = encoding.immediate;
    const width = control & 1 ? 16 : 8;
    const count = 128 / width;
    const length = () => chance.below(24) - 4;
    const lengths: [number, number] = [length(), length()];
    const input = {
      ...random(),
      xmm0: text(),
      xmm1: text(),
      memory: text(),
      rax: BigInt.asUintN(64, BigInt(lengths[0])),
      rdx: BigInt.asUintN(64, BigInt(lengths[1])),
    };
    const elements = (value: bigint) => split(value, width, 128, (control & 2) !== 0).map(Number);
    const isExplicit = mnemonic.startsWith('pcmpe');
    const wanted = compareStrings(
      elements(input.xmm0),
      elements(encoding.isMemory ? input.memory : input.xmm1),
      control,
      isExplicit ? [Math.abs(lengths[0]), Math.abs(lengths[1])] : [-1, -1],
    );
    const after = both(encoding, input);
    assert.equal(after.flags, wanted.flags, `${mnemonic} ${control}`);
    if (mnemonic.endsWith('i')) {
      assert.equal(after.rcx, BigInt(wanted.index));
      return;
    }
    const spread = Array.from({ length: count }, (_, i) =>
      (wanted.mask >> i) & 1 ? ((1n << BigInt(width)) - 1n) << BigInt(i * width) : 0n,
    ).reduce((sum, lane) => sum | lane, 0n);
    assert.equal(after.xmm0, control & 0x40 ? spread : BigInt(wanted.mask));
  }
});

describe('exceptions and state', () => {
  const one = (mnemonic: string, isMemory: boolean): Encoding => {
    const found = allEncodings((row) => row.instruction.mnemonic === mnemonic).find(
      (encoding) => encoding.isMemory === isMemory,
    );
    assert.ok(found !== undefined, mnemonic);
    return found;
  };
  const engines = [interpreter, translated];

  test('operands in memory are aligned unless the instruction says otherwise', () => {
    for (const mnemonic of ['paddb', 'movaps', 'addps', 'pshufd']) {
      const encoding = allEncodings((row) => row.instruction.mnemonic === mnemonic).find(
        (e) => e.isMemory && e.row.operands[0]?.startsWith('V') === true,
      );
      assert.ok(encoding !== undefined);
      const input = random();
      assert.deepEqual(both(encoding, input, 1), { ...input, fault: 13 });
    }
    assert.equal(both(one('movups', true), random(), 1).fault, -1);
    assert.equal(both(one('pcmpistri', true), random(), 3).fault, -1);
    assert.equal(both(one('movddup', true), random(), 3).fault, -1);
  });

  test('a page fault comes before any change', () => {
    for (const mnemonic of ['paddb', 'addps', 'addsd', 'pcmpistri', 'cvtpi2ps', 'pinsrb']) {
      for (const encoding of allEncodings((row) => row.instruction.mnemonic === mnemonic)) {
        if (!encoding.isMemory) continue;
        const input = random();
        assert.deepEqual(both(encoding, input, 0x40_0000 - DATA), { ...input, fault: 14 });
      }
    }
  });

  test('SSE needs CR4.OSFXSR, and CR0.EM and CR0.TS clear; MMX only the latter', () => {
    const run = (harness: VectorHarness, mnemonic: string) =>
      harness.run(one(mnemonic, false).code, random()).fault;
    const mmx = ROWS_HERE.find((row) => row.key === 'NP 0F FC');
    assert.ok(mmx !== undefined);
    const [paddb] = encodings(mmx, []);
    assert.ok(paddb !== undefined);
    for (const harness of engines) {
      const { state } = harness.processor;
      const cr0 = state.get('cr0');
      const cr4 = state.get('cr4');
      harness.control('cr0', cr0 | 8);
      assert.equal(run(harness, 'addps'), 7);
      assert.equal(harness.run(paddb.code, random()).fault, 7);
      harness.control('cr0', cr0 | 4);
      assert.equal(run(harness, 'addps'), 6);
      assert.equal(harness.run(paddb.code, random()).fault, 6);
      harness.control('cr0', cr0);
      harness.control('cr4', cr4 & ~0x200);
      assert.equal(run(harness, 'addps'), 6);
      assert.equal(harness.run(paddb.code, random()).fault, -1);
      harness.control('cr4', cr4);
    }
  });

  test('MMX instructions take the x87 registers and wait for its exceptions', () => {
    const row = ROWS_HERE.find((candidate) => candidate.key === 'NP 0F FC');
    assert.ok(row !== undefined);
    const [paddb] = encodings(row, []);
    assert.ok(paddb !== undefined);
    for (const harness of engines) {
      const { state } = harness.processor;
      harness.control('cr0', state.get('cr0') | 0x20);
      state.set('fpuStatus', 5 << 11);
      state.set('fpuTag', 0);
      state.set('fpuExponent', 0, 0);
      assert.equal(harness.run(paddb.code, random()).fault, -1);
      assert.equal(state.get('fpuStatus') & 0x3800, 0);
      assert.equal(state.get('fpuTag'), 0xff);
      assert.equal(state.get('fpuExponent', 0) & 0xffff, 0xffff);
      state.set('fpuControl', 0x37e);
      state.set('fpuStatus', 0x8081);
      const input = random();
      assert.deepEqual(harness.run(paddb.code, input), { ...input, fault: 16 });
      state.set('fpuStatus', 0);
      state.set('fpuControl', 0x37f);
    }
  });

  test('registers XMM8 to XMM15', () => {
    for (const harness of engines) {
      harness.setXmm(9, 5n);
      harness.setXmm(14, 7n);
      assert.equal(harness.run([0x66, 0x45, 0x0f, 0xd4, 0xce], random()).fault, -1);
      assert.equal(harness.xmm(9), 12n);
    }
  });
});
