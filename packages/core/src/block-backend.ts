/** Every disk of Umbra is addressed in sectors of this size, as VHD and ATA disks are. */
export const SECTOR_BYTES = 512;

/** The most segments that one request has. */
export const BLOCK_SEGMENTS_MAX = 256;

/**
 * A piece of memory that a transfer fills or reads: for guest memory a view of `hostBytes()`, so
 * that data goes between the file and the guest without a copy between.
 */
export type BlockSegment = Uint8Array;

/**
 * One operation on a disk. `offsetBytes` and the total length are multiples of `SECTOR_BYTES`
 * within the disk. Segments may have any length; there are at most `BLOCK_SEGMENTS_MAX`.
 */
export type BlockRequest =
  | {
      readonly kind: 'read' | 'write';
      readonly offsetBytes: number;
      readonly segments: readonly BlockSegment[];
    }
  /** Durable afterwards: every write that was completed before this request was submitted. */
  | { readonly kind: 'flush' }
  /** The contents are of no use any more (TRIM, UNMAP); later reads give zeros or old data. */
  | { readonly kind: 'discard'; readonly offsetBytes: number; readonly lengthBytes: number }
  /** Later reads give zeros; `mayDiscard` allows to give the room back. */
  | {
      readonly kind: 'write-zeroes';
      readonly offsetBytes: number;
      readonly lengthBytes: number;
      readonly mayDiscard: boolean;
    };

/** How an operation ended, as far as a controller can tell its guest. */
export type BlockStatus = 'ok' | 'read-only' | 'out-of-range' | 'no-space' | 'io-error';

/** What a disk is, as its controller shows it. */
export interface BlockInfo {
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** Whether a discard can give room back. */
  readonly canDiscard: boolean;
  /** Whether a completed write may be lost by a power cut until the next flush. */
  readonly hasWriteCache: boolean;
  /** The most requests that may be under way at once; a controller never exceeds it. */
  readonly queueDepthMax: number;
}

/**
 * The host's end of a disk, as controllers use it on the processor's thread. `submit` returns at
 * once; `onDone` is called later on the same thread, never from within `submit`, in any order
 * between requests. The segments belong to the backend until then. A request that breaks the rules
 * ends with a status: nothing throws. When the host has no room left, requests stay under way
 * (the machine pauses) until there is.
 */
export interface BlockBackend {
  readonly info: BlockInfo;
  submit(request: BlockRequest, onDone: (status: BlockStatus) => void): void;
}
