import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FW_CFG_KEY, FwCfg } from './fw-cfg.ts';
import { TestMemory, TestPio } from './test-support.ts';

function makeFwCfg() {
  const pio = new TestPio();
  const memory = new TestMemory();
  const fwCfg = new FwCfg({ name: 'fw-cfg', pio, memory });
  const read = (key: number, count: number): number[] => {
    pio.out16(0x510, key);
    return Array.from({ length: count }, () => pio.in8(0x511));
  };
  return { pio, memory, fwCfg, read };
}

/** A DMA descriptor is big-endian. */
function descriptor(control: number, length: number, address: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint32(0, control);
  view.setUint32(4, length);
  view.setUint32(12, address);
  return new Uint8Array(view.buffer);
}

test('signature, id and DMA signature', () => {
  const { read, pio } = makeFwCfg();
  assert.equal(String.fromCharCode(...read(0, 4)), 'QEMU');
  assert.deepEqual(read(1, 4), [3, 0, 0, 0]);
  const high = pio.in32(0x514);
  assert.equal(String.fromCharCode(high & 0xff, (high >> 8) & 0xff), 'QE');
  assert.equal(String.fromCharCode(pio.in8(0x518), pio.in8(0x51b)), ' G');
});

test('the directory lists files by name', () => {
  const { read, fwCfg } = makeFwCfg();
  fwCfg.addFile('etc/zzz', new Uint8Array(300));
  fwCfg.addFile('etc/acpi', new Uint8Array([7, 8]));
  fwCfg.addFile('etc/acpi', new Uint8Array([7, 8, 9]));
  const bytes = read(FW_CFG_KEY.FILE_DIRECTORY, 4 + 2 * 64);
  assert.deepEqual(bytes.slice(0, 4), [0, 0, 0, 2]);
  assert.deepEqual(bytes.slice(4, 12), [0, 0, 0, 3, 0, 0x21, 0, 0]);
  assert.equal(String.fromCharCode(...bytes.slice(12, 21)), 'etc/acpi\0');
  assert.deepEqual(read(0x21, 5), [7, 8, 9, 0, 0], 'zeroes beyond the end');
});

test('DMA selects, skips, reads, and refuses to write', () => {
  const { pio, memory, fwCfg } = makeFwCfg();
  fwCfg.setItem(0x11, new Uint8Array([1, 2, 3, 4, 5]));
  const run = (control: number, length: number, address: number): number => {
    memory.writeFrom(0x1000, descriptor(control, length, address));
    pio.out32(0x514, 0);
    pio.out32(0x518, 0x0010_0000);
    return memory.read32(0x1000);
  };
  assert.equal(run(0x0011_000c, 1, 0), 0);
  assert.equal(run(0x0000_0002, 6, 0x2000), 0);
  const bytes = new Uint8Array(7);
  memory.writeFrom(0x2006, new Uint8Array([0xee]));
  memory.readInto(0x2000, bytes);
  assert.deepEqual([...bytes], [2, 3, 4, 5, 0, 0, 0xee]);
  assert.equal(run(0x0000_0010, 1, 0x2000), 0x0100_0000, 'error bit, big-endian');
});
