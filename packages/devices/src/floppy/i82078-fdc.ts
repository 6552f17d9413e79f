import type { u8 } from '@umbra/base';
import {
  type BlockStatus,
  type Device,
  type GuestMemory,
  type IrqLine,
  type PioBus,
  SECTOR_BYTES,
} from '@umbra/core';
import type { I8237Pair } from '../i8237-dma.ts';
import { stateSchema } from '../state.ts';
import {
  BUFFER_BYTES,
  CODE,
  CODE_MASK,
  CONFIGURE_IMPLIED_SEEK,
  DEFAULT_CONFIGURATION,
  DIR_CHANGED,
  DMA_CHANNEL,
  DOR,
  DRIVES,
  DSR,
  FdcState,
  type FdcTransfer,
  initialFdc,
  isRelativeSeek,
  LOCK_RESULT,
  MSR,
  MULTI_TRACK,
  PART_ID,
  parameterCount,
  REG,
  SECTOR_CODE,
  SEEK_INWARD,
  SPECIFY_NON_DMA,
  SRA_INTERRUPT,
  ST0,
  ST1,
  ST3,
  VERSION,
} from './fdc-registers.ts';
import type { FloppyDrive } from './floppy-drive.ts';

const FIRST_PORT = 0x3f0;
const DIGITAL_INPUT_PORT = 0x3f7;

/** Floppy disk controller, Intel 82078, with up to four drives. [82078] */
export class I82078Fdc implements Device<FdcState> {
  readonly name: string;
  readonly schema = stateSchema('i82078-fdc', 1, FdcState);
  readonly #irq: IrqLine;
  readonly #dma: I8237Pair;
  readonly #drives: readonly (FloppyDrive | undefined)[];
  /** Lies in host memory, because backends work on that; snapshots keep it with the RAM. */
  readonly #buffer: Uint8Array;
  #state: Omit<FdcState, 'drives'> = initialFdc();
  /** Counts resets, so that what a backend finishes later finds nobody. */
  #epoch = 0;

  constructor(options: {
    name: string;
    pio: PioBus;
    memory: GuestMemory;
    irq: IrqLine;
    dma: I8237Pair;
    drives: readonly (FloppyDrive | undefined)[];
  }) {
    const { name, pio, memory } = options;
    this.name = name;
    this.#irq = options.irq;
    this.#dma = options.dma;
    this.#drives = Array.from({ length: DRIVES }, (_, index) => options.drives[index]);
    const offset = memory.allocateVideo(BUFFER_BYTES);
    this.#buffer = memory.hostBytes().subarray(offset, offset + BUFFER_BYTES);
    pio.register(name, FIRST_PORT, REG.COUNT, this);
    pio.register(`${name}-input`, DIGITAL_INPUT_PORT, 1, {
      in8: () => (this.#selected?.isChanged === true ? DIR_CHANGED : 0),
      out8: (_offset, value) => {
        this.#state.dataRate = value & DSR.RATE;
      },
    });
  }

  in8(offset: number): u8 {
    switch (offset) {
      case REG.SRA:
        return this.#state.isInterrupting ? SRA_INTERRUPT : 0;
      case REG.DOR:
        return this.#state.dor;
      case REG.MSR_DSR:
        return this.#mainStatus();
      case REG.FIFO:
        return this.#readFifo();
      default:
        return 0;
    }
  }

  out8(offset: number, value: u8): void {
    switch (offset) {
      case REG.DOR:
        this.#writeDor(value);
        break;
      case REG.MSR_DSR:
        this.#state.dataRate = value & DSR.RATE;
        if ((value & DSR.RESET) !== 0) this.#resetController();
        break;
      case REG.FIFO:
        this.#writeFifo(value);
        break;
    }
  }

  reset(): void {
    this.#loseInterest();
    this.#state = initialFdc();
    for (const drive of this.#drives) drive?.reset();
    this.#irq.set(false);
  }

  save(): FdcState {
    const { command, result, seekEnds, specify, transfer, ...rest } = this.#state;
    return {
      ...rest,
      command: [...command],
      result: [...result],
      seekEnds: [...seekEnds],
      specify: [...specify],
      transfer: transfer === null ? null : { ...transfer },
      drives: this.#drives.map((drive) => drive?.save() ?? null),
    };
  }

  restore(state: FdcState): void {
    this.#loseInterest();
    const { drives, ...rest } = JSON.parse(JSON.stringify(state)) as FdcState;
    this.#state = rest;
    for (const [index, drive] of this.#drives.entries()) {
      const saved = drives[index];
      if (saved !== null && saved !== undefined) drive?.restore(saved);
    }
    if (this.#state.phase === 'disk') this.#submit();
  }

  get #selected(): FloppyDrive | undefined {
    return this.#drives[this.#state.dor & DOR.SELECT];
  }

  /** The drive that the second byte of the current command names. */
  get #addressed(): FloppyDrive | undefined {
    return this.#drives[this.#parameter(1) & 3];
  }

  #parameter(index: number): number {
    return this.#state.command[index] ?? 0;
  }

