import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PciBus } from '../pci-bus.ts';
import { ScsiCdrom } from '../scsi/scsi-cdrom.ts';
import { TestDisk, TestLine, TestMemory, TestMmio, TestPio } from '../test-support.ts';
import { Piix3Ide } from './piix3-ide.ts';

const DISK = 0x1f0;
const CDROM = 0x170;
const BUS_MASTER = 0xc000;
const STATUS = { ERR: 0x01, DRQ: 0x08, READY: 0x50, BSY: 0x80 } as const;
const PRD_TABLE = 0x800;

/** A controller with a disk on its first channel and a CD drive on its second. */
class Bench {
  readonly pio = new TestPio();
  readonly memory = new TestMemory(0x4_0000, 0x4_0000);
  readonly disk: TestDisk;
  readonly disc = new TestDisk(0x1_0000, { isReadOnly: true });
  readonly irqs = [new TestLine(), new TestLine()] as const;
  readonly unit: ScsiCdrom;
  ejectCount = 0;

  constructor(disk = new TestDisk(0x10_0000)) {
    this.disk = disk;
    for (const [index] of disk.bytes.entries())
      disk.bytes[index] = (index * 7 + (index >> 9)) & 0xff;
    for (const [index] of this.disc.bytes.entries()) this.disc.bytes[index] = (index >> 3) & 0xff;
    const pci = new PciBus({
      name: 'pci',
      pio: this.pio,
      mmio: new TestMmio(),
      onReset: () => undefined,
    });
    this.unit = new ScsiCdrom({ medium: this.disc, onEject: () => this.ejectCount++ });
    const { pio, memory, irqs, unit } = this;
    const drives = [
      { kind: 'disk', backend: disk, serial: 'S1' },
      undefined,
      { kind: 'cdrom', unit, serial: 'S2' },
    ] as const;
    const ide = new Piix3Ide({ name: 'ide', pci, pio, memory, irqs, drives });
    ide.reset();
    for (const [register, value] of [
      [0x20, BUS_MASTER],
      [0x04, 5],
      [0x40, 0x8000_8000],
    ] as const) {
      pio.out32(0xcf8, 0x8000_0900 + register);
      pio.out32(0xcfc, value);
    }
  }

  get status(): number {
    return this.pio.in8(DISK + 7);
  }

  /** A command with a 48-bit address: high bytes first. */
  command(code: number, sector = 0, count = 1): void {
    const { pio } = this;
    const octet = (index: number): number => Math.floor(sector / 256 ** index) % 256;
    pio.out8(DISK + 6, 0xe0);
    pio.out8(DISK + 2, count >> 8);
    pio.out8(DISK + 2, count & 0xff);
    for (const [offset, index] of [
      [3, 0],
      [4, 1],
      [5, 2],
    ] as const) {
      pio.out8(DISK + offset, octet(index + 3));
      pio.out8(DISK + offset, octet(index));
    }
    pio.out8(DISK + 7, code);
  }

  readWords(port: number, count: number): Uint8Array {
    const bytes = new Uint8Array(2 * count);
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < count; i++) view.setUint16(2 * i, this.pio.in16(port), true);
    return bytes;
  }

  /** Descriptors for the bus master of the disk's channel, and its start. */
  dma(ranges: readonly (readonly [address: number, length: number])[], toMemory: boolean): void {
    ranges.forEach(([address, length], index) => {
      const last = index === ranges.length - 1 ? 0x8000_0000 : 0;
      this.memory.write32(PRD_TABLE + 8 * index, address);
      this.memory.write32(PRD_TABLE + 8 * index + 4, (length & 0xffff) + last);
    });
    this.pio.out8(BUS_MASTER, 0);
    this.pio.out32(BUS_MASTER + 4, PRD_TABLE);
    this.pio.out8(BUS_MASTER, toMemory ? 9 : 1);
  }

  packet(bytes: readonly number[], limit = 0xfffe): void {
    const { pio } = this;
    pio.out8(CDROM + 1, 0);
    pio.out8(CDROM + 4, limit & 0xff);
    pio.out8(CDROM + 5, limit >> 8);
    pio.out8(CDROM + 7, 0xa0);
    const padded = [...bytes, ...new Array<number>(12 - bytes.length).fill(0)];
    for (let i = 0; i < 12; i += 2)
      pio.out16(CDROM, (padded[i] ?? 0) | ((padded[i + 1] ?? 0) << 8));
  }

  /** Sense key and additional code of the last failure. */
  sense(): number[] {
    this.packet([0x03, 0, 0, 0, 18]);
    const bytes = this.readWords(CDROM, 9);
    return [bytes[2] ?? 0, bytes[12] ?? 0, bytes[13] ?? 0];
  }
}

