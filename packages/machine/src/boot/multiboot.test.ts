import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MiB } from '@umbra/base';
import { directMemoryMap } from '../firmware/memory-map.ts';
import { parseMultiboot, placeMultiboot } from './multiboot.ts';

const RAM = 32 * MiB;

/** A 32-bit ELF file with one segment that holds a multiboot header. */
function fakeElf(flags = 0x3): Uint8Array {
  const file = new Uint8Array(0x200);
  const view = new DataView(file.buffer);
  view.setUint32(0, 0x464c_457f, true);
  file.set([1, 1, 1], 4);
  view.setUint16(18, 3, true);
  view.setUint32(24, 0x40_0010, true);
  view.setUint32(28, 52, true);
  view.setUint16(42, 32, true);
  view.setUint16(44, 1, true);
  for (const [index, value] of [1, 0x100, 0x40_0000, 0x40_0000, 0x100, 0x3000].entries()) {
    view.setUint32(52 + index * 4, value, true);
  }
  view.setUint32(0x100, 0x1bad_b002, true);
  view.setUint32(0x104, flags, true);
  view.setUint32(0x108, -(0x1bad_b002 + flags) >>> 0, true);
  return file;
}

test('an ELF kernel is loaded at its physical address, with information behind it', () => {
  const kernel = parseMultiboot(fakeElf(), 'x');
  assert.equal(kernel.end, 0x40_3000);
  const module = { commandLine: 'env', bytes: Buffer.from('NR_CPUS=1\n') };
  const boot = placeMultiboot({
    kernel,
    commandLine: 'x arg',
    modules: [module],
    memoryMap: directMemoryMap(RAM),
    ramBytes: RAM,
  });
  assert.equal(boot.eax, 0x2bad_b002);
  assert.equal(boot.entry, 0x40_0010);
  const memory = new Uint8Array(RAM);
  for (const { address, bytes } of boot.pieces) memory.set(bytes, address);
  const view = new DataView(memory.buffer);
  const info = (offset: number) => view.getUint32(boot.ebx + offset, true);
  const text = (address: number) =>
    Buffer.from(memory.subarray(address, memory.indexOf(0, address))).toString();
  assert.equal(info(0), 0x24d);
  assert.equal(info(8), RAM / 1024 - 1024);
  assert.equal(text(info(16)), 'x arg');
  assert.equal(info(20), 1);
  const start = view.getUint32(info(24), true);
  assert.equal(start % 4096, 0);
  assert.equal(
    Buffer.from(memory.subarray(start, view.getUint32(info(24) + 4, true))).toString(),
    'NR_CPUS=1\n',
  );
  assert.equal(text(view.getUint32(info(24) + 8, true)), 'env');
  assert.equal(text(info(64)), 'umbra');
  assert.equal(view.getUint32(info(48), true), 20, 'size of a map entry, itself not counted');
  assert.equal(info(44), 24 * directMemoryMap(RAM).length);
});

test('files without a header, with unknown features or cut short are refused', () => {
  assert.throws(() => parseMultiboot(new Uint8Array(9000), 'x'), { code: 'MULTIBOOT_FORMAT' });
  assert.throws(() => parseMultiboot(fakeElf(0x7), 'x'), { code: 'MULTIBOOT_FEATURE' });
  assert.throws(() => parseMultiboot(fakeElf().subarray(0, 0x180), 'x'), { code: 'ELF_TRUNCATED' });
  const addresses = fakeElf(0x1_0003);
  assert.throws(() => parseMultiboot(addresses.subarray(0, 0x110), 'x'), {
    code: 'MULTIBOOT_TRUNCATED',
  });
});

test('a kernel beyond the end of memory is refused', () => {
  const kernel = parseMultiboot(fakeElf(), 'x');
  const place = () =>
    placeMultiboot({
      kernel,
      commandLine: '',
      modules: [],
      memoryMap: directMemoryMap(4 * MiB),
      ramBytes: 4 * MiB,
    });
  assert.throws(place, { code: 'MEMORY_TOO_SMALL' });
});

test('damaged bytes anywhere in a kernel never cause anything but an UmbraError', () => {
  for (let at = 0; at < 0x110; at += 1) {
    for (const value of [0x00, 0x7f, 0xff]) {
      const file = fakeElf();
      file[at] = value;
      try {
        assert.ok(parseMultiboot(file, 'x').end <= 2 ** 32);
      } catch (error) {
        assert.equal((error as Error).name, 'UmbraError', `byte ${at} = ${value}: ${error}`);
      }
    }
  }
});
