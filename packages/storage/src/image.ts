import { StorageError } from './errors.ts';
import { type Segments, totalBytes } from './segments.ts';

/** What reads of a part of a disk give, as far as is known without reading it. */
export interface Extent {
  /** From the asked offset on; at least 512. */
  readonly lengthBytes: number;
  /** Whether all of it is known to read as zeros; otherwise it may be anything. */
  readonly isZero: boolean;
}

/**
 * A disk image opened by the host. All offsets and lengths are bytes, multiples of 512 within
 * `sizeBytes`; segments may have any length. Operations may overlap in time; those that touch the
 * same sectors at once end in one order or the other. Errors are `StorageError`. An operation that
 * failed may have been done in part; after HOST_FULL it can be repeated when there is room again.
 */
export interface DiskImage {
  /** Path of the file that was opened. */
  readonly path: string;
  /** Size as the guest sees it. */
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  readonly canDiscard: boolean;
  read(offsetBytes: number, segments: Segments): Promise<void>;
  write(offsetBytes: number, segments: Segments): Promise<void>;
  /** Every write completed before the call is on stable storage when the promise is fulfilled. */
  flush(): Promise<void>;
  /** The contents are of no use any more: reads give zeros or what was there. */
  discard(offsetBytes: number, lengthBytes: number): Promise<void>;
  writeZeroes(offsetBytes: number, lengthBytes: number, mayDiscard: boolean): Promise<void>;
  /** What is known of the contents from `offsetBytes` on, for copies that leave out zeros. */
  extentAt(offsetBytes: number): Promise<Extent>;
  /** Flushes, releases the lock, and closes the files. */
  close(): Promise<void>;
}

/** Throws OUT_OF_RANGE unless the sectors lie within the disk. */
export function checkRange(
  image: Pick<DiskImage, 'path' | 'sizeBytes'>,
  offsetBytes: number,
  lengthBytes: number,
): void {
  const end = offsetBytes + lengthBytes;
  if (offsetBytes >= 0 && end <= image.sizeBytes && offsetBytes % 512 === 0 && end % 512 === 0) {
    return;
  }
  throw new StorageError(
    'OUT_OF_RANGE',
    `Found ${lengthBytes} bytes at ${offsetBytes}, expected whole sectors within the ${image.sizeBytes} bytes of ${image.path}`,
    { path: image.path, offset: offsetBytes, length: lengthBytes },
  );
}

/** Throws READ_ONLY for an image opened so. */
export function checkWritable(image: Pick<DiskImage, 'path' | 'isReadOnly'>): void {
  if (!image.isReadOnly) return;
  throw new StorageError('READ_ONLY', `The image ${image.path} is opened for reading only`, {
    path: image.path,
  });
}

/** What every image does before an access: checks its place; the length of the transfer. */
export function checkTransfer(image: DiskImage, offsetBytes: number, segments: Segments): number {
  const lengthBytes = totalBytes(segments);
  checkRange(image, offsetBytes, lengthBytes);
  return lengthBytes;
}
