import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock, TestLine, TestPio } from './test-support.ts';
import { Uart16550 } from './uart-16550.ts';

const BASE = 0x3f8;
const [DATA, IER, IIR, LCR, MCR, LSR, MSR] = [0, 1, 2, 3, 4, 5, 6].map((n) => BASE + n) as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

function makeUart(onInputSpace?: () => void) {
  const pio = new TestPio();
  const clock = new ManualClock();
  const irq = new TestLine();
  const sent: number[] = [];
  const line = { write: (byte: number) => sent.push(byte) };
  const extra = onInputSpace === undefined ? {} : { onInputSpace };
  const uart = new Uart16550({ name: 'com1', pio, firstPort: BASE, irq, line, clock, ...extra });
  pio.out8(LCR, 0x03);
  pio.out8(MCR, 0x0b);
  return { uart, pio, clock, irq, sent };
}

test('sends at once and interrupts when the transmitter is empty', () => {
  const { pio, irq, sent } = makeUart();
  pio.out8(IER, 0x02);
  assert.equal(irq.isHigh, true, 'enabling finds it empty');
  assert.equal(pio.in8(IIR), 0x02);
  assert.equal(irq.isHigh, false, 'reading IIR acknowledges');
  assert.equal(pio.in8(IIR), 0x01);
  pio.out8(DATA, 0x41);
  assert.deepEqual(sent, [0x41]);
  assert.equal(irq.isHigh, true);
  pio.out8(IER, 0);
  pio.out8(IER, 0x02);
  assert.equal(pio.in8(IIR), 0x02, 'raised anew by the enable bit');
});

test('FIFO trigger level and character timeout', () => {
  const { uart, pio, clock, irq } = makeUart();
  pio.out8(IIR, 0x81);
  pio.out8(IER, 0x01);
  for (let i = 0; i < 7; i++) uart.feed(i);
  assert.equal(irq.isHigh, false, 'below the trigger level');
  uart.feed(7);
  assert.equal(pio.in8(IIR), 0xc4);
  for (let i = 0; i < 3; i++) assert.equal(pio.in8(DATA), i);
  assert.equal(irq.isHigh, false);
  clock.advance(10_000_000);
  assert.equal(pio.in8(IIR), 0xcc);
  for (let i = 3; i < 8; i++) assert.equal(pio.in8(DATA), i);
  assert.equal(pio.in8(LSR) & 1, 0);
  assert.equal(irq.isHigh, false);
});

test('without FIFOs it holds one byte and the queue keeps the rest', () => {
  const { uart, pio } = makeUart();
  uart.feed(1);
  uart.feed(2);
  assert.equal(pio.in8(DATA), 1);
  assert.equal(pio.in8(LSR) & 1, 1);
  assert.equal(pio.in8(DATA), 2);
});

test('line status outranks data, data the transmitter, the transmitter the modem', () => {
  const { pio, irq } = makeUart();
  pio.out8(MCR, 0x1b);
  pio.out8(DATA, 1);
  pio.out8(DATA, 2);
  pio.out8(IER, 0x0f);
  assert.equal(pio.in8(IIR), 0x06);
  assert.equal(pio.in8(LSR) & 0x02, 0x02);
  assert.equal(pio.in8(IIR), 0x04);
  assert.equal(pio.in8(DATA), 2, 'the overrun replaced the first byte');
  assert.equal(pio.in8(IIR), 0x02);
  pio.out8(MCR, 0x10);
  assert.equal(pio.in8(IIR), 0x00);
  assert.equal(pio.in8(MSR) & 0x0f, 0x0b, 'CTS, DSR and DCD changed');
  assert.equal(pio.in8(IIR), 0x01);
  assert.equal(irq.isHigh, false, 'loopback disconnects the interrupt');
});

test('loopback wires MCR to MSR as drivers probe it', () => {
  const { pio, sent } = makeUart();
  pio.out8(MCR, 0x1a);
  assert.equal(pio.in8(MSR) & 0xf0, 0x90);
  pio.out8(DATA, 0x55);
  assert.equal(pio.in8(DATA), 0x55);
  assert.deepEqual(sent, []);
});

test('divisor, scratch and absent-chip probes', () => {
  const { pio } = makeUart();
  pio.out8(LCR, 0x83);
  pio.out8(DATA, 0x01);
  pio.out8(IER, 0x02);
  assert.equal(pio.in16(DATA), 0x0201);
  pio.out8(LCR, 0x03);
  assert.equal(pio.in8(IER), 0);
  pio.out8(BASE + 7, 0xa5);
  assert.equal(pio.in8(BASE + 7), 0xa5);
});

test('refuses input when full and says when there is room again', () => {
  let calls = 0;
  const { uart, pio } = makeUart(() => {
    calls++;
  });
  let taken = 0;
  while (uart.feed(taken & 0xff)) taken++;
  assert.ok(taken >= 4096 && taken < 4200);
  assert.equal(uart.inputSpace(), 0);
  for (let i = 0; i < taken; i++) assert.equal(pio.in8(DATA), i & 0xff);
  assert.equal(calls, 1);
});
