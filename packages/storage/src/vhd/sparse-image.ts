import { StorageError } from '../errors.ts';
import type { HostFile } from '../file/host-file.ts';
import { checkRange, checkTransfer, checkWritable, type DiskImage, type Extent } from '../image.ts';
import { forEachBounded, Mutex } from '../parallel.ts';
import { fillZero, isZero, type Segments, sliceSegments, zeroSegments } from '../segments.ts';
import { type BitmapChanges, BlockBitmaps, runsOf } from './block-bitmaps.ts';
import { BlockGates } from './block-gates.ts';
import { BlockSpace } from './block-space.ts';
import { BlockTable, UNALLOCATED } from './block-table.ts';
import type { SparseLayout } from './header.ts';

/** Parts of one transfer that are under way at once. */
const PARTS_MAX = 16;
/** New places that the file's table may lack before they are brought there unasked. */
const TABLE_CHANGES_MAX = 256;

/** What a dynamic or differencing disk is made of. */
export interface SparseParts {
  readonly file: HostFile;
  readonly layout: SparseLayout;
  /** The footer's bytes, for the file's new end. */
  readonly footerBytes: Uint8Array;
  readonly sizeBytes: number;
  readonly entries: Uint32Array;
  /** Places between other parts that could hold a block. */
  readonly gaps: readonly number[];
  /** Where the last footer is. */
  readonly end: number;
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

/**
 * A dynamic or differencing VHD. Blocks get their place in the file when they are first written:
 * the footer moves behind the new place, the bitmap is written, then the data; the table's entry
 * (and a differencing disk's bits for new sectors) follow when all that is on stable storage, which
 * is at the next flush. A cut at any moment leaves a disk with everything that was flushed.
 */
export class SparseVhd implements DiskImage {
  readonly path: string;
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  readonly canDiscard: boolean;
  readonly #file: HostFile;
  readonly #layout: SparseLayout;
  readonly #footerBytes: Uint8Array;
  readonly #parent: DiskImage | undefined;
  readonly #table: BlockTable;
  readonly #bitmaps: BlockBitmaps;
  readonly #space: BlockSpace;
  readonly #gates = new BlockGates();
  readonly #allocating = new Mutex();
  readonly #settling = new Mutex();
  readonly #settleAfterMs: number;
  /** Where the file's last footer is, if that is known. */
  #tailOffset: number | undefined;
  #settleTimer: NodeJS.Timeout | undefined;
  #nextSettle: Promise<void> | undefined;

  constructor(parts: SparseParts) {
    const { file, layout, entries } = parts;
    this.path = file.path;
    this.sizeBytes = parts.sizeBytes;
    this.isReadOnly = file.isReadOnly;
    this.canDiscard = !file.isReadOnly && parts.parent === undefined;
    this.#file = file;
    this.#layout = layout;
    this.#footerBytes = parts.footerBytes;
    this.#parent = parts.parent;
    this.#settleAfterMs = parts.settleAfterMs;
    this.#table = new BlockTable(file, layout.tableOffset, entries);
    this.#bitmaps = new BlockBitmaps(file, this.#table, layout);
    this.#space = new BlockSpace(layout, parts.gaps, parts.end);
    this.#tailOffset = parts.end;
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

  /** Brings data, then what names it, to stable storage; calls that wait share one run. */
  flush(): Promise<void> {
    this.#nextSettle ??= this.#settling.run(() => {
      this.#nextSettle = undefined;
      return this.#settle();
    });
    return this.#nextSettle;
  }

  async discard(offsetBytes: number, lengthBytes: number): Promise<void> {
    checkRange(this, offsetBytes, lengthBytes);
    checkWritable(this);
    // A differencing disk's parent would show through.
    if (this.#parent !== undefined) return;
    await this.#forEachPart(offsetBytes, lengthBytes, async (part) => {
      if (this.#coversBlock(part)) await this.#release(part.block);
    });
    await this.#settleSoon();
  }

  async writeZeroes(offsetBytes: number, lengthBytes: number, mayDiscard: boolean): Promise<void> {
    checkRange(this, offsetBytes, lengthBytes);
    checkWritable(this);
    await this.#forEachPart(offsetBytes, lengthBytes, async (part) => {
      if (this.#parent === undefined) {
        if (!this.#isAllocated(part.block)) return;
        if (mayDiscard && this.#coversBlock(part)) return await this.#release(part.block);
      }
      await this.#writePart(part, zeroSegments(part.lengthBytes));
    });
    await this.#settleSoon();
  }

