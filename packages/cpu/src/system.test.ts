import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  descriptor,
  enterUser,
  GPR,
  gate,
  PLACE,
  protectedMode,
  SELECTOR,
  SystemHarness,
  VECTOR,
} from '../tools/system-harness.ts';
import { MODE, SEG, SREG } from './state-layout.ts';

const h = SystemHarness.create();

describe('reset and real-address mode', () => {
  test('reset gives the state of the manual', () => {
    h.call('resetProcessor');
    assert.equal(h.num('rip'), 0xfff0);
    assert.equal(h.num('segSelector', SREG.CS), 0xf000);
    assert.equal(h.num('segBase', SREG.CS), 0xffff_0000);
    assert.equal(h.num('cr0'), 0x6000_0010);
    assert.equal(h.num('dr', 6), 0xffff_0ff0);
    assert.equal(h.num('dr', 7), 0x400);
    assert.equal(h.num('modeKey') & MODE.REAL, MODE.REAL);
    assert.equal(h.num('stackMask'), 0xffff);
    assert.equal(h.flags(), 2);
  });

  test('INT and IRET', () => {
    h.call('resetProcessor');
    h.run('farJump', 0x100, 0x20n, 2);
    assert.equal(h.num('segBase', SREG.CS), 0x1000);
    h.run('loadSegmentRegister', SREG.SS, 0x800);
    h.set('gpr', 0x1234_0100, GPR.RSP);
    h.set('systemFlags', 0x300);
    h.write16(0x21 * 4, 0x5678, 0x200);
    h.at(0x20);
    h.run('softwareInterrupt', 0x21);
    assert.equal(h.num('nextRip'), 0x5678);
    assert.equal(h.num('segSelector', SREG.CS), 0x200);
    assert.equal(h.num('gpr', GPR.RSP), 0x1234_00fa);
    assert.equal(h.read32(0x80fa), 0x0100_0022);
    assert.equal(h.read16(0x80fe), 0x302);
    assert.equal(h.flags(), 2);
    h.run('interruptReturn', 2);
    assert.equal(h.num('nextRip'), 0x22);
    assert.equal(h.num('segSelector', SREG.CS), 0x100);
    assert.equal(h.flags(), 0x302);
    h.set('systemFlags', 0);
  });

  test('protected-mode instructions are undefined', () => {
    h.call('resetProcessor');
    h.faults([VECTOR.UD], 'ltr', 8);
    h.faults([VECTOR.UD], 'sldt');
    h.call('lar', 8);
    assert.deepEqual(h.takeFault(), [VECTOR.UD]);
  });

  test('a limit set in protected mode survives ("big real mode")', () => {
    protectedMode(h);
    h.run('writeCr', 0, 0x10n);
    h.run('loadSegmentRegister', SREG.DS, 0x50);
    assert.equal(h.num('segLimit', SREG.DS), 0xffff_ffff);
    assert.equal(h.num('segBase', SREG.DS), 0x500);
    assert.equal(h.num('segCheck', SREG.DS), 0);
  });
});

