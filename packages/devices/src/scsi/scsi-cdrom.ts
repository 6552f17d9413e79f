import type { BlockBackend } from '@umbra/core';
import * as z from 'zod';
import { QueuedBackend } from '../queued-backend.ts';
import {
  BLOCK_BYTES,
  cdromModePages,
  configuration,
  discInformation,
  dvdStructure,
  mechanismStatus,
  subchannel,
  tableOfContents,
  trackInformation,
} from './cdrom-answers.ts';
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
  setText,
} from './scsi-command.ts';

const TYPE_CDROM = 0x05;
const REMOVABLE = 0x80;
const SPC_3 = 0x05;
/** [MMC] §6.7, "GET EVENT STATUS NOTIFICATION". */
const MEDIA_EVENT = { NONE: 0, EJECT_REQUEST: 1, NEW: 2, REMOVED: 3 } as const;
const MEDIA_CLASS = 4;
const MEDIA_STATUS = { OPEN: 1 << 0, PRESENT: 1 << 1 } as const;
const START_STOP = { START: 1 << 0, LOAD_EJECT: 1 << 1 } as const;
/** READ CD for user data alone. [MMC] §6.19 */
const USER_DATA_ONLY = 0x10;
const MODE_ALL_PAGES = 0x3f;
const DISC_LOADED = 0x01;
const NO_DISC = 0x70;

export const ScsiCdromState = z.strictObject({
  isTrayOpen: z.boolean(),
  isLocked: z.boolean(),
  sense: SenseState,
  attention: SenseState.nullable(),
  mediaEvent: z.int().min(0).max(3),
});
export type ScsiCdromState = z.infer<typeof ScsiCdromState>;

/** Commands that neither wait for a medium nor report an attention. [SPC] §5.14 */
const ALWAYS_ANSWERED: readonly number[] = [
  OPCODE.INQUIRY,
  OPCODE.REQUEST_SENSE,
  OPCODE.GET_EVENT_STATUS,
  OPCODE.GET_CONFIGURATION,
  OPCODE.REPORT_LUNS,
];
/** Commands that need no medium. */
const WITHOUT_MEDIUM: readonly number[] = [
  ...ALWAYS_ANSWERED,
  OPCODE.START_STOP_UNIT,
  OPCODE.PREVENT_ALLOW,
  OPCODE.MODE_SENSE_6,
  OPCODE.MODE_SENSE_10,
  OPCODE.MODE_SELECT_6,
  OPCODE.MODE_SELECT_10,
  OPCODE.MECHANISM_STATUS,
  OPCODE.SET_CD_SPEED,
];

/** A CD or DVD drive behind any carrier of SCSI commands. [MMC] */
export class ScsiCdrom implements ScsiUnit {
  readonly #onEject: () => void;
  #medium: QueuedBackend | undefined;
  #isTrayOpen = false;
  #isLocked = false;
  #sense: Sense = SENSE.NONE;
  #attention: Sense | undefined;
  #mediaEvent: number = MEDIA_EVENT.NONE;

  /** `onEject`: the guest has taken the medium out. */
  constructor(options: { medium: BlockBackend | undefined; onEject: () => void }) {
    this.#medium = options.medium === undefined ? undefined : new QueuedBackend(options.medium, 1);
    this.#onEject = options.onEject;
  }

  get backend(): QueuedBackend | undefined {
    return this.#isTrayOpen ? undefined : this.#medium;
  }

  /** Puts a medium in and closes the tray. */
  insert(medium: BlockBackend): void {
    this.#medium = new QueuedBackend(medium, 1);
    this.#isTrayOpen = false;
    this.#attention = SENSE.MEDIUM_CHANGED;
    this.#mediaEvent = MEDIA_EVENT.NEW;
  }

  /**
   * The button at the drive: opens the tray and takes the medium out. While the guest has locked
   * the drive it only asks the guest to do so; false then.
   */
  pressEject(): boolean {
    if (this.#isLocked) {
      this.#mediaEvent = MEDIA_EVENT.EJECT_REQUEST;
      return false;
    }
    this.#open();
    return true;
  }

  /** Takes the medium out by force. */
  remove(): void {
    this.#isLocked = false;
    this.#open();
  }

  /** An open tray moves in, without the medium that was taken out. */
  noteReset(): void {
    this.#medium?.dropWaiting();
    this.#isTrayOpen = false;
    this.#isLocked = false;
    this.#sense = SENSE.NONE;
    this.#attention = undefined;
    this.#mediaEvent = MEDIA_EVENT.NONE;
  }

