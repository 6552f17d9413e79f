import { type BlockBackend, type BlockRequest, SECTOR_BYTES } from '@umbra/core';
import * as z from 'zod';
import { QueuedBackend } from '../queued-backend.ts';
import {
  capacity10,
  capacity16,
  diskInquiry,
  diskModePages,
  diskProductData,
  selectedWriteCache,
  TRANSFER_BLOCKS_MAX,
  UNMAP_BLOCKS_MAX,
  UNMAP_RANGES_MAX,
} from './disk-answers.ts';
import {
  check,
  dataIn,
  field,
  GOOD,
  OPCODE,
  type ScsiAction,
  type ScsiUnit,
  SENSE,
  type Sense,
  SenseState,
  senseBytes,
  setField,
} from './scsi-command.ts';

const SERVICE_ACTION_CAPACITY_16 = 0x10;
const FORCE_UNIT_ACCESS = 1 << 3;
const INQUIRY_PRODUCT_DATA = 1 << 0;
const VERIFY_BYTE_CHECK = 0x06;
const WRITE_SAME = { UNMAP: 1 << 3, NO_DATA: 1 << 0 } as const;
const DEVICE_SPECIFIC = { WRITE_PROTECT: 1 << 7, FUA: 1 << 4 } as const;
const UNMAP_HEADER_BYTES = 8;
const UNMAP_RANGE_BYTES = 16;

/** How a command names its blocks: where the fields are. */
interface Addressing {
  readonly block: readonly [offset: number, sizeBytes: number];
  readonly count: readonly [offset: number, sizeBytes: number];
  /** Where the byte with FUA is; the oldest commands have none. */
  readonly flags?: 1;
}

const SIX: Addressing = { block: [1, 3], count: [4, 1] };
const TEN: Addressing = { block: [2, 4], count: [7, 2], flags: 1 };
const TWELVE: Addressing = { block: [2, 4], count: [6, 4], flags: 1 };
const SIXTEEN: Addressing = { block: [2, 8], count: [10, 4], flags: 1 };

const READS: Readonly<Record<number, Addressing>> = {
  [OPCODE.READ_6]: SIX,
  [OPCODE.READ_10]: TEN,
  [OPCODE.READ_12]: TWELVE,
  [OPCODE.READ_16]: SIXTEEN,
};
const WRITES: Readonly<Record<number, Addressing>> = {
  [OPCODE.WRITE_6]: SIX,
  [OPCODE.WRITE_10]: TEN,
  [OPCODE.WRITE_12]: TWELVE,
  [OPCODE.WRITE_16]: SIXTEEN,
  [OPCODE.WRITE_VERIFY_10]: TEN,
  [OPCODE.WRITE_VERIFY_16]: SIXTEEN,
};
const VERIFIES: Readonly<Record<number, Addressing>> = {
  [OPCODE.VERIFY_10]: TEN,
  [OPCODE.VERIFY_16]: SIXTEEN,
};
const WRITE_SAMES: Readonly<Record<number, Addressing>> = {
  [OPCODE.WRITE_SAME_10]: TEN,
  [OPCODE.WRITE_SAME_16]: SIXTEEN,
};
const ALWAYS_ANSWERED: readonly number[] = [
  OPCODE.INQUIRY,
  OPCODE.REPORT_LUNS,
  OPCODE.REQUEST_SENSE,
];

export const ScsiDiskState = z.strictObject({
  kind: z.literal('disk'),
  isWriteCacheOn: z.boolean(),
  attention: SenseState.nullable(),
});
export type ScsiDiskState = z.infer<typeof ScsiDiskState>;

/** A hard disk behind any carrier of SCSI commands. [SBC] */
export class ScsiDisk implements ScsiUnit {
  readonly backend: QueuedBackend;
  readonly #serial: string;
  #isWriteCacheOn: boolean;
  #attention: Sense | undefined = SENSE.RESET;

  constructor(options: { backend: BlockBackend; serial: string }) {
    this.backend = new QueuedBackend(options.backend);
    this.#serial = options.serial;
    this.#isWriteCacheOn = options.backend.info.hasWriteCache;
  }

  noteReset(): void {
    this.backend.dropWaiting();
    this.#isWriteCacheOn = this.backend.info.hasWriteCache;
    this.#attention = SENSE.RESET;
  }

  save(): ScsiDiskState {
    return {
      kind: 'disk',
      isWriteCacheOn: this.#isWriteCacheOn,
      attention: this.#attention === undefined ? null : { ...this.#attention },
    };
  }

  restore(state: ScsiDiskState): void {
    this.#isWriteCacheOn = state.isWriteCacheOn;
    this.#attention = state.attention === null ? undefined : { ...state.attention };
  }

