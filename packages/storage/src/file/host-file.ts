import type { Segments } from '../segments.ts';

/** What the host knows of a file. */
export interface FileFacts {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** The same for two names of one file. */
  readonly identity: string;
}

/**
 * An open file of the host (or of a test that simulates one). Reads and writes move all bytes or
 * throw; they may overlap in time. Errors are `StorageError`.
 */
export interface HostFile {
  readonly path: string;
  readonly isReadOnly: boolean;
  facts(): Promise<FileFacts>;
  /** Throws FILE_TOO_SHORT when the file ends before the segments are full. */
  read(offset: number, segments: Segments): Promise<void>;
  /** Makes the file longer where needed; what is between reads as zeros. */
  write(offset: number, segments: Segments): Promise<void>;
  /** Every write completed before the call is on stable storage afterwards. */
  sync(): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  /** Closes the file and gives its lock back; does not sync. */
  close(): Promise<void>;
}

/** Reads `lengthBytes` bytes into new memory. */
export async function readBytes(
  file: HostFile,
  offset: number,
  lengthBytes: number,
): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(lengthBytes);
  await file.read(offset, [bytes]);
  return bytes;
}