  #mainStatus(): u8 {
    const { phase, command, transfer, dor } = this.#state;
    if ((dor & DOR.NOT_RESET) === 0) return 0;
    switch (phase) {
      case 'command':
        return MSR.READY | (command.length > 0 ? MSR.BUSY : 0);
      case 'disk':
        return MSR.BUSY;
      case 'fifo':
        return MSR.READY | MSR.BUSY | MSR.NON_DMA | (transfer?.kind === 'read' ? MSR.TO_HOST : 0);
      case 'result':
        return MSR.READY | MSR.BUSY | MSR.TO_HOST;
    }
  }

  #writeDor(value: u8): void {
    const wasRunning = (this.#state.dor & DOR.NOT_RESET) !== 0;
    const isRunning = (value & DOR.NOT_RESET) !== 0;
    this.#state.dor = value;
    if (!isRunning) {
      this.#stop();
      this.#setInterrupt(false);
    } else if (!wasRunning) {
      this.#resetController();
    }
    this.#driveInterrupt();
  }

  #loseInterest(): void {
    this.#epoch++;
    for (const drive of this.#drives) drive?.medium?.dropWaiting();
  }

  /** Gives up the current command. */
  #stop(): void {
    this.#loseInterest();
    this.#state.phase = 'command';
    this.#state.command = [];
    this.#state.result = [];
    this.#state.transfer = null;
  }

  /** After a reset the controller polls its drives, and says so for all four of them. */
  #resetController(): void {
    this.#stop();
    if (!this.#state.isLocked) {
      this.#state.configuration = DEFAULT_CONFIGURATION;
      this.#state.precompensation = 0;
    }
    this.#state.seekEnds = Array.from({ length: DRIVES }, (_, drive) => ST0.POLLING | drive);
    this.#setInterrupt(true);
  }

  #setInterrupt(isInterrupting: boolean): void {
    this.#state.isInterrupting = isInterrupting;
    this.#driveInterrupt();
  }

  #driveInterrupt(): void {
    this.#irq.set(this.#state.isInterrupting && (this.#state.dor & DOR.DMA_GATE) !== 0);
  }

  #readFifo(): u8 {
    const { phase, result, transfer } = this.#state;
    if (phase === 'fifo' && transfer?.kind === 'read') return this.#readData(transfer);
    if (phase !== 'result') return 0;
    this.#setInterrupt(false);
    const value = result.shift() ?? 0;
    if (result.length === 0) this.#stop();
    return value;
  }

  #writeFifo(value: u8): void {
    const { phase, command, transfer, dor } = this.#state;
    if ((dor & DOR.NOT_RESET) === 0) return;
    if (phase === 'fifo' && transfer !== null && transfer.kind !== 'read') {
      this.#writeData(transfer, value);
      return;
    }
    if (phase !== 'command') return;
    command.push(value);
    const parameters = parameterCount(command[0] ?? 0);
    if (parameters === undefined) this.#answer([ST0.INVALID]);
    else if (command.length > parameters) this.#execute();
  }

  #execute(): void {
    const first = this.#parameter(0);
    const state = this.#state;
    if (isRelativeSeek(first)) {
      const step = this.#parameter(2) * ((first & SEEK_INWARD) !== 0 ? 1 : -1);
      this.#seek((this.#addressed?.track ?? 0) + step);
      return;
    }
    switch (first & CODE_MASK) {
      case CODE.SPECIFY:
        state.specify = [this.#parameter(1), this.#parameter(2)];
        this.#stop();
        break;
      case CODE.CONFIGURE:
        state.configuration = this.#parameter(2);
        state.precompensation = this.#parameter(3);
        this.#stop();
        break;
      case CODE.PERPENDICULAR:
        state.perpendicular = this.#parameter(1);
        this.#stop();
        break;
      case CODE.RECALIBRATE:
        this.#seek(0);
        break;
      case CODE.SEEK:
        this.#seek(this.#parameter(2));
        break;
      case CODE.SENSE_INTERRUPT:
        this.#senseInterrupt();
        break;
      case CODE.SENSE_DRIVE:
        this.#answer([this.#driveStatus()]);
        break;
      case CODE.VERSION:
        this.#answer([VERSION]);
        break;
      case CODE.PART_ID:
        this.#answer([PART_ID]);
        break;
      case CODE.LOCK:
        state.isLocked = (first & MULTI_TRACK) !== 0;
        this.#answer([state.isLocked ? LOCK_RESULT : 0]);
        break;
      case CODE.DUMP:
        this.#answer(this.#dump());
        break;
      case CODE.READ_ID:
        this.#readId();
        break;
      case CODE.FORMAT:
        this.#startFormat();
        break;
      case CODE.READ:
      case CODE.READ_DELETED:
      case CODE.READ_TRACK:
        this.#startTransfer('read');
        break;
      case CODE.VERIFY:
        this.#startTransfer('verify');
        break;
      case CODE.WRITE:
      case CODE.WRITE_DELETED:
        this.#startTransfer('write');
        break;
    }
  }

  #answer(result: number[]): void {
    this.#state.phase = 'result';
    this.#state.result = result;
  }

  #seek(track: number): void {
    const drive = this.#parameter(1) & 3;
    const isAtTrack = this.#drives[drive] !== undefined;
    this.#drives[drive]?.seek(track);
    // A drive that is not there never reports track 0.
    const end = ST0.SEEK_END | (isAtTrack ? 0 : ST0.ABNORMAL | 0x10);
    this.#stop();
    this.#state.seekEnds = [...this.#state.seekEnds, end | drive].slice(-DRIVES);
    this.#setInterrupt(true);
  }

  #senseInterrupt(): void {
    const end = this.#state.seekEnds.shift();
    if (this.#state.seekEnds.length === 0) this.#setInterrupt(false);
    if (end === undefined) this.#answer([ST0.INVALID]);
    else this.#answer([end, this.#drives[end & 3]?.track ?? 0]);
  }

  #driveStatus(): number {
    const drive = this.#addressed;
    return (
      (this.#parameter(1) & 7) |
      ST3.ALWAYS |
      ST3.TWO_SIDES |
      (drive?.track === 0 ? ST3.TRACK_0 : 0) |
      (drive?.medium?.info.isReadOnly === true ? ST3.WRITE_PROTECTED : 0)
    );
  }

  #dump(): number[] {
    const { specify, isLocked, perpendicular, configuration, precompensation } = this.#state;
    const tracks = this.#drives.map((drive) => drive?.track ?? 0);
    const format = this.#selected?.format;
    const lock = isLocked ? 0x80 : 0;
    return [
      ...tracks,
      ...specify,
      format?.sectors ?? 0,
      lock | (perpendicular & 0x7f),
      configuration,
      precompensation,
    ];
  }

  #readId(): void {
    const drive = this.#addressed;
    const isReadable = drive?.format?.dataRate === this.#state.dataRate;
    const head = (this.#parameter(1) >> 2) & 1;
    const place = [drive?.track ?? 0, head, 1] as const;
    this.#conclude(isReadable ? 0 : ST1.NO_ADDRESS, place);
  }

  /** READ, WRITE, VERIFY: from a sector to the last one of the track, or of both sides. */
  #startTransfer(kind: 'read' | 'write' | 'verify'): void {
    const drive = this.#addressed;
    const format = drive?.format;
    const medium = drive?.medium;
    const [cylinder, head, sector] = [this.#parameter(2), this.#parameter(3), this.#parameter(4)];
    const isMultiTrack = (this.#parameter(0) & MULTI_TRACK) !== 0;
    if ((this.#state.configuration & CONFIGURE_IMPLIED_SEEK) !== 0) drive?.seek(cylinder);
    if (format === undefined || medium === undefined || format.dataRate !== this.#state.dataRate) {
      this.#conclude(ST1.NO_ADDRESS);
      return;
    }
    const isThere =
      cylinder === drive?.track &&
      cylinder < format.tracks &&
      head < format.heads &&
      sector >= 1 &&
      sector <= format.sectors &&
      this.#parameter(5) === SECTOR_CODE;
    if (!isThere) {
      this.#conclude(ST1.NO_DATA);
      return;
    }
    if (kind === 'write' && medium.info.isReadOnly) {
      this.#conclude(ST1.NOT_WRITABLE);
      return;
    }
    const last = Math.min(Math.max(this.#parameter(6), sector), format.sectors);
    const hasSecondSide = isMultiTrack && head === 0 && format.heads === 2;
    const sectors = hasSecondSide ? format.sectors - sector + 1 + last : last - sector + 1;
    const first = (cylinder * format.heads + head) * format.sectors + sector - 1;
    const lengthBytes = sectors * SECTOR_BYTES;
    this.#begin({ kind, offsetBytes: first * SECTOR_BYTES, lengthBytes, moved: 0 });
  }

  /** FORMAT TRACK: the host sends four bytes for each sector; all are filled with one value. */
  #startFormat(): void {
    const drive = this.#addressed;
    const format = drive?.format;
    const head = (this.#parameter(1) >> 2) & 1;
    if (format === undefined || drive === undefined || drive.track >= format.tracks) {
      this.#conclude(ST1.NO_ADDRESS);
    } else if (drive.medium?.info.isReadOnly === true) {
      this.#conclude(ST1.NOT_WRITABLE);
    } else {
      const track = drive.track * format.heads + Math.min(head, format.heads - 1);
      const sectors = Math.min(this.#parameter(3), format.sectors);
      this.#begin({
        kind: 'format',
        offsetBytes: track * format.sectors * SECTOR_BYTES,
        lengthBytes: sectors * SECTOR_BYTES,
        moved: 0,
      });
    }
  }

  #begin(transfer: FdcTransfer): void {
    this.#state.transfer = transfer;
    if (transfer.lengthBytes === 0) {
      this.#finishTransfer(transfer, false);
    } else if (transfer.kind === 'read' || transfer.kind === 'verify') {
      this.#submit();
    } else if (this.#isNonDma) {
      this.#state.phase = 'fifo';
      this.#setInterrupt(true);
    } else {
      this.#fetchByDma(transfer);
    }
  }

  get #isNonDma(): boolean {
    return ((this.#state.specify[1] ?? 0) & SPECIFY_NON_DMA) !== 0;
  }

  /** Bytes that the host sends for a write or a format. */
  #wantedBytes(transfer: FdcTransfer): number {
    return transfer.kind === 'format'
      ? 4 * (transfer.lengthBytes / SECTOR_BYTES)
      : transfer.lengthBytes;
  }

  #fetchByDma(transfer: FdcTransfer): void {
    const target = this.#buffer.subarray(0, this.#wantedBytes(transfer));
    target.fill(0);
    transfer.moved = this.#dma.readFromMemory(DMA_CHANNEL, target).moved;
    if (transfer.moved === 0) this.#conclude(ST1.OVERRUN);
    else this.#write(transfer);
  }

  /** All that the host sent is in the buffer; what it did not send of a sector is zero. */
  #write(transfer: FdcTransfer): void {
    if (transfer.kind === 'format') {
      this.#buffer.fill(this.#parameter(5), 0, transfer.lengthBytes);
      transfer.moved = transfer.lengthBytes;
    }
    transfer.lengthBytes = Math.ceil(transfer.moved / SECTOR_BYTES) * SECTOR_BYTES;
    this.#submit();
  }

  /** Lets the backend move the buffer. */
  #submit(): void {
    const { transfer } = this.#state;
    const medium = this.#addressed?.medium;
    if (transfer === null || medium === undefined) {
      this.#conclude(ST1.NO_ADDRESS);
      return;
    }
    this.#state.phase = 'disk';
    const { offsetBytes, lengthBytes } = transfer;
    const isWrite = transfer.kind === 'write' || transfer.kind === 'format';
    const segments = [this.#buffer.subarray(0, lengthBytes)];
    const epoch = this.#epoch;
    medium.submit({ kind: isWrite ? 'write' : 'read', offsetBytes, segments }, (status) => {
      if (epoch === this.#epoch) this.#onMoved(transfer, status);
    });
  }

  #onMoved(transfer: FdcTransfer, status: BlockStatus): void {
    if (status !== 'ok') {
      this.#conclude(status === 'read-only' ? ST1.NOT_WRITABLE : ST1.DATA_ERROR);
    } else if (transfer.kind !== 'read') {
      if (transfer.kind === 'verify') transfer.moved = transfer.lengthBytes;
      this.#finishTransfer(transfer, true);
    } else if (this.#isNonDma) {
      this.#state.phase = 'fifo';
      this.#setInterrupt(true);
    } else {
      const data = this.#buffer.subarray(0, transfer.lengthBytes);
      const { moved, isTerminalCount } = this.#dma.writeToMemory(DMA_CHANNEL, data);
      transfer.moved = moved;
      if (moved === 0) this.#conclude(ST1.OVERRUN);
      else this.#finishTransfer(transfer, isTerminalCount);
    }
  }

  #readData(transfer: FdcTransfer): u8 {
    this.#setInterrupt(false);
    const value = this.#buffer[transfer.moved] ?? 0;
    transfer.moved++;
    if (transfer.moved < transfer.lengthBytes) this.#setInterrupt(true);
    else this.#finishTransfer(transfer, false);
    return value;
  }

  #writeData(transfer: FdcTransfer, value: u8): void {
    this.#setInterrupt(false);
    this.#buffer[transfer.moved] = value;
    transfer.moved++;
    if (transfer.moved < this.#wantedBytes(transfer)) this.#setInterrupt(true);
    else this.#write(transfer);
  }

  /** The result names the sector behind the last one. [82078] table 5-3 */
  #finishTransfer(transfer: FdcTransfer, isTerminalCount: boolean): void {
    const format = this.#addressed?.format;
    const sectorsPerTrack = format?.sectors ?? 1;
    const heads = format?.heads ?? 1;
    const sectors = Math.ceil(transfer.moved / SECTOR_BYTES);
    const next = transfer.offsetBytes / SECTOR_BYTES + sectors;
    const isMultiTrack = (this.#parameter(0) & MULTI_TRACK) !== 0;
    const track = Math.floor(next / sectorsPerTrack);
    const startHead = this.#parameter(3);
    const isNextTrack = next % sectorsPerTrack === 0;
    const cylinder = Math.floor(track / heads);
    const head = track % heads;
    // Without multi-track the end of a side leads to the next cylinder, same side.
    const place =
      isNextTrack && !isMultiTrack
        ? ([this.#parameter(2) + 1, startHead, 1] as const)
        : ([cylinder, head, (next % sectorsPerTrack) + 1] as const);
    this.#conclude(isTerminalCount ? 0 : ST1.END, place);
  }

  /** Ends a command that moved data, or should have. */
  #conclude(
    st1: number,
    place: readonly [number, number, number] = [
      this.#parameter(2),
      this.#parameter(3),
      this.#parameter(4),
    ],
  ): void {
    const st0 = (this.#parameter(1) & 7) | (st1 === 0 ? 0 : ST0.ABNORMAL);
    const [cylinder, head, sector] = place;
    this.#state.transfer = null;
    this.#answer([st0, st1, 0, cylinder & 0xff, head & 0xff, sector & 0xff, SECTOR_CODE]);
    this.#setInterrupt(true);
  }
}
