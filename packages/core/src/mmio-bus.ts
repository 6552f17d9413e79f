import type { u32 } from '@umbra/base';

/** Handlers of one range of memory-mapped registers; `offset` counts from the range's start. */
export interface MmioHandlers {
  /** `size` is 1, 2 or 4; the bus splits 8-byte accesses, low half first. */
  read(offset: number, size: number): u32;
  write(offset: number, size: number, value: u32): void;
}

/** The guest-physical address space as devices see it. */
export interface MmioBus {
  /**
   * Claims `size` bytes at `address` (both multiples of 4 KiB); throws AssertionError on overlap.
   */
  register(name: string, address: number, size: number, handlers: MmioHandlers): void;
  unregister(address: number): void;
  /**
   * Shows `size` bytes of host memory of the machine (see GuestMemory.allocateVideo) at a
   * guest-physical address, as plain memory that the processor reads and writes directly.
   */
  mapMemory(name: string, address: number, hostOffset: number, size: number): void;
  unmapMemory(address: number): void;
  /**
   * Whether a range holds no registers, no mapped memory, no RAM and no ROM: asked before a
   * guest-chosen range is claimed.
   */
  isFree(address: number, size: number): boolean;
}
