import { StorageError } from '../errors.ts';
import type { HostFile } from '../file/host-file.ts';
import { forEachBounded, Mutex } from '../parallel.ts';
import { type Segments, zeroSegments } from '../segments.ts';
import { type BitmapChanges, BlockBitmaps, runsOf, type SectorRun } from './block-bitmaps.ts';
import { BlockGates } from './block-gates.ts';
import { type BlockPlace, BlockSpace } from './block-space.ts';
import { BlockTable, UNALLOCATED } from './block-table.ts';
import type { SparseLayout } from './header.ts';

/** Writes of metadata that are under way at once. */
const WRITES_MAX = 16;
/** New places that the file's table may lack before they are brought there unasked. */
const TABLE_CHANGES_MAX = 256;

/** The file of a dynamic or differencing disk, read and checked. */
export interface SparseParts {
  readonly file: HostFile;
  readonly layout: SparseLayout;
  /** The footer's bytes, for the file's new end. */
  readonly footerBytes: Uint8Array;
  readonly entries: Uint32Array;
  /** Places between other parts that could hold a block. */
  readonly gaps: readonly number[];
  /** Where the last of the parts that never move ends. */
  readonly fixedEnd: number;
  /** Where the last footer is. */
  readonly end: number;
  readonly isDifferencing: boolean;
}

/**
 * The blocks of a dynamic or differencing VHD in their file. Blocks get their place when they are
 * first written: the footer moves behind the new place, the bitmap is written, then the data; the
 * table's entry (and a differencing disk's bits for new sectors) follow when all that is on stable
 * storage, which is at the next `settle`. A cut at any moment leaves a file with all that was
 * settled.
 */
export class SparseBlocks {
  readonly path: string;
  readonly layout: SparseLayout;
  readonly isDifferencing: boolean;
  readonly #file: HostFile;
  readonly #footerBytes: Uint8Array;
  readonly #fixedEnd: number;
  readonly #table: BlockTable;
  readonly #bitmaps: BlockBitmaps;
  readonly #space: BlockSpace;
  readonly #gates = new BlockGates();
  readonly #allocating = new Mutex();
  readonly #settling = new Mutex();
  /** Where the file's last footer is, if that is known. */
  #tailOffset: number | undefined;
  #nextSettle: Promise<void> | undefined;

  constructor(parts: SparseParts) {
    const { file, layout, entries } = parts;
    this.path = file.path;
    this.layout = layout;
    this.isDifferencing = parts.isDifferencing;
    this.#file = file;
    this.#footerBytes = parts.footerBytes;
    this.#fixedEnd = parts.fixedEnd;
    this.#table = new BlockTable(file, layout.tableOffset, entries);
    this.#bitmaps = new BlockBitmaps(file, this.#table, layout);
    this.#space = new BlockSpace(layout, parts.gaps, parts.end);
    this.#tailOffset = parts.end;
  }

  get blockCount(): number {
    return this.#table.blockCount;
  }

  /** How many blocks or bitmaps are only in memory. */
  get unsettledCount(): number {
    return this.#table.changeCount + this.#bitmaps.changeCount;
  }

  /** Whether so much is only in memory that it is time to settle. */
  get mustSettle(): boolean {
    const { changeCount, changesMax } = this.#bitmaps;
    return this.#table.changeCount >= TABLE_CHANGES_MAX || changeCount >= changesMax;
  }

  isAllocated(block: number): boolean {
    return this.#table.sectorOf(block) !== UNALLOCATED;
  }

  /** Where a block lies in the file; for putting blocks in order. */
  placeOf(block: number): number {
    return this.#table.sectorOf(block) * 512;
  }

  /** Runs `task` while the block stays where it is. */
  async hold<T>(block: number, task: () => Promise<T>): Promise<T> {
    const wait = this.#gates.enter(block);
    if (wait !== undefined) await wait;
    try {
      return await task();
    } finally {
      this.#gates.leave(block);
    }
  }

  /** Runs `task` while nobody else touches the block. */
  async exclude<T>(block: number, task: () => Promise<T>): Promise<T> {
    return await this.#gates.exclusive(block, task);
  }

  /** The runs of a held, allocated block's sectors that hold data here or do not. */
  async runs(block: number, firstSector: number, count: number): Promise<SectorRun[]> {
    if (this.#bitmaps.isFull(block)) return [{ first: firstSector, count, isPresent: true }];
    return runsOf(await this.#bitmaps.load(block), firstSector, count);
  }

  /** Reads bytes of a held, allocated block, whatever its bitmap says. */
  readData(block: number, offset: number, segments: Segments): Promise<void> {
    return this.#file.read(this.#dataOffset(block) + offset, segments);
  }

  /** Writes sectors of a held, allocated block. */
  async writeData(block: number, offset: number, segments: Segments, count: number): Promise<void> {
    await this.#file.write(this.#dataOffset(block) + offset, segments);
    // Only now: a bit must never be in the file before its data.
    if (!this.#bitmaps.isFull(block)) await this.#bitmaps.mark(block, offset / 512, count);
  }

  /** Gives a block its place, unless it has one. */
  async allocate(block: number): Promise<void> {
    await this.#gates.exclusive(block, async () => {
      if (this.isAllocated(block)) return;
      // One at a time, since the footer moves with the file's end.
      await this.#allocating.run(() => this.#allocate(block));
    });
  }

  /**
   * Takes a block's place away, if `mayRelease` agrees while nobody else touches the block. The
   * place is free when the file's table does not name it any more.
   */
  async release(block: number, mayRelease?: () => Promise<boolean>): Promise<boolean> {
    return await this.#gates.exclusive(block, async () => {
      if (!this.isAllocated(block)) return false;
      if (mayRelease !== undefined && !(await mayRelease())) return false;
      if (!this.#table.mayBeStored(block)) this.#space.release([this.placeOf(block)]);
      this.#bitmaps.forget(block);
      this.#table.set(block, UNALLOCATED);
      return true;
    });
  }

