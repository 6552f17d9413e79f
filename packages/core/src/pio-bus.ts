import type { u8, u32 } from '@umbra/base';

/**
 * Handlers of one range of I/O ports; `offset` counts from the range's first port.
 * Wider accesses without a handler of their own are split into bytes by the bus, low byte first.
 */
export interface PioHandlers {
  in8(offset: number): u8;
  out8(offset: number, value: u8): void;
  in16?(offset: number): number;
  out16?(offset: number, value: number): void;
  in32?(offset: number): u32;
  out32?(offset: number, value: u32): void;
}

/** The processor's I/O address space: 65,536 ports. [SDM] vol. 1 ch. 19. */
export interface PioBus {
  /** Claims `count` ports from `firstPort`; throws AssertionError when a port is taken. */
  register(name: string, firstPort: number, count: number, handlers: PioHandlers): void;
  /** Gives the range back (a PCI base address register moved). */
  unregister(firstPort: number, count: number): void;
  /**
   * Whether nobody has claimed any of these ports: asked before a guest-chosen range is claimed.
   */
  isFree(firstPort: number, count: number): boolean;
}