  save(): ScsiCdromState {
    return {
      isTrayOpen: this.#isTrayOpen,
      isLocked: this.#isLocked,
      sense: { ...this.#sense },
      attention: this.#attention === undefined ? null : { ...this.#attention },
      mediaEvent: this.#mediaEvent,
    };
  }

  restore(state: ScsiCdromState): void {
    this.#isTrayOpen = state.isTrayOpen;
    this.#isLocked = state.isLocked;
    this.#sense = { ...state.sense };
    this.#attention = state.attention === null ? undefined : { ...state.attention };
    this.#mediaEvent = state.mediaEvent;
  }

  start(cdb: Uint8Array): ScsiAction {
    const opcode = cdb[0] ?? 0;
    const action = this.#obstacle(opcode) ?? this.#answer(opcode, cdb);
    if (opcode !== OPCODE.REQUEST_SENSE) {
      this.#sense = action.kind === 'check' ? action.sense : SENSE.NONE;
    }
    return action;
  }

  /** Mode parameters are accepted and change nothing. */
  take(): ScsiAction {
    return GOOD;
  }

  /** A command that was started has failed at its medium. */
  noteFailure(sense: Sense): void {
    this.#sense = sense;
  }

  get #blocks(): number | undefined {
    const { backend } = this;
    return backend === undefined ? undefined : Math.floor(backend.info.sizeBytes / BLOCK_BYTES);
  }

  #obstacle(opcode: number): ScsiAction | undefined {
    if (!ALWAYS_ANSWERED.includes(opcode) && this.#attention !== undefined) {
      const sense = this.#attention;
      this.#attention = undefined;
      return check(sense);
    }
    if (this.backend !== undefined || WITHOUT_MEDIUM.includes(opcode)) return undefined;
    return check(this.#isTrayOpen ? SENSE.NO_MEDIUM_OPEN : SENSE.NO_MEDIUM_CLOSED);
  }

