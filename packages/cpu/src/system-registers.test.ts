import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  enterUser,
  GPR,
  gate,
  longMode,
  PLACE,
  protectedMode,
  readMsr,
  SELECTOR,
  SystemHarness,
  VECTOR,
  writeMsr,
} from '../tools/system-harness.ts';
import { type CpuidState, cpuid, PHYSICAL_ADDRESS_BITS, SIGNATURE, TSC_HZ } from './cpuid.ts';
import { EFLAGS, EXIT, MODE, SREG } from './state-layout.ts';

const GP0 = [VECTOR.GP, 0];

const h = SystemHarness.create();

describe('control registers', () => {
  test('combinations that are refused', () => {
    protectedMode(h);
    h.faults(GP0, 'writeCr', 0, 0x8000_0010n);
    h.faults(GP0, 'writeCr', 0, 0x2000_0011n);
    h.faults(GP0, 'writeCr', 0, 0x1_0000_0011n);
    h.faults(GP0, 'writeCr', 4, 0x2000n);
    h.faults(GP0, 'writeCr', 4, 0x2_0000n);
    h.faults(GP0, 'writeCr', 3, 1n << BigInt(PHYSICAL_ADDRESS_BITS));
    h.faults(GP0, 'writeCr', 8, 0x10n);
    h.faults([VECTOR.UD], 'writeCr', 1, 0n);
    assert.equal(h.run('readCr', 8), 5n);
    assert.equal(h.num('cr0'), 0x11);
  });

  test('mode key follows EM, TS and OSFXSR', () => {
    protectedMode(h);
    assert.equal(h.num('modeKey') & MODE.NO_SSE, MODE.NO_SSE);
    h.run('writeCr', 4, 0x200n);
    assert.equal(h.num('modeKey') & (MODE.NO_SSE | MODE.NO_X87), 0);
    h.run('writeCr', 0, 0x19n);
    assert.equal(h.num('modeKey') & MODE.NO_X87, MODE.NO_X87);
    h.run('clts');
    assert.equal(h.num('modeKey') & MODE.NO_X87, 0);
    h.run('lmsw', 0xffffn);
    assert.equal(h.num('cr0'), 0x1f);
    h.run('lmsw', 0n);
    assert.equal(h.num('cr0'), 0x11);
  });

  test('PAE pointers with reserved bits are #GP when they are loaded', () => {
    protectedMode(h);
    h.write64(0x1_0000, 0x2003n, 0n, 0n, 0n);
    h.run('writeCr', 4, 0x20n);
    h.run('writeCr', 3, 0x1_0000n);
    h.faults(GP0, 'writeCr', 0, 0x8000_0011n);
    h.write64(0x1_0000, 0n);
  });

  test('PAE pointers are latched when CR3 is loaded', () => {
    protectedMode(h);
    const [pointers, first, second] = [0x1_1000, 0x1_2000, 0x1_3000];
    h.write64(pointers, BigInt(first) | 1n);
    h.write64(first, 0x87n, 0x20_0087n);
    h.write64(second, 0x20_0087n, 0x87n);
    h.run('writeCr', 4, 0x20n);
    h.run('writeCr', 3, BigInt(pointers));
    h.run('writeCr', 0, 0x8000_0011n);
    h.run('write32', 0x20_4000n, 0x2222_2222);
    h.run('write32', 0x4000n, 0x1111_1111);
    h.run('write32', BigInt(pointers), second | 1);
    assert.equal(h.run('read32', 0x4000n), 0x1111_1111);
    h.run('writeCr', 3, BigInt(pointers));
    assert.equal(h.run('read32', 0x4000n), 0x2222_2222);
  });

  test('PCIDs need IA-32e mode and a clean CR3', () => {
    longMode(h);
    h.run('writeCr', 3, BigInt(PLACE.PML4) | 1n);
    h.faults(GP0, 'writeCr', 4, 0x2_0020n);
    h.run('writeCr', 3, BigInt(PLACE.PML4));
    h.faults(GP0, 'writeCr', 3, BigInt(PLACE.PML4) | (1n << 63n));
    h.run('writeCr', 4, 0x2_0020n);
    h.run('writeCr', 3, BigInt(PLACE.PML4) | 5n | (1n << 63n));
    assert.equal(h.get('cr3'), BigInt(PLACE.PML4) | 5n);
  });

  test('INVPCID checks its type and descriptor', () => {
    longMode(h);
    h.write64(0xc000, 0n, 0x1000n);
    for (const type of [0n, 1n, 2n, 3n]) h.run('invpcid', type, 0xc000n);
    h.faults(GP0, 'invpcid', 4n, 0xc000n);
    h.write64(0xc000, 1n, 0x1000n);
    h.faults(GP0, 'invpcid', 1n, 0xc000n);
    h.write64(0xc000, 0x1000n, 0n);
    h.faults(GP0, 'invpcid', 2n, 0xc000n);
    h.write64(0xc000, 0n, 1n << 47n);
    h.faults(GP0, 'invpcid', 0n, 0xc000n);
  });

  test('XSETBV', () => {
    protectedMode(h);
    h.faults([VECTOR.UD], 'xgetbv');
    h.run('writeCr', 4, 0x4_0000n);
    h.set('gpr', 0, GPR.RCX);
    h.set('gpr', 3, GPR.RAX);
    h.set('gpr', 0, GPR.RDX);
    h.run('xsetbv');
    assert.equal(h.num('xcr0'), 3);
    for (const value of [2, 7]) {
      h.set('gpr', value, GPR.RAX);
      h.faults(GP0, 'xsetbv');
    }
  });

  test('privileged instructions are #GP(0) at CPL 3', () => {
    protectedMode(h);
    enterUser(h);
    const calls: [string, ...(number | bigint)[]][] = [
      ['readCr', 0],
      ['writeCr', 3, 0n],
      ['readDr', 7],
      ['clts'],
      ['lmsw', 1n],
      ['hlt'],
      ['rdmsr'],
      ['wrmsr'],
      ['invlpg', 0n],
      ['lldt', 0],
      ['ltr', 0x28],
      ['setGdtr', 0, 0n],
    ];
    for (const [name, ...args] of calls) h.faults(GP0, name, ...args);
    h.faults([VECTOR.UD], 'mwait');
    h.run('sldt');
    h.set('cr4', 0x800);
    h.faults(GP0, 'sldt');
  });
});

