import type { u8 } from '@umbra/base';
import { type BlockBackend, type BlockStatus, SECTOR_BYTES } from '@umbra/core';
import * as z from 'zod';
import { QueuedBackend } from '../queued-backend.ts';
import { byte, count } from '../state.ts';
import { identifyDisk, MULTIPLE_SECTORS_MAX, TRIM_BLOCKS_MAX } from './ata-identify.ts';
import { smartData, smartThresholds } from './ata-smart.ts';
import { type IdeCable, IdeDrive, IdeDriveState, type Movement } from './ide-drive.ts';
import { DEVICE, ERROR, SIGNATURE, STATUS } from './task-file.ts';

/** [ATA] ch. 7, and CHS commands of earlier editions that firmware still uses. */
const COMMAND = {
  NOP: 0x00,
  DATA_SET_MANAGEMENT: 0x06,
  READ_NATIVE_MAX_EXT: 0x27,
  SMART: 0xb0,
  SET_MULTIPLE: 0xc6,
  FLUSH: 0xe7,
  FLUSH_EXT: 0xea,
  IDENTIFY: 0xec,
  IDENTIFY_PACKET: 0xa1,
  INITIALIZE_PARAMETERS: 0x91,
  SET_FEATURES: 0xef,
  READ_NATIVE_MAX: 0xf8,
  CHECK_POWER_MODE: 0xe5,
} as const;
/** Commands that succeed without doing anything: there is no head to move, no motor to stop. */
const WITHOUT_EFFECT = new Set([
  ...Array.from({ length: 16 }, (_, low) => 0x10 + low), // RECALIBRATE
  ...Array.from({ length: 16 }, (_, low) => 0x70 + low), // SEEK
  ...[0x94, 0x95, 0x96, 0x97, 0x99, 0xe0, 0xe1, 0xe2, 0xe3, 0xe6],
]);
const POWER_ACTIVE = 0xff;

/** How a command moves sectors. */
interface Access {
  readonly kind: 'read' | 'write' | 'verify';
  readonly mode: Movement['mode'];
  readonly is48Bit?: true;
  /** Blocks of the SET MULTIPLE size instead of one sector. */
  readonly isMultiple?: true;
  /** On the medium before the command ends. */
  readonly isForced?: true;
}

const ACCESSES: Readonly<Record<number, Access>> = {
  32: { kind: 'read', mode: 'pio' },
  33: { kind: 'read', mode: 'pio' },
  36: { kind: 'read', mode: 'pio', is48Bit: true },
  37: { kind: 'read', mode: 'dma', is48Bit: true },
  41: { kind: 'read', mode: 'pio', is48Bit: true, isMultiple: true },
  48: { kind: 'write', mode: 'pio' },
  49: { kind: 'write', mode: 'pio' },
  52: { kind: 'write', mode: 'pio', is48Bit: true },
  53: { kind: 'write', mode: 'dma', is48Bit: true },
  57: { kind: 'write', mode: 'pio', is48Bit: true, isMultiple: true },
  61: { kind: 'write', mode: 'dma', is48Bit: true, isForced: true },
  64: { kind: 'verify', mode: 'pio' },
  65: { kind: 'verify', mode: 'pio' },
  66: { kind: 'verify', mode: 'pio', is48Bit: true },
  196: { kind: 'read', mode: 'pio', isMultiple: true },
  197: { kind: 'write', mode: 'pio', isMultiple: true },
  200: { kind: 'read', mode: 'dma' },
  201: { kind: 'read', mode: 'dma' },
  202: { kind: 'write', mode: 'dma' },
  203: { kind: 'write', mode: 'dma' },
  206: { kind: 'write', mode: 'pio', is48Bit: true, isMultiple: true, isForced: true },
};

const FEATURE = {
  WRITE_CACHE_ON: 0x02,
  TRANSFER_MODE: 0x03,
  LOOK_AHEAD_OFF: 0x55,
  KEEP_ON_RESET: 0x66,
  WRITE_CACHE_OFF: 0x82,
  LOOK_AHEAD_ON: 0xaa,
  FORGET_ON_RESET: 0xcc,
} as const;
const SMART = {
  READ_DATA: 0xd0,
  READ_THRESHOLDS: 0xd1,
  AUTOSAVE: 0xd2,
  OFFLINE: 0xd4,
  ENABLE: 0xd8,
  DISABLE: 0xd9,
  STATUS: 0xda,
  /** Values of LBA mid and high that every SMART command needs, and that mean good health. */
  KEY_MID: 0x4f,
  KEY_HIGH: 0xc2,
} as const;
const TRIM = 1 << 0;
const TRIM_ENTRY_BYTES = 8;
/** The geometry that disks beyond 8 GB show. */
const GEOMETRY = { CYLINDERS_MAX: 16_383, HEADS: 16, SECTORS: 63 } as const;