  /** Moves a block to the lowest free place, if that is below its own; whether it moved. */
  async moveDown(block: number): Promise<boolean> {
    return await this.#gates.exclusive(block, () =>
      this.#allocating.run(async () => {
        if (!this.isAllocated(block)) return false;
        const from = this.placeOf(block);
        const place = this.#space.reserveBelow(from);
        if (place === undefined) return false;
        try {
          await this.#copyBlock(block, place);
        } catch (error) {
          this.#space.giveBack(place);
          throw error;
        }
        this.#space.take(place);
        if (!this.#table.mayBeStored(block)) this.#space.release([from]);
        this.#table.set(block, place.offset / 512);
        return true;
      }),
    );
  }

  /** Cuts the file behind its last block; nothing may be unsettled that was freed. */
  async trim(): Promise<void> {
    await this.#allocating.run(async () => {
      const end = Math.max(
        this.#fixedEnd,
        this.#table.lastSectorEnd(this.#space.strideBytes / 512),
      );
      if (end >= this.#space.end) return;
      await this.#file.write(end, [this.#footerBytes]);
      await this.#file.sync();
      await this.#file.truncate(end + this.#footerBytes.length);
      this.#space.cut(end);
      this.#tailOffset = end;
    });
  }

  /** Brings data, then what names it, to stable storage; calls that wait share one run. */
  settle(): Promise<void> {
    this.#nextSettle ??= this.#settling.run(() => {
      this.#nextSettle = undefined;
      return this.#settle();
    });
    return this.#nextSettle;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #dataOffset(block: number): number {
    return this.placeOf(block) + this.layout.bitmapBytes;
  }

  async #copyBlock(block: number, place: BlockPlace): Promise<void> {
    const { bitmapBytes, blockBytes } = this.layout;
    // Memory has the newest bits.
    const bitmap = this.#bitmaps.isFull(block)
      ? new Uint8Array(bitmapBytes).fill(0xff)
      : (await this.#bitmaps.load(block)).slice();
    const data = Buffer.allocUnsafe(blockBytes);
    await this.readData(block, 0, [data]);
    await this.#file.write(place.offset, [bitmap, data]);
  }

  async #allocate(block: number): Promise<void> {
    const place = this.#space.reserve();
    if (place.offset / 512 >= UNALLOCATED) {
      throw new StorageError(
        'UNSUPPORTED',
        `The file ${this.path} cannot grow beyond 2 TiB: a block's place is a sector in 32 bits`,
        { path: this.path },
      );
    }
    // Without a parent all sectors count as written: they are zeros in the file as well, and later
    // writes need not touch the bitmap.
    const bitmap = this.#bitmaps.create(block, !this.isDifferencing);
    try {
      if (place.isUsed) await this.#clearPlace(place, bitmap);
      else await this.#growTo(place, bitmap);
    } catch (error) {
      this.#bitmaps.forget(block);
      this.#space.giveBack(place);
      throw error;
    }
    this.#space.take(place);
    this.#table.set(block, place.offset / 512);
  }

  async #clearPlace(place: BlockPlace, bitmap: Uint8Array): Promise<void> {
    const { bitmapBytes, blockBytes } = this.layout;
    await this.#writeTail(this.#space.end);
    if (!this.isDifferencing) {
      await this.#file.write(place.offset + bitmapBytes, zeroSegments(blockBytes));
    }
    await this.#file.write(place.offset, [bitmap]);
  }

  async #growTo(place: BlockPlace, bitmap: Uint8Array): Promise<void> {
    const { end, strideBytes } = this.#space;
    await this.#writeTail(place.offset + strideBytes);
    // If what follows fails, the place stays free, and the footer is behind it or lost.
    this.#tailOffset = undefined;
    // The old footer lies where the gap before the aligned place or the bitmap is now.
    await this.#file.write(end, [...zeroSegments(place.offset - end), bitmap]);
    this.#tailOffset = place.offset + strideBytes;
  }

  /** Puts the footer at `offset`, unless it is there. */
  async #writeTail(offset: number): Promise<void> {
    if (this.#tailOffset === offset) return;
    await this.#file.write(offset, [this.#footerBytes]);
    this.#tailOffset = offset;
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
    await forEachBounded([...bitmaps], WRITES_MAX, async ([block, bitmap]) => {
      const sector = sectorOf(block);
      if (sector === undefined || sector === UNALLOCATED) return;
      await this.#file.write(sector * 512, [bitmap]);
    });
  }
}