  start(cdb: Uint8Array): ScsiAction {
    const opcode = cdb[0] ?? 0;
    if (this.#attention !== undefined && !ALWAYS_ANSWERED.includes(opcode)) {
      const sense = this.#attention;
      this.#attention = undefined;
      return check(sense);
    }
    return this.#access(opcode, cdb) ?? this.#answer(opcode, cdb);
  }

  take(cdb: Uint8Array, bytes: Uint8Array): ScsiAction {
    switch (cdb[0]) {
      case OPCODE.UNMAP:
        return this.#unmap(bytes);
      case OPCODE.WRITE_SAME_10:
      case OPCODE.WRITE_SAME_16:
        // What is zero in the first block would be zero in all of them.
        return bytes.every((value) => value === 0) ? this.#zero(cdb) : check(SENSE.INVALID_FIELD);
      default: {
        const headerBytes = cdb[0] === OPCODE.MODE_SELECT_6 ? 4 : 8;
        const isOn = selectedWriteCache(bytes, headerBytes);
        if (isOn === undefined) return GOOD;
        this.#isWriteCacheOn = isOn && this.backend.info.hasWriteCache;
        return this.#isWriteCacheOn ? GOOD : FLUSH;
      }
    }
  }

  get #blocks(): number {
    return Math.floor(this.backend.info.sizeBytes / SECTOR_BYTES);
  }

  /** Commands that name blocks; undefined for others. */
  #access(opcode: number, cdb: Uint8Array): ScsiAction | undefined {
    const addressing = READS[opcode] ?? WRITES[opcode] ?? VERIFIES[opcode] ?? WRITE_SAMES[opcode];
    if (addressing === undefined) return undefined;
    const [block, count] = blocksOf(cdb, addressing);
    if (block + count > this.#blocks) return check(SENSE.OUT_OF_RANGE);
    if (opcode in VERIFIES) {
      return ((cdb[1] ?? 0) & VERIFY_BYTE_CHECK) === 0 ? GOOD : check(SENSE.INVALID_FIELD);
    }
    const isRead = opcode in READS;
    if (!isRead && this.backend.info.isReadOnly) return check(SENSE.WRITE_PROTECTED);
    if (opcode in WRITE_SAMES) return this.#writeSame(cdb, count);
    if (count === 0) return GOOD;
    if (count > TRANSFER_BLOCKS_MAX) return check(SENSE.INVALID_FIELD);
    const isFlushed = addressing.flags === 1 && ((cdb[1] ?? 0) & FORCE_UNIT_ACCESS) !== 0;
    const hasCache = this.backend.info.hasWriteCache;
    return {
      kind: isRead ? 'read' : 'write',
      offsetBytes: block * SECTOR_BYTES,
      lengthBytes: count * SECTOR_BYTES,
      isForced: !isRead && hasCache && (isFlushed || !this.#isWriteCacheOn),
    };
  }

  #answer(opcode: number, cdb: Uint8Array): ScsiAction {
    const { info } = this.backend;
    switch (opcode) {
      case OPCODE.TEST_UNIT_READY:
      case OPCODE.START_STOP_UNIT:
      case OPCODE.PREVENT_ALLOW:
      case OPCODE.SEND_DIAGNOSTIC:
      case OPCODE.RESERVE_6:
      case OPCODE.RELEASE_6:
      case OPCODE.SEEK_10:
        return GOOD;
      case OPCODE.REQUEST_SENSE: {
        const sense = this.#attention ?? SENSE.NONE;
        this.#attention = undefined;
        return dataIn(senseBytes(sense), cdb[4] ?? 0);
      }
      case OPCODE.INQUIRY:
        return this.#inquiry(cdb);
      case OPCODE.READ_CAPACITY_10:
        return dataIn(capacity10(this.#blocks), 8);
      case OPCODE.SERVICE_ACTION_IN_16:
        return ((cdb[1] ?? 0) & 0x1f) === SERVICE_ACTION_CAPACITY_16
          ? dataIn(capacity16(this.#blocks, info.canDiscard), field(cdb, 10, 4))
          : check(SENSE.INVALID_FIELD);
      case OPCODE.MODE_SENSE_6:
        return this.#modeSense(cdb, 4, cdb[4] ?? 0);
      case OPCODE.MODE_SENSE_10:
        return this.#modeSense(cdb, 8, field(cdb, 7, 2));
      case OPCODE.MODE_SELECT_6:
        return { kind: 'data-out', lengthBytes: cdb[4] ?? 0 };
      case OPCODE.MODE_SELECT_10:
        return { kind: 'data-out', lengthBytes: field(cdb, 7, 2) };
      case OPCODE.SYNCHRONIZE_CACHE_10:
      case OPCODE.SYNCHRONIZE_CACHE_16:
        return FLUSH;
      case OPCODE.UNMAP: {
        if (!info.canDiscard) return check(SENSE.INVALID_OPCODE);
        if (info.isReadOnly) return check(SENSE.WRITE_PROTECTED);
        return { kind: 'data-out', lengthBytes: field(cdb, 7, 2) };
      }
      default:
        return check(SENSE.INVALID_OPCODE);
    }
  }

  #inquiry(cdb: Uint8Array): ScsiAction {
    const length = field(cdb, 3, 2);
    const page = cdb[2] ?? 0;
    if (((cdb[1] ?? 0) & INQUIRY_PRODUCT_DATA) === 0) {
      return page === 0 ? dataIn(diskInquiry(), length) : check(SENSE.INVALID_FIELD);
    }
    const data = diskProductData(page, this.#serial, this.backend.info);
    return data === undefined ? check(SENSE.INVALID_FIELD) : dataIn(data, length);
  }

  #modeSense(cdb: Uint8Array, headerBytes: 4 | 8, allocationLength: number): ScsiAction {
    const control = (cdb[2] ?? 0) >> 6;
    if (control === 3) return check(SENSE.SAVING_NOT_SUPPORTED);
    const pages = diskModePages((cdb[2] ?? 0) & 0x3f, this.#isWriteCacheOn, control === 1);
    if (pages === undefined) return check(SENSE.INVALID_FIELD);
    const { info } = this.backend;
    const bytes = new Uint8Array(headerBytes + pages.length);
    const lengthBytes = headerBytes === 4 ? 1 : 2;
    setField(bytes, 0, lengthBytes, bytes.length - lengthBytes);
    bytes[headerBytes === 4 ? 2 : 3] =
      DEVICE_SPECIFIC.FUA | (info.isReadOnly ? DEVICE_SPECIFIC.WRITE_PROTECT : 0);
    bytes.set(pages, headerBytes);
    return dataIn(bytes, allocationLength);
  }

  #writeSame(cdb: Uint8Array, count: number): ScsiAction {
    if (count > UNMAP_BLOCKS_MAX) return check(SENSE.INVALID_FIELD);
    const hasData = cdb[0] === OPCODE.WRITE_SAME_10 || ((cdb[1] ?? 0) & WRITE_SAME.NO_DATA) === 0;
    return hasData ? { kind: 'data-out', lengthBytes: SECTOR_BYTES } : this.#zero(cdb);
  }

  #zero(cdb: Uint8Array): ScsiAction {
    const addressing = WRITE_SAMES[cdb[0] ?? 0] ?? SIXTEEN;
    const [block, count] = blocksOf(cdb, addressing);
    // No blocks means all that follow.
    const blocks = count === 0 ? this.#blocks - block : count;
    const request: BlockRequest = {
      kind: 'write-zeroes',
      offsetBytes: block * SECTOR_BYTES,
      lengthBytes: blocks * SECTOR_BYTES,
      mayDiscard: ((cdb[1] ?? 0) & WRITE_SAME.UNMAP) !== 0,
    };
    return blocks > UNMAP_BLOCKS_MAX
      ? check(SENSE.INVALID_FIELD)
      : { kind: 'work', requests: [request] };
  }

  #unmap(list: Uint8Array): ScsiAction {
    if (list.length === 0) return GOOD;
    if (list.length < UNMAP_HEADER_BYTES) return check(SENSE.LIST_LENGTH);
    const bytes = Math.min(field(list, 2, 2), list.length - UNMAP_HEADER_BYTES);
    const ranges = Math.floor(bytes / UNMAP_RANGE_BYTES);
    if (ranges > UNMAP_RANGES_MAX) return check(SENSE.INVALID_PARAMETER);
    const requests: BlockRequest[] = [];
    for (let index = 0; index < ranges; index++) {
      const at = UNMAP_HEADER_BYTES + UNMAP_RANGE_BYTES * index;
      const [block, count] = [field(list, at, 8), field(list, at + 8, 4)];
      if (block + count > this.#blocks) return check(SENSE.OUT_OF_RANGE);
      if (count > UNMAP_BLOCKS_MAX) return check(SENSE.INVALID_PARAMETER);
      if (count === 0) continue;
      const range = { offsetBytes: block * SECTOR_BYTES, lengthBytes: count * SECTOR_BYTES };
      requests.push({ kind: 'discard', ...range });
    }
    return { kind: 'work', requests };
  }
}

const FLUSH: ScsiAction = { kind: 'work', requests: [{ kind: 'flush' }] };

function blocksOf(cdb: Uint8Array, { block, count }: Addressing): [block: number, count: number] {
  const isSix = count[1] === 1;
  const first = field(cdb, ...block);
  const blocks = field(cdb, ...count);
  // Six bytes hold 21 bits of address, and 0 means 256 blocks.
  return isSix ? [first & 0x1f_ffff, blocks || 256] : [first, blocks];
}
