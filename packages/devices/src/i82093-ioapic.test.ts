import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApicMessage } from '@umbra/core';
import { I82093Ioapic } from './i82093-ioapic.ts';
import { TestMmio } from './test-support.ts';

const BASE = 0xfec0_0000;
const LEVEL = 1 << 15;
const MASKED = 1 << 16;

function makeIoapic() {
  const mmio = new TestMmio();
  const messages: ApicMessage[] = [];
  const bus = { deliver: (message: ApicMessage) => messages.push(message) };
  const ioapic = new I82093Ioapic({ name: 'ioapic', mmio, bus });
  const write = (index: number, value: number): void => {
    mmio.write(BASE, index);
    mmio.write(BASE + 0x10, value);
  };
  const read = (index: number): number => {
    mmio.write(BASE, index);
    return mmio.read(BASE + 0x10);
  };
  return { ioapic, messages, write, read };
}

test('identity registers', () => {
  const { write, read } = makeIoapic();
  assert.equal(read(1), 0x0017_0011);
  write(1, 0);
  assert.equal(read(1), 0x0017_0011);
  write(0, 0xffff_ffff);
  assert.equal(read(0), 0x0f00_0000);
  assert.equal(read(2), 0x0f00_0000);
});

test('an edge goes out once and is lost while masked', () => {
  const { ioapic, messages, write } = makeIoapic();
  ioapic.line(4).set(true);
  ioapic.line(4).set(false);
  write(0x10 + 8, 0x34);
  write(0x11 + 8, 0x0100_0000);
  assert.equal(messages.length, 0);
  ioapic.line(4).set(true);
  ioapic.line(4).set(true);
  assert.deepEqual(messages, [
    {
      vector: 0x34,
      deliveryMode: 0,
      destination: 1,
      isLogical: false,
      isLevel: false,
      isAsserted: true,
    },
  ]);
});

test('a level is sent again after its end of interrupt while it lasts', () => {
  const { ioapic, messages, write, read } = makeIoapic();
  write(0x10 + 22, 0x51 | LEVEL);
  ioapic.line(11).set(true);
  assert.equal(messages.length, 1);
  assert.equal(read(0x10 + 22) & (1 << 14), 1 << 14, 'remote IRR');
  ioapic.line(11).set(false);
  ioapic.line(11).set(true);
  assert.equal(messages.length, 1);
  ioapic.eoi(0x50);
  assert.equal(messages.length, 1);
  ioapic.eoi(0x51);
  assert.equal(messages.length, 2);
  ioapic.line(11).set(false);
  ioapic.eoi(0x51);
  assert.equal(messages.length, 2);
  assert.equal(read(0x10 + 22) & (1 << 14), 0);
});

test('a level that waited behind the mask goes out when it opens', () => {
  const { ioapic, messages, write } = makeIoapic();
  write(0x10 + 22, 0x51 | LEVEL | MASKED);
  ioapic.line(11).set(true);
  assert.equal(messages.length, 0);
  write(0x10 + 22, 0x51 | LEVEL);
  assert.equal(messages.length, 1);
});

test('switching an entry to edge clears remote IRR', () => {
  const { ioapic, write, read } = makeIoapic();
  write(0x10 + 22, 0x51 | LEVEL);
  ioapic.line(11).set(true);
  write(0x10 + 22, 0x51 | MASKED);
  assert.equal(read(0x10 + 22), 0x51 | MASKED);
});
