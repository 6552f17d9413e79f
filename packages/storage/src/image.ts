import type { BlockStatus } from '@umbra/core';

/**
 * A disk image opened by the host. All offsets and lengths are bytes, multiples of 512 within
 * `sizeBytes`; segments may have any length. Operations may overlap in time; those that touch the
 * same sectors at once end in one order or the other. Errors are `StorageError`.
 */
export interface DiskImage {
  /** Size as the guest sees it. */
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  readonly canDiscard: boolean;
  read(offsetBytes: number, segments: readonly Uint8Array[]): Promise<void>;
  write(offsetBytes: number, segments: readonly Uint8Array[]): Promise<void>;
  /** Every write completed before the call is on stable storage when the promise is fulfilled. */
  flush(): Promise<void>;
  discard(offsetBytes: number, lengthBytes: number): Promise<void>;
  writeZeroes(offsetBytes: number, lengthBytes: number, mayDiscard: boolean): Promise<void>;
  /** Flushes, releases the lock, and closes the files. */
  close(): Promise<void>;
}

/** The status that a controller shows its guest for a failed operation. */
export type FailureStatus = Exclude<BlockStatus, 'ok'>;
