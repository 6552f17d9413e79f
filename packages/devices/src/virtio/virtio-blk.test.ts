import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PciBus } from '../pci-bus.ts';
import { TestDisk, TestMemory, TestMmio, TestPio } from '../test-support.ts';
import { VirtioBlk } from './virtio-blk.ts';
import { FEATURE, VirtioTestDriver } from './virtio-test-driver.ts';

const SLOT = 16;
const HEADER = { address: 0x8000, length: 16 } as const;
const STATUS = { address: 0x8100, length: 1 } as const;
const DATA = 0x9000;
const FLUSH = 9;
const NEEDS_RESET = 0x40;

/** A disk of 1 MB, its driver, and the wire of its interrupt. */
class Bench {
  readonly pio = new TestPio();
  readonly mmio = new TestMmio();
  readonly memory = new TestMemory(0x2_0000);
  readonly disk: TestDisk;
  readonly device: VirtioBlk;
  readonly driver: VirtioTestDriver;
  isInterrupting = false;

  constructor(disk = new TestDisk(0x10_0000), features: readonly number[] = [FLUSH]) {
    this.disk = disk;
    const { pio, mmio, memory } = this;
    const pci = new PciBus({ name: 'pci', pio, mmio, onReset: () => undefined });
    pci.connectInterrupts((_pirq, asserted) => {
      this.isInterrupting = asserted;
    });
    this.device = new VirtioBlk({
      name: 'v',
      slot: SLOT,
      pci,
      memory,
      backend: disk,
      serial: 'S1',
    });
    this.driver = new VirtioTestDriver(this, SLOT);
    this.driver.start(features, 1);
  }

  /** Makes a request available: a header, and data that one side or the other writes. */
  request(
    type: number,
    sector: number,
    data: readonly (readonly [number, number])[],
    first = 0,
  ): void {
    const { memory } = this;
    const header = { address: HEADER.address + 32 * first, length: 16 };
    memory.write32(header.address, type);
    memory.write32(header.address + 8, sector);
    memory.write32(header.address + 12, 0);
    const status = { address: STATUS.address + first, length: 1 };
    memory.write8(status.address, 0xff);
    const buffers = data.map(([address, length]) => ({ address, length }));
    const isRead = type === 0 || type === 8;
    const readable = isRead ? [header] : [header, ...buffers];
    this.driver.add(0, readable, isRead ? [...buffers, status] : [status], first);
  }

  /** Tells the device, lets the disk work; status and what was given back. */
  run(): { status: number; used: [number, number][] } {
    this.driver.notify(0);
    this.disk.run();
    return { status: this.memory.read8(STATUS.address), used: this.driver.used(0) };
  }
}

