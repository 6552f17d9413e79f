import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PhysicalBus } from './physical-bus.ts';

function build(): { bus: PhysicalBus; log: string[] } {
  const log: string[] = [];
  const bus = new PhysicalBus({
    mapMemory: (address, offset, size) => void log.push(`map ${address} ${offset} ${size}`),
    unmapMemory: (address, size) => void log.push(`unmap ${address} ${size}`),
  });
  return { bus, log };
}

function registers(base: number): { read(offset: number): number; write(): void } {
  return { read: (offset) => base + offset, write: () => undefined };
}

test('accesses reach the range that holds them, in any order of registration', () => {
  const { bus } = build();
  for (const page of [7, 2, 9, 4, 1]) bus.register(`p${page}`, page * 4096, 4096, registers(page));
  for (const page of [1, 9, 4, 2, 7]) assert.equal(bus.read(page * 4096 + 4095, 1), page + 4095);
  assert.equal(bus.read(3 * 4096, 4), 0xffff_ffff);
  assert.equal(bus.read(3 * 4096, 2), 0xffff);
  assert.equal(bus.read(0xff_ffff_f000, 1), 0xff);
});

test('free space is told from taken, reserved space included', () => {
  const { bus } = build();
  bus.reserve('RAM', 0, 0x10_0000);
  bus.register('device', 0xf000_0000, 0x1000, registers(0));
  assert.equal(bus.isFree(0xf_f000, 0x1000), false);
  assert.equal(bus.isFree(0x10_0000, 0x1000), true);
  assert.equal(bus.isFree(0xefff_f000, 0x2000), false);
  assert.throws(() => bus.register('x', 0xefff_f000, 0x3000, registers(0)), /Must hold/);
});

test('a range that went away answers no more, not even from the last-hit shortcut', () => {
  const { bus, log } = build();
  bus.register('device', 0x1000, 0x1000, registers(5));
  assert.equal(bus.read(0x1000, 4), 5);
  bus.unregister(0x1000);
  assert.equal(bus.read(0x1000, 4), 0xffff_ffff);
  bus.mapMemory('frame buffer', 0x1000, 64, 0x2000);
  bus.unmapMemory(0x1000);
  assert.deepEqual(log, ['map 4096 64 8192', 'unmap 4096 8192']);
});