describe('debug registers', () => {
  test('fixed bits and aliases', () => {
    protectedMode(h);
    h.run('writeDr', 6, 0n);
    assert.equal(h.run('readDr', 4), 0xffff_0ff0n);
    h.run('writeDr', 7, 0xffff_d3ffn);
    assert.equal(h.run('readDr', 5), 0xffff_07ffn);
    assert.equal(h.num('modeKey') & MODE.SINGLE_STEP, MODE.SINGLE_STEP);
    h.run('writeDr', 7, 0n);
    assert.equal(h.num('modeKey') & MODE.SINGLE_STEP, 0);
    h.faults(GP0, 'writeDr', 7, 1n << 32n);
    h.run('writeCr', 4, 8n);
    h.faults([VECTOR.UD], 'readDr', 4);
  });

  test('GD traps the next access and goes off in the handler', () => {
    protectedMode(h);
    h.setGate(VECTOR.DB, gate(SELECTOR.CODE0, 0x5000, 0x8e));
    h.run('writeDr', 7, 0x2000n);
    h.call('readDr', 0);
    assert.equal(h.num('faultVector'), VECTOR.DB);
    h.run('deliverFault');
    assert.equal(h.run('readDr', 6), 0xffff_2ff0n);
    assert.equal(h.run('readDr', 7), 0x400n);
  });

  test('breakpoints', () => {
    protectedMode(h);
    h.run('writeDr', 0, 0x4000n);
    h.run('writeDr', 1, 0xc004n);
    // DR0: execution; DR1: writes of 4 bytes.
    h.run('writeDr', 7, 0x00d0_0005n);
    assert.equal(h.call('checkInstructionBreakpoint'), 1);
    assert.deepEqual(h.takeFault(), [VECTOR.DB]);
    assert.equal(h.num('dr', 6) & 15, 1);
    h.set('systemFlags', 0x1_0000);
    assert.equal(h.call('checkInstructionBreakpoint'), 0);
    h.set('systemFlags', 0);
    h.run('checkDataBreakpoints', 0xc000n, 4, 1);
    h.run('checkDataBreakpoints', 0xc006n, 1, 3);
    assert.equal(h.num('debugPending'), 0);
    h.run('checkDataBreakpoints', 0xc007n, 4, 1);
    assert.equal(h.num('debugPending'), 2);
    h.setGate(VECTOR.DB, gate(SELECTOR.CODE0, 0x5000, 0x8e));
    h.run('deliverDebug');
    assert.equal(h.num('rip'), 0x5000);
    assert.equal(h.num('dr', 6) & 15, 2);
  });
});

