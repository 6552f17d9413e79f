import type { BlockRequest, BlockStatus } from '@umbra/core';
import * as z from 'zod';
import type { QueuedBackend } from '../queued-backend.ts';
import { byte, word } from '../state.ts';

/** Operation codes. [SPC], [SBC], [MMC] */
export const OPCODE = {
  TEST_UNIT_READY: 0x00,
  REQUEST_SENSE: 0x03,
  FORMAT_UNIT: 0x04,
  READ_6: 0x08,
  WRITE_6: 0x0a,
  INQUIRY: 0x12,
  MODE_SELECT_6: 0x15,
  RESERVE_6: 0x16,
  RELEASE_6: 0x17,
  MODE_SENSE_6: 0x1a,
  START_STOP_UNIT: 0x1b,
  SEND_DIAGNOSTIC: 0x1d,
  PREVENT_ALLOW: 0x1e,
  READ_CAPACITY_10: 0x25,
  READ_10: 0x28,
  WRITE_10: 0x2a,
  SEEK_10: 0x2b,
  WRITE_VERIFY_10: 0x2e,
  VERIFY_10: 0x2f,
  SYNCHRONIZE_CACHE_10: 0x35,
  WRITE_SAME_10: 0x41,
  UNMAP: 0x42,
  READ_SUBCHANNEL: 0x42,
  READ_TOC: 0x43,
  GET_CONFIGURATION: 0x46,
  GET_EVENT_STATUS: 0x4a,
  READ_DISC_INFORMATION: 0x51,
  READ_TRACK_INFORMATION: 0x52,
  MODE_SELECT_10: 0x55,
  MODE_SENSE_10: 0x5a,
  READ_16: 0x88,
  WRITE_16: 0x8a,
  WRITE_VERIFY_16: 0x8e,
  VERIFY_16: 0x8f,
  SYNCHRONIZE_CACHE_16: 0x91,
  WRITE_SAME_16: 0x93,
  SERVICE_ACTION_IN_16: 0x9e,
  REPORT_LUNS: 0xa0,
  READ_12: 0xa8,
  WRITE_12: 0xaa,
  READ_DVD_STRUCTURE: 0xad,
  SET_CD_SPEED: 0xbb,
  MECHANISM_STATUS: 0xbd,
  READ_CD: 0xbe,
} as const;

export const SenseState = z.strictObject({ key: byte, code: word });
/** Sense key, and additional sense code and qualifier in one word. */
export type Sense = z.infer<typeof SenseState>;

const KEY = {
  NOT_READY: 0x2,
  MEDIUM_ERROR: 0x3,
  ILLEGAL_REQUEST: 0x5,
  UNIT_ATTENTION: 0x6,
  DATA_PROTECT: 0x7,
} as const;

/** What devices of ours complain of. [SPC] annex D */
export const SENSE = {
  NONE: { key: 0, code: 0 },
  NO_MEDIUM_CLOSED: { key: KEY.NOT_READY, code: 0x3a01 },
  NO_MEDIUM_OPEN: { key: KEY.NOT_READY, code: 0x3a02 },
  WRITE_ERROR: { key: KEY.MEDIUM_ERROR, code: 0x0c00 },
  READ_ERROR: { key: KEY.MEDIUM_ERROR, code: 0x1100 },
  LIST_LENGTH: { key: KEY.ILLEGAL_REQUEST, code: 0x1a00 },
  INVALID_OPCODE: { key: KEY.ILLEGAL_REQUEST, code: 0x2000 },
  OUT_OF_RANGE: { key: KEY.ILLEGAL_REQUEST, code: 0x2100 },
  INVALID_FIELD: { key: KEY.ILLEGAL_REQUEST, code: 0x2400 },
  NO_SUCH_UNIT: { key: KEY.ILLEGAL_REQUEST, code: 0x2500 },
  INVALID_PARAMETER: { key: KEY.ILLEGAL_REQUEST, code: 0x2600 },
  SAVING_NOT_SUPPORTED: { key: KEY.ILLEGAL_REQUEST, code: 0x3900 },
  REMOVAL_PREVENTED: { key: KEY.ILLEGAL_REQUEST, code: 0x5302 },
  MEDIUM_CHANGED: { key: KEY.UNIT_ATTENTION, code: 0x2800 },
  RESET: { key: KEY.UNIT_ATTENTION, code: 0x2900 },
  WRITE_PROTECTED: { key: KEY.DATA_PROTECT, code: 0x2700 },
} as const satisfies Record<string, Sense>;

