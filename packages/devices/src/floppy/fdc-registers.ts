// Registers, commands and saved state of the 82078. [82078]

import { SECTOR_BYTES } from '@umbra/core';
import * as z from 'zod';
import { byte, count } from '../state.ts';
import { FloppyDriveState } from './floppy-drive.ts';

/** Offsets from the first port. [82078] §2.1 */
export const REG = { SRA: 0, SRB: 1, DOR: 2, TDR: 3, MSR_DSR: 4, FIFO: 5, COUNT: 6 } as const;
export const SRA_INTERRUPT = 1 << 7;
export const DOR = { SELECT: 3, NOT_RESET: 1 << 2, DMA_GATE: 1 << 3 } as const;
export const DSR = { RATE: 3, RESET: 1 << 7 } as const;
export const MSR = { BUSY: 1 << 4, NON_DMA: 1 << 5, TO_HOST: 1 << 6, READY: 1 << 7 } as const;
export const DIR_CHANGED = 1 << 7;
/** [82078] §6.2 */
export const ST0 = { SEEK_END: 0x20, ABNORMAL: 0x40, INVALID: 0x80, POLLING: 0xc0 } as const;
export const ST1 = {
  NO_ADDRESS: 0x01,
  NOT_WRITABLE: 0x02,
  NO_DATA: 0x04,
  OVERRUN: 0x10,
  DATA_ERROR: 0x20,
  END: 0x80,
} as const;
export const ST3 = { TWO_SIDES: 0x08, TRACK_0: 0x10, ALWAYS: 0x20, WRITE_PROTECTED: 0x40 } as const;
export const CODE = {
  READ_TRACK: 0x02,
  SPECIFY: 0x03,
  SENSE_DRIVE: 0x04,
  WRITE: 0x05,
  READ: 0x06,
  RECALIBRATE: 0x07,
  SENSE_INTERRUPT: 0x08,
  WRITE_DELETED: 0x09,
  READ_ID: 0x0a,
  READ_DELETED: 0x0c,
  FORMAT: 0x0d,
  DUMP: 0x0e,
  SEEK: 0x0f,
  VERSION: 0x10,
  PERPENDICULAR: 0x12,
  CONFIGURE: 0x13,
  LOCK: 0x14,
  VERIFY: 0x16,
  PART_ID: 0x18,
} as const;
/** Bytes that follow the first of a command, and the option bits of that. [82078] table 5-1 */
const FORMS: Readonly<Record<number, readonly [parameters: number, options: number]>> = {
  [CODE.READ_TRACK]: [8, 0x60],
  [CODE.SPECIFY]: [2, 0],
  [CODE.SENSE_DRIVE]: [1, 0],
  [CODE.WRITE]: [8, 0xc0],
  [CODE.READ]: [8, 0xe0],
  [CODE.RECALIBRATE]: [1, 0],
  [CODE.SENSE_INTERRUPT]: [0, 0],
  [CODE.WRITE_DELETED]: [8, 0xc0],
  [CODE.READ_ID]: [1, 0x40],
  [CODE.READ_DELETED]: [8, 0xe0],
  [CODE.FORMAT]: [5, 0x40],
  [CODE.DUMP]: [0, 0],
  [CODE.SEEK]: [2, 0],
  [CODE.VERSION]: [0, 0],
  [CODE.PERPENDICULAR]: [1, 0],
  [CODE.CONFIGURE]: [3, 0],
  [CODE.LOCK]: [0, 0x80],
  [CODE.VERIFY]: [8, 0xe0],
  [CODE.PART_ID]: [0, 0],
};
export const CODE_MASK = 0x1f;
export const MULTI_TRACK = 1 << 7;
/** RELATIVE SEEK is SEEK with bit 7; bit 6 says whether inward. */
const RELATIVE_SEEK = 0x8f;
export const SEEK_INWARD = 1 << 6;
export const VERSION = 0x90;
/** An S82078B. [82078] "PART ID" */
export const PART_ID = 0x41;
export const LOCK_RESULT = 1 << 4;
export const SECTOR_CODE = 2;
export const DMA_CHANNEL = 2;
export const SPECIFY_NON_DMA = 1 << 0;
export const CONFIGURE_IMPLIED_SEEK = 1 << 6;
export const DEFAULT_CONFIGURATION = 0x20;
export const DRIVES = 4;
const BYTES_MAX = 10;
/** Both sides of a track of 2.88 MB. */
export const BUFFER_BYTES = 2 * 36 * SECTOR_BYTES;

const bytes = z.array(byte).max(BYTES_MAX);
const Transfer = z.strictObject({
  kind: z.enum(['read', 'write', 'format', 'verify']),
  /** Where on the diskette, and how much at most. */
  offsetBytes: count,
  lengthBytes: z.int().min(0).max(BUFFER_BYTES),
  /** Bytes of the buffer that are moved between it and the host. */
  moved: z.int().min(0).max(BUFFER_BYTES),
});
export type FdcTransfer = z.infer<typeof Transfer>;
export const FdcState = z.strictObject({
  dor: byte,
  dataRate: z.int().min(0).max(3),
  isInterrupting: z.boolean(),
  /** ST0 of drives whose end of seek, or reset, the guest has not asked for. */
  seekEnds: bytes,
  phase: z.enum(['command', 'disk', 'fifo', 'result']),
  command: bytes,
  result: bytes,
  transfer: Transfer.nullable(),
  specify: z.array(byte).length(2),
  configuration: byte,
  precompensation: byte,
  perpendicular: byte,
  isLocked: z.boolean(),
  drives: z.array(FloppyDriveState.nullable()).length(DRIVES),
});
export type FdcState = z.infer<typeof FdcState>;

export function isRelativeSeek(first: number): boolean {
  return (first & ~SEEK_INWARD) === RELATIVE_SEEK;
}

/** How many bytes follow the first byte of a command; undefined when there is no such command. */
export function parameterCount(first: number): number | undefined {
  if (isRelativeSeek(first)) return 2;
  const form = FORMS[first & CODE_MASK];
  if (form === undefined) return undefined;
  const [parameters, options] = form;
  return (first & ~CODE_MASK & ~options) === 0 ? parameters : undefined;
}

export function initialFdc(): Omit<FdcState, 'drives'> {
  return {
    dor: 0,
    dataRate: 2,
    isInterrupting: false,
    seekEnds: [],
    phase: 'command',
    command: [],
    result: [],
    transfer: null,
    specify: [0, 0],
    configuration: DEFAULT_CONFIGURATION,
    precompensation: 0,
    perpendicular: 0,
    isLocked: false,
  };
}