describe('segment registers in protected mode', () => {
  test('after a null selector real-address mode has 64 KiB limits again', () => {
    protectedMode(h);
    h.run('loadSegmentRegister', SREG.DS, 0);
    h.run('writeCr', 0, 0x10n);
    h.run('loadSegmentRegister', SREG.DS, 0x50);
    assert.equal(h.num('segLimit', SREG.DS), 0xffff);
  });

  test('a load sets the accessed bit and the flat mode', () => {
    protectedMode(h);
    assert.equal(h.num('modeKey') & MODE.FLAT_DATA, MODE.FLAT_DATA);
    assert.equal(h.num('modeKey') & MODE.CODE_SIZE, 1);
    assert.equal((h.read32(PLACE.GDT + SELECTOR.DATA0 + 4) >> 8) & 1, 1);
    assert.equal((h.read32(PLACE.GDT + SELECTOR.CODE0 + 4) >> 8) & 1, 1);
  });

  const refusals: [string, number, number, number[]][] = [
    ['null stack', SREG.SS, 0, [VECTOR.GP, 0]],
    ['beyond the table', SREG.DS, 0x100, [VECTOR.GP, 0x100]],
    ['beyond no LDT', SREG.DS, 0x0c, [VECTOR.GP, 0x0c]],
    ['not present', SREG.DS, SELECTOR.ABSENT, [VECTOR.NP, SELECTOR.ABSENT]],
    ['stack not present', SREG.SS, SELECTOR.ABSENT, [VECTOR.SS, SELECTOR.ABSENT]],
    ['stack read-only', SREG.SS, SELECTOR.READ_ONLY, [VECTOR.GP, SELECTOR.READ_ONLY]],
    ['stack of another DPL', SREG.SS, SELECTOR.DATA3, [VECTOR.GP, 0x20]],
    ['stack with another RPL', SREG.SS, SELECTOR.DATA0 | 1, [VECTOR.GP, 0x10]],
    ['system descriptor', SREG.ES, SELECTOR.LDT, [VECTOR.GP, SELECTOR.LDT]],
    ['RPL weaker than DPL', SREG.ES, SELECTOR.DATA0 | 3, [VECTOR.GP, 0x10]],
  ];
  for (const [name, index, selector, expected] of refusals) {
    test(`refused: ${name}`, () => {
      protectedMode(h);
      const old = h.selectors();
      h.faults(expected, 'loadSegmentRegister', index, selector);
      assert.deepEqual(h.selectors(), old);
    });
  }

  test('null data segments load and refuse accesses', () => {
    protectedMode(h);
    h.run('loadSegmentRegister', SREG.DS, 3);
    assert.equal(h.num('modeKey') & MODE.FLAT_DATA, 0);
    h.faults([VECTOR.GP, 0], 'linearAddress', SREG.DS, 0n, 1, 0);
  });

  test('limits, expand-down and types', () => {
    protectedMode(h);
    h.run('loadSegmentRegister', SREG.ES, SELECTOR.EXPAND_DOWN);
    h.faults([VECTOR.GP, 0], 'linearAddress', SREG.ES, 0xffffn, 1, 0);
    assert.equal(h.run('linearAddress', SREG.ES, 0x10000n, 4, 1), 0x10000n);
    h.run('loadSegmentRegister', SREG.ES, SELECTOR.READ_ONLY);
    assert.equal(h.run('linearAddress', SREG.ES, 0xffcn, 4, 0), 0x5ffcn);
    h.faults([VECTOR.GP, 0], 'linearAddress', SREG.ES, 0xffdn, 4, 0);
    h.faults([VECTOR.GP, 0], 'linearAddress', SREG.ES, 0n, 4, 1);
    h.faults([VECTOR.GP, 0], 'linearAddress', SREG.CS, 0n, 4, 1);
  });

  test('LDT, LAR, LSL, VERR, VERW', () => {
    protectedMode(h);
    h.run('lldt', SELECTOR.LDT);
    h.write32(PLACE.LDT + 8, ...descriptor(0x7000, 0xff, SEG.P | SEG.S | SEG.WRITABLE));
    h.run('loadSegmentRegister', SREG.FS, 0x0c);
    assert.equal(h.num('segBase', SREG.FS), 0x7000);
    assert.equal(h.run('lar', SELECTOR.DATA0), 0x00c0_9300n);
    assert.equal(h.run('lar', 0x100), -1n);
    assert.equal(h.run('lsl', SELECTOR.READ_ONLY), 0xfffn);
    assert.equal(h.run('lsl', SELECTOR.DATA0), 0xffff_ffffn);
    assert.equal(h.run('verr', SELECTOR.CODE0), 1);
    assert.equal(h.run('verw', SELECTOR.CODE0), 0);
    assert.equal(h.run('verw', SELECTOR.DATA0 | 3), 0);
    h.faults([VECTOR.GP, SELECTOR.TSS], 'lldt', SELECTOR.TSS);
    h.faults([VECTOR.GP, SELECTOR.TSS], 'ltr', SELECTOR.TSS);
  });
});

