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
  /** Sets aside host memory for a frame buffer or a ROM: its offset in `hostBytes()`. */
  allocateVideo(sizeBytes: number): number;
  /**
   * A view of the whole host memory block (RAM, video memory, tables); do not write to RAM by it.
   */
  hostBytes(): Uint8Array;
}