export const AtaDiskState = z.strictObject({
  drive: IdeDriveState,
  command: byte,
  multipleCount: byte,
  transferMode: byte,
  heads: z.int().min(1).max(16),
  sectorsPerTrack: z.int().min(1).max(255),
  isWriteCacheOn: z.boolean(),
  isSmartOn: z.boolean(),
  /** What the drive does in its own phase. */
  task: z.enum(['flush', 'trim']),
  /** TRIM: bytes of ranges in the buffer, and those that are done. */
  trimBytes: count.max(TRIM_BLOCKS_MAX * SECTOR_BYTES),
  trimDone: count.max(TRIM_BLOCKS_MAX * SECTOR_BYTES),
});
export type AtaDiskState = z.infer<typeof AtaDiskState>;

/** A hard disk as ATA/ATAPI-7 describes it. [ATA] */
export class AtaDisk extends IdeDrive {
  readonly #backend: QueuedBackend;
  readonly #serial: string;
  readonly #model: string;
  #command = 0;
  #multipleCount = 0;
  #transferMode = 0;
  #heads: number = GEOMETRY.HEADS;
  #sectorsPerTrack: number = GEOMETRY.SECTORS;
  #isWriteCacheOn = true;
  #isSmartOn = true;
  #task: AtaDiskState['task'] = 'flush';
  #trimBytes = 0;
  #trimDone = 0;

  constructor(cable: IdeCable, options: { backend: BlockBackend; serial: string; model: string }) {
    super(cable);
    this.#backend = new QueuedBackend(options.backend, 1);
    this.#serial = options.serial;
    this.#model = options.model;
    this.reset();
  }

  override reset(): void {
    super.reset();
    this.#command = 0;
    this.#multipleCount = 0;
    this.#transferMode = 0;
    this.#heads = GEOMETRY.HEADS;
    this.#sectorsPerTrack = GEOMETRY.SECTORS;
    this.#isWriteCacheOn = this.#backend.info.hasWriteCache;
    this.#isSmartOn = true;
    this.#task = 'flush';
    this.#trimBytes = 0;
    this.#trimDone = 0;
  }

  sign(): void {
    this.taskFile.setSignature(SIGNATURE.ATA);
    this.taskFile.state.status = STATUS.DRDY | STATUS.DSC;
  }

  save(): AtaDiskState {
    return {
      drive: this.saveDrive(),
      command: this.#command,
      multipleCount: this.#multipleCount,
      transferMode: this.#transferMode,
      heads: this.#heads,
      sectorsPerTrack: this.#sectorsPerTrack,
      isWriteCacheOn: this.#isWriteCacheOn,
      isSmartOn: this.#isSmartOn,
      task: this.#task,
      trimBytes: this.#trimBytes,
      trimDone: this.#trimDone,
    };
  }

  restore(state: AtaDiskState): void {
    this.restoreDrive(state.drive);
    this.#command = state.command;
    this.#multipleCount = state.multipleCount;
    this.#transferMode = state.transferMode;
    this.#heads = state.heads;
    this.#sectorsPerTrack = state.sectorsPerTrack;
    this.#isWriteCacheOn = state.isWriteCacheOn;
    this.#isSmartOn = state.isSmartOn;
    this.#task = state.task;
    this.#trimBytes = state.trimBytes;
    this.#trimDone = state.trimDone;
  }

