import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PciBus } from './pci-bus.ts';
import { Piix4Pm } from './piix4-pm.ts';
import { ManualClock, TestLine, TestMmio, TestPio } from './test-support.ts';

function makePm() {
  const pio = new TestPio();
  const clock = new ManualClock();
  const sci = new TestLine();
  const events: string[] = [];
  const pci = new PciBus({ name: 'pci', pio, mmio: new TestMmio(), onReset: () => {} });
  const pm = new Piix4Pm({
    name: 'pm',
    pci,
    pio,
    clock,
    sci,
    onPowerOff: () => events.push('off'),
    onSleep: (type) => events.push(`sleep ${type}`),
  });
  return { pm, pio, clock, sci, events };
}

test('the timer runs at 3.579545 MHz with 24 bits', () => {
  const { pio, clock } = makePm();
  clock.advance(1_000_000_000);
  assert.equal(pio.in32(0x608), 3_579_545);
  clock.advance(9_000_000_000);
  assert.equal(pio.in32(0x608), 35_795_450 % 2 ** 24);
});

test('the power button raises SCI once ACPI is enabled', () => {
  const { pm, pio, sci } = makePm();
  pio.out16(0x602, 0x0100);
  pm.pressPowerButton();
  assert.equal(sci.isHigh, false);
  pio.out8(0xb2, 0xf1);
  assert.equal(pio.in16(0x604) & 1, 1);
  assert.equal(sci.isHigh, true);
  assert.equal(pio.in16(0x600), 0x0100);
  pio.out16(0x600, 0x0100);
  assert.equal(sci.isHigh, false);
});

test('general-purpose events', () => {
  const { pm, pio, sci } = makePm();
  pio.out8(0xb2, 0xf1);
  pio.out16(0x60e, 1 << 3);
  pm.raiseGpe(3);
  assert.equal(sci.isHigh, true);
  pio.out16(0x60c, 1 << 3);
  assert.equal(sci.isHigh, false);
});

test('the timer overflow interrupts every 2^23 ticks', () => {
  const { pio, clock, sci } = makePm();
  pio.out8(0xb2, 0xf1);
  pio.out16(0x602, 1);
  clock.advance(2_400_000_000);
  assert.equal(sci.isHigh, true);
  pio.out16(0x600, 1);
  assert.equal(sci.isHigh, false);
  clock.advance(2_400_000_000);
  assert.equal(sci.isHigh, true);
});

test('sleep enable with the type of S5 turns the machine off', () => {
  const { pio, events } = makePm();
  pio.out16(0x604, 0x2001);
  pio.out16(0x604, 0x2401);
  assert.deepEqual(events, ['off', 'sleep 1']);
});

test('firmware moves the registers through configuration space', () => {
  const { pio, clock } = makePm();
  clock.advance(1_000_000);
  pio.out32(0xcf8, 0x8000_0b40);
  pio.out32(0xcfc, 0xb001);
  assert.equal(pio.isFree(0x600, 64), true);
  assert.notEqual(pio.in32(0xb008), 0xffff_ffff);
  pio.out32(0xcf8, 0x8000_0b80);
  pio.out8(0xcfc, 0);
  assert.equal(pio.isFree(0xb000, 64), true);
});

test('nobody answers on the SMBus', () => {
  const { pio } = makePm();
  pio.out8(0x702, 0x48);
  assert.equal(pio.in8(0x700), 0x06);
  pio.out8(0x700, 0xff);
  assert.equal(pio.in8(0x700), 0);
});
