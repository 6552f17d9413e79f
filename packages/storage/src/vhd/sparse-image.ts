import { checkRange, checkTransfer, checkWritable, type DiskImage, type Extent } from '../image.ts';
import { forEachBounded } from '../parallel.ts';
import { fillZero, isZero, type Segments, sliceSegments, zeroSegments } from '../segments.ts';
import type { SparseBlocks } from './sparse-blocks.ts';

/** Parts of one transfer that are under way at once. */
const PARTS_MAX = 16;
/** What one byte of a bitmap stands for. */
const GRANULE_BYTES = 8 * 512;

/** What a dynamic or differencing disk is made of. */
export interface SparseDisk {
  readonly blocks: SparseBlocks;
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** What a differencing disk's own sectors cover; undefined for a dynamic disk. */
  readonly parent: DiskImage | undefined;
  /** How long allocations stay in memory without a flush; 0: until a flush. */
  readonly settleAfterMs: number;
}

/** One block's share of a transfer. */
interface Part {
  readonly block: number;
  /** Where in the block it starts, in bytes. */
  readonly offset: number;
  readonly lengthBytes: number;
}

/** A dynamic or differencing VHD as a disk: transfers cut into blocks, and what lies below. */
export class SparseVhd implements DiskImage {
  readonly path: string;
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  readonly canDiscard: boolean;
  /** For what is done to the file rather than to the disk. */
  readonly blocks: SparseBlocks;
  readonly #parent: DiskImage | undefined;
  readonly #settleAfterMs: number;
  #settleTimer: NodeJS.Timeout | undefined;

  constructor(disk: SparseDisk) {
    this.path = disk.blocks.path;
    this.sizeBytes = disk.sizeBytes;
    this.isReadOnly = disk.isReadOnly;
    this.canDiscard = !disk.isReadOnly && disk.parent === undefined;
    this.blocks = disk.blocks;
    this.#parent = disk.parent;
    this.#settleAfterMs = disk.settleAfterMs;
  }