function words(bytes: Uint8Array, index: number): number {
  return (bytes[2 * index] ?? 0) | ((bytes[2 * index + 1] ?? 0) << 8);
}

describe('an IDE disk', () => {
  test('identifies itself with its size and a checksum', () => {
    const bench = new Bench();
    bench.command(0xec);
    assert.equal(bench.irqs[0].isHigh, true);
    assert.equal(bench.status, STATUS.READY | STATUS.DRQ);
    assert.equal(bench.irqs[0].isHigh, false, 'reading the status ends the interrupt');
    const answer = bench.readWords(DISK, 256);
    assert.equal(bench.status, STATUS.READY);
    assert.equal(words(answer, 60), 2048);
    assert.equal(words(answer, 100), 2048);
    assert.equal(String.fromCharCode(answer[55] ?? 0, answer[54] ?? 0), 'Um');
    assert.equal(answer.reduce((sum, value) => sum + value, 0) & 0xff, 0);
  });

  test('reads and writes through its port, an interrupt for each sector', () => {
    const bench = new Bench();
    bench.command(0x24, 3, 2);
    assert.equal(bench.status, STATUS.READY | STATUS.BSY);
    bench.disk.run();
    assert.deepEqual(bench.disk.log, ['read 1536 1024']);
    const first = bench.readWords(DISK, 256);
    assert.equal(bench.irqs[0].risingEdges, 1, 'one not yet acknowledged');
    assert.equal(bench.status, STATUS.READY | STATUS.DRQ);
    assert.deepEqual(
      [...first, ...bench.readWords(DISK, 256)],
      [...bench.disk.bytes.subarray(1536, 2560)],
    );
    assert.equal(bench.status, STATUS.READY);

    bench.command(0x34, 100, 2);
    for (let i = 0; i < 512; i++) bench.pio.out16(DISK, i);
    bench.disk.run();
    assert.equal(bench.disk.log.at(-1), 'write 51200 1024');
    assert.equal(words(bench.disk.bytes.subarray(51200), 511), 511);
    assert.equal(bench.status, STATUS.READY);
  });

  test('moves data by DMA, also where descriptors cut sectors', () => {
    const bench = new Bench();
    bench.command(0x25, 1, 3);
    bench.dma(
      [
        [0x1_0000, 700],
        [0x2_0000, 2],
        [0x2_1000, 834],
      ],
      true,
    );
    bench.disk.run();
    assert.deepEqual(bench.disk.log, ['read 512 1536']);
    assert.equal(bench.irqs[0].isHigh, true);
    assert.equal(bench.pio.in8(BUS_MASTER + 2) & 7, 4, 'interrupt, not active, no error');
    const expected = bench.disk.bytes.subarray(512, 2048);
    const seen = new Uint8Array(1536);
    bench.memory.readInto(0x1_0000, seen.subarray(0, 700));
    bench.memory.readInto(0x2_0000, seen.subarray(700, 702));
    bench.memory.readInto(0x2_1000, seen.subarray(702));
    assert.deepEqual(seen, expected);
    assert.equal(bench.status, STATUS.READY);

    bench.dma([[0x1_0000, 512]], false);
    bench.command(0x35, 9);
    bench.disk.run();
    assert.equal(bench.disk.log.at(-1), 'write 4608 512');
    assert.deepEqual(bench.disk.bytes.subarray(4608, 5120), bench.disk.bytes.subarray(512, 1024));
  });

  test('a table with too little room ends without an interrupt, one outside RAM with an error', () => {
    const bench = new Bench();
    bench.command(0x25, 0, 4);
    bench.dma([[0x1_0000, 1024]], true);
    bench.disk.run();
    assert.equal(bench.irqs[0].isHigh, false);
    assert.equal(bench.pio.in8(BUS_MASTER + 2) & 7, 0);
    bench.pio.out8(BUS_MASTER, 0);
    bench.dma([[0x9000_0000, 2048]], true);
    assert.equal(bench.pio.in8(BUS_MASTER + 2) & 7, 2);
    bench.pio.out8(0x3f6, 4);
    bench.pio.out8(0x3f6, 0);
    assert.equal(bench.status, STATUS.READY, 'SRST gets it out of there');
  });

  test('what lies beyond its end, or cannot be read, is an error', () => {
    const bench = new Bench();
    bench.command(0x24, 2047, 2);
    assert.equal(bench.status, STATUS.READY | STATUS.ERR);
    assert.equal(bench.pio.in8(DISK + 1), 0x10);
    bench.command(0x24, 0, 1);
    bench.disk.nextStatus = 'io-error';
    bench.disk.run();
    assert.equal(bench.status, STATUS.READY | STATUS.ERR);
    assert.equal(bench.pio.in8(DISK + 1), 0x40);
    const locked = new Bench(new TestDisk(0x10_0000, { isReadOnly: true }));
    locked.command(0x35, 0, 1);
    assert.equal(locked.status, STATUS.READY | STATUS.ERR);
  });

  test('flushes when told to, and after every write once its cache is off', () => {
    const bench = new Bench();
    bench.command(0xea);
    assert.equal(bench.status, STATUS.READY | STATUS.BSY);
    bench.disk.run();
    assert.deepEqual(bench.disk.log, ['flush']);
    assert.equal(bench.status, STATUS.READY);
    bench.pio.out8(DISK + 1, 0x82);
    bench.command(0xef);
    bench.disk.run();
    bench.command(0x34, 5, 1);
    for (let i = 0; i < 256; i++) bench.pio.out16(DISK, i);
    bench.disk.run();
    assert.deepEqual(bench.disk.log.slice(2), ['write 2560 512', 'flush']);
  });

  test('TRIM discards the ranges of its list', () => {
    const bench = new Bench();
    bench.pio.out8(DISK + 1, 1);
    bench.command(0x06, 0, 1);
    const list = new Uint8Array(512);
    list.set([8, 0, 0, 0, 0, 0, 4, 0], 0);
    list.set([64, 0, 0, 0, 0, 0, 1, 0], 16);
    bench.memory.writeFrom(0x1_0000, list);
    bench.dma([[0x1_0000, 512]], false);
    bench.disk.run();
    assert.deepEqual(bench.disk.log, ['discard 4096 2048', 'discard 32768 512']);
    assert.equal(bench.status, STATUS.READY);
  });

  test('a saved transfer begins anew after restore', () => {
    const bench = new Bench();
    const pci = (pio: TestPio): PciBus =>
      new PciBus({ name: 'pci', pio, mmio: new TestMmio(), onReset: () => undefined });
    const make = (pio: TestPio, disk: TestDisk, irq: TestLine): Piix3Ide =>
      new Piix3Ide({
        name: 'ide',
        pci: pci(pio),
        pio,
        memory: bench.memory,
        irqs: [irq, new TestLine()],
        drives: [{ kind: 'disk', backend: disk, serial: 'S' }],
      });
    const first = make(new TestPio(), new TestDisk(0x1000), new TestLine());
    const state = first.save();
    const channel = state.channels[0];
    const drive = state.drives[0];
    assert.ok(channel !== undefined && drive !== null && drive !== undefined);
    bench.memory.write32(PRD_TABLE, 0x1_0000);
    bench.memory.write32(PRD_TABLE + 4, 0x8000_0200);
    Object.assign(channel.busMaster, { command: 9, status: 1, table: PRD_TABLE, next: PRD_TABLE });
    Object.assign(drive, { command: 0x25 });
    Object.assign(drive.drive, {
      phase: 'disk',
      movement: {
        direction: 'to-host',
        mode: 'dma',
        place: 'disk',
        offsetBytes: 1024,
        remainingBytes: 512,
        blockBytes: 512,
      },
    });
    const disk = new TestDisk(0x1000);
    disk.bytes.fill(0x5a);
    const irq = new TestLine();
    make(new TestPio(), disk, irq).restore(first.schema.parse(state));
    disk.run();
    assert.deepEqual(disk.log, ['read 1024 512']);
    assert.equal(bench.memory.read8(0x1_01ff), 0x5a);
    assert.equal(irq.isHigh, true);
  });

  test('a drive that is not there answers with zeros', () => {
    const bench = new Bench();
    bench.pio.out8(DISK + 6, 0xb0);
    assert.equal(bench.status, 0);
    bench.pio.out8(DISK + 2, 0x55);
    assert.equal(bench.pio.in8(DISK + 2), 0);
  });

  test('however often it is reset or stopped, a disk has one request under way', () => {
    const bench = new Bench(new TestDisk(0x10_0000, { queueDepthMax: 1 }));
    const { pio, disk, memory } = bench;
    bench.command(0x25, 3, 1);
    for (let i = 0; i < 100; i++) bench.dma([[0x1000, 512]], true);
    for (let i = 0; i < 100; i++) {
      pio.out8(0x3f6, 4);
      pio.out8(0x3f6, 0);
      bench.command(0x24, 7, 1);
    }
    assert.equal(disk.pendingCount, 1);
    disk.run();
    assert.deepEqual(bench.readWords(DISK, 256), disk.bytes.slice(7 * 512, 8 * 512));
    assert.equal(disk.log.length, 2, 'the first request and the last');
    assert.equal(memory.read8(0x1000), disk.bytes[3 * 512], 'what was under way came in');
  });
});

