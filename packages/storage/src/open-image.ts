import { extname } from 'node:path';
import { StorageError } from './errors.ts';
import type { HostFile } from './file/host-file.ts';
import { type CacheMode, openNodeFile } from './file/node-file.ts';
import {
  FOREIGN_FORMATS,
  type ForeignFormat,
  openForeign,
  probeFormat,
} from './foreign/open-foreign.ts';
import type { DiskImage } from './image.ts';
import { RawImage } from './raw/raw-image.ts';
import { openVhdChain } from './vhd/chain.ts';

/** Formats that a machine's disk can have. */
export const DISK_FORMATS = ['vhd', 'raw'] as const;
export type DiskFormat = (typeof DISK_FORMATS)[number];

const FORMAT_OF_EXTENSION: Readonly<Record<string, DiskFormat>> = {
  '.vhd': 'vhd',
  '.avhd': 'vhd',
  '.vud': 'vhd',
  '.raw': 'raw',
  '.img': 'raw',
  '.ima': 'raw',
  '.vfd': 'raw',
  '.flp': 'raw',
  '.iso': 'raw',
};

/** Formats that can be imported. */
export const IMPORT_FORMATS = [...DISK_FORMATS, ...FOREIGN_FORMATS] as const;
export type ImportFormat = DiskFormat | ForeignFormat;

/** How an image is opened. */
export interface OpenImageOptions {
  /** Without it, the file's name decides. */
  readonly format?: DiskFormat;
  readonly isReadOnly: boolean;
  /** Through the host's page cache (default), or around it. */
  readonly cache?: CacheMode;
  /** Takes a differencing disk's parent although it was written to after its child was made. */
  readonly ignoreParentTime?: boolean;
}

/**
 * Opens a disk, CD or floppy image of the host and locks it: for itself alone when it is to be
 * written, with other readers otherwise; the parents of a differencing disk always with others.
 * Throws StorageError.
 */
export async function openImage(path: string, options: OpenImageOptions): Promise<DiskImage> {
  const format = options.format ?? formatOfName(path);
  const { isReadOnly, ignoreParentTime = false, cache = 'host' } = options;
  const file = await openNodeFile(path, {
    mode: isReadOnly ? 'read-only' : 'read-write',
    lock: isReadOnly ? 'shared' : 'exclusive',
    cache,
  });
  try {
    if (format === 'raw') return await openRaw(file);
    const openFile = (parentPath: string): Promise<HostFile> =>
      openNodeFile(parentPath, { mode: 'read-only', lock: 'shared', cache });
    return await openVhdChain(file, { openFile, ignoreParentTime });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * The format that a file's name says. Contents are not asked: the guest of a raw disk writes them,
 * and could make its disk a differencing one with a file of the host for its parent.
 */
export function formatOfName(path: string): DiskFormat {
  const format = FORMAT_OF_EXTENSION[extname(path).toLowerCase()];
  if (format !== undefined) return format;
  const known = Object.keys(FORMAT_OF_EXTENSION).join(', ');
  throw new StorageError(
    'FORMAT_UNKNOWN',
    `The name of ${path} tells no format, expected one of ${known}, or the format beside it`,
    { path },
  );
}

/** The format that a file's contents show, for commands whose user says what a file is for. */
export async function formatOf(path: string): Promise<ImportFormat> {
  const file = await openNodeFile(path, { mode: 'read-only', lock: 'none' });
  try {
    return await probeFormat(file);
  } finally {
    await file.close();
  }
}

/** Opens an image of any format for reading; without a format, its contents show it. */
export async function openForImport(path: string, format?: ImportFormat): Promise<DiskImage> {
  const found = format ?? (await formatOf(path));
  if (found === 'raw' || found === 'vhd') {
    return await openImage(path, { format: found, isReadOnly: true });
  }
  const openFile = (name: string): Promise<HostFile> =>
    openNodeFile(name, { mode: 'read-only', lock: 'shared' });
  const file = await openFile(path);
  try {
    return await openForeign(file, found, openFile);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A file as a disk, sector by sector. */
export async function openRaw(file: HostFile): Promise<DiskImage> {
  const { sizeBytes } = await file.facts();
  return new RawImage(file, Math.ceil(sizeBytes / 512) * 512, sizeBytes);
}
