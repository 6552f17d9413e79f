import { rm } from 'node:fs/promises';
import { closingOnError } from './create-image.ts';
import { unsupported } from './errors.ts';
import { lockPathOf } from './file/file-lock.ts';
import type { HostFile } from './file/host-file.ts';
import { openNodeFile } from './file/node-file.ts';
import type { DiskImage } from './image.ts';
import { openVhdLink } from './vhd/chain.ts';
import { vhdTime } from './vhd/footer.ts';
import { readFooters } from './vhd/footers.ts';
import { encodeHeader, readHeader } from './vhd/header.ts';
import { SparseVhd } from './vhd/sparse-image.ts';
import { advance, type Work } from './work.ts';

const PIECE_BYTES = 2 ** 20;

/**
 * Writes a differencing disk's own sectors into its parent, and removes the disk. The parent's
 * other children are of no use afterwards. When this is given up or fails in between, the disk
 * reads as before: what was merged is in both. Resolves to the parent's path. Throws StorageError.
 */
export async function mergeImage(
  path: string,
  ignoreParentTime: boolean,
  work: Work = {},
): Promise<string> {
  const file = await openNodeFile(path, { mode: 'read-write', lock: 'exclusive' });
  const opened = await closingOnError(file, () =>
    openVhdLink(file, {
      openParentFile: (name) => openNodeFile(name, { mode: 'read-write', lock: 'exclusive' }),
      openFile: (name) => openNodeFile(name, { mode: 'read-only', lock: 'shared' }),
      ignoreParentTime,
    }),
  );
  const { image, parent } = opened;
  if (!(image instanceof SparseVhd) || parent === undefined) {
    await image.close();
    throw unsupported(path, 'has no parent', 'expected a differencing disk');
  }
  const lockPath = lockPathOf(path);
  let isMerged = false;
  try {
    await copyOwnSectors(image, parent.image, work);
    await parent.image.flush();
    isMerged = true;
  } finally {
    // The child still fits a parent that has some of its sectors.
    if (!isMerged) {
      await parent.image.flush();
      await acceptParent(file, parent.file);
    }
    await image.close();
  }
  await rm(path);
  await rm(lockPath, { force: true });
  return parent.file.path;
}

async function copyOwnSectors(child: SparseVhd, parent: DiskImage, work: Work): Promise<void> {
  const { blocks } = child;
  const { blockBytes } = blocks.layout;
  for (let block = 0; block < blocks.blockCount; block++) {
    advance(work, block * blockBytes, child.sizeBytes);
    if (!blocks.isAllocated(block)) continue;
    const start = block * blockBytes;
    const sectorCount = Math.min(blockBytes, child.sizeBytes - start) / 512;
    for (const { first, count, isPresent } of await blocks.runs(block, 0, sectorCount)) {
      if (!isPresent) continue;
      for (let at = 0; at < count * 512; at += PIECE_BYTES) {
        const bytes = Buffer.allocUnsafe(Math.min(PIECE_BYTES, count * 512 - at));
        const offset = first * 512 + at;
        await blocks.readData(block, offset, [bytes]);
        await parent.write(start + offset, [bytes]);
      }
    }
  }
  advance(work, child.sizeBytes, child.sizeBytes);
}

/** Notes the parent's new modification time in the child. */
async function acceptParent(child: HostFile, parent: HostFile): Promise<void> {
  const { footer, fileBytes } = await readFooters(child);
  const { header, layout } = await readHeader(child, footer, fileBytes);
  const { modifiedMs } = await parent.facts();
  const bytes = encodeHeader({ ...header, parentTimeStamp: vhdTime(modifiedMs) });
  await child.write(layout.headerOffset, [bytes]);
  await child.sync();
}
