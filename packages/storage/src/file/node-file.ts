import {
  close,
  constants,
  fdatasync,
  fstat,
  ftruncate,
  open,
  readv,
  type Stats,
  writev,
} from 'node:fs';
import { hostError, StorageError, unsupported } from '../errors.ts';
import type { Segments } from '../segments.ts';
import { DirectFile } from './direct-file.ts';
import { type FileLock, type LockMode, lockFile } from './file-lock.ts';
import type { FileFacts, HostFile } from './host-file.ts';

/** How a file is opened. */
export interface OpenFileOptions {
  readonly mode: 'read-only' | 'read-write' | 'create';
  /** Nobody locks a file for no more than a look at its headers. */
  readonly lock: LockMode | 'none';
  readonly cache?: CacheMode;
}

/** Through the host's page cache, or around it. */
export const CACHE_MODES = ['host', 'direct'] as const;
export type CacheMode = (typeof CACHE_MODES)[number];

/** One call takes this many pieces at most ([POSIX] IOV_MAX on Linux). */
const PIECES_MAX = 1024;

/** Opens a file of the host; throws StorageError. `create` refuses a file that exists. */
export async function openNodeFile(path: string, options: OpenFileOptions): Promise<HostFile> {
  const { mode } = options;
  // A pipe under an image's name must not keep us waiting for its writer.
  const reading = constants.O_RDONLY | constants.O_NONBLOCK;
  const access = mode === 'read-only' ? reading : constants.O_RDWR;
  const flags = mode === 'create' ? access | constants.O_CREAT | constants.O_EXCL : access;
  const descriptor = await openDescriptor(path, flags);
  try {
    const lock = options.lock === 'none' ? undefined : lockFile(path, options.lock);
    const file = new NodeFile(path, descriptor, mode === 'read-only', lock);
    return options.cache === 'direct' ? await openDirect(file, access) : file;
  } catch (error) {
    close(descriptor);
    throw hostError(path, 'locked', error);
  }
}

/** Opens the same file once more, around the page cache. */
async function openDirect(file: NodeFile, access: number): Promise<HostFile> {
  const { path } = file;
  try {
    const descriptor = await openDescriptor(path, access | constants.O_DIRECT);
    return await DirectFile.open(file, new NodeFile(path, descriptor, file.isReadOnly, undefined));
  } catch (error) {
    await file.close();
    const { context } = error as StorageError;
    if (context?.['hostCode'] !== 'EINVAL') throw error;
    throw unsupported(path, 'cannot be reached around the page cache', 'expected cache host');
  }
}

function openDescriptor(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    open(path, flags, 0o644, (error, result) => {
      const doing = (flags & constants.O_CREAT) === 0 ? 'opened' : 'created';
      if (error === null) resolve(result);
      else reject(hostError(path, doing, error));
    });
  });
}

type VectorCall = (
  descriptor: number,
  segments: Segments,
  offset: number,
  callback: (error: NodeJS.ErrnoException | null, count: number) => void,
) => void;

/** A file reached through the host's page cache. Segments may be views of shared memory. */
class NodeFile implements HostFile {
  readonly path: string;
  readonly isReadOnly: boolean;
  readonly #descriptor: number;
  readonly #lock: FileLock | undefined;
  #hasUnsyncedWrites = false;
  #syncing: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(path: string, descriptor: number, isReadOnly: boolean, lock: FileLock | undefined) {
    this.path = path;
    this.isReadOnly = isReadOnly;
    this.#descriptor = descriptor;
    this.#lock = lock;
  }

  async facts(): Promise<FileFacts> {
    const stats = await this.#call<Stats>('examined', (done) => fstat(this.#descriptor, done));
    return {
      sizeBytes: stats.size,
      modifiedMs: stats.mtimeMs,
      identity: `${stats.dev}:${stats.ino}`,
    };
  }

  read(offset: number, segments: Segments): Promise<void> {
    return this.#transfer(readv as VectorCall, 'read', offset, segments);
  }

  async write(offset: number, segments: Segments): Promise<void> {
    await this.#transfer(writev as VectorCall, 'written', offset, segments);
    this.#hasUnsyncedWrites = true;
  }

  /**
   * After a failure every later sync fails as well: the host forgets which pages it could not
   * write, and would call the next attempt a success.
   */
  sync(): Promise<void> {
    if (!this.#hasUnsyncedWrites) return this.#syncing;
    this.#hasUnsyncedWrites = false;
    const before = this.#syncing;
    const own = this.#call<void>('synced', (done) => fdatasync(this.#descriptor, done));
    this.#syncing = Promise.all([before, own]).then(() => undefined);
    return this.#syncing;
  }

  async truncate(sizeBytes: number): Promise<void> {
    await this.#call<void>('resized', (done) => ftruncate(this.#descriptor, sizeBytes, done));
    this.#hasUnsyncedWrites = true;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      await this.#call<void>('closed', (done) => close(this.#descriptor, done));
    } finally {
      this.#lock?.release();
    }
  }

  #call<T>(
    doing: string,
    start: (done: (error: NodeJS.ErrnoException | null, result?: T) => void) => void,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      start((error, result) => {
        if (error === null || error === undefined) resolve(result as T);
        else reject(hostError(this.path, doing, error));
      });
    });
  }

  #transfer(call: VectorCall, doing: string, offset: number, segments: Segments): Promise<void> {
    return new Promise((resolve, reject) => {
      const step = (at: number, rest: Segments): void => {
        if (rest.length === 0) {
          resolve();
          return;
        }
        const pieces = rest.length > PIECES_MAX ? rest.slice(0, PIECES_MAX) : rest;
        call(this.#descriptor, pieces, at, (error, count) => {
          if (error !== null) reject(hostError(this.path, doing, error));
          else if (count === 0) reject(this.#tooShort(at, rest));
          else step(at + count, dropBytes(rest, count));
        });
      };
      step(offset, dropBytes(segments, 0));
    });
  }

  #tooShort(offset: number, left: Segments): StorageError {
    const missing = left.reduce((sum, { length }) => sum + length, 0);
    return new StorageError(
      'FILE_TOO_SHORT',
      `The file ${this.path} ends at offset ${offset}, expected ${missing} more bytes`,
      { path: this.path, offset, missing },
    );
  }
}

/** What is left after `count` bytes; without empty pieces. */
function dropBytes(segments: Segments, count: number): Segments {
  let index = 0;
  let skip = count;
  for (; index < segments.length; index++) {
    const length = segments[index]?.length ?? 0;
    if (skip < length) break;
    skip -= length;
  }
  const [first, ...others] = segments.slice(index);
  if (first === undefined) return [];
  const rest = others.every(({ length }) => length > 0)
    ? others
    : others.filter(({ length }) => length > 0);
  return [skip === 0 ? first : first.subarray(skip), ...rest];
}
