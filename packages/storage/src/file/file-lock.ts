import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { hostError, StorageError } from '../errors.ts';

/** A lock held on a file of the host; it ends with the process at the latest. */
export interface FileLock {
  release(): void;
}

/** Any number of readers, or one writer. */
export type LockMode = 'shared' | 'exclusive';

const SQLITE = { BUSY: 5, CANTOPEN: 14, READONLY: 8 } as const; // [SQLITE] "Result Codes"

const NO_LOCK: FileLock = { release: () => undefined };

/**
 * Locks an existing file against other processes and other openings in this one. Throws LOCKED when
 * somebody holds it otherwise. Node.js has no call for locks, but the SQLite in it takes the
 * kernel's record locks: the lock is a transaction on an empty database beside the file, so it is
 * gone when its process is, however that ended. The database is never removed: two processes could
 * then each hold a lock on a file of that name.
 */
export function lockFile(path: string, mode: LockMode): FileLock {
  const lockPath = lockPathOf(path);
  let database: DatabaseSync;
  try {
    database = new DatabaseSync(lockPath, { timeout: 0 });
  } catch (error) {
    // Where this process may write nothing, it can at least read what nobody is known to write.
    if (mode === 'shared' && resultOf(error) === SQLITE.CANTOPEN) return NO_LOCK;
    throw lockError(path, lockPath, error);
  }
  try {
    // A journal would leave a second file beside the image.
    if (mode === 'exclusive') database.exec('PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE');
    else database.exec('BEGIN; SELECT 1 FROM sqlite_schema');
  } catch (error) {
    database.close();
    throw lockError(path, lockPath, error);
  }
  return { release: () => database.close() };
}

/** The file beside `path` that stands for its lock. */
export function lockPathOf(path: string): string {
  const realPath = realpathSync(path);
  return join(dirname(realPath), `.${basename(realPath)}.lock`);
}

function resultOf(error: unknown): number | undefined {
  return (error as { errcode?: number }).errcode;
}

function lockError(path: string, lockPath: string, error: unknown): StorageError {
  const result = resultOf(error);
  if (result === undefined) return hostError(lockPath, 'opened', error);
  if (result === SQLITE.BUSY) {
    return new StorageError(
      'LOCKED',
      `The file ${path} is in use: another machine or command holds its lock`,
      { path, lockPath },
      error,
    );
  }
  const reason = result === SQLITE.CANTOPEN ? 'it cannot be created' : String(error);
  return new StorageError(
    'FILE_ACCESS',
    `The lock file ${lockPath} cannot be used: ${reason}`,
    { path, lockPath },
    error,
  );
}