describe('interrupts in protected mode', () => {
  test('same privilege, with an error code', () => {
    protectedMode(h);
    h.setGate(13, gate(SELECTOR.CODE0, 0x12_3456, 0x8f));
    h.set('systemFlags', 0x200);
    h.set('faultPending', 1);
    h.set('faultVector', 13);
    h.set('faultHasError', 1);
    h.set('faultError', 0x48);
    h.run('deliverFault');
    assert.equal(h.num('rip'), 0x12_3456);
    assert.deepEqual(h.words(PLACE.STACK0 - 16, 4), [0x48, 0x4000, SELECTOR.CODE0, 0x1_0202]);
    assert.equal(h.flags(), 0x202);
  });

  test('to CPL 0 and back', () => {
    protectedMode(h);
    h.setGate(0x30, gate(SELECTOR.CODE0, 0x5000, 0x8e));
    enterUser(h);
    assert.equal(h.num('cpl'), 3);
    // DS and ES were of CPL 0.
    assert.deepEqual(h.selectors(), [0, SELECTOR.CODE3, SELECTOR.DATA3, 0, 0, 0]);
    h.run('loadSegmentRegister', SREG.DS, SELECTOR.DATA3);
    h.run('deliverInterrupt', 0x30);
    assert.equal(h.num('cpl'), 0);
    assert.equal(h.num('segSelector', SREG.SS), SELECTOR.DATA0);
    assert.equal(h.flags(), 2);
    const frame = PLACE.STACK0 - 20;
    assert.equal(h.num('gpr', GPR.RSP), frame);
    assert.deepEqual(h.words(frame, 5), [0x6000, 0x1b, 0x202, PLACE.STACK3, 0x23]);
    h.run('interruptReturn', 4);
    assert.equal(h.num('cpl'), 3);
    assert.equal(h.num('gpr', GPR.RSP), PLACE.STACK3);
    assert.equal(h.num('segSelector', SREG.DS), SELECTOR.DATA3);
    assert.equal(h.num('modeKey') & MODE.USER, MODE.USER);
  });

  test('16-bit gates push words', () => {
    protectedMode(h);
    h.setGate(0x31, gate(SELECTOR.CODE0, 0xffff_5000, 0x86));
    h.run('deliverInterrupt', 0x31);
    assert.equal(h.num('rip'), 0x5000);
    assert.deepEqual(h.words(PLACE.STACK0 - 6, 1), [0x0008_4000]);
    h.run('interruptReturn', 2);
    assert.equal(h.num('nextRip'), 0x4000);
  });

  test('INT n asks for the privilege of its gate, exceptions do not', () => {
    protectedMode(h);
    h.setGate(0x30, gate(SELECTOR.CODE0, 0x5000, 0x8e));
    h.setGate(3, gate(SELECTOR.CODE0, 0x5000, 0xee));
    enterUser(h);
    h.faults([VECTOR.GP, 0x182], 'softwareInterrupt', 0x30);
    h.faults([VECTOR.GP, 0x402], 'softwareInterrupt', 0x80);
    h.run('int3');
    assert.equal(h.read32(PLACE.STACK0 - 20), 0x6002);
  });

  test('error codes of bad gates', () => {
    protectedMode(h);
    h.setGate(0x40, gate(SELECTOR.CODE0, 0, 0x0e));
    h.faults([VECTOR.NP, 0x202], 'softwareInterrupt', 0x40);
    h.setGate(0x40, gate(SELECTOR.CODE0, 0, 0x8c));
    h.faults([VECTOR.GP, 0x202], 'softwareInterrupt', 0x40);
    h.setGate(0x40, gate(0, 0, 0x8e));
    h.faults([VECTOR.GP, 0], 'softwareInterrupt', 0x40);
    h.setGate(0x40, gate(SELECTOR.DATA0, 0, 0x8e));
    h.faults([VECTOR.GP, SELECTOR.DATA0], 'softwareInterrupt', 0x40);
    h.setGate(0x40, gate(SELECTOR.CODE3, 0, 0x8e));
    h.faults([VECTOR.GP, 0x18], 'softwareInterrupt', 0x40);
  });

  test('a bad stack in the TSS is #TS with its selector', () => {
    protectedMode(h);
    h.setGate(0x30, gate(SELECTOR.CODE0, 0x5000, 0xee));
    h.write32(PLACE.TSS + 8, SELECTOR.READ_ONLY);
    enterUser(h);
    h.faults([VECTOR.TS, SELECTOR.READ_ONLY], 'softwareInterrupt', 0x30);
    assert.equal(h.num('cpl'), 3);
    assert.equal(h.num('gpr', GPR.RSP), PLACE.STACK3);
  });

  test('conforming handlers keep the privilege', () => {
    protectedMode(h);
    h.setGate(0x30, gate(SELECTOR.CONFORMING, 0x5000, 0xee));
    enterUser(h);
    h.run('softwareInterrupt', 0x30);
    assert.equal(h.num('cpl'), 3);
    assert.equal(h.num('segSelector', SREG.CS), SELECTOR.CONFORMING | 3);
    assert.equal(h.num('gpr', GPR.RSP), PLACE.STACK3 - 12);
  });
});

