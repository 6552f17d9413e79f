import assert from 'node:assert/strict';
import { test } from 'node:test';
import { I8237Pair } from '../i8237-dma.ts';
import { TestDisk, TestLine, TestMemory, TestPio } from '../test-support.ts';
import { FloppyDrive } from './floppy-drive.ts';
import { I82078Fdc } from './i82078-fdc.ts';

const FIFO = 0x3f5;
const TARGET = 0x2000;
const DMA = { TO_MEMORY: 0x46, FROM_MEMORY: 0x4a } as const;

/** A controller out of reset with a 1.44 MB diskette, at its data rate. */
class Bench {
  readonly pio = new TestPio();
  readonly memory = new TestMemory(0x1_0000, 0x1_0000);
  readonly irq = new TestLine();
  readonly diskette: TestDisk;
  readonly drive: FloppyDrive;

  constructor(diskette = new TestDisk(1_474_560)) {
    this.diskette = diskette;
    for (const [index] of diskette.bytes.entries()) diskette.bytes[index] = (index >> 9) & 0xff;
    this.drive = new FloppyDrive({ medium: diskette, onEject: () => undefined });
    const { pio, memory, irq, drive } = this;
    const dma = new I8237Pair({ name: 'dma', pio, memory });
    new I82078Fdc({ name: 'fdc', pio, memory, irq, dma, drives: [drive] });
    pio.out8(0x3f2, 0x1c);
    for (let drives = 0; drives < 4; drives++) this.command(0x08);
    pio.out8(0x3f7, 0);
  }

  /** Sends a command, lets the diskette work, and takes the result. */
  command(...bytes: number[]): number[] {
    const { pio } = this;
    for (const value of bytes) {
      assert.equal(pio.in8(0x3f4) & 0xc0, 0x80, 'the controller wants a byte');
      pio.out8(FIFO, value);
    }
    this.diskette.run();
    const result: number[] = [];
    while ((pio.in8(0x3f4) & 0xd0) === 0xd0 && (pio.in8(0x3f4) & 0x20) === 0) {
      result.push(pio.in8(FIFO));
    }
    return result;
  }

  seek(cylinder: number): void {
    this.command(0x0f, 0, cylinder);
    assert.equal(this.irq.isHigh, true);
    assert.deepEqual(this.command(0x08), [0x20, cylinder]);
    assert.equal(this.irq.isHigh, false);
  }

  dma(mode: number, bytes: number): void {
    const { pio } = this;
    pio.out8(0x0b, mode);
    pio.out8(0x0c, 0);
    for (const value of [TARGET & 0xff, TARGET >> 8]) pio.out8(0x04, value);
    for (const value of [(bytes - 1) & 0xff, (bytes - 1) >> 8]) pio.out8(0x05, value);
    pio.out8(0x0a, 2);
  }
}

test('a reset is reported for all four drives', () => {
  const bench = new Bench();
  bench.pio.out8(0x3f2, 0x18);
  assert.equal(bench.pio.in8(0x3f4), 0);
  bench.pio.out8(0x3f2, 0x1c);
  assert.equal(bench.irq.isHigh, true);
  const answers = [0, 1, 2, 3].map(() => bench.command(0x08)[0]);
  assert.deepEqual(answers, [0xc0, 0xc1, 0xc2, 0xc3]);
  assert.deepEqual(bench.command(0x08), [0x80]);
  assert.equal(bench.irq.isHigh, false);
});

test('reads until the terminal count, and names the sector behind', () => {
  const bench = new Bench();
  bench.seek(2);
  bench.dma(DMA.TO_MEMORY, 1024);
  assert.deepEqual(bench.command(0xe6, 4, 2, 1, 17, 2, 18, 27, 255), [4, 0, 0, 3, 0, 1, 2]);
  const sector = (2 * 2 + 1) * 18 + 16;
  assert.equal(bench.memory.read8(TARGET), sector);
  assert.equal(bench.memory.read8(TARGET + 512), sector + 1);
});

