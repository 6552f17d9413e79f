import type { TestMemory, TestMmio, TestPio } from '../test-support.ts';

const WINDOW = 0xe000_0000;
const QUEUE_SIZE = 8;
/** Rings of a queue, and an indirect table, in the memory of a test. */
const RINGS_BYTES = 0x400;
const OFFSET = { AVAILABLE: 0x100, USED: 0x200, INDIRECT: 0x300 } as const;
export const FEATURE = { INDIRECT: 28, EVENT_INDEX: 29 } as const;
const STATUS = { ACKNOWLEDGE: 1, DRIVER: 2, DRIVER_OK: 4, FEATURES_OK: 8 } as const;

export interface Buffer {
  readonly address: number;
  readonly length: number;
}

/** What a driver does with a virtio device on the PCI bus: for tests. */
export class VirtioTestDriver {
  readonly #pio: TestPio;
  readonly #mmio: TestMmio;
  readonly #memory: TestMemory;
  readonly #slot: number;
  readonly #available: number[] = [];
  readonly #used: number[] = [];
  #isIndirect = false;

  constructor(bench: { pio: TestPio; mmio: TestMmio; memory: TestMemory }, slot: number) {
    this.#pio = bench.pio;
    this.#mmio = bench.mmio;
    this.#memory = bench.memory;
    this.#slot = slot;
  }

  config(register: number): number {
    this.#pio.out32(0xcf8, 0x8000_0000 + (this.#slot << 11) + register);
    return this.#pio.in32(0xcfc);
  }

  setConfig(register: number, value: number): void {
    this.#pio.out32(0xcf8, 0x8000_0000 + (this.#slot << 11) + register);
    this.#pio.out32(0xcfc, value);
  }

  /** Opens the window and brings the device up; the features that it offers. */
  start(features: readonly number[], queues: number): number {
    this.setConfig(0x20, WINDOW);
    this.setConfig(0x04, 6);
    this.status = 0;
    this.status = STATUS.ACKNOWLEDGE | STATUS.DRIVER;
    this.#write(0, 0);
    const offered = this.#read(4);
    this.#write(8, 0);
    this.#write(
      12,
      features.reduce((word, bit) => (word | (1 << bit)) >>> 0, 0),
    );
    this.#write(8, 1);
    this.#write(12, 1);
    this.status = STATUS.ACKNOWLEDGE | STATUS.DRIVER | STATUS.FEATURES_OK;
    if ((this.status & STATUS.FEATURES_OK) === 0) throw new Error('Features are refused');
    this.#isIndirect = features.includes(FEATURE.INDIRECT);
    for (let queue = 0; queue < queues; queue++) {
      this.#available[queue] = this.#used[queue] = 0;
      this.#write(0x16, queue, 2);
      this.#write(0x18, QUEUE_SIZE, 2);
      const base = this.rings(queue);
      this.#memory.writeFrom(base, new Uint8Array(RINGS_BYTES));
      for (const [register, offset] of [
        [0x20, 0],
        [0x28, OFFSET.AVAILABLE],
        [0x30, OFFSET.USED],
      ] as const) {
        this.#write(register, base + offset);
        this.#write(register + 4, 0);
      }
      this.#write(0x1c, 1, 2);
    }
    this.status |= STATUS.DRIVER_OK;
    return offered;
  }

  get status(): number {
    return this.#read(0x14, 1);
  }
  set status(value: number) {
    this.#write(0x14, value, 1);
  }

  /** Reads and thereby clears the interrupt status. */
  isr(): number {
    return this.#read(0x1000, 1);
  }

  deviceConfig(offset: number, size = 4): number {
    return this.#read(0x2000 + offset, size);
  }

  setDeviceConfig(offset: number, value: number): void {
    this.#write(0x2000 + offset, value, 1);
  }

  /** Where the rings of a queue are. */
  rings(queue: number): number {
    return 0x1000 + queue * RINGS_BYTES;
  }

  /** Makes a chain available, beginning at descriptor `first`, without telling the device. */
  add(queue: number, readable: readonly Buffer[], writable: readonly Buffer[], first = 0): void {
    const base = this.rings(queue);
    const all = [...readable, ...writable];
    const table = this.#isIndirect ? base + OFFSET.INDIRECT : base + 16 * first;
    all.forEach(({ address, length }, index) => {
      const isLast = index === all.length - 1;
      const flags = (isLast ? 0 : 1) | (index >= readable.length ? 2 : 0);
      const next = this.#isIndirect ? index + 1 : first + index + 1;
      this.descriptor(table + 16 * index, address, length, flags, isLast ? 0 : next);
    });
    if (this.#isIndirect) this.descriptor(base + 16 * first, table, 16 * all.length, 4, 0);
    const available = this.#available[queue] ?? 0;
    this.#memory.write16(base + OFFSET.AVAILABLE + 4 + 2 * (available % QUEUE_SIZE), first);
    this.#available[queue] = available + 1;
    this.#memory.write16(base + OFFSET.AVAILABLE + 2, available + 1);
  }

  descriptor(at: number, address: number, length: number, flags: number, next: number): void {
    this.#memory.write32(at, address);
    this.#memory.write32(at + 4, 0);
    this.#memory.write32(at + 8, length);
    this.#memory.write16(at + 12, flags);
    this.#memory.write16(at + 14, next);
  }

  notify(queue: number): void {
    this.#write(0x3000 + 4 * queue, queue, 2);
  }

  /** Chains given back since the last look: head and bytes written. */
  used(queue: number): [head: number, written: number][] {
    const base = this.rings(queue) + OFFSET.USED;
    const result: [number, number][] = [];
    while ((this.#used[queue] ?? 0) !== this.#memory.read16(base + 2)) {
      const slot = (this.#used[queue] ?? 0) % QUEUE_SIZE;
      result.push([
        this.#memory.read32(base + 4 + 8 * slot),
        this.#memory.read32(base + 8 + 8 * slot),
      ]);
      this.#used[queue] = ((this.#used[queue] ?? 0) + 1) & 0xffff;
    }
    return result;
  }

  /** The device interrupts when it passes this index. */
  setUsedEvent(queue: number, index: number): void {
    this.#memory.write16(this.rings(queue) + OFFSET.AVAILABLE + 4 + 2 * QUEUE_SIZE, index);
  }

  /** The index behind which the device wants to be told. */
  availableEvent(queue: number): number {
    return this.#memory.read16(this.rings(queue) + OFFSET.USED + 4 + 8 * QUEUE_SIZE);
  }

  #read(offset: number, size = 4): number {
    return this.#mmio.read(WINDOW + offset, size);
  }

  #write(offset: number, value: number, size = 4): void {
    this.#mmio.write(WINDOW + offset, value, size);
  }
}
