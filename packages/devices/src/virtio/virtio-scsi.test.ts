import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PciBus } from '../pci-bus.ts';
import { ScsiCdrom } from '../scsi/scsi-cdrom.ts';
import { ScsiDisk } from '../scsi/scsi-disk.ts';
import { TestDisk, TestMemory, TestMmio, TestPio } from '../test-support.ts';
import { VirtioScsi } from './virtio-scsi.ts';
import { type Buffer, VirtioTestDriver } from './virtio-test-driver.ts';

const SLOT = 15;
const HOTPLUG = 1;
const REQUEST = 0x8000;
const RESPONSE = 0x8100;
const DATA = 0x9000;
const QUEUE = { CONTROL: 0, EVENT: 1, REQUEST: 2 } as const;

/** A disk at target 0, a CD drive at target 5. */
class Bench {
  readonly pio = new TestPio();
  readonly mmio = new TestMmio();
  readonly memory = new TestMemory(0x2_0000);
  readonly disk = new TestDisk(0x10_0000);
  readonly device: VirtioScsi;
  readonly driver: VirtioTestDriver;

  constructor() {
    const { pio, mmio, memory } = this;
    const pci = new PciBus({ name: 'pci', pio, mmio, onReset: () => undefined });
    const disc = new TestDisk(0x8000, { isReadOnly: true });
    const units = new Map<number, ScsiDisk | ScsiCdrom>([
      [0, new ScsiDisk({ backend: this.disk, serial: 'S' })],
      [5, new ScsiCdrom({ medium: disc, onEject: () => undefined })],
    ]);
    this.device = new VirtioScsi({ name: 's', slot: SLOT, pci, memory, units });
    this.driver = new VirtioTestDriver(this, SLOT);
    this.driver.start([HOTPLUG], 3);
    this.command(0, [0x00]);
  }

  /** Sends a command; response, status, sense key, and residual. */
  command(target: number, cdb: readonly number[], data: { in?: Buffer; out?: Buffer } = {}) {
    const { memory, driver } = this;
    memory.writeFrom(REQUEST, new Uint8Array(51));
    memory.writeFrom(REQUEST, Uint8Array.of(1, target, 0x40, 0));
    memory.writeFrom(REQUEST + 19, Uint8Array.from(cdb));
    const readable = [{ address: REQUEST, length: 51 }, ...(data.out ? [data.out] : [])];
    const writable = [{ address: RESPONSE, length: 108 }, ...(data.in ? [data.in] : [])];
    driver.add(QUEUE.REQUEST, readable, writable);
    driver.notify(QUEUE.REQUEST);
    this.disk.run();
    assert.equal(driver.used(QUEUE.REQUEST).length, 1);
    const key = memory.read32(RESPONSE) === 0 ? 0 : memory.read8(RESPONSE + 12 + 2);
    return {
      response: memory.read8(RESPONSE + 11),
      status: memory.read8(RESPONSE + 10),
      key,
      residual: memory.read32(RESPONSE + 4),
    };
  }

  /** Task management; its response, if there is one yet. */
  manage(subtype: number, target: number): number | undefined {
    const { memory, driver } = this;
    memory.writeFrom(REQUEST + 0x40, new Uint8Array(24));
    memory.write32(REQUEST + 0x44, subtype);
    memory.writeFrom(REQUEST + 0x48, Uint8Array.of(1, target, 0x40, 0));
    const writable = [{ address: RESPONSE + 0x80, length: 1 }];
    driver.add(QUEUE.CONTROL, [{ address: REQUEST + 0x40, length: 24 }], writable);
    driver.notify(QUEUE.CONTROL);
    return this.managed();
  }

  managed(): number | undefined {
    const [given] = this.driver.used(QUEUE.CONTROL);
    return given === undefined ? undefined : this.memory.read8(RESPONSE + 0x80);
  }
}

