import { existsSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hostError, StorageError } from './errors.ts';
import type { HostFile } from './file/host-file.ts';
import { openNodeFile } from './file/node-file.ts';

/**
 * Makes a file under another name and gives it its own when it is complete and on stable storage,
 * so that nobody ever sees half of it. `build` fills the empty file and leaves it open. Throws
 * FILE_EXISTS unless `mayReplace`.
 */
export async function makeFile(
  path: string,
  mayReplace: boolean,
  build: (file: HostFile) => Promise<void>,
): Promise<void> {
  refuseExisting(path, mayReplace);
  const partPath = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  await rm(partPath, { force: true });
  const file = await openNodeFile(partPath, { mode: 'create', lock: 'none' });
  try {
    try {
      await build(file);
      await file.sync();
    } finally {
      await file.close();
    }
    refuseExisting(path, mayReplace);
    await rename(partPath, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(partPath, { force: true });
    throw hostError(path, 'made', error);
  }
}

function refuseExisting(path: string, mayReplace: boolean): void {
  if (mayReplace || !existsSync(path)) return;
  throw new StorageError('FILE_EXISTS', `The file ${path} exists already`, { path });
}

/** A new name is on stable storage when its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
