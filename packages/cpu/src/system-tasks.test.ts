import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  enterUser,
  GPR,
  gate,
  PLACE,
  protectedMode,
  SELECTOR,
  SystemHarness,
  VECTOR,
} from '../tools/system-harness.ts';
import { MODE, SREG } from './state-layout.ts';

const h = SystemHarness.create();

/** Fills a 32-bit TSS with a task of CPL 0 at 0x7000. */
function writeTask(at: number, flags = 2, trap = 0): void {
  for (let offset = 0; offset < 104; offset += 4) h.write32(at + offset, 0);
  h.write32(at + 32, 0x7000, flags, 0xa0, 0xc1, 0xd2, 0xb3, 0xb000, 0xb5, 0x56, 0xd7);
  const data = SELECTOR.DATA0;
  h.write32(at + 72, data, SELECTOR.CODE0, data, data, data, 0, 0);
  h.write16(at + 100, trap, 0x68);
}

function isBusy(selector: number): boolean {
  return (h.read32(PLACE.GDT + selector + 4) & 0x200) !== 0;
}

describe('task switches', () => {
  test('JMP: state saved and loaded, busy bits moved', () => {
    protectedMode(h);
    writeTask(PLACE.TSS2);
    h.set('gpr', 0x77, GPR.RBX);
    h.at(0x4000, 7);
    h.run('farJump', SELECTOR.TSS2, 0n, 4);
    assert.equal(h.num('nextRip'), 0x7000);
    assert.equal(h.num('gpr', GPR.RBX), 0xb3);
    assert.equal(h.num('gpr', GPR.RSP), 0xb000);
    assert.equal(h.num('segSelector', SREG.TR), SELECTOR.TSS2);
    assert.equal(h.num('cr0') & 8, 8);
    assert.deepEqual([isBusy(SELECTOR.TSS), isBusy(SELECTOR.TSS2)], [false, true]);
    assert.equal(h.read32(PLACE.TSS + 32), 0x4007);
    assert.equal(h.read32(PLACE.TSS + 52), 0x77);
    assert.equal(h.read16(PLACE.TSS + 76), SELECTOR.CODE0);
    h.faults([VECTOR.GP, SELECTOR.TSS2], 'farJump', SELECTOR.TSS2, 0n, 4);
  });

  test('CALL nests, IRET returns', () => {
    protectedMode(h);
    writeTask(PLACE.TSS2);
    h.at(0x4000, 7);
    h.run('farCall', SELECTOR.TSS2, 0n, 4);
    assert.equal(h.read16(PLACE.TSS2), SELECTOR.TSS);
    assert.equal(h.flags(), 0x4002);
    assert.deepEqual([isBusy(SELECTOR.TSS), isBusy(SELECTOR.TSS2)], [true, true]);
    h.at(0x7000, 1);
    h.run('interruptReturn', 4);
    assert.equal(h.num('nextRip'), 0x4007);
    assert.equal(h.flags(), 2);
    assert.deepEqual([isBusy(SELECTOR.TSS), isBusy(SELECTOR.TSS2)], [true, false]);
    assert.equal(h.read32(PLACE.TSS2 + 36), 2);
    assert.equal(h.read32(PLACE.TSS2 + 32), 0x7001);
  });

  test('an exception through a task gate pushes its error code on the new stack', () => {
    protectedMode(h);
    writeTask(PLACE.TSS2);
    h.setGate(VECTOR.DF, gate(SELECTOR.TSS2, 0, 0x85));
    h.set('faultPending', 1);
    h.set('faultVector', VECTOR.DF);
    h.set('faultHasError', 1);
    h.set('faultError', 0);
    h.write32(0xb000 - 4, 0xffff_ffff);
    h.run('deliverFault');
    assert.equal(h.num('rip'), 0x7000);
    assert.equal(h.num('gpr', GPR.RSP), 0xaffc);
    assert.equal(h.read32(0xaffc), 0);
    assert.equal(h.read32(PLACE.TSS + 32), 0x4000);
  });

  test('a bad segment is #TS in the new task', () => {
    protectedMode(h);
    writeTask(PLACE.TSS2);
    h.write32(PLACE.TSS2 + 80, SELECTOR.READ_ONLY);
    h.faults([VECTOR.TS, SELECTOR.READ_ONLY], 'farJump', SELECTOR.TSS2, 0n, 4);
    assert.equal(h.num('rip'), 0x7000);
    assert.equal(h.num('segSelector', SREG.TR), SELECTOR.TSS2);
  });

  test('a short TSS, a gate to no TSS and a return to an idle task fault in the old task', () => {
    protectedMode(h);
    h.write16(PLACE.GDT + SELECTOR.TSS2, 0x66);
    h.faults([VECTOR.TS, SELECTOR.TSS2], 'farJump', SELECTOR.TSS2, 0n, 4);
    h.setGate(0x30, gate(SELECTOR.DATA0, 0, 0x85));
    h.faults([VECTOR.GP, SELECTOR.DATA0], 'softwareInterrupt', 0x30);
    h.set('systemFlags', 0x4000);
    h.write16(PLACE.TSS, SELECTOR.TSS2);
    h.faults([VECTOR.TS, SELECTOR.TSS2], 'interruptReturn', 4);
    assert.equal(h.num('segSelector', SREG.TR), SELECTOR.TSS);
    h.set('systemFlags', 0);
  });

  test('T bit', () => {
    protectedMode(h);
    writeTask(PLACE.TSS2, 2, 1);
    h.run('farJump', SELECTOR.TSS2, 0n, 4);
    assert.equal(h.num('debugPending'), 0x8000);
  });

  test('16-bit TSS', () => {
    protectedMode(h);
    const data = SELECTOR.DATA0;
    h.write16(PLACE.TSS16 + 14, 0x7000, 2, 1, 2, 3, 4, 0xb000, 6, 7, 8);
    h.write16(PLACE.TSS16 + 34, data, SELECTOR.CODE0, data, data, 0);
    h.run('farJump', SELECTOR.TSS16, 0n, 4);
    assert.equal(h.num('nextRip'), 0x7000);
    assert.equal(h.num('gpr', GPR.RSI) & 0xffff, 7);
    assert.equal(h.num('segSelector', SREG.FS), 0);
  });
});