  async read(offsetBytes: number, segments: Segments): Promise<void> {
    const lengthBytes = checkTransfer(this, offsetBytes, segments);
    await this.#forEachPart(offsetBytes, lengthBytes, (part, at) =>
      this.#readPart(part, sliceSegments(segments, at, part.lengthBytes)),
    );
  }

  async write(offsetBytes: number, segments: Segments): Promise<void> {
    const lengthBytes = checkTransfer(this, offsetBytes, segments);
    checkWritable(this);
    await this.#forEachPart(offsetBytes, lengthBytes, (part, at) =>
      this.#writePart(part, sliceSegments(segments, at, part.lengthBytes)),
    );
    await this.#settleSoon();
  }

  async flush(): Promise<void> {
    if (!this.isReadOnly) await this.blocks.settle();
  }

  async discard(offsetBytes: number, lengthBytes: number): Promise<void> {
    checkRange(this, offsetBytes, lengthBytes);
    checkWritable(this);
    // A differencing disk's parent would show through.
    if (this.#parent !== undefined) return;
    await this.#forEachPart(offsetBytes, lengthBytes, async (part) => {
      if (this.#coversBlock(part)) await this.blocks.release(part.block);
    });
    await this.#settleSoon();
  }

  async writeZeroes(offsetBytes: number, lengthBytes: number, mayDiscard: boolean): Promise<void> {
    checkRange(this, offsetBytes, lengthBytes);
    checkWritable(this);
    await this.#forEachPart(offsetBytes, lengthBytes, async (part) => {
      if (this.#parent === undefined) {
        if (!this.blocks.isAllocated(part.block)) return;
        if (mayDiscard && this.#coversBlock(part)) {
          await this.blocks.release(part.block);
          return;
        }
      }
      await this.#writePart(part, zeroSegments(part.lengthBytes));
    });
    await this.#settleSoon();
  }

  async extentAt(offsetBytes: number): Promise<Extent> {
    checkRange(this, offsetBytes, 0);
    const { blockBytes } = this.blocks.layout;
    const block = Math.floor(offsetBytes / blockBytes);
    const isAllocated = this.blocks.isAllocated(block);
    let next = block + 1;
    if (!isAllocated && this.#parent !== undefined) {
      const end = Math.min(next * blockBytes, this.sizeBytes);
      const { isZero, lengthBytes } = await this.#parent.extentAt(offsetBytes);
      return { isZero, lengthBytes: Math.min(lengthBytes, end - offsetBytes) };
    }
    while (next < this.blocks.blockCount && this.blocks.isAllocated(next) === isAllocated) {
      next += 1;
    }
    const end = Math.min(next * blockBytes, this.sizeBytes);
    return { lengthBytes: end - offsetBytes, isZero: !isAllocated };
  }

  async close(): Promise<void> {
    clearTimeout(this.#settleTimer);
    try {
      await this.flush();
    } finally {
      await this.blocks.close();
      await this.#parent?.close();
    }
  }

  #coversBlock({ block, offset, lengthBytes }: Part): boolean {
    const { blockBytes } = this.blocks.layout;
    const diskEnd = this.sizeBytes - block * blockBytes;
    return offset === 0 && lengthBytes >= Math.min(blockBytes, diskEnd);
  }

  /** Calls `task` with each block's part, and where that starts in the transfer. */
  async #forEachPart(
    offsetBytes: number,
    lengthBytes: number,
    task: (part: Part, at: number) => Promise<void>,
  ): Promise<void> {
    const { blockBytes } = this.blocks.layout;
    const partAt = (at: number): Part => {
      const block = Math.floor((offsetBytes + at) / blockBytes);
      const offset = offsetBytes + at - block * blockBytes;
      return { block, offset, lengthBytes: Math.min(blockBytes - offset, lengthBytes - at) };
    };
    const first = partAt(0);
    if (first.lengthBytes === lengthBytes) return await task(first, 0);
    const starts: number[] = [];
    for (let at = 0; at < lengthBytes; at += partAt(at).lengthBytes) starts.push(at);
    await forEachBounded(starts, PARTS_MAX, (at) => task(partAt(at), at));
  }

  async #readPart(part: Part, segments: Segments): Promise<void> {
    await this.blocks.hold(part.block, () => this.#readHeld(part, segments));
  }

  async #readHeld(part: Part, segments: Segments): Promise<void> {
    const { block, offset, lengthBytes } = part;
    if (!this.blocks.isAllocated(block)) return await this.#readBelow(part, segments);
    const runs = await this.blocks.runs(block, offset / 512, lengthBytes / 512);
    const [only] = runs;
    if (runs.length === 1 && only?.isPresent) {
      return await this.blocks.readData(block, offset, segments);
    }
    await forEachBounded(runs, PARTS_MAX, async ({ first, count, isPresent }) => {
      const run = { block, offset: first * 512, lengthBytes: count * 512 };
      const target = sliceSegments(segments, run.offset - offset, run.lengthBytes);
      if (isPresent) await this.blocks.readData(block, run.offset, target);
      else await this.#readBelow(run, target);
    });
  }

  /** Reads what lies under sectors that this file does not have. */
  async #readBelow({ block, offset }: Part, segments: Segments): Promise<void> {
    if (this.#parent === undefined) return fillZero(segments);
    await this.#parent.read(block * this.blocks.layout.blockBytes + offset, segments);
  }

  async #writePart(part: Part, segments: Segments): Promise<void> {
    const { block, offset, lengthBytes } = part;
    const isRagged = (offset | lengthBytes) % GRANULE_BYTES !== 0;
    if (isRagged && this.#parent !== undefined) return await this.#writeRagged(part, segments);
    const write = async (): Promise<boolean> => {
      if (!this.blocks.isAllocated(block)) return false;
      await this.blocks.writeData(block, offset, segments, lengthBytes / 512);
      return true;
    };
    // A discard may come between.
    while (!(await this.blocks.hold(block, write))) {
      if (this.#parent === undefined && isZero(segments)) return;
      await this.blocks.allocate(block);
    }
  }

  /**
   * Writes sectors of a differencing disk with those around them that share a byte of the bitmap,
   * which come from below. libvhdi takes all bits of a byte behind the first one for set.
   */
  async #writeRagged({ block, offset, lengthBytes }: Part, segments: Segments): Promise<void> {
    const { blockBytes } = this.blocks.layout;
    const blockEnd = Math.min(blockBytes, this.sizeBytes - block * blockBytes);
    const start = offset - (offset % GRANULE_BYTES);
    const dataEnd = offset + lengthBytes;
    const end = Math.min(blockEnd, Math.ceil(dataEnd / GRANULE_BYTES) * GRANULE_BYTES);
    const write = async (): Promise<boolean> => {
      if (!this.blocks.isAllocated(block)) return false;
      const before = Buffer.allocUnsafe(offset - start);
      const after = Buffer.allocUnsafe(end - dataEnd);
      const head = { block, offset: start, lengthBytes: before.length };
      const tail = { block, offset: dataEnd, lengthBytes: after.length };
      await this.#readHeld(head, [before]);
      await this.#readHeld(tail, [after]);
      const all = [before, ...segments, after];
      await this.blocks.writeData(block, start, all, (end - start) / 512);
      return true;
    };
    // Alone with the block: a transfer to the sectors around would be undone.
    while (!(await this.blocks.exclude(block, write))) await this.blocks.allocate(block);
  }

  /** Sees to it that what is only in memory stays bounded in number and, by a timer, in age. */
  async #settleSoon(): Promise<void> {
    if (this.blocks.unsettledCount === 0) return;
    if (this.blocks.mustSettle) return await this.blocks.settle();
    if (this.#settleAfterMs === 0) return;
    this.#settleTimer ??= setTimeout(() => {
      this.#settleTimer = undefined;
      // What failed is put back: the next flush tries again and tells its caller.
      this.blocks.settle().catch(() => undefined);
    }, this.#settleAfterMs).unref();
  }
}