  async extentAt(offsetBytes: number): Promise<Extent> {
    checkRange(this, offsetBytes, 0);
    const { blockBytes } = this.#layout;
    const block = Math.floor(offsetBytes / blockBytes);
    const isAllocated = this.#isAllocated(block);
    if (isAllocated || this.#parent === undefined) {
      let next = block + 1;
      while (next < this.#table.blockCount && this.#isAllocated(next) === isAllocated) next += 1;
      const end = Math.min(next * blockBytes, this.sizeBytes);
      return { lengthBytes: end - offsetBytes, isZero: !isAllocated };
    }
    const end = Math.min((block + 1) * blockBytes, this.sizeBytes);
    const extent = await this.#parent.extentAt(offsetBytes);
    return { ...extent, lengthBytes: Math.min(extent.lengthBytes, end - offsetBytes) };
  }

  async close(): Promise<void> {
    clearTimeout(this.#settleTimer);
    try {
      if (!this.isReadOnly) await this.flush();
    } finally {
      await this.#file.close();
      await this.#parent?.close();
    }
  }

  #isAllocated(block: number): boolean {
    return this.#table.sectorOf(block) !== UNALLOCATED;
  }

  #dataOffset(block: number): number {
    return this.#table.sectorOf(block) * 512 + this.#layout.bitmapBytes;
  }

  #coversBlock({ block, offset, lengthBytes }: Part): boolean {
    const diskEnd = this.sizeBytes - block * this.#layout.blockBytes;
    return offset === 0 && lengthBytes >= Math.min(this.#layout.blockBytes, diskEnd);
  }