/** Enters virtual-8086 mode at 0x100:0x20 with SS:SP = 0x800:0x100. */
function enterVirtual(flags: number): void {
  const frame = PLACE.STACK0 - 36;
  h.write32(frame, 0x20, 0x100, flags | 0x2_0002, 0x100, 0x800, 0x200, 0x300, 0x400, 0x500);
  h.set('gpr', frame, GPR.RSP);
  h.run('interruptReturn', 4);
  h.at(0x20);
}

const IOPL3 = 0x3000;
const VIF = 1 << 19;
const VIP = 1 << 20;

describe('virtual-8086 mode', () => {
  test('IRET enters it, an interrupt leaves it', () => {
    protectedMode(h);
    h.setGate(0x30, gate(SELECTOR.CODE0, 0x5000, 0x8e));
    enterVirtual(0x200);
    assert.equal(h.num('cpl'), 3);
    assert.equal(h.num('modeKey') & MODE.VIRTUAL_8086, MODE.VIRTUAL_8086);
    assert.deepEqual(h.selectors(), [0x200, 0x100, 0x800, 0x300, 0x400, 0x500]);
    assert.equal(h.num('segBase', SREG.GS), 0x5000);
    h.run('deliverInterrupt', 0x30);
    assert.equal(h.num('cpl'), 0);
    assert.deepEqual(h.selectors(), [0, SELECTOR.CODE0, SELECTOR.DATA0, 0, 0, 0]);
    assert.deepEqual(
      h.words(PLACE.STACK0 - 36, 9),
      [0x20, 0x100, 0x2_0202, 0x100, 0x800, 0x200, 0x300, 0x400, 0x500],
    );
    assert.equal(h.num('modeKey') & MODE.VIRTUAL_8086, 0);
  });

  test('IOPL below 3 traps what touches IF', () => {
    protectedMode(h);
    enterVirtual(0);
    for (const [name, ...args] of [
      ['cli'],
      ['sti'],
      ['pushFlags', 2],
      ['popFlags', 2],
      ['softwareInterrupt', 0x21],
      ['interruptReturn', 2],
    ] as [string, ...number[]][]) {
      h.faults([VECTOR.GP, 0], name, ...args);
    }
  });

  test('IOPL 3 gives IF to the task', () => {
    protectedMode(h);
    enterVirtual(IOPL3);
    h.run('sti');
    assert.equal(h.flags() & 0x200, 0x200);
    h.run('pushFlags', 2);
    h.run('cli');
    h.run('popFlags', 2);
    assert.equal(h.flags(), IOPL3 | 0x2_0202);
  });

  test('a handler must be of CPL 0', () => {
    protectedMode(h);
    h.setGate(0x30, gate(SELECTOR.CODE3, 0x5000, 0xee));
    enterVirtual(IOPL3);
    h.faults([VECTOR.GP, 0x18], 'softwareInterrupt', 0x30);
  });

  test('VME: the redirection bitmap, VIF and VIP', () => {
    protectedMode(h);
    h.run('writeCr', 4, 1n);
    // The bitmap of 32 bytes lies before the I/O bitmap at 0x100.
    h.write16(PLACE.TSS + 102, 0x100);
    for (let offset = 0xe0; offset < 0x100; offset += 4) h.write32(PLACE.TSS + offset, 0);
    h.write8(PLACE.TSS + 0xe0 + 4, 2);
    h.write16(0x22 * 4, 0x9abc, 0x700);
    enterVirtual(VIF);
    h.run('softwareInterrupt', 0x22);
    assert.equal(h.num('segSelector', SREG.CS), 0x700);
    assert.equal(h.num('nextRip'), 0x9abc);
    assert.equal(h.read16(0x8100 - 2), 0x3202);
    assert.equal(h.flags() & VIF, 0);
    h.run('interruptReturn', 2);
    assert.equal(h.flags() & (VIF | 0x200), VIF);
    h.faults([VECTOR.GP, 0], 'softwareInterrupt', 0x21);
    h.run('cli');
    assert.equal(h.flags() & VIF, 0);
    h.set('systemFlags', h.num('systemFlags') | VIP);
    h.faults([VECTOR.GP, 0], 'sti');
    h.set('gpr', 0xfe, GPR.RSP);
    h.write16(0x80fe, 0x202);
    h.faults([VECTOR.GP, 0], 'popFlags', 2);
  });
});

