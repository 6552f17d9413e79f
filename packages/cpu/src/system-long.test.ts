import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  descriptor,
  GPR,
  gate,
  longMode,
  PLACE,
  readMsr,
  SELECTOR,
  SystemHarness,
  setLongGate,
  VECTOR,
  writeMsr,
} from '../tools/system-harness.ts';
import { ACCESS_STACK, MODE, SEG, SREG } from './state-layout.ts';

const NON_CANONICAL = 0x0000_8000_0000_0000n;
const LSTAR = 0xffff_ffff_8100_0000n;

const h = SystemHarness.create();

/** The quadwords of a 64-bit frame. */
function frame(at: number, count: number): bigint[] {
  return Array.from({ length: count }, (_, index) => h.read64(at + index * 8));
}

/** Leaves for CPL 3 by IRETQ, to a 64-bit or (with CODE3) a compatibility-mode segment. */
function enterUser(code: number = SELECTOR.CODE64_3, flags = 0x202n): void {
  const at = PLACE.STACK0 - 40;
  h.write64(at, 0x6000n, BigInt(code), flags, BigInt(PLACE.STACK3), BigInt(SELECTOR.DATA3));
  h.set('gpr', at, GPR.RSP);
  h.run('interruptReturn', 8);
  h.at(h.get('nextRip'));
}

function setSyscall(): void {
  writeMsr(h, 0xc000_0081, 0x0070_0040_0000_0000n);
  writeMsr(h, 0xc000_0082, LSTAR);
  writeMsr(h, 0xc000_0084, 0x4_7700n);
}