describe('model-specific registers', () => {
  test('values a kernel reads at boot', () => {
    protectedMode(h);
    assert.equal(readMsr(h, 0x277), 0x0007_0406_0007_0406n);
    assert.equal(readMsr(h, 0xfe), 0x508n);
    assert.equal(readMsr(h, 0x1b), 0xfee0_0900n);
    assert.equal(readMsr(h, 0x179), 0n);
    assert.equal(readMsr(h, 0x3a), 1n);
    assert.equal(readMsr(h, 0x10a) & 0x1ffn, 0x17bn);
    assert.equal(readMsr(h, 0x8b), 0n);
  });

  test('unknown numbers and bad values are #GP(0)', () => {
    protectedMode(h);
    h.set('gpr', 0xc001_0015, GPR.RCX);
    h.faults(GP0, 'rdmsr');
    const bad: [number, bigint][] = [
      [0x277, 0x0207_0406_0007_0406n],
      [0x277, 0x0007_0406_0007_0408n],
      [0x2ff, 0x2n],
      [0x200, 0x100n],
      [0x201, 1n << 45n],
      [0x250, 2n],
      [0xfe, 0x508n],
      [0x3a, 5n],
      [0x48, 8n],
      [0x49, 2n],
      [0xc000_0080, 2n],
      [0xc000_0084, 1n << 32n],
      [0x176, 1n << 47n],
      [0x10a, 0n],
    ];
    for (const [index, value] of bad) writeMsr(h, index, value, GP0);
  });

  test('MTRRs keep what they are given', () => {
    protectedMode(h);
    for (const [index, value] of [
      [0x200, 0xc000_0000n],
      [0x201, 0xff_c000_0800n],
      [0x20f, 0x800n],
      [0x250, 0x0606_0606_0606_0606n],
      [0x259, 0n],
      [0x26f, 0x0505_0505_0505_0505n],
      [0x2ff, 0xc06n],
    ] as const) {
      writeMsr(h, index, value);
      assert.equal(readMsr(h, index), value);
    }
  });

  test('time stamp counter and its adjustment', () => {
    protectedMode(h);
    h.tsc = 5000n;
    assert.equal(readMsr(h, 0x10), 5000n);
    writeMsr(h, 0x3b, 100n);
    assert.equal(readMsr(h, 0x10), 5100n);
    writeMsr(h, 0x10, 0n);
    assert.equal(readMsr(h, 0x10), 0n);
    assert.equal(BigInt.asIntN(64, readMsr(h, 0x3b)), -5000n);
    assert.equal(h.deadlineWrites, 0);
    h.deadline = 9000n;
    writeMsr(h, 0x10, 8000n);
    writeMsr(h, 0x3b, 0n);
    assert.equal(h.deadlineWrites, 2);
    assert.equal(h.deadline, 9000n);
    writeMsr(h, 0xc000_0103, 7n);
    h.run('rdtscp');
    assert.equal(h.num('gpr', GPR.RCX), 7);
    h.run('writeCr', 4, 4n);
    enterUser(h);
    h.faults(GP0, 'rdtsc');
  });
});

