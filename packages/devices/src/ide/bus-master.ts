import type { u8, u32 } from '@umbra/base';
import { BLOCK_SEGMENTS_MAX, type GuestMemory, SECTOR_BYTES } from '@umbra/core';
import * as z from 'zod';
import type { MemoryRange } from '../sector-transfer.ts';
import { byte, dword, integer } from '../state.ts';

/** Offsets in a channel's eight ports. [PIIX3] §2.7. */
const REG = { BMIC: 0, BMIS: 2, BMIDTP: 4 } as const;
const BMIC = { START: 1 << 0, TO_MEMORY: 1 << 3 } as const;
const BMIS = { ACTIVE: 1 << 0, ERROR: 1 << 1, INTERRUPT: 1 << 2, CAPABLE: 0x60 } as const;
const PRD_BYTES = 8;
const PRD_LAST = 0x8000_0000;
const PRD_LENGTH_MAX = 0x1_0000;

export const BusMasterState = z.strictObject({
  command: byte,
  status: byte,
  table: dword,
  next: integer.min(0).max(2 ** 33),
  rest: z.strictObject({ address: dword, length: integer.min(0).max(PRD_LENGTH_MAX) }),
  isLast: z.boolean(),
});
type BusMasterState = z.infer<typeof BusMasterState>;
/** A place in the table of physical region descriptors. */
type Place = Pick<BusMasterState, 'next' | 'rest' | 'isLast'>;

/** What a transfer may use next; `commit` moves on behind it. */
export interface DmaChunk {
  readonly ranges: readonly MemoryRange[];
  readonly lengthBytes: number;
  commit(): void;
}

/** The bus master half of an IDE channel: walks the descriptor table in guest memory. [PIIX3] */
export class BusMaster {
  readonly #memory: GuestMemory;
  readonly #onSwitch: (isStarted: boolean) => void;
  #command = 0;
  #status = 0;
  #table = 0;
  #place: Place = START;

  /** `onSwitch`: the guest has started the bus master, or stopped it in the middle. */
  constructor(memory: GuestMemory, onSwitch: (isStarted: boolean) => void) {
    this.#memory = memory;
    this.#onSwitch = onSwitch;
  }

  /** Whether the guest has started a transfer that has not ended. */
  get isActive(): boolean {
    return (this.#status & BMIS.ACTIVE) !== 0;
  }

  /** Whether the transfer that was started goes to memory. */
  get isToMemory(): boolean {
    return (this.#command & BMIC.TO_MEMORY) !== 0;
  }

  in8(offset: number): u8 {
    if (offset === REG.BMIC) return this.#command;
    if (offset === REG.BMIS) return this.#status;
    return offset >= REG.BMIDTP ? (this.#table >>> (8 * (offset & 3))) & 0xff : 0;
  }

  out8(offset: number, value: u8): void {
    if (offset === REG.BMIC) {
      this.#writeCommand(value);
    } else if (offset === REG.BMIS) {
      const cleared = value & (BMIS.ERROR | BMIS.INTERRUPT);
      this.#status = (this.#status & ~cleared & ~BMIS.CAPABLE) | (value & BMIS.CAPABLE);
    } else if (offset >= REG.BMIDTP) {
      const shift = 8 * (offset & 3);
      this.#table = ((this.#table & ~(0xff << shift)) | (((value & 0xff) << shift) & ~3)) >>> 0;
    }
  }

  /** The drive's interrupt has risen. */
  noteInterrupt(): void {
    this.#status |= BMIS.INTERRUPT;
  }

  /** The drive has moved all its data, or the transfer cannot go on. */
  finish(outcome: 'done' | 'memory-error'): void {
    this.#status &= ~BMIS.ACTIVE;
    if (outcome === 'memory-error') this.#status |= BMIS.ERROR;
  }

  /**
   * The next piece of memory for a drive that still has `wantedBytes`: whole units, and no more
   * descriptors than a request may have. Undefined when the table holds less than a unit more.
   */
  nextChunk(wantedBytes: number, unitBytes: number = SECTOR_BYTES): DmaChunk | undefined {
    const ranges: MemoryRange[] = [];
    let place = this.#place;
    let collected = 0;
    // Where the last whole unit ends: descriptors may cut sectors.
    let end: { count: number; lastLength: number; lengthBytes: number; place: Place } | undefined;
    while (collected < wantedBytes && ranges.length < BLOCK_SEGMENTS_MAX) {
      if (place.rest.length === 0) {
        if (place.isLast) break;
        place = this.#readDescriptor(place.next);
      }
      const { address } = place.rest;
      const length = Math.min(place.rest.length, wantedBytes - collected);
      ranges.push({ address, length });
      collected += length;
      const lastLength = length - (collected % unitBytes);
      if (lastLength > 0) {
        const lengthBytes = collected - (collected % unitBytes);
        end = { count: ranges.length, lastLength, lengthBytes, place: advance(place, lastLength) };
      }
      place = advance(place, length);
    }
    if (end === undefined) return undefined;
    const { count, lastLength, lengthBytes, place: next } = end;
    const last = ranges[count - 1] as MemoryRange;
    return {
      ranges: [...ranges.slice(0, count - 1), { address: last.address, length: lastLength }],
      lengthBytes,
      commit: () => {
        this.#place = next;
      },
    };
  }

  reset(): void {
    this.#command = 0;
    this.#status = 0;
    this.#table = 0;
    this.#place = START;
  }

  save(): BusMasterState {
    const { next, rest, isLast } = this.#place;
    return {
      command: this.#command,
      status: this.#status,
      table: this.#table,
      next,
      rest: { ...rest },
      isLast,
    };
  }

  restore(state: BusMasterState): void {
    const { command, status, table, ...place } = state;
    this.#command = command;
    this.#status = status;
    this.#table = table;
    this.#place = place;
  }

  #writeCommand(value: u8): void {
    const isStarted = (value & BMIC.START) !== 0;
    if ((this.#command & BMIC.START) !== 0) {
      // The direction holds until the bus master stops.
      if (isStarted) return;
      const wasActive = this.isActive;
      this.#status &= ~BMIS.ACTIVE;
      if (wasActive) this.#onSwitch(false);
    }
    this.#command = value & (BMIC.START | BMIC.TO_MEMORY);
    if (!isStarted) return;
    this.#status |= BMIS.ACTIVE;
    this.#place = { ...START, next: this.#table };
    this.#onSwitch(true);
  }

  #readDescriptor(at: number): Place {
    const address = this.#memory.read32(at) & ~1;
    const word: u32 = this.#memory.read32(at + 4);
    const length = word & 0xfffe || PRD_LENGTH_MAX;
    return {
      next: at + PRD_BYTES,
      rest: { address: address >>> 0, length },
      isLast: (word & PRD_LAST) !== 0,
    };
  }
}

const START: Place = { next: 0, rest: { address: 0, length: 0 }, isLast: false };

function advance(place: Place, length: number): Place {
  const { rest } = place;
  const address = (rest.address + length) >>> 0;
  return { ...place, rest: { address, length: rest.length - length } };
}
