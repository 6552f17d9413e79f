import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TestDisk, TestMemory } from '../test-support.ts';
import { ScsiBus, type ScsiOutcome } from './scsi-bus.ts';
import { field } from './scsi-command.ts';
import { ScsiDisk } from './scsi-disk.ts';

const TARGET = 3;
const DATA = 0x1000;
const TERA = 2 ** 40;

/** A disk at target 3, whose first attention was heard. */
class Bench {
  readonly memory = new TestMemory(0x1_0000);
  readonly disk: TestDisk;
  readonly bus: ScsiBus;

  constructor(disk = new TestDisk(0x10_0000)) {
    this.disk = disk;
    this.bus = new ScsiBus(this.memory);
    this.bus.attach(TARGET, new ScsiDisk({ backend: disk, serial: 'SN-1' }));
    this.run([0x00]);
  }

  run(cdb: readonly number[], out: readonly number[] = [], room = 0x4000, lun = 0): ScsiOutcome {
    const padded = new Uint8Array(16);
    padded.set(cdb);
    this.memory.writeFrom(DATA, Uint8Array.from(out));
    const outcomes: ScsiOutcome[] = [];
    const task = {
      target: TARGET,
      lun,
      cdb: padded,
      dataIn: out.length > 0 ? [] : [{ address: DATA, length: room }],
      dataOut: out.length > 0 ? [{ address: DATA, length: out.length }] : [],
    };
    this.bus.execute(task, (outcome) => outcomes.push(outcome));
    this.disk.run();
    assert.equal(outcomes.length, 1);
    return outcomes[0] as ScsiOutcome;
  }

  /** The bytes that a command sends. */
  answer(cdb: readonly number[], lun = 0): Uint8Array {
    const { status, moved } = this.run(cdb, [], 0x4000, lun);
    assert.equal(status, 0);
    const bytes = new Uint8Array(moved);
    this.memory.readInto(DATA, bytes);
    return bytes;
  }

  /** Sense key and code of a command that fails. */
  sense(cdb: readonly number[], out: readonly number[] = []): number[] {
    const { status, sense } = this.run(cdb, out);
    assert.equal(status, 2);
    return [sense[2] ?? 0, sense[12] ?? 0, sense[13] ?? 0];
  }
}

const zeros = (length: number): number[] => new Array<number>(length).fill(0);

