import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PioHandlers } from '@umbra/core';
import { PortBus } from './port-bus.ts';

function recorder(extra: Partial<PioHandlers> = {}): { log: string[]; handlers: PioHandlers } {
  const log: string[] = [];
  const handlers: PioHandlers = {
    in8: (offset) => {
      log.push(`in8 ${offset}`);
      return 0x10 + offset;
    },
    out8: (offset, value) => void log.push(`out8 ${offset} ${value.toString(16)}`),
    ...extra,
  };
  return { log, handlers };
}

test('wide accesses are cut into bytes, low byte first', () => {
  const bus = new PortBus();
  const { log, handlers } = recorder();
  bus.register('device', 0x100, 8, handlers);
  assert.equal(bus.read(0x102, 4), 0x1514_1312);
  bus.write(0x100, 2, 0xabcd);
  assert.deepEqual(log, ['in8 2', 'in8 3', 'in8 4', 'in8 5', 'out8 0 cd', 'out8 1 ab']);
});

test('a handler of the width is used only when the whole access is in its range', () => {
  const bus = new PortBus();
  const { log, handlers } = recorder({ in32: () => 0xdead_beef, in16: () => 0x1234 });
  bus.register('device', 0x100, 4, handlers);
  assert.equal(bus.read(0x100, 4), 0xdead_beef);
  assert.equal(bus.read(0x102, 4), 0xffff_1234);
  assert.equal(bus.read(0x103, 2), 0xff13);
  assert.deepEqual(log, ['in8 3']);
});

test('ports without an owner float high and swallow writes', () => {
  const bus = new PortBus();
  assert.equal(bus.read(0x5000, 1), 0xff);
  assert.equal(bus.read(0xffff, 4), 0xffff_ffff);
  bus.write(0x5000, 4, 1);
});

test('taken ports cannot be registered, and are free after unregister', () => {
  const bus = new PortBus();
  bus.register('one', 0x60, 5, recorder().handlers);
  assert.equal(bus.isFree(0x64, 1), false);
  assert.throws(() => bus.register('two', 0x64, 1, recorder().handlers), /Must hold/);
  bus.unregister(0x60, 5);
  assert.equal(bus.isFree(0x60, 5), true);
});