describe('virtio-blk', () => {
  test('tells its size, and offers what its disk can do', () => {
    const bench = new Bench();
    const offered = bench.driver.start([], 1);
    assert.equal(bench.driver.deviceConfig(0), 2048);
    assert.equal(bench.driver.deviceConfig(20), 512);
    for (const bit of [2, 6, 9, 13, 14, 28, 29]) assert.notEqual(offered & (1 << bit), 0, `${bit}`);
    assert.equal(offered & (1 << 5), 0);
    const locked = new Bench(new TestDisk(0x1000, { isReadOnly: true, canDiscard: false }));
    const few = locked.driver.start([], 1);
    assert.deepEqual([few & (1 << 5), few & (1 << 13)], [1 << 5, 0]);
  });

  test('reads into scattered buffers, and interrupts', () => {
    const bench = new Bench();
    bench.disk.bytes.fill(0x77, 512, 1536);
    bench.request(0, 1, [
      [DATA, 700],
      [DATA + 0x1000, 324],
    ]);
    const { status, used } = bench.run();
    assert.equal(status, 0);
    assert.deepEqual(used, [[0, 1025]]);
    assert.equal(bench.memory.read8(DATA + 699), 0x77);
    assert.equal(bench.memory.read8(DATA + 0x1000 + 323), 0x77);
    assert.equal(bench.memory.read8(DATA + 0x1000 + 324), 0);
    assert.equal(bench.isInterrupting, true);
    assert.equal(bench.driver.isr(), 1);
    assert.equal(bench.isInterrupting, false);
  });

  test('writes, flushes, discards, writes zeroes', () => {
    const bench = new Bench();
    bench.memory.writeFrom(DATA, new Uint8Array(512).fill(1));
    bench.request(1, 3, [[DATA, 512]]);
    assert.equal(bench.run().status, 0);
    bench.request(4, 0, []);
    assert.equal(bench.run().status, 0);
    const range = (sector: number, sectors: number, flags: number): void => {
      [sector, 0, sectors, flags].forEach((value, index) => {
        bench.memory.write32(DATA + 4 * index, value);
      });
    };
    range(8, 16, 0);
    bench.request(11, 0, [[DATA, 16]]);
    assert.equal(bench.run().status, 0);
    range(32, 1, 1);
    bench.request(13, 0, [[DATA, 16]]);
    assert.equal(bench.run().status, 0);
    const expected = ['write 1536 512', 'flush', 'discard 4096 8192', 'write-zeroes 16384 512'];
    assert.deepEqual(bench.disk.log, expected);
  });

  test('without a negotiated flush every write is flushed', () => {
    const bench = new Bench(undefined, []);
    bench.request(1, 3, [[DATA, 512]]);
    assert.equal(bench.run().status, 0);
    assert.deepEqual(bench.disk.log, ['write 1536 512', 'flush']);
  });

  test('gives its serial number; what it does not know is unsupported', () => {
    const bench = new Bench();
    bench.request(8, 0, [[DATA, 20]]);
    assert.equal(bench.run().status, 0);
    assert.equal(bench.memory.read16(DATA), 0x3153);
    bench.request(99, 0, []);
    assert.equal(bench.run().status, 2);
  });

  test('requests that cannot be done fail, and the queue goes on', () => {
    const bench = new Bench();
    const failing: [type: number, sector: number, data: [number, number][]][] = [
      [0, 2048, [[DATA, 512]]],
      [0, 0, [[DATA, 500]]],
      [0, 0, [[0x9000_0000, 512]]],
      [1, 2047, [[DATA, 1024]]],
    ];
    for (const [type, sector, data] of failing) {
      bench.request(type, sector, data);
      assert.equal(bench.run().status, 1);
    }
    bench.request(0, 0, [[DATA, 512]]);
    bench.disk.nextStatus = 'io-error';
    assert.equal(bench.run().status, 1);
    bench.request(0, 0, [[DATA, 512]]);
    assert.equal(bench.run().status, 0);
  });

  test('indirect tables and event indexes work as negotiated', () => {
    const bench = new Bench(undefined, [FLUSH, FEATURE.INDIRECT, FEATURE.EVENT_INDEX]);
    bench.driver.setUsedEvent(0, 1);
    bench.request(4, 0, []);
    bench.run();
    assert.equal(bench.isInterrupting, false, 'the driver wants to hear of the second');
    assert.equal(bench.driver.availableEvent(0), 1);
    bench.request(0, 0, [[DATA, 512]]);
    assert.equal(bench.run().status, 0);
    assert.equal(bench.isInterrupting, true);
  });

  test('never has more under way than its backend takes', () => {
    const bench = new Bench(new TestDisk(0x10_0000, { queueDepthMax: 1 }));
    bench.request(0, 0, [[DATA, 512]], 0);
    bench.request(0, 1, [[DATA + 512, 512]], 3);
    bench.driver.notify(0);
    assert.equal(bench.disk.pendingCount, 1);
    bench.disk.run();
    assert.deepEqual(bench.driver.used(0), [
      [0, 513],
      [3, 513],
    ]);
  });

  test('rings that make no sense stop the device until its reset', () => {
    const chains: ((bench: Bench, rings: number) => void)[] = [
      // A chain that leads back to itself.
      ({ driver }, rings) => driver.descriptor(rings, DATA, 16, 1, 0),
      // A head beyond the table, and more chains than there are descriptors.
      ({ memory }, rings) => memory.write16(rings + 0x104, 99),
      ({ memory }, rings) => memory.write16(rings + 0x102, 300),
      // Indirect descriptors that nobody negotiated; a table of no whole descriptors.
      ({ driver }, rings) => driver.descriptor(rings, DATA, 16, 4, 0),
      // No header, and no room for a status.
      ({ driver }, rings) => driver.descriptor(rings, DATA, 8, 0, 0),
    ];
    for (const spoil of chains) {
      const bench = new Bench();
      bench.request(4, 0, []);
      spoil(bench, bench.driver.rings(0));
      bench.run();
      assert.equal(bench.driver.status & NEEDS_RESET, NEEDS_RESET);
      assert.equal(bench.driver.isr() & 2, 2);
      bench.driver.start([FLUSH], 1);
      bench.request(4, 0, []);
      assert.equal(bench.run().status, 0);
    }
  });

  test('a reset forgets what is under way', () => {
    const bench = new Bench();
    bench.request(0, 0, [[DATA, 512]]);
    bench.driver.notify(0);
    bench.driver.status = 0;
    bench.disk.run();
    assert.equal(bench.memory.read16(bench.driver.rings(0) + 0x202), 0, 'nothing was given back');
  });

  test('what was under way at a save begins anew after restore', () => {
    const bench = new Bench();
    bench.request(0, 0, [[DATA, 512]]);
    bench.driver.notify(0);
    const saved = bench.device.schema.parse(JSON.parse(JSON.stringify(bench.device.save())));
    bench.device.restore(saved);
    bench.disk.run();
    assert.deepEqual(bench.driver.used(0), [[0, 513]]);
  });

  test('the window in configuration space reaches the same registers', () => {
    const { driver } = new Bench();
    let at = driver.config(0x34) & 0xff;
    while (((driver.config(at) >>> 24) & 0xff) !== 5) at = (driver.config(at) >>> 8) & 0xff;
    driver.setConfig(at + 4, 4);
    driver.setConfig(at + 8, 0x2000);
    driver.setConfig(at + 12, 4);
    assert.equal(driver.config(at + 16), 2048);
  });

  test('however often it is reset, its disk gets no more than it takes at once', () => {
    const bench = new Bench(new TestDisk(0x10_0000, { queueDepthMax: 2 }));
    for (let i = 0; i < 100; i++) {
      bench.driver.start([FLUSH], 1);
      bench.request(0, i, [[DATA, 512]]);
      bench.driver.notify(0);
    }
    assert.equal(bench.disk.pendingCount, 2);
    bench.disk.run();
    assert.deepEqual(bench.disk.log, ['read 0 512', 'read 512 512', 'read 50688 512']);
    assert.equal(bench.memory.read8(STATUS.address), 0);
    assert.deepEqual(bench.driver.used(0), [[0, 513]]);
  });
});