describe('an ATAPI drive', () => {
  test('has a signature of its own and identifies itself as a packet device', () => {
    const bench = new Bench();
    assert.deepEqual([bench.pio.in8(CDROM + 4), bench.pio.in8(CDROM + 5)], [0x14, 0xeb]);
    bench.pio.out8(CDROM + 7, 0xec);
    assert.equal(bench.pio.in8(CDROM + 7) & STATUS.ERR, STATUS.ERR);
    bench.pio.out8(CDROM + 7, 0xa1);
    assert.equal(words(bench.readWords(CDROM, 256), 0), 0x85c0);
  });

  test('sends blocks no longer than the host wants them', () => {
    const bench = new Bench();
    bench.packet([0x28, 0, 0, 0, 0, 3, 0, 0, 2], 2048);
    bench.disc.run();
    const { pio } = bench;
    const blocks: number[] = [];
    for (let i = 0; i < 2; i++) {
      assert.equal(pio.in8(CDROM + 2), 2, 'data to the host');
      blocks.push(pio.in8(CDROM + 4) | (pio.in8(CDROM + 5) << 8));
      assert.equal(pio.in8(CDROM + 7) & STATUS.DRQ, STATUS.DRQ);
      const at = (3 + i) * 2048;
      assert.deepEqual(bench.readWords(CDROM, 1024), bench.disc.bytes.subarray(at, at + 2048));
    }
    assert.deepEqual(blocks, [2048, 2048]);
    assert.equal(pio.in8(CDROM + 2), 3, 'the command has ended');
    assert.equal(bench.irqs[1].isHigh, true);
  });

  test('tells capacity and table of contents', () => {
    const bench = new Bench();
    bench.packet([0x25]);
    assert.deepEqual([...bench.readWords(CDROM, 4)], [0, 0, 0, 31, 0, 0, 8, 0]);
    bench.packet([0x43, 0, 0, 0, 0, 0, 0, 0, 20]);
    const toc = bench.readWords(CDROM, 10);
    assert.deepEqual(
      [...toc],
      [0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0, 32],
    );
  });

  test('a medium is taken out and changed while the guest runs', () => {
    const bench = new Bench();
    bench.packet([0x1e, 0, 0, 0, 1]);
    assert.equal(bench.unit.pressEject(), false, 'locked by the guest');
    bench.packet([0x4a, 1, 0, 0, 0x10, 0, 0, 0, 8]);
    assert.equal(bench.readWords(CDROM, 4)[4], 1, 'the guest hears of the button');
    bench.packet([0x1b, 0, 0, 0, 2]);
    assert.deepEqual(bench.sense(), [5, 0x53, 2]);
    bench.packet([0x1e, 0, 0, 0, 0]);
    bench.packet([0x1b, 0, 0, 0, 2]);
    assert.equal(bench.ejectCount, 1);
    bench.packet([0x00]);
    assert.deepEqual(bench.sense(), [2, 0x3a, 2]);
    bench.unit.insert(new TestDisk(0x8000));
    bench.packet([0x00]);
    assert.deepEqual(bench.sense(), [6, 0x28, 0]);
    bench.packet([0x25]);
    assert.equal(bench.readWords(CDROM, 4)[3], 15);
  });

  test('reads beyond the medium fail', () => {
    const bench = new Bench();
    bench.packet([0x28, 0, 0, 0, 0, 31, 0, 0, 2]);
    assert.deepEqual(bench.sense(), [5, 0x21, 0]);
  });
});
