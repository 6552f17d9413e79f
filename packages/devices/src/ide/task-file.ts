import type { u8 } from '@umbra/base';
import * as z from 'zod';
import { byte, word } from '../state.ts';

/** Offsets in a channel's command block. [ATA] "I/O register descriptions". */
export const REG = {
  DATA: 0,
  FEATURES_ERROR: 1,
  COUNT: 2,
  LBA_LOW: 3,
  LBA_MID: 4,
  LBA_HIGH: 5,
  DEVICE: 6,
  COMMAND_STATUS: 7,
} as const;
export const DEVICE = { SECOND: 1 << 4, LBA: 1 << 6, HEAD: 0x0f } as const;
export const STATUS = {
  ERR: 1 << 0,
  DRQ: 1 << 3,
  DSC: 1 << 4,
  DF: 1 << 5,
  DRDY: 1 << 6,
  BSY: 1 << 7,
} as const;
export const ERROR = { ABRT: 1 << 2, IDNF: 1 << 4, UNC: 1 << 6 } as const;

export const TaskFileState = z.strictObject({
  features: word,
  count: word,
  low: word,
  mid: word,
  high: word,
  device: byte,
  status: byte,
  error: byte,
});
export type TaskFileState = z.infer<typeof TaskFileState>;

/** Contents of count, low, mid and high by which hosts tell kinds of drives. */
export const SIGNATURE = {
  ATA: { count: 1, low: 1, mid: 0, high: 0 },
  ATAPI: { count: 1, low: 1, mid: 0x14, high: 0xeb },
} as const;

/**
 * The registers of one drive. Those with 48-bit commands' second byte keep it as their high byte:
 * a write moves the old byte there. [ATA] "48-bit Address feature set".
 */
export class TaskFile {
  #state: TaskFileState = initialTaskFile();

  get state(): TaskFileState {
    return this.#state;
  }

  /** A register below the command register as the host reads it. */
  read(offset: number, isHighByte: boolean): u8 {
    const { state } = this;
    const half = (value: number): u8 => (isHighByte ? value >> 8 : value & 0xff);
    switch (offset) {
      case REG.FEATURES_ERROR:
        return state.error;
      case REG.COUNT:
        return half(state.count);
      case REG.LBA_LOW:
        return half(state.low);
      case REG.LBA_MID:
        return half(state.mid);
      case REG.LBA_HIGH:
        return half(state.high);
      case REG.DEVICE:
        return state.device;
      default:
        return 0xff;
    }
  }

  write(offset: number, value: u8): void {
    const { state } = this;
    const push = (old: number): number => ((old & 0xff) << 8) | value;
    switch (offset) {
      case REG.FEATURES_ERROR:
        state.features = push(state.features);
        break;
      case REG.COUNT:
        state.count = push(state.count);
        break;
      case REG.LBA_LOW:
        state.low = push(state.low);
        break;
      case REG.LBA_MID:
        state.mid = push(state.mid);
        break;
      case REG.LBA_HIGH:
        state.high = push(state.high);
        break;
      case REG.DEVICE:
        // Bits 7 and 5 read as ones, as in the first drives.
        state.device = value | 0xa0;
        break;
    }
  }

  setSignature(signature: { count: number; low: number; mid: number; high: number }): void {
    Object.assign(this.#state, signature);
    this.#state.device &= DEVICE.SECOND | 0xa0;
  }

  reset(): void {
    this.#state = initialTaskFile();
  }

  save(): TaskFileState {
    return { ...this.#state };
  }

  restore(state: TaskFileState): void {
    this.#state = { ...state };
  }
}

function initialTaskFile(): TaskFileState {
  return { features: 0, count: 0, low: 0, mid: 0, high: 0, device: 0xa0, status: 0, error: 0 };
}
