import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BochsVga, VGA_MEMORY_BYTES } from './bochs-vga.ts';
import { PciBus } from './pci-bus.ts';
import { ManualClock, TestMemory, TestMmio, TestPio } from './test-support.ts';

function makeVga() {
  const pio = new TestPio();
  const mmio = new TestMmio();
  const clock = new ManualClock();
  const memory = new TestMemory(0, VGA_MEMORY_BYTES);
  const pci = new PciBus({ name: 'pci', pio, mmio, onReset: () => {} });
  const vga = new BochsVga({ name: 'vga', pci, pio, mmio, memory, clock });
  const indexed = (port: number, values: Readonly<Record<number, number>>): void => {
    for (const [index, value] of Object.entries(values)) {
      pio.out8(port, Number(index));
      pio.out8(port + 1, value);
    }
  };
  const attributes = (values: Readonly<Record<number, number>>): void => {
    pio.in8(0x3da);
    for (const [index, value] of Object.entries(values)) {
      pio.out8(0x3c0, Number(index));
      pio.out8(0x3c0, value);
    }
    pio.out8(0x3c0, 0x20);
  };
  const colour = (index: number, rgb: readonly [number, number, number]): void => {
    pio.out8(0x3c8, index);
    for (const component of rgb) pio.out8(0x3c9, component);
  };
  pio.out8(0x3c2, 0x67);
  colour(7, [42, 42, 42]);
  colour(12, [63, 21, 21]);
  return { vga, pio, mmio, clock, memory, indexed, attributes, colour };
}

const IDENTITY = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [i, i]));

function textMode({ indexed, attributes }: ReturnType<typeof makeVga>): void {
  indexed(0x3c4, { 1: 0x00, 2: 0x03, 3: 0x00, 4: 0x02 });
  indexed(0x3ce, { 5: 0x10, 6: 0x0e, 8: 0xff });
  indexed(0x3d4, { 1: 79, 7: 0x1f, 9: 0x4f, 10: 0x2d, 18: 0x8f, 19: 0x28, 23: 0xa3, 24: 0xff });
  attributes({ ...IDENTITY, 16: 0x0c });
}

test('text mode: characters, colours and the font of plane 2', () => {
  const bench = makeVga();
  const { vga, mmio, indexed } = bench;
  indexed(0x3c4, { 2: 0x04, 4: 0x06 });
  indexed(0x3ce, { 5: 0x00, 6: 0x04, 8: 0xff });
  mmio.write(0xa_0000 + 0x41 * 32, 0x80, 1);
  textMode(bench);
  mmio.write(0xb_8000, 0x0c41_0741);
  mmio.write(0xb_8000 + 160, 0x07c4, 2);
  assert.deepEqual(vga.textScreen().slice(0, 3), ['AA', '─', '']);
  assert.equal(vga.textScreen().length, 25);
  const { width, height, pixels } = vga.render();
  assert.deepEqual([width, height], [720, 400]);
  assert.equal(pixels[0], 0xaa_aaaa);
  assert.equal(pixels[1], 0);
  assert.equal(pixels[9], 0xff_5555);
});

test('write modes of the 16-colour planes', () => {
  const { mmio, indexed } = makeVga();
  indexed(0x3c4, { 2: 0x0f, 4: 0x06 });
  indexed(0x3ce, { 0: 0, 1: 0, 3: 0, 4: 0, 5: 0, 6: 0x05, 7: 0x0f, 8: 0xff });
  const planes = (offset: number): number[] =>
    [0, 1, 2, 3].map((plane) => {
      indexed(0x3ce, { 4: plane });
      return mmio.read(0xa_0000 + offset, 1);
    });
  indexed(0x3c4, { 2: 0x05 });
  mmio.write(0xa_0000, 0xa5, 1);
  indexed(0x3c4, { 2: 0x0f });
  assert.deepEqual(planes(0), [0xa5, 0, 0xa5, 0], 'map mask');
  indexed(0x3ce, { 0: 0x02, 1: 0x03, 8: 0x0f });
  mmio.read(0xa_0000, 1);
  mmio.write(0xa_0000, 0xff, 1);
  assert.deepEqual(planes(0), [0xa0, 0x0f, 0xaf, 0x0f], 'set/reset under the bit mask');
  indexed(0x3ce, { 1: 0, 8: 0xff, 5: 1 });
  mmio.read(0xa_0000, 1);
  mmio.write(0xa_0001, 0x00, 1);
  assert.deepEqual(planes(1), [0xa0, 0x0f, 0xaf, 0x0f], 'latches copied');
  indexed(0x3ce, { 5: 2, 8: 0xf0 });
  mmio.read(0xa_0002, 1);
  mmio.write(0xa_0002, 0x09, 1);
  assert.deepEqual(planes(2), [0xf0, 0, 0, 0xf0], 'colour');
  indexed(0x3ce, { 5: 3, 8: 0x3c, 0: 0x04 });
  mmio.read(0xa_0003, 1);
  mmio.write(0xa_0003, 0x18, 1);
  assert.deepEqual(planes(3), [0, 0, 0x18, 0], 'bit mask from the processor');
  indexed(0x3ce, { 5: 0x08, 2: 0x04, 7: 0x0f });
  assert.equal(mmio.read(0xa_0003, 1), 0x18, 'colour compare');
  indexed(0x3ce, { 5: 0, 3: 0x18, 8: 0xff });
  mmio.read(0xa_0003, 1);
  mmio.write(0xa_0003, 0xff, 1);
  assert.deepEqual(planes(3), [0xff, 0xff, 0xe7, 0xff], 'exclusive or');
});