  execute(command: u8): void {
    this.#command = command;
    const { state } = this.taskFile;
    const access = ACCESSES[command];
    if (access !== undefined) {
      this.#startAccess(access);
      return;
    }
    if (WITHOUT_EFFECT.has(command)) {
      this.finish(0);
      return;
    }
    switch (command) {
      case COMMAND.IDENTIFY:
        this.send(this.#identify(), SECTOR_BYTES);
        break;
      case COMMAND.IDENTIFY_PACKET:
      case COMMAND.NOP:
        this.abortCommand();
        break;
      case COMMAND.INITIALIZE_PARAMETERS:
        this.#heads = (state.device & DEVICE.HEAD) + 1;
        this.#sectorsPerTrack = state.count & 0xff || 1;
        this.finish(0);
        break;
      case COMMAND.SET_MULTIPLE:
        this.#setMultiple(state.count & 0xff);
        break;
      case COMMAND.SET_FEATURES:
        this.#setFeatures(state.features & 0xff, state.count & 0xff);
        break;
      case COMMAND.FLUSH:
      case COMMAND.FLUSH_EXT:
        this.#flush();
        break;
      case COMMAND.CHECK_POWER_MODE:
        state.count = POWER_ACTIVE;
        this.finish(0);
        break;
      case COMMAND.READ_NATIVE_MAX:
        this.#tellLast(Math.min(this.#sectors, 2 ** 28) - 1, false);
        break;
      case COMMAND.READ_NATIVE_MAX_EXT:
        this.#tellLast(this.#sectors - 1, true);
        break;
      case COMMAND.SMART:
        this.#smart(state.features & 0xff);
        break;
      case COMMAND.DATA_SET_MANAGEMENT:
        this.#startTrim();
        break;
      default:
        this.abortCommand();
        break;
    }
  }

  protected movementBackend(): QueuedBackend {
    return this.#backend;
  }

  protected onBlock(): void {}

  protected onMoved(status: BlockStatus): void {
    if (status !== 'ok') {
      this.#fail(status);
      return;
    }
    if (this.#command === COMMAND.DATA_SET_MANAGEMENT) {
      this.#trim();
      return;
    }
    const access = ACCESSES[this.#command];
    if (access?.kind !== 'write') {
      this.finish(0, access?.mode === 'dma');
      return;
    }
    const isThrough = this.#backend.info.hasWriteCache && !this.#isWriteCacheOn;
    if (access.isForced === true || isThrough) this.#flush();
    else this.finish(0);
  }

  protected resumeOwn(): void {
    if (this.#task === 'flush') this.#flush();
    else this.#trim();
  }

  get #sectors(): number {
    return Math.floor(this.#backend.info.sizeBytes / SECTOR_BYTES);
  }

  get #cylinders(): number {
    const perCylinder = this.#heads * this.#sectorsPerTrack;
    return Math.min(GEOMETRY.CYLINDERS_MAX, Math.floor(this.#sectors / perCylinder));
  }

  #identify(): Uint8Array {
    return identifyDisk({
      serial: this.#serial,
      model: this.#model,
      sectors: this.#sectors,
      cylinders: this.#cylinders,
      heads: this.#heads,
      sectorsPerTrack: this.#sectorsPerTrack,
      multipleCount: this.#multipleCount,
      transferMode: this.#transferMode,
      canDiscard: this.#backend.info.canDiscard,
      isWriteCacheOn: this.#isWriteCacheOn,
      isSmartOn: this.#isSmartOn,
    });
  }

  #startAccess(access: Access): void {
    const sector = this.#addressedSector(access.is48Bit === true);
    const sectorCount = this.#sectorCount(access.is48Bit === true);
    if (access.isMultiple === true && this.#multipleCount === 0) {
      this.abortCommand();
      return;
    }
    if (sector + sectorCount > this.#sectors) {
      this.finish(ERROR.IDNF);
      return;
    }
    if (access.kind === 'write' && this.#backend.info.isReadOnly) {
      this.abortCommand();
      return;
    }
    if (access.kind === 'verify') {
      this.finish(0);
      return;
    }
    this.move({
      direction: access.kind === 'read' ? 'to-host' : 'from-host',
      mode: access.mode,
      place: 'disk',
      offsetBytes: sector * SECTOR_BYTES,
      remainingBytes: sectorCount * SECTOR_BYTES,
      blockBytes: SECTOR_BYTES * (access.isMultiple === true ? this.#multipleCount : 1),
    });
  }

  #addressedSector(is48Bit: boolean): number {
    const { low, mid, high, device } = this.taskFile.state;
    const head = device & DEVICE.HEAD;
    const bytes = [low & 0xff, mid & 0xff, high & 0xff];
    if (is48Bit) bytes.push(low >> 8, mid >> 8, high >> 8);
    else if ((device & DEVICE.LBA) !== 0) bytes.push(head);
    else {
      const cylinder = ((high & 0xff) << 8) | (mid & 0xff);
      // Sectors count from 1; what has number 0 is nowhere.
      if ((low & 0xff) === 0) return Number.POSITIVE_INFINITY;
      return (cylinder * this.#heads + head) * this.#sectorsPerTrack + (low & 0xff) - 1;
    }
    return bytes.reduceRight((sector, value) => sector * 256 + value, 0);
  }

  #sectorCount(is48Bit: boolean): number {
    const { count: sectors } = this.taskFile.state;
    return is48Bit ? sectors || 0x1_0000 : sectors & 0xff || 0x100;
  }

  #setMultiple(sectors: number): void {
    const isPowerOfTwo = (sectors & (sectors - 1)) === 0;
    if (sectors > MULTIPLE_SECTORS_MAX || !isPowerOfTwo) {
      this.abortCommand();
      return;
    }
    this.#multipleCount = sectors;
    this.finish(0);
  }

  #setFeatures(feature: number, value: number): void {
    switch (feature) {
      case FEATURE.TRANSFER_MODE:
        this.#transferMode = value;
        this.finish(0);
        break;
      case FEATURE.WRITE_CACHE_ON:
        this.#isWriteCacheOn = this.#backend.info.hasWriteCache;
        this.finish(0);
        break;
      case FEATURE.WRITE_CACHE_OFF:
        this.#isWriteCacheOn = false;
        this.#flush();
        break;
      case FEATURE.LOOK_AHEAD_ON:
      case FEATURE.LOOK_AHEAD_OFF:
      case FEATURE.KEEP_ON_RESET:
      case FEATURE.FORGET_ON_RESET:
        this.finish(0);
        break;
      default:
        this.abortCommand();
        break;
    }
  }

