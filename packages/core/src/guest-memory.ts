/**
 * Guest-physical memory as devices use it (DMA, loaders). Accesses outside RAM read as 0xff and
 * write nothing; they never throw. Writes tell the processor, so that translated code and shadow
 * page tables stay true.
 */
export interface GuestMemory {
  /** RAM size in bytes. */
  readonly sizeBytes: number;
  read8(address: number): number;
  read16(address: number): number;
  read32(address: number): number;
  write8(address: number, value: number): void;
  write16(address: number, value: number): void;
  write32(address: number, value: number): void;
  /** Copies guest memory out, into `target`. */
  readInto(address: number, target: Uint8Array): void;
  /** Copies `source` into guest memory. */
  writeFrom(address: number, source: Uint8Array): void;
  /**
   * `length` bytes of RAM from `address` on as host memory, for a transfer that another thread
   * does; undefined unless all of it is plain memory that may be read (`write`: written). After a
   * transfer into it the device calls `transferred` before it tells the guest.
   */
  transferView(address: number, length: number, access: 'read' | 'write'): Uint8Array | undefined;
  /** Bytes were written into a view: tells the processor. */
  transferred(address: number, length: number): void;
  /** Sets aside host memory for a frame buffer or a ROM: its offset in `hostBytes()`. */
  allocateVideo(sizeBytes: number): number;
  /**
   * A view of the whole host memory block (RAM, video memory, tables); do not write to RAM by it.
   */
  hostBytes(): Uint8Array;
}