describe('IA-32e mode', () => {
  test('64-bit code: LMA, flat segments, wide pointers', () => {
    longMode(h);
    assert.equal(h.num('efer') & 0x500, 0x500);
    assert.equal(h.num('modeKey') & MODE.CODE_SIZE, 2);
    assert.equal(h.get('stackMask'), 0xffff_ffff_ffff_ffffn);
    assert.equal(h.num('modeKey') & MODE.LONG, MODE.LONG);
    assert.equal(h.run('linearAddress', SREG.DS, 0x7fff_ffff_fff8n, 8, 1), 0x7fff_ffff_fff8n);
    h.faults([VECTOR.GP, 0], 'linearAddress', SREG.DS, 0x7fff_ffff_fff9n, 8, 1);
    h.faults([VECTOR.SS, 0], 'linearAddress', SREG.SS, NON_CANONICAL, 8, 1);
  });

  test('paging and PAE cannot be turned off from 64-bit code', () => {
    longMode(h);
    h.faults([VECTOR.GP, 0], 'writeCr', 0, 0x11n);
    h.faults([VECTOR.GP, 0], 'writeCr', 4, 0n);
    writeMsr(h, 0xc000_0080, 0x801n, [VECTOR.GP, 0]);
  });

  test('interrupt at the same privilege aligns the stack', () => {
    longMode(h);
    setLongGate(h, 0x20, 0x5000n);
    h.set('gpr', 0x7ffb, GPR.RSP);
    h.run('deliverInterrupt', 0x20);
    assert.equal(h.num('gpr', GPR.RSP), 0x7ff0 - 40);
    assert.deepEqual(frame(0x7ff0 - 40, 5), [0x4000n, 0x40n, 2n, 0x7ffbn, 0x10n]);
    h.run('interruptReturn', 8);
    assert.equal(h.num('gpr', GPR.RSP), 0x7ffb);
    assert.equal(h.num('segSelector', SREG.SS), 0x10);
  });

  test('interrupt from CPL 3 takes RSP0, or the IST', () => {
    longMode(h);
    setLongGate(h, 0x20, LSTAR);
    setLongGate(h, 0x21, 0x5000n, 1);
    for (const [vector, stack] of [
      [0x20, PLACE.STACK0],
      [0x21, PLACE.IST1 & ~15],
    ] as const) {
      longModeUser();
      h.run('deliverInterrupt', vector);
      assert.equal(h.num('cpl'), 0);
      assert.equal(h.num('segSelector', SREG.SS), 0);
      assert.equal(h.num('gpr', GPR.RSP), stack - 40);
      assert.deepEqual(frame(stack - 40, 5), [0x6000n, 0x83n, 0x202n, 0x9000n, 0x23n]);
    }
    assert.equal(h.num('rip'), 0x5000);
    function longModeUser(): void {
      h.set('cpl', 0);
      h.run('updateMode');
      enterUser();
    }
  });

  test('compatibility mode and back', () => {
    longMode(h);
    setLongGate(h, 0x20, 0x5000n);
    enterUser(SELECTOR.CODE3);
    assert.equal(h.num('modeKey') & MODE.CODE_SIZE, 1);
    assert.equal(h.num('modeKey') & MODE.FLAT_CODE, MODE.FLAT_CODE);
    assert.equal(h.get('stackMask'), 0xffff_ffffn);
    h.run('deliverInterrupt', 0x20);
    assert.equal(h.num('modeKey') & MODE.CODE_SIZE, 2);
    assert.deepEqual(frame(PLACE.STACK0 - 40, 2), [0x6000n, 0x1bn]);
    h.run('interruptReturn', 8);
    assert.equal(h.num('modeKey') & MODE.CODE_SIZE, 1);
  });

  test('error codes are pushed as quadwords', () => {
    longMode(h);
    setLongGate(h, VECTOR.GP, 0x5000n);
    h.set('faultPending', 1);
    h.set('faultVector', VECTOR.GP);
    h.set('faultHasError', 1);
    h.set('faultError', 0x182);
    h.run('deliverFault');
    const at = PLACE.STACK0 - 48;
    assert.deepEqual(frame(at, 4), [0x182n, 0x4000n, 0x40n, 0x1_0002n]);
  });

  test('gates to 32-bit code, and legacy gates, are #GP', () => {
    longMode(h);
    setLongGate(h, 0x20, 0x5000n);
    h.write16(PLACE.IDT + 0x20 * 16 + 2, SELECTOR.CODE0);
    h.faults([VECTOR.GP, SELECTOR.CODE0], 'softwareInterrupt', 0x20);
    h.write32(PLACE.IDT + 0x20 * 16, ...gate(SELECTOR.CODE64, 0x5000, 0x85));
    h.faults([VECTOR.GP, 0x102], 'softwareInterrupt', 0x20);
    setLongGate(h, 0x20, NON_CANONICAL);
    h.faults([VECTOR.GP, 0], 'softwareInterrupt', 0x20);
  });

  test('non-canonical addresses are #GP(0), in the stack segment #SS(0)', () => {
    longMode(h);
    for (const [segment, vector] of [
      [0, VECTOR.GP],
      [ACCESS_STACK, VECTOR.SS],
    ] as const) {
      h.faults([vector, 0], 'slowRead', NON_CANONICAL, 4 | segment);
      h.faults([vector, 0], 'slowWrite', NON_CANONICAL, 2 | segment, 0n);
      h.faults([vector, 0], 'slowRead16', NON_CANONICAL, 16 | segment);
      h.faults([vector, 0], 'slowWrite16', NON_CANONICAL, 16 | segment);
      h.faults([vector, 0], 'translatedWrite', NON_CANONICAL, 8 | segment, 0n);
      h.faults([vector, 0], 'translatedWrite16', NON_CANONICAL, 16 | segment);
    }
  });

  test('a non-canonical stack pointer in the TSS is #SS', () => {
    longMode(h);
    setLongGate(h, 0x20, 0x5000n, 0, 3);
    enterUser();
    h.write64(PLACE.TSS + 4, NON_CANONICAL);
    h.faults([VECTOR.SS, 0], 'softwareInterrupt', 0x20);
    assert.equal(h.num('cpl'), 3);
  });

  test('IRETQ: null stack segment below CPL 3 only, canonical target, no task return', () => {
    longMode(h);
    h.write64(PLACE.STACK0 - 40, 0x6000n, 0x40n, 2n, 0x7000n, 0n);
    h.set('gpr', PLACE.STACK0 - 40, GPR.RSP);
    h.run('interruptReturn', 8);
    assert.equal(h.num('gpr', GPR.RSP), 0x7000);
    const bad: [bigint[], number[]][] = [
      [
        [0x6000n, 0x83n, 2n, 0x7000n, 0n],
        [VECTOR.GP, 0],
      ],
      [
        [NON_CANONICAL, 0x40n, 2n, 0x7000n, 0n],
        [VECTOR.GP, 0],
      ],
      [
        [0x6000n, 0x83n, 2n, 0x7000n, 0x10n],
        [VECTOR.GP, 0x10],
      ],
      [
        [0x1_0000_0000n, 0x1bn, 2n, 0x7000n, 0x23n],
        [VECTOR.GP, 0],
      ],
    ];
    for (const [words, expected] of bad) {
      h.write64(PLACE.STACK0 - 40, ...words);
      h.set('gpr', PLACE.STACK0 - 40, GPR.RSP);
      h.faults(expected, 'interruptReturn', 8);
    }
    h.set('systemFlags', 0x4000);
    h.faults([VECTOR.GP, 0], 'interruptReturn', 8);
    h.set('systemFlags', 0);
  });

  test('64-bit call gate', () => {
    longMode(h);
    h.write32(PLACE.GDT + SELECTOR.LONG_GATE, ...gate(SELECTOR.CODE64, 0x5000, 0xec), 0, 0);
    enterUser();
    h.at(0x6000, 7);
    h.run('farCall', SELECTOR.LONG_GATE | 3, 0n, 4);
    assert.equal(h.num('cpl'), 0);
    assert.equal(h.num('segSelector', SREG.SS), 0);
    assert.deepEqual(frame(PLACE.STACK0 - 32, 4), [0x6007n, 0x83n, 0x9000n, 0x23n]);
    h.run('farReturn', 8, 0);
    assert.deepEqual([h.num('cpl'), h.num('nextRip')], [3, 0x6007]);
    h.write32(PLACE.GDT + SELECTOR.LONG_GATE + 12, 0x100);
    h.faults([VECTOR.GP, SELECTOR.LONG_GATE], 'farCall', SELECTOR.LONG_GATE | 3, 0n, 4);
  });

  test('the TSS descriptor has 16 bytes', () => {
    longMode(h);
    const place = PLACE.GDT + SELECTOR.LONG_TSS;
    h.write32(place, ...descriptor(0x1234_5000, 0x67, SEG.P | 9), 0xffff_8880, 0);
    h.run('ltr', SELECTOR.LONG_TSS);
    assert.equal(h.get('segBase', SREG.TR), 0xffff_8880_1234_5000n);
    h.write32(place, ...descriptor(0x1234_5000, 0x67, SEG.P | 9), 0x8000, 0);
    h.faults([VECTOR.GP, SELECTOR.LONG_TSS], 'ltr', SELECTOR.LONG_TSS);
  });
});