  #smart(subcommand: number): void {
    const { state } = this.taskFile;
    const hasKey = (state.mid & 0xff) === SMART.KEY_MID && (state.high & 0xff) === SMART.KEY_HIGH;
    if (!hasKey || (!this.#isSmartOn && subcommand !== SMART.ENABLE)) {
      this.abortCommand();
      return;
    }
    switch (subcommand) {
      case SMART.READ_DATA:
        this.send(smartData(), SECTOR_BYTES);
        break;
      case SMART.READ_THRESHOLDS:
        this.send(smartThresholds(), SECTOR_BYTES);
        break;
      case SMART.ENABLE:
      case SMART.DISABLE:
        this.#isSmartOn = subcommand === SMART.ENABLE;
        this.finish(0);
        break;
      case SMART.AUTOSAVE:
      case SMART.OFFLINE:
      // The key stays in the registers, which says that no threshold was exceeded.
      case SMART.STATUS:
        this.finish(0);
        break;
      default:
        this.abortCommand();
        break;
    }
  }

  #tellLast(sector: number, is48Bit: boolean): void {
    const { state } = this.taskFile;
    const octet = (index: number): number => Math.floor(sector / 256 ** index) % 256;
    state.low = octet(0) | (is48Bit ? octet(3) << 8 : 0);
    state.mid = octet(1) | (is48Bit ? octet(4) << 8 : 0);
    state.high = octet(2) | (is48Bit ? octet(5) << 8 : 0);
    if (!is48Bit) state.device = (state.device & ~DEVICE.HEAD) | (octet(3) & DEVICE.HEAD);
    this.finish(0);
  }

  #flush(): void {
    this.#task = 'flush';
    this.enterOwnPhase();
    this.#backend.submit(
      { kind: 'flush' },
      this.unlessAborted((status) => (status === 'ok' ? this.finish(0) : this.#fail(status))),
    );
  }

  #startTrim(): void {
    const { state } = this.taskFile;
    const canTrim = this.#backend.info.canDiscard && !this.#backend.info.isReadOnly;
    const isTrim = (state.features & 0xff) === TRIM;
    const blocks = state.count;
    if (!canTrim || !isTrim || blocks === 0 || blocks > TRIM_BLOCKS_MAX) {
      this.abortCommand();
      return;
    }
    this.#trimBytes = blocks * SECTOR_BYTES;
    this.#trimDone = 0;
    this.move({
      direction: 'from-host',
      mode: 'dma',
      place: 'buffer',
      offsetBytes: 0,
      remainingBytes: this.#trimBytes,
      blockBytes: SECTOR_BYTES,
    });
  }

  /** Discards the ranges in the buffer, one after the other. */
  #trim(): void {
    this.#task = 'trim';
    this.enterOwnPhase();
    while (this.#trimDone < this.#trimBytes) {
      const at = this.#trimDone;
      const octets = this.buffer.subarray(at, at + TRIM_ENTRY_BYTES);
      const sectors = (octets[6] ?? 0) | ((octets[7] ?? 0) << 8);
      const sector = octets.subarray(0, 6).reduceRight((sum, value) => sum * 256 + value, 0);
      if (sectors === 0) {
        this.#trimDone += TRIM_ENTRY_BYTES;
        continue;
      }
      if (sector + sectors > this.#sectors) {
        this.finish(ERROR.IDNF);
        break;
      }
      const range = { offsetBytes: sector * SECTOR_BYTES, lengthBytes: sectors * SECTOR_BYTES };
      this.#backend.submit(
        { kind: 'discard', ...range },
        this.unlessAborted((status) => {
          if (status !== 'ok') {
            this.#fail(status);
            return;
          }
          this.#trimDone += TRIM_ENTRY_BYTES;
          this.#trim();
        }),
      );
      return;
    }
    this.finish(0);
  }

  #fail(status: BlockStatus): void {
    if (status === 'out-of-range') this.finish(ERROR.IDNF);
    else if (status === 'io-error' && ACCESSES[this.#command]?.kind === 'read') {
      this.finish(ERROR.UNC);
    } else this.abortCommand();
  }
}