  #answer(opcode: number, cdb: Uint8Array): ScsiAction {
    const blocks = this.#blocks ?? 0;
    switch (opcode) {
      case OPCODE.TEST_UNIT_READY:
      case OPCODE.SEEK_10:
      case OPCODE.VERIFY_10:
      case OPCODE.SET_CD_SPEED:
        return GOOD;
      case OPCODE.REQUEST_SENSE:
        return this.#requestSense(cdb);
      case OPCODE.INQUIRY:
        return (cdb[1] ?? 0) & 1
          ? check(SENSE.INVALID_FIELD)
          : dataIn(cdromInquiry(), field(cdb, 3, 2));
      case OPCODE.START_STOP_UNIT:
        return this.#startStop(cdb[4] ?? 0);
      case OPCODE.PREVENT_ALLOW:
        this.#isLocked = ((cdb[4] ?? 0) & 1) !== 0;
        return GOOD;
      case OPCODE.READ_CAPACITY_10:
        return dataIn(capacity(blocks), 8);
      case OPCODE.READ_10:
        return this.#read(field(cdb, 2, 4), field(cdb, 7, 2));
      case OPCODE.READ_12:
        return this.#read(field(cdb, 2, 4), field(cdb, 6, 4));
      case OPCODE.READ_CD:
        return this.#readCd(cdb);
      case OPCODE.READ_TOC:
        return answerOr(tableOfContents(cdb, blocks), field(cdb, 7, 2));
      case OPCODE.READ_SUBCHANNEL:
        return dataIn(subchannel(), field(cdb, 7, 2));
      case OPCODE.GET_CONFIGURATION:
        return dataIn(configuration(cdb, this.#blocks), field(cdb, 7, 2));
      case OPCODE.GET_EVENT_STATUS:
        return this.#eventStatus(cdb);
      case OPCODE.READ_DISC_INFORMATION:
        return dataIn(discInformation(), field(cdb, 7, 2));
      case OPCODE.READ_TRACK_INFORMATION:
        return dataIn(trackInformation(blocks), field(cdb, 7, 2));
      case OPCODE.READ_DVD_STRUCTURE:
        return answerOr(dvdStructure(cdb, blocks), field(cdb, 8, 2));
      case OPCODE.MECHANISM_STATUS:
        return dataIn(mechanismStatus(this.#isTrayOpen), field(cdb, 8, 2));
      case OPCODE.MODE_SENSE_6:
        return this.#modeSense(cdb, 4, cdb[4] ?? 0);
      case OPCODE.MODE_SENSE_10:
        return this.#modeSense(cdb, 8, field(cdb, 7, 2));
      case OPCODE.MODE_SELECT_6:
        return { kind: 'data-out', lengthBytes: cdb[4] ?? 0 };
      case OPCODE.MODE_SELECT_10:
        return { kind: 'data-out', lengthBytes: field(cdb, 7, 2) };
      default:
        return check(SENSE.INVALID_OPCODE);
    }
  }

  #requestSense(cdb: Uint8Array): ScsiAction {
    const sense = this.#attention ?? this.#sense;
    this.#attention = undefined;
    this.#sense = SENSE.NONE;
    return dataIn(senseBytes(sense), cdb[4] ?? 0);
  }

  #startStop(flags: number): ScsiAction {
    if ((flags & START_STOP.LOAD_EJECT) === 0) return GOOD;
    if ((flags & START_STOP.START) !== 0) {
      this.#isTrayOpen = false;
      return GOOD;
    }
    if (this.#isLocked) return check(SENSE.REMOVAL_PREVENTED);
    this.#open();
    return GOOD;
  }

  #open(): void {
    const hadMedium = this.#medium !== undefined;
    this.#medium = undefined;
    this.#isTrayOpen = true;
    this.#mediaEvent = MEDIA_EVENT.REMOVED;
    if (hadMedium) this.#onEject();
  }

  #read(block: number, count: number): ScsiAction {
    if (block + count > (this.#blocks ?? 0)) return check(SENSE.OUT_OF_RANGE);
    if (count === 0) return GOOD;
    const offsetBytes = block * BLOCK_BYTES;
    return { kind: 'read', offsetBytes, lengthBytes: count * BLOCK_BYTES, isForced: false };
  }

  /** Only user data: images hold nothing else. */
  #readCd(cdb: Uint8Array): ScsiAction {
    const parts = (cdb[9] ?? 0) & 0xf8;
    if (parts === 0) return GOOD;
    if (parts !== USER_DATA_ONLY || ((cdb[10] ?? 0) & 7) !== 0) return check(SENSE.INVALID_FIELD);
    return this.#read(field(cdb, 2, 4), field(cdb, 6, 3));
  }

  #eventStatus(cdb: Uint8Array): ScsiAction {
    const isPolled = ((cdb[1] ?? 0) & 1) !== 0;
    if (!isPolled) return check(SENSE.INVALID_FIELD);
    const supported = 1 << MEDIA_CLASS;
    const isWanted = ((cdb[4] ?? 0) & supported) !== 0;
    if (!isWanted) return dataIn(Uint8Array.of(0, 2, 0x80, supported), field(cdb, 7, 2));
    const status =
      (this.#isTrayOpen ? MEDIA_STATUS.OPEN : 0) |
      (this.backend === undefined ? 0 : MEDIA_STATUS.PRESENT);
    const answer = Uint8Array.of(0, 6, MEDIA_CLASS, supported, this.#mediaEvent, status, 0, 0);
    this.#mediaEvent = MEDIA_EVENT.NONE;
    return dataIn(answer, field(cdb, 7, 2));
  }

  #modeSense(cdb: Uint8Array, headerBytes: 4 | 8, allocationLength: number): ScsiAction {
    const control = (cdb[2] ?? 0) >> 6;
    if (control === 3) return check(SENSE.SAVING_NOT_SUPPORTED);
    const pages = cdromModePages((cdb[2] ?? 0) & MODE_ALL_PAGES, this.#isLocked);
    if (pages === undefined) return check(SENSE.INVALID_FIELD);
    // Nothing can be changed.
    if (control === 1) pages.fill(0, 2);
    const bytes = new Uint8Array(headerBytes + pages.length);
    const lengthBytes = headerBytes === 4 ? 1 : 2;
    setField(bytes, 0, lengthBytes, bytes.length - lengthBytes);
    bytes[lengthBytes] = this.backend === undefined ? NO_DISC : DISC_LOADED;
    bytes.set(pages, headerBytes);
    return dataIn(bytes, allocationLength);
  }
}

function answerOr(bytes: Uint8Array | undefined, allocationLength: number): ScsiAction {
  return bytes === undefined ? check(SENSE.INVALID_FIELD) : dataIn(bytes, allocationLength);
}

function cdromInquiry(): Uint8Array {
  const bytes = new Uint8Array(36);
  bytes[0] = TYPE_CDROM;
  bytes[1] = REMOVABLE;
  bytes[2] = SPC_3;
  bytes[3] = 2;
  bytes[4] = bytes.length - 5;
  setText(bytes, 8, 8, 'UMBRA');
  setText(bytes, 16, 16, 'VIRTUAL DVD-ROM');
  setText(bytes, 32, 4, '1.0');
  return bytes;
}

function capacity(blocks: number): Uint8Array {
  const bytes = new Uint8Array(8);
  setField(bytes, 0, 4, Math.max(0, blocks - 1));
  setField(bytes, 4, 4, BLOCK_BYTES);
  return bytes;
}