describe('double and triple faults', () => {
  function raise(vector: number, error?: number): void {
    h.set('faultPending', 1);
    h.set('faultVector', vector);
    h.set('faultHasError', error === undefined ? 0 : 1);
    h.set('faultError', error ?? 0);
    h.set('faultIsTrap', 0);
    h.call('deliverFault');
  }
  function clearIdt(): void {
    protectedMode(h);
    for (let vector = 0; vector < 128; vector++) h.setGate(vector, [0, 0]);
  }

  test('two contributory exceptions make a double fault with error code 0', () => {
    clearIdt();
    h.setGate(VECTOR.DF, gate(SELECTOR.CODE0, 0x7000, 0x8e));
    raise(VECTOR.NP, 0x10);
    assert.equal(h.num('rip'), 0x7000);
    assert.equal(h.read32(PLACE.STACK0 - 16), 0);
  });

  test('a contributory exception after a page fault makes one too', () => {
    clearIdt();
    h.setGate(VECTOR.DF, gate(SELECTOR.CODE0, 0x7000, 0x8e));
    raise(VECTOR.PF, 2);
    assert.equal(h.num('rip'), 0x7000);
  });

  test('after a benign exception the second is delivered by itself', () => {
    clearIdt();
    h.setGate(VECTOR.GP, gate(SELECTOR.CODE0, 0x7100, 0x8e));
    raise(VECTOR.UD);
    assert.equal(h.num('rip'), 0x7100);
    assert.equal(h.read32(PLACE.STACK0 - 16), VECTOR.UD * 8 + 3);
  });

  test('a fault of the double fault handler shuts down', () => {
    clearIdt();
    raise(VECTOR.GP, 0);
    assert.ok(h.shutDown());
    assert.equal(h.num('faultPending'), 0);
    assert.equal(h.num('rip'), 0x4000);
    h.set('exitReason', 0);
  });
});

