import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hpet } from './hpet.ts';
import { ManualClock, TestLine, TestMmio } from './test-support.ts';

const BASE = 0xfed0_0000;
const MILLISECOND = 1_000_000;

function makeHpet() {
  const mmio = new TestMmio();
  const clock = new ManualClock();
  const pins = Array.from({ length: 24 }, () => new TestLine());
  const irq0 = new TestLine();
  const irq8 = new TestLine();
  const replaced: boolean[] = [];
  const hpet = new Hpet({
    name: 'hpet',
    mmio,
    clock,
    pins,
    irq0,
    irq8,
    onLegacyReplacement: (isReplaced) => replaced.push(isReplaced),
  });
  return { hpet, mmio, clock, pins, irq0, irq8, replaced };
}

test('the main counter runs at its period while enabled', () => {
  const { mmio, clock } = makeHpet();
  assert.equal(mmio.read(BASE + 4), 10_000_000);
  assert.equal((mmio.read(BASE) >> 8) & 31, 2);
  clock.advance(MILLISECOND);
  assert.equal(mmio.read(BASE + 0xf0), 0);
  mmio.write(BASE + 0x10, 1);
  clock.advance(MILLISECOND);
  assert.equal(mmio.read(BASE + 0xf0), 100_000);
  mmio.write(BASE + 0x10, 0);
  clock.advance(MILLISECOND);
  assert.equal(mmio.read(BASE + 0xf0), 100_000);
  mmio.write(BASE + 0xf0, 0xffff_fff0);
  mmio.write(BASE + 0x10, 1);
  clock.advance(1000);
  assert.equal(mmio.read(BASE + 0xf4), 1, 'carries into the high half');
});

test('one-shot comparator on an I/O APIC pin', () => {
  const { mmio, clock, pins } = makeHpet();
  mmio.write(BASE + 0x140, (20 << 9) | 4);
  mmio.write(BASE + 0x148, 50_000);
  mmio.write(BASE + 0x14c, 0);
  mmio.write(BASE + 0x10, 1);
  clock.advance(499_999);
  assert.equal(pins[20]?.risingEdges, 0);
  clock.advance(10);
  assert.equal(pins[20]?.risingEdges, 1);
  clock.advance(1000 * MILLISECOND);
  assert.equal(pins[20]?.risingEdges, 1);
});

test('legacy replacement with a periodic comparator, set up as Linux does', () => {
  const { mmio, clock, irq0, replaced } = makeHpet();
  mmio.write(BASE + 0x10, 3);
  assert.deepEqual(replaced, [true]);
  const now = mmio.read(BASE + 0xf0);
  mmio.write(BASE + 0x100, 0x4 | 0x8 | 0x40 | 0x100);
  mmio.write(BASE + 0x108, now + 400_000);
  mmio.write(BASE + 0x108, 400_000);
  clock.advance(1000 * MILLISECOND);
  assert.equal(irq0.risingEdges, 250);
});

test('a periodic comparator whose interrupt is off costs no timer and keeps its value', () => {
  const { hpet, mmio, clock, irq0 } = makeHpet();
  mmio.write(BASE + 0x10, 3);
  mmio.write(BASE + 0x100, 0x8 | 0x40 | 0x100);
  mmio.write(BASE + 0x108, 400_000);
  mmio.write(BASE + 0x108, 400_000);
  clock.advance(1001 * MILLISECOND);
  assert.ok(clock.callbackCount <= 1);
  assert.equal(irq0.risingEdges, 0);
  assert.equal(mmio.read(BASE + 0x108), 251 * 400_000);
  assert.equal(hpet.save().timers[0]?.comparator, String(251 * 400_000));
  mmio.write(BASE + 0x100, 0x4 | 0x8 | 0x100);
  clock.advance(4 * MILLISECOND);
  assert.equal(irq0.risingEdges, 1, 'on again: the next match interrupts');
});

test('level interrupts stay until the status bit is cleared', () => {
  const { mmio, clock, pins } = makeHpet();
  mmio.write(BASE + 0x120, (21 << 9) | 4 | 2);
  mmio.write(BASE + 0x128, 1000);
  mmio.write(BASE + 0x12c, 0);
  mmio.write(BASE + 0x10, 1);
  clock.advance(MILLISECOND);
  assert.equal(pins[21]?.isHigh, true);
  assert.equal(mmio.read(BASE + 0x20), 2);
  mmio.write(BASE + 0x20, 2);
  assert.equal(pins[21]?.isHigh, false);
});

test('a long sleep is made up for within bounds', () => {
  const { mmio, clock, irq0 } = makeHpet();
  mmio.write(BASE + 0x10, 3);
  mmio.write(BASE + 0x100, 0x4 | 0x8 | 0x40 | 0x100);
  mmio.write(BASE + 0x108, 100_000);
  mmio.write(BASE + 0x108, 100_000);
  clock.sleep(10_000 * MILLISECOND);
  clock.advance(20 * MILLISECOND);
  assert.ok(irq0.risingEdges > 20 && irq0.risingEdges < 60, `${irq0.risingEdges}`);
});

test('a tiny period cannot storm', () => {
  const { mmio, clock, irq0 } = makeHpet();
  mmio.write(BASE + 0x10, 3);
  mmio.write(BASE + 0x100, 0x4 | 0x8 | 0x40 | 0x100);
  mmio.write(BASE + 0x108, 1);
  mmio.write(BASE + 0x108, 1);
  clock.advance(100 * MILLISECOND);
  assert.ok(irq0.risingEdges <= 5001, `${irq0.risingEdges}`);
});