const SENSE_FIXED = 0x70;
const SENSE_BYTES = 18;

/** Sense data in the fixed format. [SPC] §4.5.3 */
export function senseBytes({ key, code }: Sense): Uint8Array {
  const bytes = new Uint8Array(SENSE_BYTES);
  bytes[0] = SENSE_FIXED;
  bytes[2] = key;
  bytes[7] = SENSE_BYTES - 8;
  bytes[12] = code >> 8;
  bytes[13] = code & 0xff;
  return bytes;
}

/** What a command asks its carrier (ATAPI, virtio, Fusion-MPT) to do. */
export type ScsiAction =
  | { readonly kind: 'good' }
  | { readonly kind: 'check'; readonly sense: Sense }
  /** Send these bytes, already cut to the allocation length. */
  | { readonly kind: 'data-in'; readonly bytes: Uint8Array }
  /** Fetch a parameter list, and give it to `ScsiUnit.take`. */
  | { readonly kind: 'data-out'; readonly lengthBytes: number }
  | {
      readonly kind: 'read' | 'write';
      readonly offsetBytes: number;
      readonly lengthBytes: number;
      /** Flush before the command ends. */
      readonly isForced: boolean;
    }
  /** Requests without data of the initiator, one after the other. */
  | { readonly kind: 'work'; readonly requests: readonly BlockRequest[] };

/** Parameter lists and answers are no longer than this. */
export const PARAMETER_BYTES_MAX = 0x1_0000;

/** A logical unit: decodes commands; its carrier moves the data. */
export interface ScsiUnit {
  /** The medium; undefined when there is none. */
  readonly backend: QueuedBackend | undefined;
  /** Decides what a command block (12 or 16 bytes, zero-padded) means. */
  start(cdb: Uint8Array): ScsiAction;
  /** The parameter list of a command that asked for `data-out`. */
  take(cdb: Uint8Array, bytes: Uint8Array): ScsiAction;
  /** The unit was reset: the initiator will hear of it. */
  noteReset(): void;
}

export const GOOD: ScsiAction = { kind: 'good' };

export function check(sense: Sense): ScsiAction {
  return { kind: 'check', sense };
}

/** Bytes to send, as many as the initiator has room for. */
export function dataIn(bytes: Uint8Array, allocationLength: number): ScsiAction {
  return { kind: 'data-in', bytes: bytes.subarray(0, allocationLength) };
}

/** How a failed request of the backend looks to the initiator. */
export function senseOf(status: Exclude<BlockStatus, 'ok'>, kind: 'read' | 'write'): Sense {
  switch (status) {
    case 'read-only':
      return SENSE.WRITE_PROTECTED;
    case 'out-of-range':
      return SENSE.OUT_OF_RANGE;
    case 'no-space':
      return SENSE.WRITE_ERROR;
    case 'io-error':
      return kind === 'read' ? SENSE.READ_ERROR : SENSE.WRITE_ERROR;
  }
}

/** A big-endian field of a command block or parameter list, up to 6 bytes exactly. */
export function field(bytes: Uint8Array, offset: number, sizeBytes: number): number {
  let value = 0;
  for (let i = 0; i < sizeBytes; i++) value = value * 256 + (bytes[offset + i] ?? 0);
  return value;
}

/** Writes a big-endian field. */
export function setField(
  bytes: Uint8Array,
  offset: number,
  sizeBytes: number,
  value: number,
): void {
  for (let i = sizeBytes - 1, rest = value; i >= 0; i--, rest = Math.floor(rest / 256)) {
    bytes[offset + i] = rest % 256;
  }
}

/** ASCII text, padded with spaces. */
export function setText(bytes: Uint8Array, offset: number, sizeBytes: number, text: string): void {
  for (let i = 0; i < sizeBytes; i++) {
    bytes[offset + i] = i < text.length ? text.charCodeAt(i) & 0x7f : 0x20;
  }
}
