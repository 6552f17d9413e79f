import { assert, PAGE_SIZE } from '@umbra/base';
import type { MmioBus, MmioHandlers } from '@umbra/core';

/** The part of the processor's memory that shows and hides host memory to the guest. */
export interface MemoryMapper {
  mapMemory(address: number, hostOffset: number, size: number): void;
  unmapMemory(address: number, size: number): void;
}

interface Range {
  readonly name: string;
  readonly address: number;
  readonly size: number;
  /** None for plain memory: the processor goes there by itself. */
  readonly handlers: MmioHandlers | undefined;
}

/**
 * The guest-physical address space as devices see it: a sorted list of ranges. The processor comes
 * here only with accesses that hit no memory.
 */
export class PhysicalBus implements MmioBus {
  readonly #memory: MemoryMapper;
  readonly #ranges: Range[] = [];
  #last: Range | undefined;

  constructor(memory: MemoryMapper) {
    this.#memory = memory;
  }

  /** Marks RAM or ROM, so that no device is put there. */
  reserve(name: string, address: number, size: number): void {
    this.#insert({ name, address, size, handlers: undefined });
  }

  register(name: string, address: number, size: number, handlers: MmioHandlers): void {
    this.#insert({ name, address, size, handlers });
  }

  unregister(address: number): void {
    this.#remove(address);
  }

  mapMemory(name: string, address: number, hostOffset: number, size: number): void {
    this.#insert({ name, address, size, handlers: undefined });
    this.#memory.mapMemory(address, hostOffset, size);
  }

  unmapMemory(address: number): void {
    const { size } = this.#remove(address);
    this.#memory.unmapMemory(address, size);
  }

  isFree(address: number, size: number): boolean {
    const after = this.#ranges[this.#firstEndingAfter(address)];
    return after === undefined || after.address >= address + size;
  }

  read(address: number, size: 1 | 2 | 4): number {
    const range = this.#find(address);
    if (range?.handlers === undefined) return size === 4 ? 0xffff_ffff : (1 << (size * 8)) - 1;
    return range.handlers.read(address - range.address, size) >>> 0;
  }

  write(address: number, size: 1 | 2 | 4, value: number): void {
    const range = this.#find(address);
    range?.handlers?.write(address - range.address, size, value >>> 0);
  }

  #find(address: number): Range | undefined {
    const last = this.#last;
    // Drivers poll: most accesses go where the one before went.
    if (last !== undefined && address >= last.address && address < last.address + last.size) {
      return last;
    }
    const range = this.#ranges[this.#firstEndingAfter(address)];
    if (range === undefined || address < range.address) return undefined;
    this.#last = range;
    return range;
  }

  /** Index of the first range whose end lies above `address`. */
  #firstEndingAfter(address: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const range = this.#ranges[middle] as Range;
      if (range.address + range.size > address) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #insert(range: Range): void {
    assert(range.address % PAGE_SIZE === 0, `${range.name} begins on a page`);
    assert(range.size > 0 && range.size % PAGE_SIZE === 0, `${range.name} is made of pages`);
    assert(this.isFree(range.address, range.size), `addresses of ${range.name} are free`);
    this.#ranges.splice(this.#firstEndingAfter(range.address), 0, range);
  }

  #remove(address: number): Range {
    const index = this.#firstEndingAfter(address);
    const range = this.#ranges[index];
    assert(range?.address === address, `a range begins at 0x${address.toString(16)}`);
    this.#ranges.splice(index, 1);
    this.#last = undefined;
    return range;
  }
}
