import { basename } from 'node:path';
import { copyImage } from './copy-image.ts';
import { StorageError } from './errors.ts';
import type { HostFile } from './file/host-file.ts';
import { openNodeFile } from './file/node-file.ts';
import type { DiskImage } from './image.ts';
import { makeFile } from './new-file.ts';
import { RawImage } from './raw/raw-image.ts';
import { zeroSegments } from './segments.ts';
import { openVhdChain } from './vhd/chain.ts';
import {
  vhdSizeFor,
  writeDifferencingVhd,
  writeDynamicVhd,
  writeFixedVhd,
} from './vhd/create-vhd.ts';
import { readFooters } from './vhd/footers.ts';
import { locatorTexts } from './vhd/locators.ts';
import { openVhd } from './vhd/open-vhd.ts';
import { advance, type Work } from './work.ts';

/** Bytes between two reports of progress. */
const PIECE_BYTES = 4 * 1024 * 1024;

/** Kinds of new images that need no other. */
export const IMAGE_TYPES = ['dynamic', 'fixed', 'raw'] as const;
export type ImageType = (typeof IMAGE_TYPES)[number];

/** An image to be made. */
export interface NewImage {
  readonly path: string;
  readonly type: ImageType;
  /** Rounded up to what the format can have; `createImage` tells the result. */
  readonly sizeBytes: number;
  /** Whether raw and fixed images get their room as it is written to, or all at once. */
  readonly isSparse: boolean;
  /** Of a dynamic disk; 2 MiB when not given. */
  readonly blockBytes?: number;
  readonly mayReplace?: boolean;
}

/** Makes an image of zeros; resolves to its size. Throws StorageError. */
export async function createImage(image: NewImage, work: Work = {}): Promise<number> {
  const sizeBytes = sizeFor(image);
  await makeFile(image.path, image.mayReplace ?? false, (file) =>
    writeEmpty(file, image, sizeBytes, work),
  );
  return sizeBytes;
}

/** Makes an image with the contents of `source`; resolves to its size. Throws StorageError. */
export async function convertImage(
  source: DiskImage,
  image: Omit<NewImage, 'sizeBytes'>,
  work: Work = {},
): Promise<number> {
  const disk = { ...image, sizeBytes: source.sizeBytes };
  const sizeBytes = sizeFor(disk);
  await makeFile(image.path, image.mayReplace ?? false, async (file) => {
    await writeEmpty(file, disk, sizeBytes, { ...(work.signal && { signal: work.signal }) });
    await copyImage(source, await openNew(file, image.type, sizeBytes), work);
  });
  return sizeBytes;
}

/** Makes a differencing disk over `parentPath`; resolves to its size. Throws StorageError. */
export async function createChild(
  path: string,
  parentPath: string,
  mayReplace = false,
): Promise<number> {
  const openFile = (name: string): Promise<HostFile> =>
    openNodeFile(name, { mode: 'read-only', lock: 'shared' });
  const file = await openFile(parentPath);
  const parent = await closingOnError(file, () => openVhdChain(file, { openFile }));
  try {
    const { footer } = await readFooters(file);
    const { modifiedMs } = await file.facts();
    const { cylinders, heads, sectorsPerTrack, currentSize } = footer;
    const disk = {
      sizeBytes: currentSize,
      nowMs: Date.now(),
      geometry: { cylinders, heads, sectorsPerTrack },
    };
    const lineage = {
      parentId: footer.uniqueId,
      parentModifiedMs: modifiedMs,
      parentName: basename(parentPath),
      locators: locatorTexts(path, parentPath),
    };
    await makeFile(path, mayReplace, (child) => writeDifferencingVhd(child, disk, lineage));
    return parent.sizeBytes;
  } finally {
    await parent.close();
  }
}

/** Closes `file` when `task` fails. */
export async function closingOnError<T>(file: HostFile, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    await file.close();
    throw error;
  }
}

function sizeFor({ type, sizeBytes }: NewImage): number {
  if (type !== 'raw') return vhdSizeFor(sizeBytes);
  if (sizeBytes >= 512) return Math.ceil(sizeBytes / 512) * 512;
  throw new StorageError('SIZE', `A disk of ${sizeBytes} bytes is not possible, expected 512`);
}

async function writeEmpty(
  file: HostFile,
  { type, isSparse, blockBytes }: NewImage,
  sizeBytes: number,
  work: Work,
): Promise<void> {
  const disk = { sizeBytes, nowMs: Date.now(), ...(blockBytes !== undefined && { blockBytes }) };
  if (type === 'dynamic') return await writeDynamicVhd(file, disk);
  if (!isSparse) await writeZeroes(file, sizeBytes, work);
  if (type === 'fixed') await writeFixedVhd(file, disk);
  else await file.truncate(sizeBytes);
}

async function openNew(file: HostFile, type: ImageType, sizeBytes: number): Promise<DiskImage> {
  if (type === 'raw') return new RawImage(file, sizeBytes, sizeBytes);
  const openParent = (): never => {
    throw new StorageError('CHAIN', `The new disk ${file.path} has no parent`);
  };
  return (await openVhd(file, { openParent, settleAfterMs: 0 })).image;
}

async function writeZeroes(file: HostFile, sizeBytes: number, work: Work): Promise<void> {
  const piece = zeroSegments(PIECE_BYTES);
  for (let at = 0; at < sizeBytes; at += PIECE_BYTES) {
    advance(work, at, sizeBytes);
    const isLast = sizeBytes - at < PIECE_BYTES;
    await file.write(at, isLast ? zeroSegments(sizeBytes - at) : piece);
  }
  advance(work, sizeBytes, sizeBytes);
}
