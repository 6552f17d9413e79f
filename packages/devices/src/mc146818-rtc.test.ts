import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Mc146818Rtc } from './mc146818-rtc.ts';
import { ManualClock, TestLine, TestPio } from './test-support.ts';

const SECOND = 1_000_000_000;

function makeRtc(): { rtc: Mc146818Rtc; pio: TestPio; clock: ManualClock; irq: TestLine } {
  const pio = new TestPio();
  const clock = new ManualClock(Date.UTC(2024, 1, 29, 23, 59, 57));
  const irq = new TestLine();
  const rtc = new Mc146818Rtc({ name: 'rtc', pio, clock, irq });
  return { rtc, pio, clock, irq };
}

function read(pio: TestPio, index: number): number {
  pio.out8(0x70, index);
  return pio.in8(0x71);
}

function write(pio: TestPio, index: number, value: number): void {
  pio.out8(0x70, index);
  pio.out8(0x71, value);
}

function date(pio: TestPio): number[] {
  return [0x32, 9, 8, 7, 4, 2, 0, 6].map((index) => read(pio, index));
}

test('shows the date in BCD and carries over a leap day', () => {
  const { pio, clock } = makeRtc();
  assert.deepEqual(date(pio), [0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x57, 5]);
  clock.advance(3 * SECOND);
  assert.deepEqual(date(pio), [0x20, 0x24, 0x03, 0x01, 0x00, 0x00, 0x00, 6]);
});

test('binary and twelve-hour formats', () => {
  const { pio } = makeRtc();
  write(pio, 0x0b, 0x04);
  assert.equal(read(pio, 4), 0x80 | 11);
  assert.equal(read(pio, 0), 57);
});

test('takes a new date while SET holds the clock', () => {
  const { pio, clock } = makeRtc();
  write(pio, 0x0b, 0x82);
  for (const [index, value] of [
    [9, 0x99],
    [8, 0x12],
    [7, 0x31],
    [4, 0x10],
    [2, 0x20],
    [0, 0x30],
    [0x32, 0x19],
  ] as const) {
    write(pio, index, value);
  }
  clock.advance(5 * SECOND);
  assert.equal(read(pio, 0), 0x30);
  write(pio, 0x0b, 0x02);
  clock.advance(2 * SECOND);
  assert.deepEqual(date(pio).slice(0, 7), [0x19, 0x99, 0x12, 0x31, 0x10, 0x20, 0x32]);
});

test('the update-in-progress bit shows before the second turns', () => {
  const { pio, clock } = makeRtc();
  assert.equal(read(pio, 0x0a) & 0x80, 0);
  clock.advance(SECOND - 1_500_000);
  assert.equal(read(pio, 0x0a) & 0x80, 0x80);
  clock.advance(2_000_000);
  assert.equal(read(pio, 0x0a) & 0x80, 0);
});

test('periodic interrupt at 1024 Hz', () => {
  const { pio, clock, irq } = makeRtc();
  write(pio, 0x0a, 0x26);
  write(pio, 0x0b, 0x42);
  for (let i = 0; i < 1024; i++) {
    clock.advance(SECOND / 1024);
    if (irq.isHigh) assert.equal(read(pio, 0x0c) & 0xc0, 0xc0);
  }
  assert.ok(Math.abs(irq.risingEdges - 1024) <= 1, `${irq.risingEdges}`);
});

test('no timer runs on while an interrupt is not acknowledged', () => {
  const { pio, clock, irq } = makeRtc();
  write(pio, 0x0b, 0x42);
  clock.advance(10 * SECOND);
  assert.equal(irq.risingEdges, 1);
  assert.ok(clock.callbackCount < 3);
});

test('update and alarm interrupts', () => {
  const { pio, clock, irq } = makeRtc();
  write(pio, 0x01, 0x01);
  write(pio, 0x03, 0x00);
  write(pio, 0x05, 0xff);
  write(pio, 0x0b, 0x22);
  clock.advance(3.5 * SECOND);
  assert.equal(irq.isHigh, false, 'at 00:00:00');
  clock.advance(SECOND);
  assert.equal(irq.isHigh, true, 'at 00:00:01');
  assert.equal(read(pio, 0x0c) & 0xa0, 0xa0);
  assert.equal(irq.isHigh, false);
  write(pio, 0x0b, 0x12);
  clock.advance(SECOND);
  assert.equal(read(pio, 0x0c) & 0xb0, 0x90);
});

test('the machine and the guest share the battery-backed bytes', () => {
  const { rtc, pio } = makeRtc();
  rtc.setCmos(0x34, 0xab);
  assert.equal(read(pio, 0x34), 0xab);
  write(pio, 0x0f, 0x05);
  rtc.reset();
  assert.equal(rtc.cmos(0x0f), 0x05);
});