test('multi-track goes on at the other side; without it the end of the track is an error', () => {
  const bench = new Bench();
  bench.dma(DMA.TO_MEMORY, 36 * 512);
  assert.deepEqual(bench.command(0xe6, 0, 0, 0, 1, 2, 18, 27, 255), [0, 0, 0, 1, 0, 1, 2]);
  assert.equal(bench.memory.read8(TARGET + 35 * 512), 35);
  bench.dma(DMA.TO_MEMORY, 36 * 512);
  assert.deepEqual(bench.command(0x66, 0, 0, 0, 18, 2, 18, 27, 255), [0x40, 0x80, 0, 1, 0, 1, 2]);
});

test('writes and formats', () => {
  const bench = new Bench();
  bench.memory.writeFrom(TARGET, new Uint8Array(512).fill(0xab));
  bench.dma(DMA.FROM_MEMORY, 512);
  assert.deepEqual(bench.command(0xc5, 0, 0, 0, 3, 2, 18, 27, 255), [0, 0, 0, 0, 0, 4, 2]);
  assert.deepEqual(bench.diskette.log, ['write 1024 512']);
  assert.equal(bench.diskette.bytes[1535], 0xab);
  bench.seek(1);
  bench.dma(DMA.FROM_MEMORY, 18 * 4);
  assert.equal(bench.command(0x4d, 4, 2, 18, 84, 0xf6)[0], 4);
  assert.equal(bench.diskette.log.at(-1), `write ${3 * 18 * 512} ${18 * 512}`);
  assert.equal(bench.diskette.bytes[3 * 18 * 512], 0xf6);
});

test('without DMA every byte goes through the FIFO', () => {
  const bench = new Bench();
  bench.command(0x03, 0xaf, 0x03);
  for (const value of [0xe6, 0, 0, 1, 18, 2, 18, 27, 255]) bench.pio.out8(FIFO, value);
  bench.diskette.run();
  assert.equal(bench.pio.in8(0x3f4), 0xf0);
  const data = Array.from({ length: 512 }, () => bench.pio.in8(FIFO));
  assert.ok(data.every((value) => value === 35));
  assert.deepEqual(bench.command(), [0x40, 0x80, 0, 1, 0, 1, 2]);
});

test('wrong rate, wrong place, write protection and failures are told apart', () => {
  const bench = new Bench(new TestDisk(1_474_560, { isReadOnly: true }));
  const st1 = (...bytes: number[]): number => {
    bench.dma(bytes[0] === 0xc5 ? DMA.FROM_MEMORY : DMA.TO_MEMORY, 512);
    const [st0 = 0, second = 0] = bench.command(...bytes);
    assert.equal(st0 & 0xc0, 0x40);
    return second;
  };
  assert.equal(st1(0xe6, 0, 0, 0, 19, 2, 18, 27, 255), 0x04);
  assert.equal(st1(0xe6, 0, 5, 0, 1, 2, 18, 27, 255), 0x04);
  assert.equal(st1(0xc5, 0, 0, 0, 1, 2, 18, 27, 255), 0x02);
  bench.diskette.nextStatus = 'io-error';
  assert.equal(st1(0xe6, 0, 0, 0, 1, 2, 18, 27, 255), 0x20);
  bench.pio.out8(0x3f7, 2);
  assert.equal(st1(0x4a, 0), 0x01);
  assert.deepEqual(bench.command(0x1f), [0x80]);
});

test('the change line tells of a diskette until the heads step', () => {
  const bench = new Bench();
  bench.seek(1);
  assert.equal(bench.pio.in8(0x3f7), 0);
  bench.drive.pressEject();
  bench.seek(2);
  assert.equal(bench.pio.in8(0x3f7), 0x80, 'empty');
  bench.drive.insert(new TestDisk(737_280));
  assert.equal(bench.pio.in8(0x3f7), 0x80);
  bench.seek(0);
  assert.equal(bench.pio.in8(0x3f7), 0);
  assert.equal(bench.drive.format?.sectors, 9);
});