  /** Calls `task` with each block's part, and where that starts in the transfer. */
  async #forEachPart(
    offsetBytes: number,
    lengthBytes: number,
    task: (part: Part, at: number) => Promise<void>,
  ): Promise<void> {
    const { blockBytes } = this.#layout;
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
    const { block, offset, lengthBytes } = part;
    const wait = this.#gates.enter(block);
    if (wait !== undefined) await wait;
    try {
      if (!this.#isAllocated(block)) return await this.#readBelow(part, segments);
      if (this.#bitmaps.isFull(block)) {
        return await this.#file.read(this.#dataOffset(block) + offset, segments);
      }
      const bitmap = await this.#bitmaps.load(block);
      const runs = runsOf(bitmap, offset / 512, lengthBytes / 512);
      await forEachBounded(runs, PARTS_MAX, async ({ first, count, isPresent }) => {
        const run = { block, offset: first * 512, lengthBytes: count * 512 };
        const target = sliceSegments(segments, run.offset - offset, run.lengthBytes);
        if (!isPresent) return await this.#readBelow(run, target);
        await this.#file.read(this.#dataOffset(block) + run.offset, target);
      });
    } finally {
      this.#gates.leave(block);
    }
  }

  /** Reads what lies under sectors that this file does not have. */
  async #readBelow({ block, offset }: Part, segments: Segments): Promise<void> {
    if (this.#parent === undefined) return fillZero(segments);
    await this.#parent.read(block * this.#layout.blockBytes + offset, segments);
  }

  async #writePart(part: Part, segments: Segments): Promise<void> {
    const { block, offset, lengthBytes } = part;
    for (;;) {
      const wait = this.#gates.enter(block);
      if (wait !== undefined) await wait;
      try {
        if (this.#isAllocated(block)) {
          await this.#file.write(this.#dataOffset(block) + offset, segments);
          // Only now: a bit must never be in the file before its data.
          if (!this.#bitmaps.isFull(block)) {
            await this.#bitmaps.mark(block, offset / 512, lengthBytes / 512);
          }
          return;
        }
      } finally {
        this.#gates.leave(block);
      }
      if (this.#parent === undefined && isZero(segments)) return;
      await this.#gates.exclusive(block, async () => {
        if (!this.#isAllocated(block)) await this.#allocate(block);
      });
    }
  }

  /** Gives a block its place. One at a time, since the footer moves with the file's end. */
  #allocate(block: number): Promise<void> {
    return this.#allocating.run(async () => {
      const { bitmapBytes, blockBytes } = this.#layout;
      const place = this.#space.choose();
      const sector = place.offset / 512;
      if (sector >= UNALLOCATED) {
        throw new StorageError(
          'UNSUPPORTED',
          `The file ${this.path} cannot grow beyond 2 TiB: a block's place is a sector in 32 bits`,
          { path: this.path },
        );
      }
      const end = this.#space.end;
      if (!place.isUsed) await this.#writeTail(place.offset + bitmapBytes + blockBytes);
      else await this.#writeTail(end);
      // Without a parent all sectors count as written: they are zeros in the file as well, and
      // later writes need not touch the bitmap.
      const bitmap = this.#bitmaps.create(block, this.#parent === undefined);
      try {
        if (place.isUsed) {
          if (this.#parent === undefined) {
            const dataOffset = place.offset + bitmapBytes;
            await this.#file.write(dataOffset, zeroSegments(blockBytes));
          }
          await this.#file.write(place.offset, [bitmap]);
        } else {
          // The old footer lies where the gap before the aligned place or the bitmap is now.
          await this.#file.write(end, [...zeroSegments(place.offset - end), bitmap]);
        }
      } catch (error) {
        this.#bitmaps.forget(block);
        // The footer is behind the place that stays free, and may be lost.
        if (!place.isUsed) this.#tailOffset = undefined;
        throw error;
      }
      this.#space.take(place);
      this.#table.set(block, sector);
    });
  }

  /** Puts the footer at `offset`, unless it is there. */
  async #writeTail(offset: number): Promise<void> {
    if (this.#tailOffset === offset) return;
    await this.#file.write(offset, [this.#footerBytes]);
    this.#tailOffset = offset;
  }

  /** Takes a block's place away; it is free when the file's table does not name it any more. */
  async #release(block: number): Promise<void> {
    await this.#gates.exclusive(block, async () => {
      if (!this.#isAllocated(block)) return;
      const offset = this.#table.sectorOf(block) * 512;
      if (!this.#table.mayBeStored(block)) this.#space.release([offset]);
      this.#bitmaps.forget(block);
      this.#table.set(block, UNALLOCATED);
    });
  }

  /** Sees to it that what is only in memory stays bounded in number and, by a timer, in age. */
  async #settleSoon(): Promise<void> {
    const { changeCount, changesMax } = this.#bitmaps;
    if (this.#table.changeCount + changeCount === 0) return;
    if (this.#table.changeCount >= TABLE_CHANGES_MAX || changeCount >= changesMax) {
      return await this.flush();
    }
    if (this.#settleAfterMs === 0) return;
    this.#settleTimer ??= setTimeout(() => {
      this.#settleTimer = undefined;
      // What failed is put back: the next flush tries again and tells its caller.
      this.flush().catch(() => undefined);
    }, this.#settleAfterMs).unref();
  }

  async #settle(): Promise<void> {
    const table = this.#table.takeChanges();
    const bitmaps = this.#bitmaps.takeChanges();
    try {
      // Bitmaps of blocks that the file's table does not name are as good as data.
      await this.#storeBitmaps(bitmaps, (block) => table.get(block)?.sector);
      await this.#allocating.run(() => this.#writeTail(this.#space.end));
      await this.#file.sync();
      if (table.size > 0 || bitmaps.size > 0) {
        await this.#storeBitmaps(bitmaps, (block) =>
          table.has(block) ? undefined : this.#table.storedSectorOf(block),
        );
        await this.#table.store();
        await this.#file.sync();
      }
    } catch (error) {
      this.#table.putBack();
      this.#bitmaps.putBack();
      throw error;
    }
    this.#table.settled();
    this.#bitmaps.settled();
    const freed = [...table.values()].filter(
      ({ sector, before }) => before !== UNALLOCATED && before !== sector,
    );
    this.#space.release(freed.map(({ before }) => before * 512));
  }

  /** Writes those bitmaps that `sectorOf` gives a place for. */
  async #storeBitmaps(
    bitmaps: BitmapChanges,
    sectorOf: (block: number) => number | undefined,
  ): Promise<void> {
    await forEachBounded([...bitmaps], PARTS_MAX, async ([block, bitmap]) => {
      const sector = sectorOf(block);
      if (sector === undefined || sector === UNALLOCATED) return;
      await this.#file.write(sector * 512, [bitmap]);
    });
  }
}
