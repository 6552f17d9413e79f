import { damaged } from '../errors.ts';
import { type HostFile, readBytes } from '../file/host-file.ts';
import type { SparseLayout } from './header.ts';

/** The entry of a block that has no place in the file. [VHD] "Block Allocation Table" */
export const UNALLOCATED = 0xffff_ffff;

/** Changes of the table on their way to the file, by block. */
export type TableChanges = ReadonlyMap<number, TableChange>;

interface TableChange {
  readonly sector: number;
  /** The sector that the file's table still names. */
  readonly before: number;
}

/**
 * The block allocation table: where each block lies, as it is now and as the file has it. What
 * changes is kept back until the blocks it names are on stable storage.
 */
export class BlockTable {
  readonly #file: HostFile;
  readonly #offset: number;
  readonly #now: Uint32Array;
  readonly #stored: Uint32Array;
  #changed = new Set<number>();
  #leaving: TableChanges = new Map();

  constructor(file: HostFile, offset: number, entries: Uint32Array) {
    this.#file = file;
    this.#offset = offset;
    this.#now = entries;
    this.#stored = entries.slice();
  }

  get blockCount(): number {
    return this.#now.length;
  }

  /** How many changes the file does not have yet. */
  get changeCount(): number {
    return this.#changed.size;
  }

  /** The first sector of a block (its bitmap), or UNALLOCATED. */
  sectorOf(block: number): number {
    return this.#now[block] ?? UNALLOCATED;
  }

  /** The same as the file has it. */
  storedSectorOf(block: number): number {
    return this.#stored[block] ?? UNALLOCATED;
  }

  /** Whether the file may name the block's present place, now or in a moment. */
  mayBeStored(block: number): boolean {
    return this.#stored[block] === this.#now[block] || this.#leaving.has(block);
  }

  set(block: number, sector: number): void {
    this.#now[block] = sector;
    this.#changed.add(block);
  }

  /** Takes the changes so far; `store` and `settled`, or `putBack`, must follow. */
  takeChanges(): TableChanges {
    const changes = new Map<number, TableChange>();
    for (const block of this.#changed) {
      changes.set(block, { sector: this.sectorOf(block), before: this.storedSectorOf(block) });
    }
    this.#changed = new Set();
    this.#leaving = changes;
    return changes;
  }

  /** Writes the sectors of the table in which the taken changes lie, with nothing newer in them. */
  async store(): Promise<void> {
    for (const [block, { sector }] of this.#leaving) this.#stored[block] = sector;
    const sectors = [...new Set([...this.#leaving.keys()].map((block) => block >> 7))];
    sectors.sort((a, b) => a - b);
    for (let first = 0; first < sectors.length; ) {
      let last = first;
      while (sectors[last + 1] === (sectors[last] ?? 0) + 1) last += 1;
      const start = sectors[first] ?? 0;
      const bytes = encodeEntries(this.#stored, start * 128, (last - first + 1) * 128);
      await this.#file.write(this.#offset + start * 512, [bytes]);
      first = last + 1;
    }
  }

  settled(): void {
    this.#leaving = new Map();
  }

  /** The file may have got some of the changes: all of them are to be written again. */
  putBack(): void {
    for (const [block, { before }] of this.#leaving) {
      this.#stored[block] = before;
      this.#changed.add(block);
    }
    this.#leaving = new Map();
  }
}

/** Entries as the file has them; what is padded is unallocated. */
export function encodeEntries(entries: Uint32Array, first: number, count: number): Buffer {
  const bytes = Buffer.alloc(count * 4, 0xff);
  const source = entries.subarray(first, first + count);
  bytes.set(new Uint8Array(source.buffer, source.byteOffset, source.byteLength));
  return bytes.swap32();
}

/** Reads the table without judging its entries. */
export async function readEntries(file: HostFile, layout: SparseLayout): Promise<Uint32Array> {
  const bytes = await readBytes(file, layout.tableOffset, layout.blockCount * 4);
  bytes.swap32();
  return new Uint32Array(bytes.buffer, bytes.byteOffset, layout.blockCount).slice();
}

/** A part of the file that holds something, from `start` up to `end`. */
export interface Region {
  readonly start: number;
  readonly end: number;
  readonly what: string;
}

/**
 * Checks that all blocks lie in the file, beside each other and beside `fixed` parts. Throws
 * DAMAGED for the first that does not. Returns the places between them that could hold a block
 * (those of blocks that were given up, or lost in a crash), and where the last part ends.
 */
export function checkEntries(
  path: string,
  layout: SparseLayout,
  entries: Uint32Array,
  fixed: readonly Region[],
  fileBytes: number,
): { gaps: number[]; end: number } {
  const strideBytes = layout.bitmapBytes + layout.blockBytes;
  const blame = (sector: number, expected: string): Error => {
    const block = entries.indexOf(sector);
    return damaged({
      path,
      offset: layout.tableOffset + block * 4,
      what: `block allocation table's entry ${block}`,
      found: sector,
      expected,
    });
  };
  const parts = [...fixed].sort((a, b) => a.start - b.start);
  const gaps: number[] = [];
  let end = 0;
  let nextPart = 0;
  const pass = (start: number, partEnd: number): void => {
    for (let gap = end; gap + strideBytes <= start; gap += strideBytes) gaps.push(gap);
    end = Math.max(end, partEnd);
  };
  for (const sector of entries.slice().sort()) {
    if (sector === UNALLOCATED) break;
    const start = sector * 512;
    if (start + strideBytes > fileBytes) {
      throw blame(sector, `a sector with a block of ${strideBytes} bytes behind it in the file`);
    }
    for (; nextPart < parts.length; nextPart++) {
      const part = parts[nextPart];
      if (part === undefined || part.start >= start + strideBytes) break;
      if (part.end > start) throw blame(sector, `a sector outside the ${part.what}`);
      pass(part.start, part.end);
    }
    if (start < end) throw blame(sector, 'a sector outside other blocks');
    pass(start, start + strideBytes);
  }
  for (const part of parts.slice(nextPart)) pass(part.start, part.end);
  return { gaps, end };
}
