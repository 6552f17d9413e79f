import { unsupported } from './errors.ts';
import type { DiskImage } from './image.ts';
import { isZero } from './segments.ts';
import type { SparseBlocks } from './vhd/sparse-blocks.ts';
import { SparseVhd } from './vhd/sparse-image.ts';
import { advance, type Work } from './work.ts';

/** Moves between two settlings: so much is copied again at most after a cut. */
const MOVES_MAX = 64;
const READ_BYTES = 2 ** 20;

/** What a compaction did. */
export interface Compaction {
  /** Blocks given up because they held nothing. */
  readonly freedCount: number;
  /** Blocks moved to a place nearer to the file's start. */
  readonly movedCount: number;
}

/**
 * Makes a dynamic or differencing VHD's file as short as it can be. The image may be in use: blocks
 * stand still one at a time while they are examined or moved. A block's new place is on stable
 * storage before the table names it, and its old one is used again only after that; a cut at any
 * moment loses nothing. Throws StorageError.
 */
export async function compactImage(image: DiskImage, work: Work = {}): Promise<Compaction> {
  if (!(image instanceof SparseVhd)) {
    throw unsupported(image.path, 'has no blocks to give up', 'expected a dynamic VHD');
  }
  const { blocks } = image;
  const allocated = Array.from({ length: blocks.blockCount }, (_, block) => block).filter((block) =>
    blocks.isAllocated(block),
  );
  const total = allocated.length * 2;
  let freedCount = 0;
  for (const [index, block] of allocated.entries()) {
    advance(work, index, total);
    if (await blocks.release(block, () => holdsNothing(blocks, block))) freedCount += 1;
    if (blocks.mustSettle) await blocks.settle();
  }
  await blocks.settle();
  // From the file's end, until no free place lies below.
  allocated.sort((a, b) => blocks.placeOf(b) - blocks.placeOf(a));
  let movedCount = 0;
  for (const [index, block] of allocated.entries()) {
    advance(work, allocated.length + index, total);
    if (!blocks.isAllocated(block)) continue;
    if (!(await blocks.moveDown(block))) break;
    movedCount += 1;
    if (movedCount % MOVES_MAX === 0) await blocks.settle();
  }
  await blocks.settle();
  await blocks.trim();
  await blocks.settle();
  advance(work, total, total);
  return { freedCount, movedCount };
}

/** Whether giving the block up changes nothing that the disk reads as. */
async function holdsNothing(blocks: SparseBlocks, block: number): Promise<boolean> {
  const { blockBytes } = blocks.layout;
  const runs = await blocks.runs(block, 0, blockBytes / 512);
  const present = runs.filter(({ isPresent }) => isPresent);
  if (blocks.isDifferencing) return present.length === 0;
  const bytes = Buffer.allocUnsafe(Math.min(READ_BYTES, blockBytes));
  for (const { first, count } of present) {
    for (let at = 0; at < count * 512; at += bytes.length) {
      const piece = bytes.subarray(0, Math.min(bytes.length, count * 512 - at));
      await blocks.readData(block, first * 512 + at, [piece]);
      if (!isZero([piece])) return false;
    }
  }
  return true;
}