describe('other instructions', () => {
  test('HLT and MWAIT ask the run loop to wait', () => {
    protectedMode(h);
    h.run('hlt');
    assert.equal(h.num('exitReason'), EXIT.HALT);
    h.set('exitReason', 0);
    h.set('gpr', 0, GPR.RCX);
    h.run('mwait');
    assert.equal(h.num('exitReason'), EXIT.HALT);
    h.set('exitReason', 0);
    h.set('gpr', 1, GPR.RCX);
    h.faults(GP0, 'mwait');
    h.faults(GP0, 'monitor', 0n);
  });

  test('ENTER copies the frame pointers of its level', () => {
    protectedMode(h);
    h.set('gpr', 0xc100, GPR.RBP);
    h.write32(0xc0f8, 0x2222, 0x1111);
    h.run('enter', 4, 0x20, 3);
    const pushed = PLACE.STACK0 - 16;
    assert.deepEqual(h.words(pushed, 4), [PLACE.STACK0 - 4, 0x2222, 0x1111, 0xc100]);
    assert.equal(h.num('gpr', GPR.RBP), PLACE.STACK0 - 4);
    assert.equal(h.num('gpr', GPR.RSP), pushed - 0x20);
  });

  test('PUSHA and POPA', () => {
    protectedMode(h);
    for (let index = 0; index < 8; index++) {
      if (index !== GPR.RSP) h.set('gpr', 0x1_0000 + index, index);
    }
    h.run('pushAll', 4);
    const top = PLACE.STACK0 - 32;
    assert.deepEqual(h.words(top + 8, 3), [0x1_0005, PLACE.STACK0, 0x1_0003]);
    h.write32(top, 0x7777);
    h.run('popAll', 4);
    assert.deepEqual([h.num('gpr', GPR.RDI), h.num('gpr', GPR.RAX)], [0x7777, 0x1_0000]);
    assert.equal(h.num('gpr', GPR.RSP), PLACE.STACK0);
  });

  test('STAC and CLAC choose the override tables under SMAP', () => {
    longMode(h);
    h.run('writeCr', 4, 0x20_0020n);
    h.run('stac');
    assert.equal(h.num('modeKey') & MODE.SMAP_OVERRIDE, MODE.SMAP_OVERRIDE);
    h.run('clac');
    assert.equal(h.num('modeKey') & MODE.SMAP_OVERRIDE, 0);
  });

  test('alignment is checked at CPL 3 with CR0.AM and EFLAGS.AC', () => {
    const [aligned, odd] = [0xc000n, 0xc002n];
    protectedMode(h);
    h.run('writeCr', 0, 0x4_0011n);
    h.set('systemFlags', EFLAGS.AC);
    h.run('write32', odd, 1);
    enterUser(h, 0x202 | EFLAGS.AC);
    h.run('write32', aligned, 0x1234_5678);
    assert.equal(h.run('read16', odd), 0x1234);
    h.faults([VECTOR.AC, 0], 'read32', odd);
    h.faults([VECTOR.AC, 0], 'write32', odd, 0);
    h.faults([VECTOR.AC, 0], 'read64', 0xc004n);
    assert.equal(h.call('translatedWrite', odd, 4, 0n), 1);
    assert.deepEqual(h.takeFault(), [VECTOR.AC, 0]);
    protectedMode(h);
    enterUser(h, 0x202 | EFLAGS.AC);
    h.run('read32', odd);
  });

  test('RDFSBASE and WRFSBASE', () => {
    longMode(h);
    h.faults([VECTOR.UD], 'readSegmentBase', SREG.FS);
    h.run('writeCr', 4, 0x1_0020n);
    h.run('writeSegmentBase', SREG.FS, 0x7fff_0000_0000n);
    assert.equal(h.run('readSegmentBase', SREG.FS), 0x7fff_0000_0000n);
    assert.equal(h.get('segEffBase', SREG.FS), 0x7fff_0000_0000n);
    h.faults(GP0, 'writeSegmentBase', SREG.FS, 1n << 47n);
  });

  test('a page fault in a delivery leaves everything as it was', () => {
    longMode(h);
    // RSP0 lies in memory that the page tables do not map.
    h.write64(PLACE.TSS + 4, 0x60_0000n);
    const at = PLACE.STACK0 - 40;
    h.write64(at, 0x6000n, BigInt(SELECTOR.CODE64_3), 2n, 0x9000n, BigInt(SELECTOR.DATA3));
    h.set('gpr', at, GPR.RSP);
    h.run('interruptReturn', 8);
    h.at(0x6000);
    h.write32(PLACE.IDT + 0x20 * 16, ...gate(SELECTOR.CODE64, 0x5000, 0xee), 0, 0);
    h.faults([VECTOR.PF, 2], 'softwareInterrupt', 0x20);
    assert.equal(h.num('cr2'), 0x5f_fff8);
    assert.deepEqual([h.num('cpl'), h.num('gpr', GPR.RSP)], [3, 0x9000]);
    assert.equal(h.num('segSelector', SREG.CS), SELECTOR.CODE64_3);
  });
});

