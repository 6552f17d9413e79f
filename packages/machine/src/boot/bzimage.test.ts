import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MiB } from '@umbra/base';
import { directMemoryMap } from '../firmware/memory-map.ts';
import { parseBzImage, placeLinux } from './bzimage.ts';

const SETUP_BYTES = 5 * 512;

/** A file with a bzImage's header and no kernel behind it. */
function fakeKernel(change: (view: DataView) => void = () => undefined): Uint8Array {
  const file = new Uint8Array(SETUP_BYTES + 4096);
  const view = new DataView(file.buffer);
  view.setUint8(0x1f1, 4);
  view.setUint32(0x1f4, 4096 / 16, true);
  view.setUint16(0x1fe, 0xaa55, true);
  view.setUint8(0x201, 0x6a);
  view.setUint32(0x202, 0x53726448, true);
  view.setUint16(0x206, 0x020f, true);
  view.setUint8(0x211, 1);
  view.setUint32(0x22c, 0x7fff_ffff, true);
  view.setUint16(0x236, 1, true);
  view.setUint32(0x238, 2047, true);
  view.setBigUint64(0x258, 16n * 2n ** 20n, true);
  view.setUint32(0x260, 8 * MiB, true);
  file.fill(0x90, SETUP_BYTES);
  change(view);
  return file;
}

const fails = (code: string, pattern: RegExp) => (error: unknown) => {
  assert.equal((error as { code: string }).code, code);
  assert.match((error as Error).message, pattern);
  return true;
};

test('files that are no bzImage are refused with what was found', () => {
  const text = Buffer.alloc(4096, 'hello world ');
  assert.throws(
    () => parseBzImage(text, 'x'),
    fails('KERNEL_FORMAT', /x is no Linux bzImage.*68656c6c/),
  );
  assert.throws(() => parseBzImage(new Uint8Array(3), 'x'), fails('KERNEL_TRUNCATED', /3 bytes/));
  const cut = fakeKernel().subarray(0, SETUP_BYTES + 100);
  assert.throws(
    () => parseBzImage(cut, 'x'),
    fails('KERNEL_TRUNCATED', /2660 bytes, expected 6656/),
  );
  const old = fakeKernel((view) => view.setUint16(0x206, 0x0204, true));
  assert.throws(() => parseBzImage(old, 'x'), fails('KERNEL_TOO_OLD', /protocol 2\.04/));
});

test('every truncation of a kernel is refused, never misread', () => {
  const file = fakeKernel();
  for (let length = 0; length < file.length; length += 97) {
    assert.throws(() => parseBzImage(file.subarray(0, length), 'x'), { name: 'UmbraError' });
  }
});

test('kernel, initrd and command line are placed where the protocol says', () => {
  const kernel = parseBzImage(fakeKernel(), 'x');
  const initrd = Uint8Array.from({ length: 5000 }, (_, index) => index);
  const memoryMap = directMemoryMap(64 * MiB);
  const boot = placeLinux({ kernel, initrd, commandLine: 'console=ttyS0', memoryMap });
  assert.deepEqual(boot.entry, { bits: 64, address: 0x10_0200 });
  const at = (address: number) => boot.pieces.find((piece) => piece.address === address)?.bytes;
  assert.equal(at(0x10_0000)?.length, 4096);
  const params = at(boot.bootParams) as Uint8Array;
  const view = new DataView(params.buffer);
  assert.equal(view.getUint8(0x210), 0xff);
  const ramdisk = view.getUint32(0x218, true);
  assert.equal(ramdisk, 64 * MiB - 0x1_0000 - 0x2000);
  assert.equal(view.getUint32(0x21c, true), 5000);
  assert.deepEqual(at(ramdisk), initrd);
  const commandLine = at(view.getUint32(0x228, true)) as Uint8Array;
  assert.equal(Buffer.from(commandLine).toString(), 'console=ttyS0\0');
  assert.equal(view.getUint8(0x1e8), memoryMap.length);
  assert.equal(view.getBigUint64(0x2d0 + 8, true), 0x9_fc00n);
  assert.equal(view.getUint32(0x70, true), 0xf_0040);
});

test('a kernel without a 64-bit entry is entered at its start in 32-bit mode', () => {
  const kernel = parseBzImage(
    fakeKernel((view) => view.setUint16(0x236, 0, true)),
    'x',
  );
  const memoryMap = directMemoryMap(64 * MiB);
  const boot = placeLinux({ kernel, initrd: undefined, commandLine: '', memoryMap });
  assert.deepEqual(boot.entry, { bits: 32, address: 0x10_0000 });
});

test('the identity page tables map the last byte below 4 GiB', () => {
  const kernel = parseBzImage(fakeKernel(), 'x');
  const memoryMap = directMemoryMap(64 * MiB);
  const boot = placeLinux({ kernel, initrd: undefined, commandLine: '', memoryMap });
  const bytes = boot.pieces.find(({ address }) => address === boot.pageTables)?.bytes as Uint8Array;
  const view = new DataView(bytes.buffer);
  const entry = (table: number, index: number) =>
    Number(view.getBigUint64(table - boot.pageTables + index * 8, true));
  const directory = entry(entry(boot.pageTables, 0) & ~0xfff, 3) & ~0xfff;
  assert.equal(entry(directory, 511), 0xffe0_0083);
});

test('what does not fit is refused with both sizes', () => {
  const kernel = parseBzImage(fakeKernel(), 'x');
  const place =
    (ram: number, initrdBytes: number, commandLine = '') =>
    () =>
      placeLinux({
        kernel,
        initrd: new Uint8Array(initrdBytes),
        commandLine,
        memoryMap: directMemoryMap(ram),
      });
  assert.throws(place(16 * MiB, 0), fails('MEMORY_TOO_SMALL', /up to 24 MiB.*ends at 16 MiB/));
  assert.throws(place(32 * MiB, 9 * MiB), fails('INITRD_TOO_LARGE', /9 MiB.*room for 8 MiB/));
  assert.throws(place(64 * MiB, 0, 'x'.repeat(3000)), fails('COMMAND_LINE_TOO_LONG', /3000.*2047/));
});