describe('flags and I/O privilege', () => {
  test('POPF by privilege', () => {
    protectedMode(h);
    h.write32(PLACE.STACK0 - 4, 0x0027_7fd7);
    h.set('gpr', PLACE.STACK0 - 4, GPR.RSP);
    h.run('popFlags', 4);
    assert.equal(h.flags(), 0x0024_7fd7);
    protectedMode(h);
    enterUser(h, 2);
    h.write32(PLACE.STACK3 - 4, 0x0020_7ed7);
    h.set('gpr', PLACE.STACK3 - 4, GPR.RSP);
    h.run('popFlags', 4);
    assert.equal(h.flags(), 0x0020_4cd7);
    h.faults([VECTOR.GP, 0], 'cli');
  });

  test('PVI: CLI and STI work on VIF', () => {
    protectedMode(h);
    h.run('writeCr', 4, 2n);
    enterUser(h, 2);
    h.run('sti');
    assert.equal(h.flags(), VIF | 2);
    h.run('cli');
    assert.equal(h.flags(), 2);
  });

  test('STI holds interrupts off for one instruction, only when IF was clear', () => {
    protectedMode(h);
    h.run('sti');
    assert.equal(h.num('inhibitInterrupts'), 1);
    h.set('inhibitInterrupts', 0);
    h.run('sti');
    assert.equal(h.num('inhibitInterrupts'), 0);
    h.run('cli');
  });

  test('the I/O permission bitmap', () => {
    protectedMode(h);
    h.write16(PLACE.TSS + 102, 0x100);
    h.write8(PLACE.TSS + 0x100 + 0x60 / 8, 0xee);
    h.write8(PLACE.TSS + 0x100 + 0x68 / 8, 0xff);
    h.portValue = 0x5a;
    assert.equal(h.run('portIn', 0x61, 1), 0x5a);
    enterUser(h, 2);
    assert.equal(h.run('portIn', 0x60, 1), 0x5a);
    assert.equal(h.run('portIn', 0x64, 1), 0x5a);
    h.faults([VECTOR.GP, 0], 'portIn', 0x61, 1);
    h.faults([VECTOR.GP, 0], 'portIn', 0x60, 2);
    h.faults([VECTOR.GP, 0], 'portOut', 0x1000, 1, 0);
    h.setDescriptor(SELECTOR.GATE, [0, 0]);
  });

  test('INS and OUTS', () => {
    protectedMode(h);
    h.set('gpr', 0x1f0, GPR.RDX);
    h.set('gpr', 3, GPR.RCX);
    h.set('gpr', 0xc000, GPR.RDI);
    h.portValue = 0xbeef;
    h.run('insString', 2, 0xffff_ffffn, 1);
    assert.equal(h.read32(0xc002), 0xbeef_beef);
    assert.deepEqual([h.num('gpr', GPR.RCX), h.num('gpr', GPR.RDI)], [0, 0xc006]);
    h.written.length = 0;
    h.set('gpr', 2, GPR.RCX);
    h.set('gpr', 0xc002, GPR.RSI);
    h.set('systemFlags', 0x400);
    h.run('outsString', SREG.DS, 2, 0xffff_ffffn, 1);
    assert.deepEqual(h.written, [
      [0x1f0, 2, 0xbeef],
      [0x1f0, 2, 0xbeef],
    ]);
    assert.equal(h.num('gpr', GPR.RSI), 0xbffe);
    h.set('systemFlags', 0);
  });

  test('REP INS stops between elements when something is pending', () => {
    protectedMode(h);
    h.at(0x4000);
    h.set('gpr', 3, GPR.RCX);
    h.set('gpr', 0xc000, GPR.RDI);
    h.set('pending', 1);
    h.run('insString', 2, 0xffff_ffffn, 1);
    assert.deepEqual([h.num('gpr', GPR.RCX), h.num('nextRip')], [2, 0x4000]);
    h.set('pending', 0);
  });
});
