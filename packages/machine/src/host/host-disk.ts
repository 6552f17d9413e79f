import type { BlockBackend } from '@umbra/core';
import {
  type CacheMode,
  type DiskFormat,
  ImageBackend,
  openImage,
  type StorageError,
} from '@umbra/storage';

/** A disk image of the host in a drive of a machine. */
export interface HostDisk {
  readonly backend: BlockBackend;
  /** Writes out what is left, and lets go of the files. */
  close(): Promise<void>;
}

/** Told of what happens to disks while a machine runs. */
export interface DiskEvents {
  /** The host has no room left for what the guest writes; undefined: it has again. */
  onStall(reason: StorageError | undefined): void;
  /** What the guest saw as a failing disk. */
  onError(error: StorageError): void;
}

/** Which image, and how it is opened. */
export interface DiskSource {
  readonly path: string;
  /** Undefined: the file's name decides. */
  readonly format: DiskFormat | undefined;
  readonly isReadOnly: boolean;
  /** Through the host's page cache (default), or around it. */
  readonly cache?: CacheMode;
}

/** Opens an image and locks it; throws StorageError. */
export async function openHostDisk(source: DiskSource, events: DiskEvents): Promise<HostDisk> {
  const { path, format, ...common } = source;
  const options = format === undefined ? common : { ...common, format };
  const backend = new ImageBackend({
    image: await openImage(path, options),
    onStall: (reason) => events.onStall(reason),
    onError: (error) => events.onError(error),
  });
  return { backend, close: () => backend.close() };
}
