import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROWS } from '@umbra/isa';
import { cpuid } from './cpuid.ts';
import { parseCpuModel } from './features.ts';

const PLAIN = {
  cr4: 0,
  code64: true,
  apicEnabled: true,
  apicId: 0,
  processorCount: 1,
  miscEnableLow: 0,
  miscEnableHigh: 0,
};

function withModel(model: string, leaf: number) {
  return cpuid(leaf, 0, { ...PLAIN, hidden: parseCpuModel(model).masks });
}

test('the default model hides nothing', () => {
  assert.deepEqual(withModel('x86-64-v2', 1), cpuid(1, 0, PLAIN));
  assert.equal(
    ROWS.some((row) => parseCpuModel('x86-64-v2').hides(row)),
    false,
  );
});

test('a smaller model lacks the bits of CPUID, CR4 and EFER, and the instructions', () => {
  const model = parseCpuModel('i686,-smep');
  assert.equal(withModel('i686', 0x8000_0001).edx & (1 << 29), 0);
  assert.notEqual(cpuid(0x8000_0001, 0, PLAIN).edx & (1 << 29), 0);
  assert.equal(withModel('x86-64', 1).ecx & (1 << 23), 0);
  assert.equal(model.efer & (1 << 8), 1 << 8);
  assert.equal(model.cr4 & (1 << 20), 1 << 20);
  const hidden = new Set(
    ROWS.filter((row) => model.hides(row)).map(({ instruction }) => instruction.mnemonic),
  );
  assert.ok(hidden.has('popcnt') && hidden.has('pshufb') && hidden.has('rdtscp'));
  assert.ok(!hidden.has('paddb') && !hidden.has('cmpxchg8b'));
});

test('every instruction that a feature names exists', () => {
  const known = new Set(ROWS.map(({ instruction }) => instruction.mnemonic));
  const all = parseCpuModel('i686,-xsave,-rdrand,-smap,-clflushopt,-clwb,-fsgsbase,-invpcid');
  const named = ROWS.filter((row) => all.hides(row)).map(({ instruction }) => instruction.mnemonic);
  for (const name of ['lddqu', 'fisttp', 'xgetbv', 'clac', 'clwb', 'crc32', 'movbe', 'invpcid']) {
    assert.ok(known.has(name) && named.includes(name), name);
  }
});

test('unknown models and features say what there is', () => {
  const code = { code: 'CPU_MODEL' };
  assert.throws(() => parseCpuModel('pentium9'), { ...code, message: /pentium9.*x86-64-v2/ });
  assert.throws(() => parseCpuModel('x86-64,-warp'), { ...code, message: /-warp.*popcnt/ });
  assert.throws(() => parseCpuModel('x86-64,popcnt'), code);
});