test('chain-4 pixels of mode 13h', () => {
  const { vga, mmio, indexed, attributes } = makeVga();
  indexed(0x3c4, { 1: 0x01, 2: 0x0f, 4: 0x0e });
  indexed(0x3ce, { 5: 0x40, 6: 0x05, 8: 0xff });
  indexed(0x3d4, { 1: 79, 7: 0x1f, 9: 0x41, 18: 0x8f, 19: 0x28, 23: 0xa3, 24: 0xff });
  attributes({ 16: 0x41 });
  mmio.write(0xa_0000 + 320, 0x0c07_0c07);
  const { width, height, pixels } = vga.render();
  assert.deepEqual([width, height], [320, 200]);
  assert.deepEqual([...pixels.slice(319, 324)], [0, 0xaa_aaaa, 0xff_5555, 0xaa_aaaa, 0xff_5555]);
});

test('Bochs display interface: mode, linear frame buffer, banks, limits', () => {
  const { vga, pio, mmio, memory } = makeVga();
  const set = (index: number, value: number): void => {
    pio.out16(0x1ce, index);
    pio.out16(0x1cf, value);
  };
  const get = (index: number): number => {
    pio.out16(0x1ce, index);
    return pio.in16(0x1cf);
  };
  assert.equal(get(0), 0xb0c5);
  assert.equal(get(10), 256);
  set(1, 800);
  set(2, 600);
  set(3, 32);
  set(4, 0x41);
  assert.deepEqual([get(6), get(8), get(9)], [800, 0, 0]);
  memory.hostBytes().set([1, 2, 3, 0], (10 * 800 + 5) * 4);
  set(5, 1);
  mmio.write(0xa_0000, 0x0065_4321);
  const { width, height, pixels } = vga.render();
  assert.deepEqual([width, height], [800, 600]);
  assert.equal(pixels[10 * 800 + 5], 0x03_0201);
  assert.equal(pixels[0x1_0000 / 4], 0x65_4321);
  assert.deepEqual(vga.textScreen(), []);
  set(9, 5000);
  assert.equal(get(9), 0, 'an offset beyond memory is refused');
  set(4, 0);
  set(1, 0xffff);
  assert.equal(get(1), 800);
  set(3, 16);
  set(4, 0xc1);
  memory.hostBytes().set([0xff, 0xff], 0);
  assert.equal(vga.render().pixels[0], 0xff_ffff);
});

test('the frame buffer and the ROM are PCI windows', () => {
  const { pio, mmio } = makeVga();
  pio.out32(0xcf8, 0x8000_1010);
  pio.out32(0xcfc, 0xffff_ffff);
  assert.equal(pio.in32(0xcfc), 0xff00_0008);
  pio.out32(0xcfc, 0xfd00_0000);
  pio.out32(0xcf8, 0x8000_1004);
  pio.out16(0xcfc, 2);
  assert.equal(mmio.ranges.get(0xfd00_0000)?.size, VGA_MEMORY_BYTES);
});

test('the retrace bit comes and goes, 70 times a second', () => {
  const { pio, clock } = makeVga();
  let rises = 0;
  let was = 0;
  for (let i = 0; i < 10_000; i++) {
    clock.advance(100_000);
    const is = pio.in8(0x3da) & 8;
    if (is > was) rises++;
    was = is;
  }
  assert.ok(rises >= 69 && rises <= 71, `${rises}`);
});