const STATE: CpuidState = {
  cr4: 0,
  code64: true,
  apicEnabled: true,
  apicId: 0,
  processorCount: 1,
  miscEnableLow: 0x0004_1801,
  miscEnableHigh: 0,
};

describe('CPUID', () => {
  test('names', () => {
    const text = (leaf: number, order: ('eax' | 'ebx' | 'ecx' | 'edx')[]): string => {
      const result = cpuid(leaf, 0, STATE);
      const bytes = Buffer.alloc(order.length * 4);
      for (const [index, name] of order.entries()) bytes.writeUInt32LE(result[name], index * 4);
      return bytes.toString('latin1');
    };
    assert.equal(text(0, ['ebx', 'edx', 'ecx']), 'GenuineIntel');
    assert.equal(text(0x4000_0000, ['ebx', 'ecx', 'edx']), 'UmbraMonitor');
    const brand = [2, 3, 4].map((part) => text(0x8000_0000 + part, ['eax', 'ebx', 'ecx', 'edx']));
    assert.equal(brand.join('').replaceAll('\0', ''), 'Umbra Virtual Processor @ 1.00GHz');
  });

  test('dynamic bits', () => {
    const osxsave = (cr4: number): number => (cpuid(1, 0, { ...STATE, cr4 }).ecx >>> 27) & 1;
    assert.deepEqual([osxsave(0), osxsave(1 << 18)], [0, 1]);
    assert.equal(cpuid(1, 0, { ...STATE, apicEnabled: false }).edx & (1 << 9), 0);
    assert.equal(cpuid(1, 0, { ...STATE, miscEnableLow: 0 }).ecx & 8, 0);
    assert.equal(cpuid(0, 0, { ...STATE, miscEnableLow: 1 << 22 }).eax, 3);
    assert.equal(cpuid(0x8000_0001, 0, { ...STATE, code64: false }).edx & (1 << 11), 0);
  });

  test('agrees with the runtime', () => {
    h.call('resetProcessor');
    assert.equal(h.num('gpr', GPR.RDX), SIGNATURE);
    assert.equal(cpuid(1, 0, STATE).eax, SIGNATURE);
    assert.equal(h.get('maxPhysMask'), (1n << BigInt(PHYSICAL_ADDRESS_BITS)) - 1n);
    assert.equal(cpuid(0x8000_0008, 0, STATE).eax & 0xff, PHYSICAL_ADDRESS_BITS);
    assert.equal(h.num('segSelector', SREG.CS), 0xf000);
  });

  test('leaf 0x15 gives the frequency of the TSC', () => {
    const { eax, ebx, ecx } = cpuid(0x15, 0, STATE);
    assert.equal((ecx * ebx) / eax, TSC_HZ);
    assert.deepEqual(cpuid(0x1000, 0, STATE), cpuid(0x16, 0, STATE));
  });

  test('topology', () => {
    const four = { ...STATE, processorCount: 4, apicId: 3 };
    assert.deepEqual(cpuid(0x0b, 0, four), { eax: 0, ebx: 1, ecx: 0x100, edx: 3 });
    assert.deepEqual(cpuid(0x0b, 1, four), { eax: 2, ebx: 4, ecx: 0x201, edx: 3 });
    assert.equal((cpuid(1, 0, four).ebx >>> 16) & 0xff, 4);
    assert.equal(cpuid(4, 3, four).eax >>> 26, 3);
    assert.equal(cpuid(4, 4, four).eax, 0);
  });
});
