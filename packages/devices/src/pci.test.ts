import assert from 'node:assert/strict';
import { test } from 'node:test';
import { I440fx, type PamSegment } from './i440fx.ts';
import { PciBus } from './pci-bus.ts';
import type { PciBar, PciFunction } from './pci-function.ts';
import { Piix3 } from './piix3.ts';
import { TestLine, TestMmio, TestPio } from './test-support.ts';

const IO_BAR: PciBar = {
  kind: 'io',
  sizeBytes: 32,
  handlers: { in8: (offset) => offset, out8: () => {} },
};
const REGISTER_BAR: PciBar = {
  kind: 'registers',
  sizeBytes: 0x2000,
  handlers: { read: (offset) => offset, write: () => {} },
};

function makeBus() {
  const pio = new TestPio();
  const mmio = new TestMmio();
  const resets: boolean[] = [];
  const pci = new PciBus({ name: 'pci', pio, mmio, onReset: (isHard) => resets.push(isHard) });
  const irqs = Array.from({ length: 16 }, () => new TestLine());
  const pirqPins = Array.from({ length: 4 }, () => new TestLine());
  const piix3 = new Piix3({ name: 'piix3', pci, irqs, pirqPins });
  const select = (devfn: number, offset: number): number => {
    pio.out32(0xcf8, 0x8000_0000 + devfn * 256 + (offset & 0xfc));
    return 0xcfc + (offset & 3);
  };
  const read = (devfn: number, offset: number): number => pio.in32(select(devfn, offset));
  const write = (devfn: number, offset: number, value: number): void =>
    pio.out32(select(devfn, offset), value);
  return { pio, mmio, pci, resets, irqs, pirqPins, piix3, select, read, write };
}

function addCard(pci: PciBus, slot = 4): PciFunction {
  return pci.addFunction({
    name: `card${slot}`,
    slot,
    identity: { vendorId: 0x1022, deviceId: 0x2000, classCode: 0x02_0000, interruptPin: 1 },
    bars: { 0: IO_BAR, 1: REGISTER_BAR },
    rom: new Uint8Array([0x55, 0xaa, 3, 4]),
  });
}

test('identity, absent functions, byte access', () => {
  const { pio, pci, select, read } = makeBus();
  addCard(pci);
  assert.equal(read(0x20, 0), 0x2000_1022);
  assert.equal(read(0x20, 8) >>> 8, 0x02_0000);
  assert.equal(read(0x21, 0), 0xffff_ffff);
  assert.equal(pio.in8(select(0x20, 0x3d)), 1);
  assert.equal(pio.in16(select(0x20, 2)), 0x2000);
  pio.out32(0xcf8, 0x2000);
  assert.equal(pio.in32(0xcfc), 0xffff_ffff, 'the enable bit is off');
});

test('BARs are sized, mapped, moved and closed', () => {
  const { pio, mmio, pci, read, write } = makeBus();
  addCard(pci);
  write(0x20, 0x10, 0xffff_ffff);
  write(0x20, 0x14, 0xffff_ffff);
  assert.equal(read(0x20, 0x10), 0xffff_ffe1);
  assert.equal(read(0x20, 0x14), 0xffff_e000);
  assert.equal(read(0x20, 0x18), 0);
  write(0x20, 0x10, 0xc000);
  write(0x20, 0x14, 0xfeb0_0000);
  assert.equal(pio.in8(0xc005), 0xff, 'decoding is off');
  write(0x20, 0x04, 3);
  assert.equal(pio.in8(0xc005), 5);
  assert.equal(mmio.read(0xfeb0_0010), 0x10);
  write(0x20, 0x10, 0xd000);
  assert.equal(pio.in8(0xc005), 0xff);
  assert.equal(pio.in8(0xd005), 5);
  write(0x20, 0x04, 0);
  assert.equal(pio.isFree(0xd000, 32), true);
  assert.equal(mmio.isFree(0xfeb0_0000, 0x2000), true);
});

test('overlapping BARs never throw; the loser opens when there is room', () => {
  const { mmio, pci, read, write } = makeBus();
  addCard(pci, 4);
  addCard(pci, 5);
  for (const devfn of [0x20, 0x28]) {
    write(devfn, 0x14, 0xfeb0_0000);
    write(devfn, 0x04, 2);
  }
  assert.equal([...mmio.ranges.keys()].length, 1);
  write(0x20, 0x14, 0xfec0_0000);
  assert.equal([...mmio.ranges.keys()].length, 2);
  assert.equal(read(0x28, 0x14), 0xfeb0_0000);
});

test('expansion ROM', () => {
  const { mmio, pci, read, write } = makeBus();
  addCard(pci);
  write(0x20, 0x30, 0xffff_fffe);
  assert.equal(read(0x20, 0x30), 0xffff_f000);
  write(0x20, 0x30, 0xfea0_0001);
  write(0x20, 0x04, 2);
  assert.equal(mmio.read(0xfea0_0000), 0x0403_aa55);
  assert.equal(mmio.read(0xfea0_0004), 0xffff_ffff);
});

test('interrupt pins rotate by slot and go where PIRQRC says', () => {
  const { pci, irqs, pirqPins, piix3, read, write } = makeBus();
  const first = addCard(pci, 4);
  const second = addCard(pci, 8);
  first.setInterrupt(true);
  assert.equal(pirqPins[3]?.isHigh, true, 'slot 4 INTA# is PIRQD#');
  assert.equal(
    irqs.some((irq) => irq.isHigh),
    false,
    'not routed yet',
  );
  write(0x08, 0x60, 0x0b_0a_0a_80);
  assert.equal(piix3.irqOfPirq(3), 11);
  assert.equal(irqs[11]?.isHigh, true);
  second.setInterrupt(true);
  first.setInterrupt(false);
  assert.equal(irqs[11]?.isHigh, true, 'shared wire');
  assert.equal((read(0x40, 4) >> 16) & 8, 8, 'interrupt status');
  write(0x40, 4, 0x400);
  assert.equal(irqs[11]?.isHigh, false, 'INTx disable');
  write(0x40, 4, 0);
  second.setInterrupt(false);
  assert.equal(irqs[11]?.isHigh, false);
});

test('reset control register', () => {
  const { pio, resets } = makeBus();
  pio.out8(0xcf9, 0x02);
  pio.out8(0xcf9, 0x06);
  assert.deepEqual(resets, [true]);
  pio.out8(0xcf9, 0x00);
  pio.out8(0xcf9, 0x04);
  assert.deepEqual(resets, [true, false]);
});

test('PAM registers switch the segments of C0000h to FFFFFh', () => {
  const { pci, pio, select } = makeBus();
  let segments: readonly PamSegment[] = [];
  new I440fx({
    name: 'i440fx',
    pci,
    onPam: (all) => {
      segments = all;
    },
  });
  pio.out8(select(0, 0x59), 0x30);
  pio.out8(select(0, 0x5a), 0x12);
  assert.equal(segments.length, 13);
  assert.deepEqual(segments[0], {
    address: 0xc_0000,
    sizeBytes: 0x4000,
    isReadable: false,
    isWritable: true,
  });
  assert.equal(segments[1]?.isReadable, true);
  assert.equal(segments[1]?.isWritable, false);
  assert.deepEqual(segments[12], {
    address: 0xf_0000,
    sizeBytes: 0x1_0000,
    isReadable: true,
    isWritable: true,
  });
  const end = segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0xc_0000);
  assert.equal(end, 0x10_0000);
});
