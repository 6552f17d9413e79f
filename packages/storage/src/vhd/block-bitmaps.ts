import type { HostFile } from '../file/host-file.ts';
import type { BlockTable } from './block-table.ts';
import type { SparseLayout } from './header.ts';

/** Bitmaps kept in memory, all disks alike. */
const CACHE_BYTES_MAX = 8 * 2 ** 20;

/** Copies of bitmaps on their way to the file, by block. */
export type BitmapChanges = ReadonlyMap<number, Uint8Array>;

/**
 * Which sectors of each block hold data: a bit per sector, the most significant one first.
 * [VHD] "Data Blocks". A bounded number is kept; changed ones stay until they are in the file.
 */
export class BlockBitmaps {
  readonly #file: HostFile;
  readonly #table: BlockTable;
  readonly #bitmapBytes: number;
  readonly #sectorsPerBlock: number;
  readonly #cachedMax: number;
  /** In order of use, the least recently used first. */
  readonly #cache = new Map<number, Uint8Array>();
  readonly #loading = new Map<number, Promise<void>>();
  /** One bit per block: all its sectors hold data, so nobody needs its bitmap. */
  readonly #full: Uint8Array;
  #changed = new Set<number>();
  #leaving: BitmapChanges = new Map();

  constructor(file: HostFile, table: BlockTable, layout: SparseLayout) {
    this.#file = file;
    this.#table = table;
    this.#bitmapBytes = layout.bitmapBytes;
    this.#sectorsPerBlock = layout.blockBytes / 512;
    this.#cachedMax = Math.max(16, Math.floor(CACHE_BYTES_MAX / layout.bitmapBytes));
    this.#full = new Uint8Array(Math.ceil(table.blockCount / 8));
  }

  /** How many bitmaps the file does not have yet. */
  get changeCount(): number {
    return this.#changed.size;
  }

  /** The most changed bitmaps there should be before they are brought to the file. */
  get changesMax(): number {
    return this.#cachedMax >> 1;
  }

  /** Whether all of a block's sectors are known to hold data. */
  isFull(block: number): boolean {
    return ((this.#full[block >> 3] ?? 0) & (1 << (block & 7))) !== 0;
  }

  /** The bitmap of an allocated block; good until the next await. */
  async load(block: number): Promise<Uint8Array> {
    for (;;) {
      const bitmap = this.#cache.get(block);
      if (bitmap !== undefined) {
        this.#cache.delete(block);
        this.#cache.set(block, bitmap);
        return bitmap;
      }
      const loading = this.#loading.get(block) ?? this.#startLoading(block);
      await loading;
    }
  }

  /** The bitmap of a block that is being given a place, for its first write to the file. */
  create(block: number, isFull: boolean): Uint8Array {
    const bitmap = new Uint8Array(this.#bitmapBytes).fill(isFull ? 0xff : 0);
    if (isFull) this.#setFull(block, true);
    else this.#keep(block, bitmap);
    return bitmap;
  }

  /** Marks sectors of an allocated block as holding data. */
  async mark(block: number, firstSector: number, count: number): Promise<void> {
    if (this.isFull(block)) return;
    let bitmap: Uint8Array | undefined;
    // What load gave may have left the cache again meanwhile.
    for (bitmap = this.#cache.get(block); bitmap === undefined; bitmap = this.#cache.get(block)) {
      await this.load(block);
    }
    if (!setBits(bitmap, firstSector, count)) return;
    this.#changed.add(block);
    if (isAllOnes(bitmap, this.#sectorsPerBlock)) this.#setFull(block, true);
  }

  /** A block that has no place any more. */
  forget(block: number): void {
    this.#cache.delete(block);
    this.#changed.delete(block);
    this.#setFull(block, false);
  }

  /** Takes copies of all that changed so far; `settled` or `putBack` must follow. */
  takeChanges(): BitmapChanges {
    const changes = new Map<number, Uint8Array>();
    for (const block of this.#changed) {
      const bitmap = this.#cache.get(block);
      if (bitmap !== undefined) changes.set(block, bitmap.slice());
    }
    this.#changed = new Set();
    this.#leaving = changes;
    return changes;
  }

  settled(): void {
    this.#leaving = new Map();
  }

  putBack(): void {
    for (const block of this.#leaving.keys()) {
      if (this.#cache.has(block)) this.#changed.add(block);
    }
    this.#leaving = new Map();
  }

  #startLoading(block: number): Promise<void> {
    const loading = (async () => {
      try {
        const bitmap = new Uint8Array(this.#bitmapBytes);
        await this.#file.read(this.#table.sectorOf(block) * 512, [bitmap]);
        this.#keep(block, bitmap);
      } finally {
        this.#loading.delete(block);
      }
    })();
    this.#loading.set(block, loading);
    return loading;
  }

  #keep(block: number, bitmap: Uint8Array): void {
    this.#cache.set(block, bitmap);
    this.#setFull(block, isAllOnes(bitmap, this.#sectorsPerBlock));
    if (this.#cache.size <= this.#cachedMax) return;
    for (const candidate of this.#cache.keys()) {
      const isNeeded = this.#changed.has(candidate) || this.#leaving.has(candidate);
      if (isNeeded || candidate === block) continue;
      this.#cache.delete(candidate);
      return;
    }
  }

  #setFull(block: number, isFull: boolean): void {
    const bit = 1 << (block & 7);
    const byte = this.#full[block >> 3] ?? 0;
    this.#full[block >> 3] = isFull ? byte | bit : byte & ~bit;
  }
}

/** A run of sectors of a block that all hold data, or none of which does. */
export interface SectorRun {
  readonly first: number;
  readonly count: number;
  readonly isPresent: boolean;
}

/** The runs of `count` sectors from `first` on. */
export function runsOf(bitmap: Uint8Array, first: number, count: number): SectorRun[] {
  const runs: SectorRun[] = [];
  const end = first + count;
  for (let at = first; at < end; ) {
    const isPresent = hasBit(bitmap, at);
    const whole = isPresent ? 0xff : 0;
    let next = at + 1;
    while (next < end) {
      if ((next & 7) === 0 && next + 8 <= end && bitmap[next >> 3] === whole) next += 8;
      else if (hasBit(bitmap, next) === isPresent) next += 1;
      else break;
    }
    runs.push({ first: at, count: next - at, isPresent });
    at = next;
  }
  return runs;
}

function hasBit(bitmap: Uint8Array, sector: number): boolean {
  return ((bitmap[sector >> 3] ?? 0) & (0x80 >> (sector & 7))) !== 0;
}

/** Sets bits; whether any of them was clear. */
function setBits(bitmap: Uint8Array, first: number, count: number): boolean {
  let hasChanged = false;
  for (const run of runsOf(bitmap, first, count)) {
    if (run.isPresent) continue;
    hasChanged = true;
    for (let sector = run.first; sector < run.first + run.count; sector++) {
      bitmap[sector >> 3] = (bitmap[sector >> 3] ?? 0) | (0x80 >> (sector & 7));
    }
  }
  return hasChanged;
}

function isAllOnes(bitmap: Uint8Array, bitCount: number): boolean {
  const [run] = runsOf(bitmap, 0, bitCount);
  return run?.isPresent === true && run.count === bitCount;
}
