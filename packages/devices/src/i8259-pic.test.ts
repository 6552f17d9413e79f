import assert from 'node:assert/strict';
import { test } from 'node:test';
import { I8259Pair } from './i8259-pic.ts';
import { TestLine, TestPio } from './test-support.ts';

function makePair(icw4 = 0x01): { pic: I8259Pair; pio: TestPio; output: TestLine } {
  const pio = new TestPio();
  const output = new TestLine();
  const pic = new I8259Pair({ name: 'pic', pio, output });
  for (const [base, vector, cascade] of [
    [0x20, 0x30, 4],
    [0xa0, 0x38, 2],
  ] as const) {
    pio.out8(base, 0x11);
    pio.out8(base + 1, vector);
    pio.out8(base + 1, cascade);
    pio.out8(base + 1, icw4);
    pio.out8(base + 1, 0);
  }
  return { pic, pio, output };
}

test('delivers in order of priority and holds lower ones back until the end of interrupt', () => {
  const { pic, pio, output } = makePair();
  pic.line(4).set(true);
  pic.line(1).set(true);
  assert.equal(output.isHigh, true);
  assert.equal(pic.acknowledge(), 0x31);
  assert.equal(output.isHigh, false, 'IRQ 4 waits behind IRQ 1');
  pio.out8(0x20, 0x20);
  assert.equal(pic.acknowledge(), 0x34);
});

test('cascades the second chip through IR2', () => {
  const { pic, pio, output } = makePair();
  pic.line(12).set(true);
  assert.equal(pic.acknowledge(), 0x3c);
  pio.out8(0x20, 0x0b);
  assert.equal(pio.in8(0x20), 1 << 2, 'IR2 is in service');
  pic.line(8).set(true);
  assert.equal(output.isHigh, false, 'without special fully nested mode IR2 blocks itself');
  pio.out8(0xa0, 0x20);
  pio.out8(0x20, 0x20);
  assert.equal(pic.acknowledge(), 0x38);
});

test('an edge is taken once, a level as long as it stays', () => {
  const { pic, pio, output } = makePair();
  pio.out8(0x4d1, 1 << (11 - 8));
  pic.line(5).set(true);
  pic.line(11).set(true);
  assert.equal(pic.acknowledge(), 0x3b);
  pio.out8(0xa0, 0x20);
  pio.out8(0x20, 0x20);
  assert.equal(pic.acknowledge(), 0x3b, 'the level still asks');
  pic.line(11).set(false);
  pio.out8(0xa0, 0x20);
  pio.out8(0x20, 0x20);
  assert.equal(pic.acknowledge(), 0x35);
  pio.out8(0x20, 0x20);
  assert.equal(output.isHigh, false, 'the edge was used up');
});

test('answers with the spurious IR7 when the request went away', () => {
  const { pic, pio } = makePair();
  assert.equal(pic.acknowledge(), 0x37);
  pio.out8(0x20, 0x0b);
  assert.equal(pio.in8(0x20), 0, 'a spurious interrupt is not in service');
});

test('rotates priorities', () => {
  const { pic, pio } = makePair();
  pic.line(3).set(true);
  assert.equal(pic.acknowledge(), 0x33);
  pio.out8(0x20, 0xa0);
  pic.line(3).set(false);
  pic.line(3).set(true);
  pic.line(7).set(true);
  assert.equal(pic.acknowledge(), 0x37, 'IR3 is the lowest now');
});

test('special mask mode lets lower levels through', () => {
  const { pic, pio, output } = makePair();
  pic.line(3).set(true);
  pic.acknowledge();
  pic.line(6).set(true);
  assert.equal(output.isHigh, false);
  pio.out8(0x21, 1 << 3);
  pio.out8(0x20, 0x68);
  assert.equal(pic.acknowledge(), 0x36);
});

test('polls, masks, and ends interrupts by itself', () => {
  const { pic, pio, output } = makePair(0x03);
  pic.line(6).set(true);
  assert.equal(pic.acknowledge(), 0x36);
  pio.out8(0x20, 0x0b);
  assert.equal(pio.in8(0x20), 0, 'automatic end of interrupt');
  pio.out8(0x21, 1 << 1);
  pic.line(1).set(true);
  assert.equal(output.isHigh, false);
  pio.out8(0x21, 0);
  pio.out8(0x20, 0x0c);
  assert.equal(pio.in8(0x20), 0x81);
  assert.equal(output.isHigh, false);
});

test('keeps the system interrupts edge-triggered', () => {
  const { pio } = makePair();
  pio.out8(0x4d0, 0xff);
  pio.out8(0x4d1, 0xff);
  assert.equal(pio.in8(0x4d0), 0xf8);
  assert.equal(pio.in8(0x4d1), 0xde);
});