describe('virtio-scsi', () => {
  test('carries commands and their data', () => {
    const bench = new Bench();
    bench.disk.bytes.fill(3, 512, 1024);
    const read = [0x28, 0, 0, 0, 0, 1, 0, 0, 1];
    const whole = bench.command(0, read, { in: { address: DATA, length: 512 } });
    assert.deepEqual(whole, { response: 0, status: 0, key: 0, residual: 0 });
    assert.equal(bench.memory.read8(DATA + 511), 3);
    const write = [0x2a, 0, 0, 0, 0, 9, 0, 0, 1];
    assert.equal(bench.command(0, write, { out: { address: DATA, length: 512 } }).status, 0);
    assert.deepEqual(bench.disk.log.at(-1), 'write 4608 512');
    const inquiry = [0x12, 0, 0, 0, 36];
    const long = bench.command(5, inquiry, { in: { address: DATA, length: 96 } });
    assert.equal(long.residual, 60);
    assert.equal(bench.memory.read8(DATA), 5, 'a CD drive');
  });

  test('tells failures apart', () => {
    const bench = new Bench();
    assert.equal(bench.command(7, [0x00]).response, 3, 'nobody there');
    assert.deepEqual(bench.command(0, [0xff]), { response: 0, status: 2, key: 5, residual: 0 });
    const short = bench.command(0, [0x28, 0, 0, 0, 0, 0, 0, 0, 2], {
      in: { address: DATA, length: 512 },
    });
    assert.equal(short.response, 1, 'overrun');
  });

  test('task management waits for what is under way', () => {
    const bench = new Bench();
    bench.memory.writeFrom(REQUEST + 19, Uint8Array.of(0x28, 0, 0, 0, 0, 0, 0, 0, 1));
    bench.driver.add(
      QUEUE.REQUEST,
      [{ address: REQUEST, length: 51 }],
      [
        { address: RESPONSE, length: 108 },
        { address: DATA, length: 512 },
      ],
    );
    bench.driver.notify(QUEUE.REQUEST);
    assert.equal(bench.manage(6, 0), 10, 'QUERY TASK: there is something');
    assert.equal(bench.manage(5, 0), undefined);
    bench.disk.run();
    assert.equal(bench.managed(), 0);
    bench.driver.used(QUEUE.REQUEST);
    assert.equal(bench.command(0, [0x00]).key, 6, 'the unit was reset');
    assert.equal(bench.manage(0, 9), 3);
    assert.equal(bench.manage(99, 0), 11);
  });

  test('tells of units that come and go, as soon as there is room for it', () => {
    const bench = new Bench();
    const late = new TestDisk(0x2000);
    bench.device.attach(2, new ScsiDisk({ backend: late, serial: 'L' }));
    assert.deepEqual(bench.driver.used(QUEUE.EVENT), []);
    bench.driver.add(QUEUE.EVENT, [], [{ address: DATA, length: 16 }]);
    bench.driver.notify(QUEUE.EVENT);
    assert.deepEqual(bench.driver.used(QUEUE.EVENT), [[0, 16]]);
    const event = (): number[] => [
      bench.memory.read32(DATA),
      bench.memory.read8(DATA + 5),
      bench.memory.read32(DATA + 12),
    ];
    assert.deepEqual(event(), [1, 2, 1]);
    assert.equal(bench.command(2, [0x00]).key, 6);
    bench.driver.add(QUEUE.EVENT, [], [{ address: DATA, length: 16 }]);
    bench.device.detach(2);
    assert.deepEqual(event(), [1, 2, 2]);
    assert.equal(bench.command(2, [0x00]).response, 3);
  });

  test('requests without room for a response stop the device', () => {
    const bench = new Bench();
    bench.driver.add(
      QUEUE.REQUEST,
      [{ address: REQUEST, length: 51 }],
      [{ address: DATA, length: 9 }],
    );
    bench.driver.notify(QUEUE.REQUEST);
    assert.equal(bench.driver.status & 0x40, 0x40);
  });
});