describe('far transfers', () => {
  test('a call gate copies parameters to the inner stack and RET releases them', () => {
    protectedMode(h);
    h.setDescriptor(SELECTOR.GATE, gate(SELECTOR.CODE0, 0x5000, 0xec, 2));
    enterUser(h);
    h.write32(PLACE.STACK3 - 8, 0x1111, 0x2222);
    h.set('gpr', PLACE.STACK3 - 8, GPR.RSP);
    h.at(0x6000, 7);
    h.run('farCall', SELECTOR.GATE | 3, 0n, 4);
    assert.equal(h.num('cpl'), 0);
    assert.equal(h.num('nextRip'), 0x5000);
    const frame = PLACE.STACK0 - 24;
    assert.equal(h.num('gpr', GPR.RSP), frame);
    assert.deepEqual(h.words(frame, 6), [
      0x6007,
      0x1b,
      0x1111,
      0x2222,
      PLACE.STACK3 - 8,
      SELECTOR.DATA3,
    ]);
    h.run('farReturn', 4, 8);
    assert.equal(h.num('cpl'), 3);
    assert.equal(h.num('nextRip'), 0x6007);
    assert.equal(h.num('gpr', GPR.RSP), PLACE.STACK3);
  });

  test('gates and segments that privilege forbids', () => {
    protectedMode(h);
    h.setDescriptor(SELECTOR.GATE, gate(SELECTOR.CODE0, 0x5000, 0x8c));
    enterUser(h);
    h.faults([VECTOR.GP, SELECTOR.GATE], 'farCall', SELECTOR.GATE, 0n, 4);
    h.faults([VECTOR.GP, SELECTOR.CODE0], 'farJump', SELECTOR.CODE0, 0n, 4);
    h.faults([VECTOR.GP, 0], 'farJump', 0, 0n, 4);
    h.setDescriptor(SELECTOR.GATE, gate(SELECTOR.CODE0, 0x5000, 0xec));
    h.faults([VECTOR.GP, SELECTOR.CODE0], 'farJump', SELECTOR.GATE, 0n, 4);
    h.setDescriptor(SELECTOR.GATE, gate(SELECTOR.CODE0, 0x5000, 0x6c));
    h.faults([VECTOR.NP, SELECTOR.GATE], 'farCall', SELECTOR.GATE, 0n, 4);
    h.run('farJump', SELECTOR.CONFORMING, 0x10n, 4);
    assert.equal(h.num('cpl'), 3);
  });

  test('a return may not go inward', () => {
    protectedMode(h);
    enterUser(h);
    h.write32(PLACE.STACK3 - 8, 0x5000, SELECTOR.CODE0);
    h.set('gpr', PLACE.STACK3 - 8, GPR.RSP);
    h.faults([VECTOR.GP, SELECTOR.CODE0], 'farReturn', 4, 0);
    assert.equal(h.num('gpr', GPR.RSP), PLACE.STACK3 - 8);
  });

  test('a return to a 16-bit stack keeps the upper half of ESP', () => {
    protectedMode(h);
    h.write32(0x1_2000, 0x6000, SELECTOR.CODE3, 2, 0xabcd_0800, SELECTOR.STACK16);
    h.set('gpr', 0x1_2000, GPR.RSP);
    h.run('interruptReturn', 4);
    assert.equal(h.num('gpr', GPR.RSP), 0x1_0800);
    assert.equal(h.num('stackMask'), 0xffff);
  });

  test('offsets beyond the limit are #GP(0)', () => {
    protectedMode(h);
    h.setDescriptor(SELECTOR.GATE, descriptor(0, 0xff, SEG.P | SEG.S | SEG.CODE | SEG.DB));
    h.faults([VECTOR.GP, 0], 'farJump', SELECTOR.GATE, 0x100n, 4);
    h.run('farJump', SELECTOR.GATE, 0xffn, 4);
  });
});

describe('SYSENTER and SYSEXIT', () => {
  test('flat segments without descriptors', () => {
    protectedMode(h);
    h.faults([VECTOR.GP, 0], 'sysenter');
    h.set('msrSysenterCs', 0x08);
    h.set('msrSysenterEsp', 0x7700);
    h.set('msrSysenterEip', 0x4400);
    enterUser(h);
    h.run('sysenter');
    assert.deepEqual([h.num('cpl'), h.num('nextRip'), h.num('gpr', GPR.RSP)], [0, 0x4400, 0x7700]);
    assert.deepEqual(h.selectors().slice(1, 3), [0x08, 0x10]);
    assert.equal(h.flags(), 2);
    h.set('gpr', 0x6100, GPR.RDX);
    h.set('gpr', 0x9100, GPR.RCX);
    h.run('sysexit', 4);
    assert.deepEqual([h.num('cpl'), h.num('nextRip'), h.num('gpr', GPR.RSP)], [3, 0x6100, 0x9100]);
    assert.deepEqual(h.selectors().slice(1, 3), [0x1b, 0x23]);
    h.faults([VECTOR.GP, 0], 'sysexit', 4);
  });
});
