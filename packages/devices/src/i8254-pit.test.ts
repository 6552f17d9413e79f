import assert from 'node:assert/strict';
import { test } from 'node:test';
import { I8254Pit, PIT_HZ } from './i8254-pit.ts';
import { I8259Pair } from './i8259-pic.ts';
import { IsaInterrupts } from './isa-interrupts.ts';
import { SystemControlPortB } from './system-control-ports.ts';
import { ManualClock, TestLine, TestPio } from './test-support.ts';

const NS_PER_TICK = 1_000_000_000 / PIT_HZ;

function makePit(): { pit: I8254Pit; pio: TestPio; clock: ManualClock; irq0: TestLine } {
  const pio = new TestPio();
  const clock = new ManualClock();
  const irq0 = new TestLine();
  const pit = new I8254Pit({ name: 'pit', pio, clock, irq0 });
  new SystemControlPortB({ name: 'port61', pio, clock, pit });
  return { pit, pio, clock, irq0 };
}

function ticks(count: number): number {
  return Math.ceil(count * NS_PER_TICK);
}

function program(pio: TestPio, control: number, count: number): void {
  const port = 0x40 + (control >> 6);
  pio.out8(0x43, control);
  pio.out8(port, count & 0xff);
  pio.out8(port, count >> 8);
}

function readCount(pio: TestPio, counter: number): number {
  pio.out8(0x43, counter << 6);
  return pio.in8(0x40 + counter) | (pio.in8(0x40 + counter) << 8);
}

test('mode 2 interrupts once a period', () => {
  const { pio, clock, irq0 } = makePit();
  program(pio, 0x34, 11_932);
  clock.advance(1_000_000_000);
  assert.equal(irq0.risingEdges, 1 + 99, 'one edge when OUT goes high at the start, 99 periods');
});

test('rests while both interrupt controllers would ignore its edges', () => {
  const pio = new TestPio();
  const clock = new ManualClock();
  const intr = new TestLine();
  const pic = new I8259Pair({ name: 'pic', pio, output: intr });
  for (const [port, value] of [
    [0x20, 0x11],
    [0x21, 0x08],
    [0x21, 0x04],
    [0x21, 0x01],
    [0x21, 0xff],
  ] as const)
    pio.out8(port, value);
  const isa = new IsaInterrupts({ name: 'isa', pic });
  const options = { irq0: isa.source(0), interest: isa.edgeInterest(0) };
  new I8254Pit({ name: 'pit', pio, clock, ...options });
  program(pio, 0x34, 11_932);
  clock.advance(1_000_000_000);
  assert.ok(
    clock.callbackCount <= 1,
    'one edge is latched behind the mask, the others count nothing',
  );
  pio.out8(0x21, 0xfe);
  assert.equal(intr.isHigh, true, 'the latched edge');
  assert.equal(pic.acknowledge(), 8);
  pio.out8(0x20, 0x20);
  const before = intr.risingEdges;
  clock.advance(ticks(11_932));
  assert.equal(intr.risingEdges, before + 1, 'the next edge comes when it always would have');
  assert.equal(clock.callbackCount <= 3, true);
});

test('mode 3 with the count 0 is the 18.2 Hz of DOS', () => {
  const { pio, clock, irq0 } = makePit();
  program(pio, 0x36, 0);
  clock.advance(10_000_000_000);
  assert.equal(irq0.risingEdges, 1 + 182);
});

test('mode 0 raises OUT once, after the count', () => {
  const { pio, clock, irq0 } = makePit();
  program(pio, 0x30, 1000);
  assert.equal(irq0.isHigh, false);
  clock.advance(ticks(999));
  assert.equal(irq0.isHigh, false);
  clock.advance(ticks(4));
  assert.equal(irq0.isHigh, true);
  clock.advance(1_000_000_000);
  assert.equal(irq0.risingEdges, 1);
});

test('counts down in real time and latches', () => {
  const { pio, clock } = makePit();
  program(pio, 0x34, 50_000);
  clock.advance(ticks(1001));
  assert.equal(readCount(pio, 0), 49_000);
  pio.out8(0x43, 0x00);
  clock.advance(ticks(5000));
  const latched = pio.in8(0x40) | (pio.in8(0x40) << 8);
  assert.equal(latched, 49_000, 'the latch holds');
  assert.equal(readCount(pio, 0), 44_000);
});

test('read-back gives status, then count', () => {
  const { pio, clock } = makePit();
  program(pio, 0x34, 0x1234);
  clock.advance(ticks(1));
  pio.out8(0x43, 0xc2);
  assert.equal(pio.in8(0x40), 0x80 | 0x34, 'OUT high, both bytes, mode 2, binary');
  assert.equal(pio.in8(0x40) | (pio.in8(0x40) << 8), 0x1234);
});

test('counter 2 measures time as kernels calibrate with it', () => {
  const { pio, clock } = makePit();
  pio.out8(0x61, (pio.in8(0x61) & ~2) | 1);
  program(pio, 0xb0, 59_659);
  let polls = 0;
  while ((pio.in8(0x61) & 0x20) === 0 && polls < 1_000_000) {
    clock.advance(10_000);
    polls++;
  }
  assert.ok(Math.abs(clock.now() - 50_000_000) < 30_000, `${clock.now()} ns`);
});

test('the gate of counter 2 stops mode 0 and restarts mode 2', () => {
  const { pio, clock } = makePit();
  pio.out8(0x61, 1);
  program(pio, 0xb0, 1000);
  clock.advance(ticks(101));
  pio.out8(0x61, 0);
  clock.advance(ticks(5000));
  assert.equal(readCount(pio, 2), 900);
  pio.out8(0x61, 1);
  clock.advance(ticks(100));
  assert.equal(readCount(pio, 2), 800);
});

test('BCD counts and single-byte access', () => {
  const { pio, clock } = makePit();
  program(pio, 0x35, 0x2000);
  clock.advance(ticks(1001));
  assert.equal(readCount(pio, 0), 0x1000);
  pio.out8(0x43, 0x14);
  pio.out8(0x40, 200);
  clock.advance(ticks(51));
  assert.equal(pio.in8(0x40), 150);
});

test('a new count in mode 2 waits for the end of the period', () => {
  const { pio, clock, irq0 } = makePit();
  program(pio, 0x34, 10_000);
  clock.advance(ticks(5000));
  pio.out8(0x40, 1000 & 0xff);
  pio.out8(0x40, 1000 >> 8);
  assert.ok(readCount(pio, 0) > 4000);
  clock.advance(ticks(5010));
  assert.equal(irq0.risingEdges, 2);
  clock.advance(ticks(5000));
  assert.equal(irq0.risingEdges, 7);
});

test('makes up for missed periods, but only for so many', () => {
  const { pio, clock, irq0 } = makePit();
  program(pio, 0x34, 1193);
  clock.sleep(10_000_000_000);
  clock.advance(20_000_000);
  const edges = irq0.risingEdges;
  assert.ok(edges > 25 && edges < 60, `${edges} edges`);
});

test('a tiny period cannot storm', () => {
  const { pio, clock, irq0 } = makePit();
  program(pio, 0x34, 2);
  clock.advance(1_000_000_000);
  assert.ok(irq0.risingEdges <= 50_001, `${irq0.risingEdges} edges`);
});

test('port 61h toggles the refresh bit', () => {
  const { pio, clock } = makePit();
  const first = pio.in8(0x61) & 0x10;
  clock.advance(15_100);
  assert.notEqual(pio.in8(0x61) & 0x10, first);
});
