import { StorageError } from './errors.ts';
import type { HostFile } from './file/host-file.ts';
import { makeFile } from './new-file.ts';
import { zeroSegments } from './segments.ts';
import { vhdSizeFor, writeDynamicVhd, writeFixedVhd } from './vhd/create-vhd.ts';

/** Bytes between two reports of progress. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** Long work: how it is watched, and how it is given up. */
export interface Work {
  /** Called from time to time with the parts done and the parts in all. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Ends the work with CANCELLED; what was there before is as it was. */
  readonly signal?: AbortSignal;
}

/** Throws CANCELLED when the work is given up. */
export function checkCancelled(work: Work): void {
  if (work.signal?.aborted) throw new StorageError('CANCELLED', 'The command was cancelled');
}

/** An image to be made. */
export interface NewImage {
  readonly path: string;
  readonly type: 'raw' | 'fixed' | 'dynamic';
  /** Rounded up to what the format can have; `createImage` tells the result. */
  readonly sizeBytes: number;
  /** Whether raw and fixed images get all their room at once, or as it is written to. */
  readonly isSparse: boolean;
  readonly mayReplace?: boolean;
}

/** Makes an image of zeros; resolves to its size. Throws StorageError. */
export async function createImage(image: NewImage, work: Work = {}): Promise<number> {
  const { path, type, isSparse, mayReplace = false } = image;
  const sizeBytes =
    type === 'raw' ? Math.ceil(image.sizeBytes / 512) * 512 : vhdSizeFor(image.sizeBytes);
  const disk = { sizeBytes, nowMs: Date.now() };
  await makeFile(path, mayReplace, async (file) => {
    if (type === 'dynamic') return await writeDynamicVhd(file, disk);
    if (!isSparse) await writeZeroes(file, sizeBytes, work);
    if (type === 'fixed') await writeFixedVhd(file, disk);
    else await file.truncate(sizeBytes);
  });
  return sizeBytes;
}

async function writeZeroes(file: HostFile, sizeBytes: number, work: Work): Promise<void> {
  const piece = zeroSegments(PIECE_BYTES);
  for (let at = 0; at < sizeBytes; at += PIECE_BYTES) {
    checkCancelled(work);
    const isLast = sizeBytes - at < PIECE_BYTES;
    await file.write(at, isLast ? zeroSegments(sizeBytes - at) : piece);
    work.onProgress?.(Math.min(at + PIECE_BYTES, sizeBytes), sizeBytes);
  }
}
