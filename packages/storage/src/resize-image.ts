import { isZeroFrom } from './copy-image.ts';
import { closingOnError } from './create-image.ts';
import { StorageError, unsupported } from './errors.ts';
import type { HostFile } from './file/host-file.ts';
import { openNodeFile } from './file/node-file.ts';
import type { DiskImage } from './image.ts';
import { type DiskFormat, formatOfName } from './open-image.ts';
import { RawImage } from './raw/raw-image.ts';
import { zeroSegments } from './segments.ts';
import { encodeEntries, readEntries } from './vhd/block-table.ts';
import { vhdSizeFor } from './vhd/create-vhd.ts';
import { DISK_TYPE, encodeFooter, type VhdFooter } from './vhd/footer.ts';
import { readFooters } from './vhd/footers.ts';
import { geometryOf } from './vhd/geometry.ts';
import { checkBlocks, encodeHeader, readHeader, tableBytesOf } from './vhd/header.ts';
import { openVhd } from './vhd/open-vhd.ts';
import { SparseVhd } from './vhd/sparse-image.ts';
import type { Work } from './work.ts';

/**
 * Makes a disk larger, or smaller when what is cut off reads as zeros; resolves to its new size. A
 * cut in between leaves the old size or the new one. Throws StorageError.
 */
export async function resizeImage(
  path: string,
  wantedBytes: number,
  format: DiskFormat = formatOfName(path),
  work: Work = {},
): Promise<number> {
  const file = await openNodeFile(path, { mode: 'read-write', lock: 'exclusive' });
  const sizeBytes = await closingOnError(file, () =>
    format === 'raw' ? resizeRaw(file, wantedBytes, work) : resizeVhd(file, wantedBytes, work),
  );
  await file.close();
  return sizeBytes;
}

async function resizeRaw(file: HostFile, wantedBytes: number, work: Work): Promise<number> {
  const { sizeBytes: before } = await file.facts();
  const sizeBytes = Math.ceil(wantedBytes / 512) * 512;
  await refuseLoss(new RawImage(file, Math.ceil(before / 512) * 512, before), sizeBytes, work);
  await file.truncate(sizeBytes);
  await file.sync();
  return sizeBytes;
}

async function resizeVhd(file: HostFile, wantedBytes: number, work: Work): Promise<number> {
  const { footer } = await readFooters(file);
  if (footer.diskType === DISK_TYPE.DIFFERENCING) {
    throw unsupported(file.path, 'is a differencing disk', 'its size is that of its parent');
  }
  if (footer.savedState !== 0) {
    throw new StorageError(
      'IN_USE',
      `The disk ${file.path} belongs to a machine with a saved state, expected none`,
      { path: file.path },
    );
  }
  const sizeBytes = vhdSizeFor(wantedBytes);
  const openParent = (): never => {
    throw new StorageError('CHAIN', `The disk ${file.path} has no parent`);
  };
  const { image } = await openVhd(file, { openParent, settleAfterMs: 0 });
  await refuseLoss(image, sizeBytes, work);
  const newFooter = { ...footer, currentSize: sizeBytes, ...geometryOf(sizeBytes) };
  if (image instanceof SparseVhd) await resizeSparse(file, image, footer, newFooter);
  else await resizeFixed(file, footer, newFooter);
  await file.sync();
  return sizeBytes;
}

/** A fixed disk always ends in a footer: the new one is stable before the old one goes. */
async function resizeFixed(file: HostFile, before: VhdFooter, footer: VhdFooter): Promise<void> {
  const { tail, fileBytes } = await readFooters(file);
  const bytes = encodeFooter(footer);
  await file.write(footer.currentSize, [bytes]);
  await file.sync();
  // The old footer, and what was before it, would be in the guest's new sectors.
  const staleEnd = Math.min(footer.currentSize, tail.offset + bytes.length);
  if (staleEnd > before.currentSize) {
    await file.write(before.currentSize, zeroSegments(staleEnd - before.currentSize));
  }
  const end = footer.currentSize + bytes.length;
  if (end < fileBytes) await file.truncate(end);
}

/** The header comes first: a table that is too long for the disk does no harm. */
async function resizeSparse(
  file: HostFile,
  image: SparseVhd,
  before: VhdFooter,
  footer: VhdFooter,
): Promise<void> {
  const { blockBytes } = image.blocks.layout;
  const newCount = Math.ceil(footer.currentSize / blockBytes);
  checkBlocks(file.path, newCount, blockBytes);
  const firstGone = newCount * blockBytes;
  if (firstGone < image.sizeBytes) {
    await image.writeZeroes(firstGone, image.sizeBytes - firstGone, true);
    await image.flush();
  }
  const { fileBytes, tail } = await readFooters(file);
  const { header, layout } = await readHeader(file, before, fileBytes);
  let end = tail.offset;
  if (newCount > layout.blockCount) {
    const entries = new Uint32Array(newCount).fill(0xffff_ffff);
    entries.set(await readEntries(file, layout));
    const table = encodeEntries(entries, 0, tableBytesOf(newCount) / 4);
    const isRoomy = tableBytesOf(header.maxTableEntries) >= table.length;
    const tableOffset = isRoomy ? layout.tableOffset : end;
    if (!isRoomy) end += table.length;
    await file.write(tableOffset, isRoomy ? [table] : [table, encodeFooter(before)]);
    await file.sync();
    const newHeader = { ...header, tableOffset, maxTableEntries: newCount };
    await file.write(layout.headerOffset, [encodeHeader(newHeader)]);
    await file.sync();
  }
  const bytes = encodeFooter(footer);
  await file.write(0, [bytes]);
  await file.sync();
  await file.write(end, [bytes]);
}

async function refuseLoss(image: DiskImage, sizeBytes: number, work: Work): Promise<void> {
  if (sizeBytes >= image.sizeBytes || (await isZeroFrom(image, sizeBytes, work))) return;
  throw new StorageError(
    'SIZE',
    `The disk ${image.path} holds data behind the new size of ${sizeBytes} bytes, expected zeros`,
    { path: image.path, found: image.sizeBytes, expected: sizeBytes },
  );
}