describe('SYSCALL, SYSRET and SWAPGS', () => {
  test('there and back', () => {
    longMode(h);
    setSyscall();
    enterUser(SELECTOR.CODE64_3, 0x4_0302n);
    h.at(0x6000, 2);
    h.run('syscallInstruction');
    assert.equal(h.get('nextRip'), LSTAR);
    assert.equal(h.num('gpr', GPR.RCX), 0x6002);
    assert.equal(h.num('gpr', 11), 0x4_0302);
    assert.equal(h.flags(), 2);
    assert.deepEqual([h.num('cpl'), ...h.selectors().slice(1, 3)], [0, 0x40, 0x48]);
    h.run('sysretInstruction', 8);
    assert.equal(h.num('nextRip'), 0x6002);
    assert.deepEqual([h.num('cpl'), ...h.selectors().slice(1, 3)], [3, 0x83, 0x7b]);
    assert.equal(h.flags(), 0x4_0302);
    h.set('systemFlags', 0);
    h.run('updateMode');
  });

  test('SYSRET checks the address at CPL 0; 32-bit SYSRET does not need to', () => {
    longMode(h);
    setSyscall();
    h.set('gpr', NON_CANONICAL, GPR.RCX);
    h.faults([VECTOR.GP, 0], 'sysretInstruction', 8);
    assert.equal(h.num('cpl'), 0);
    h.run('sysretInstruction', 4);
    assert.equal(h.num('modeKey') & MODE.CODE_SIZE, 1);
    h.faults([VECTOR.UD], 'syscallInstruction');
  });

  test('SYSRET that sets TF traps before the next instruction', () => {
    longMode(h);
    setSyscall();
    h.set('gpr', 0x302, GPR.R11);
    h.run('sysretInstruction', 8);
    assert.equal(h.num('debugPending'), 0x4000);
    h.set('debugPending', 0);
  });

  test('without EFER.SCE both are undefined', () => {
    longMode(h);
    writeMsr(h, 0xc000_0080, 0x900n);
    h.faults([VECTOR.UD], 'syscallInstruction');
    h.faults([VECTOR.UD], 'sysretInstruction', 8);
  });

  test('SWAPGS and the base registers', () => {
    longMode(h);
    writeMsr(h, 0xc000_0101, 0x1234n);
    writeMsr(h, 0xc000_0102, LSTAR);
    h.run('swapgs');
    assert.equal(h.get('segEffBase', SREG.GS), LSTAR);
    assert.equal(readMsr(h, 0xc000_0102), 0x1234n);
    writeMsr(h, 0xc000_0100, NON_CANONICAL, [VECTOR.GP, 0]);
    enterUser();
    h.faults([VECTOR.GP, 0], 'swapgs');
  });

  test('SYSENTER and SYSEXIT to 64-bit code', () => {
    longMode(h);
    h.set('msrSysenterCs', 0x40);
    writeMsr(h, 0x176, LSTAR);
    writeMsr(h, 0x175, 0xffff_c900_0000_0000n);
    enterUser(SELECTOR.CODE3);
    h.run('sysenter');
    assert.equal(h.get('nextRip'), LSTAR);
    assert.equal(h.get('gpr', GPR.RSP), 0xffff_c900_0000_0000n);
    h.set('gpr', NON_CANONICAL, GPR.RDX);
    h.faults([VECTOR.GP, 0], 'sysexit', 8);
    h.set('gpr', 0x7fff_0000_1000n, GPR.RDX);
    h.run('sysexit', 8);
    assert.deepEqual(h.selectors().slice(1, 3), [0x63, 0x6b]);
    assert.equal(h.get('nextRip'), 0x7fff_0000_1000n);
  });
});
