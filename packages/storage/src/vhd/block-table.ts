import { damaged, type StorageError } from '../errors.ts';
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
  /** Blocks of which a write failed: the file may name either place. */
  readonly #uncertain = new Set<number>();

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
    const isLeaving = this.#leaving.has(block) || this.#uncertain.has(block);
    return isLeaving || this.#stored[block] === this.#now[block];
  }

  /** Where the last block ends, of all that the file or this table names; in bytes. */
  lastSectorEnd(strideSectors: number): number {
    let last = -1;
    const see = (sector: number): void => {
      if (sector !== UNALLOCATED && sector > last) last = sector;
    };
    this.#now.forEach(see);
    this.#stored.forEach(see);
    for (const { sector } of this.#leaving.values()) see(sector);
    return last < 0 ? 0 : (last + strideSectors) * 512;
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
    for (const block of this.#leaving.keys()) this.#uncertain.delete(block);
    this.#leaving = new Map();
  }

  /** The file may have got some of the changes: all of them are to be written again. */
  putBack(): void {
    for (const [block, { before }] of this.#leaving) {
      this.#stored[block] = before;
      this.#changed.add(block);
      this.#uncertain.add(block);
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

/** An entry of the table that cannot be right. */
export interface EntryProblem {
  readonly block: number;
  readonly sector: number;
  readonly expected: string;
  /** What the block lies outside of, or what it lies upon. */
  readonly kind: 'outside' | 'metadata' | 'overlap';
}

/** What a look at all entries finds. */
export interface Survey {
  readonly problems: readonly EntryProblem[];
  /** Places between the parts that could hold a block: of blocks given up, or lost in a crash. */
  readonly gaps: number[];
  /** Where the last part ends. */
  readonly end: number;
}

/** Looks whether all blocks lie in the file, beside each other and beside the `fixed` parts. */
export function surveyEntries(
  layout: SparseLayout,
  entries: Uint32Array,
  fixed: readonly Region[],
  fileBytes: number,
): Survey {
  const strideBytes = layout.bitmapBytes + layout.blockBytes;
  const parts = [...fixed].sort((a, b) => a.start - b.start);
  const gaps: number[] = [];
  const bad: { sector: number; kind: EntryProblem['kind']; expected: string }[] = [];
  let end = 0;
  let last = '';
  let nextPart = 0;
  const pass = (start: number, partEnd: number, what: string): void => {
    for (let gap = end; gap + strideBytes <= start && gaps.length < GAPS_MAX; gap += strideBytes) {
      gaps.push(gap);
    }
    if (partEnd > end) last = what;
    end = Math.max(end, partEnd);
  };
  for (const sector of entries.slice().sort()) {
    if (sector === UNALLOCATED) break;
    const start = sector * 512;
    if (start + strideBytes > fileBytes) {
      const expected = `a sector with ${strideBytes} bytes of block behind it in the file`;
      bad.push({ sector, kind: 'outside', expected });
      continue;
    }
    for (; nextPart < parts.length; nextPart++) {
      const part = parts[nextPart];
      if (part === undefined || part.start >= start + strideBytes) break;
      pass(part.start, part.end, part.what);
    }
    if (start >= end) pass(start, start + strideBytes, BLOCK);
    else {
      const kind = last === BLOCK ? 'overlap' : 'metadata';
      bad.push({ sector, kind, expected: `a sector outside the ${last}` });
    }
  }
  for (const part of parts.slice(nextPart)) pass(part.start, part.end, part.what);
  return { problems: blocksOf(entries, bad), gaps, end };
}

const BLOCK = 'block of another entry';
/** More places than this are left to a compaction. */
const GAPS_MAX = 2 ** 20;

/** The blocks of bad sectors; of several that share one, the first keeps an overlapped place. */
function blocksOf(
  entries: Uint32Array,
  bad: readonly Omit<EntryProblem, 'block'>[],
): EntryProblem[] {
  if (bad.length === 0) return [];
  const reasons = new Map(bad.map((problem) => [problem.sector, problem]));
  const times = new Map<number, number>();
  for (const { sector } of bad) times.set(sector, (times.get(sector) ?? 0) + 1);
  const problems: EntryProblem[] = [];
  for (const [block, sector] of entries.entries()) {
    const reason = reasons.get(sector);
    if (reason !== undefined) problems.push({ ...reason, block });
  }
  const counts = Map.groupBy(problems, ({ sector }) => sector);
  // One more block than complaints: the first of them was there before the others.
  return problems.filter((problem) => {
    const sharers = counts.get(problem.sector) ?? [];
    return sharers.length === times.get(problem.sector) || sharers[0] !== problem;
  });
}

/** Throws DAMAGED for the first entry that cannot be right. */
export function checkEntries(
  path: string,
  layout: SparseLayout,
  entries: Uint32Array,
  fixed: readonly Region[],
  fileBytes: number,
): Survey {
  const survey = surveyEntries(layout, entries, fixed, fileBytes);
  const [problem] = survey.problems;
  if (problem === undefined) return survey;
  throw entryDamage(path, layout, problem);
}

/** The error for an entry that cannot be right. */
export function entryDamage(
  path: string,
  layout: SparseLayout,
  { block, sector, expected }: EntryProblem,
): StorageError {
  return damaged({
    path,
    offset: layout.tableOffset + block * 4,
    what: `block allocation table's entry ${block}`,
    found: sector,
    expected,
  });
}