describe('a SCSI disk', () => {
  test('reports its power-on once', () => {
    const bus = new ScsiBus(new TestMemory());
    bus.attach(0, new ScsiDisk({ backend: new TestDisk(0x1000), serial: 's' }));
    const keys: number[] = [];
    const task = { target: 0, lun: 0, cdb: new Uint8Array(16), dataIn: [], dataOut: [] };
    for (let i = 0; i < 2; i++) bus.execute(task, ({ sense }) => keys.push(sense[2] ?? 0));
    assert.deepEqual(keys, [6, 0]);
  });

  test('tells what it is, and what it can do', () => {
    const bench = new Bench();
    const inquiry = bench.answer([0x12, 0, 0, 0, 96]);
    assert.equal(inquiry.length, 36);
    assert.equal(Buffer.from(inquiry.subarray(8, 28)).toString(), 'UMBRA   VIRTUAL DISK');
    const page = (code: number): Uint8Array => bench.answer([0x12, 1, code, 0, 255]);
    assert.deepEqual([...page(0).subarray(4)], [0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2]);
    assert.equal(Buffer.from(page(0x80).subarray(4)).toString(), 'SN-1');
    assert.equal(Buffer.from(page(0x83).subarray(8)).toString(), 'UMBRA   SN-1');
    assert.equal(page(0xb0).length, 64);
    assert.equal(field(page(0xb1), 4, 2), 1);
    assert.equal(page(0xb2)[5], 0xe0);
    assert.deepEqual(bench.sense([0x12, 1, 0x99, 0, 255]), [5, 0x24, 0]);
  });

  test('tells its size, also beyond what ten bytes hold', () => {
    const bench = new Bench();
    assert.deepEqual([...bench.answer([0x25])], [0, 0, 7, 255, 0, 0, 2, 0]);
    // Sixteen-byte addresses reach the largest disks; nothing is read here.
    const huge = new TestDisk(0x1000, { sizeBytes: 4 * TERA });
    const large = new Bench(huge);
    assert.equal(field(large.answer([0x25]), 0, 4), 0xffff_ffff);
    const sixteen = large.answer([0x9e, 0x10, ...zeros(8), 0, 0, 0, 32]);
    assert.equal(field(sixteen, 0, 8), 2 ** 33 - 1);
    assert.equal(sixteen[14], 0x80);
  });

  test('reads and writes with every length of command block', () => {
    const bench = new Bench();
    bench.disk.bytes.fill(7, 1024, 1536);
    const reads = [
      [0x08, 0, 0, 2, 1],
      [0x28, 0, 0, 0, 0, 2, 0, 0, 1],
      [0xa8, 0, 0, 0, 0, 2, 0, 0, 0, 1],
      [0x88, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1],
    ];
    for (const cdb of reads) {
      const bytes = bench.answer(cdb);
      assert.equal(bytes.length, 512);
      assert.ok(bytes.every((value) => value === 7));
    }
    const block = zeros(512).fill(9);
    const writes = [
      [0x0a, 0, 0, 4, 1],
      [0x2a, 0, 0, 0, 0, 5, 0, 0, 1],
      [0xaa, 0, 0, 0, 0, 6, 0, 0, 0, 1],
      [0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1],
    ];
    for (const cdb of writes) assert.equal(bench.run(cdb, block).status, 0);
    assert.ok(bench.disk.bytes.subarray(2048, 4096).every((value) => value === 9));
  });

  test('flushes when told to, with FUA, and with its cache off', () => {
    const bench = new Bench();
    const block = zeros(512);
    bench.run([0x35]);
    bench.run([0x2a, 8, 0, 0, 0, 1, 0, 0, 1], block);
    assert.deepEqual(bench.disk.log, ['flush', 'write 512 512', 'flush']);
    assert.equal(bench.answer([0x1a, 0, 8, 0, 255])[6], 4);
    bench.run([0x15, 0x10, 0, 0, 24], [0, 0, 0, 0, 8, 18, 0, ...zeros(17)]);
    assert.equal(bench.answer([0x1a, 0, 8, 0, 255])[6], 0);
    bench.run([0x2a, 0, 0, 0, 0, 1, 0, 0, 1], block);
    assert.deepEqual(bench.disk.log.slice(3), ['flush', 'write 512 512', 'flush']);
  });

  test('gives room back by UNMAP and WRITE SAME', () => {
    const bench = new Bench();
    const range = [...zeros(7), 16, 0, 0, 0, 8, 0, 0, 0, 0];
    bench.run([0x42, 0, 0, 0, 0, 0, 0, 0, 24], [0, 22, 0, 16, 0, 0, 0, 0, ...range]);
    bench.run([0x93, 9, ...zeros(7), 32, 0, 0, 0, 4]);
    bench.run([0x41, 0, 0, 0, 0, 64, 0, 0, 1], zeros(512));
    const expected = ['discard 8192 4096', 'write-zeroes 16384 2048', 'write-zeroes 32768 512'];
    assert.deepEqual(bench.disk.log, expected);
    assert.deepEqual(
      bench.sense([0x41, 0, 0, 0, 0, 64, 0, 0, 1], zeros(512).fill(1)),
      [5, 0x24, 0],
    );
  });

  test('refuses what it cannot do', () => {
    const bench = new Bench();
    assert.deepEqual(bench.sense([0xff]), [5, 0x20, 0]);
    assert.deepEqual(bench.sense([0x28, 0, 0, 0, 7, 255, 0, 0, 2]), [5, 0x21, 0]);
    bench.disk.nextStatus = 'io-error';
    assert.deepEqual(bench.sense([0x28, 0, 0, 0, 0, 0, 0, 0, 1]), [3, 0x11, 0]);
    const locked = new Bench(new TestDisk(0x1000, { isReadOnly: true }));
    assert.deepEqual(locked.sense([0x2a, 0, 0, 0, 0, 0, 0, 0, 1], zeros(512)), [7, 0x27, 0]);
    const outcome = bench.run([0x28, 0, 0, 0, 0, 0, 0, 0, 2], [], 1000);
    assert.deepEqual([outcome.wanted, outcome.moved], [1024, 0], 'buffers that are too small');
    assert.deepEqual(bench.disk.log, []);
  });

  test('has one unit', () => {
    const bench = new Bench();
    assert.deepEqual([...bench.answer([0xa0, ...zeros(8), 16])], [0, 0, 0, 8, ...zeros(12)]);
    assert.equal(bench.answer([0x12, 0, 0, 0, 36], 1)[0], 0x7f);
    assert.equal(bench.run([0x00], [], 0, 1).sense[12], 0x25);
  });

  test('keeps back what exceeds the depth of its backend', () => {
    const disk = new TestDisk(0x1000, { queueDepthMax: 2 });
    const bench = new Bench(disk);
    let ended = 0;
    const cdb = Uint8Array.from([0x28, 0, 0, 0, 0, 0, 0, 0, 1, ...zeros(7)]);
    const dataIn = [{ address: DATA, length: 512 }];
    for (let i = 0; i < 9; i++) {
      bench.bus.execute({ target: TARGET, lun: 0, cdb, dataIn, dataOut: [] }, () => ended++);
    }
    assert.equal(disk.pendingCount, 2);
    disk.run();
    assert.equal(ended, 9);
  });
});
