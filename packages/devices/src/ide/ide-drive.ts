import type { u8 } from '@umbra/base';
import type { BlockStatus, GuestMemory } from '@umbra/core';
import * as z from 'zod';
import type { QueuedBackend } from '../queued-backend.ts';
import { transferSectors } from '../sector-transfer.ts';
import { count } from '../state.ts';
import type { BusMaster } from './bus-master.ts';
import { ERROR, STATUS, TaskFile, TaskFileState } from './task-file.ts';

/** Room for the sectors on their way between a disk and the data port. */
const BUFFER_BYTES = 0x1_0000;
/** The most that one request to the backend moves by bus-master DMA. */
const DMA_BYTES_MAX = 0x10_0000;
export const READY = STATUS.DRDY | STATUS.DSC;

/** Data that a command moves between the host and the disk, or the buffer alone. */
const Movement = z.strictObject({
  direction: z.enum(['to-host', 'from-host']),
  mode: z.enum(['pio', 'dma']),
  /** `buffer`: all of it is in the buffer, or has its place there. */
  place: z.enum(['disk', 'buffer']),
  offsetBytes: count,
  /** Bytes that have not yet left the disk, or reached it. */
  remainingBytes: count,
  /** The most that the host moves through the data port between two looks at the status. */
  blockBytes: z.int().min(2).max(BUFFER_BYTES),
});
export type Movement = z.infer<typeof Movement>;

const bufferPosition = z.int().min(0).max(BUFFER_BYTES);
export const IdeDriveState = z.strictObject({
  taskFile: TaskFileState,
  hasInterrupt: z.boolean(),
  /** `disk`: the backend is at work. `port`, `dma`: the host is to move. `own`: of the kind. */
  phase: z.enum(['idle', 'disk', 'port', 'dma', 'own']),
  movement: Movement.nullable(),
  position: bufferPosition,
  blockEnd: bufferPosition,
  filled: bufferPosition,
});
export type IdeDriveState = z.infer<typeof IdeDriveState>;

/** What a drive finds at the other end of its cable. */
export interface IdeCable {
  readonly memory: GuestMemory;
  readonly busMaster: BusMaster;
  /** Some drive's INTRQ may have changed. */
  updateInterrupt(): void;
}

/** The part of a drive that ATA and ATAPI share: registers, the data port, bus-master DMA. */
export abstract class IdeDrive {
  readonly taskFile = new TaskFile();
  protected readonly cable: IdeCable;
  /** Lies in host memory, because backends work on that; snapshots keep it with the RAM. */
  protected readonly buffer: Uint8Array;
  #hasInterrupt = false;
  #phase: IdeDriveState['phase'] = 'idle';
  #movement: Movement | undefined;
  #position = 0;
  #blockEnd = 0;
  #filled = 0;
  /** Counts resets, so that what the backend finishes later finds nobody. */
  #epoch = 0;

  constructor(cable: IdeCable) {
    this.cable = cable;
    const { memory } = cable;
    const offset = memory.allocateVideo(BUFFER_BYTES);
    this.buffer = memory.hostBytes().subarray(offset, offset + BUFFER_BYTES);
  }

  /** Carries out a command that was written to the command register. */
  abstract execute(command: u8): void;
  /** Sets the registers by which a host tells the kind of drive. */
  abstract sign(): void;
  /** The disk that a movement of the current command is for. */
  protected abstract movementBackend(): QueuedBackend | undefined;
  /** A movement has ended; the command has to. */
  protected abstract onMoved(status: BlockStatus): void;
  /** The data port is about to move a block of `length` bytes. */
  protected abstract onBlock(direction: Movement['direction'], length: number): void;
  /** Starts again what was under way in phase `own` when the state was saved. */
  protected abstract resumeOwn(): void;

  get hasInterrupt(): boolean {
    return this.#hasInterrupt;
  }

  get isBusy(): boolean {
    return (this.taskFile.state.status & STATUS.BSY) !== 0;
  }

  acknowledgeInterrupt(): void {
    this.#hasInterrupt = false;
  }

  /** The host reads 2 or 4 bytes of the data port. */
  readData(size: 2 | 4): number {
    if (this.#phase !== 'port' || this.#movement?.direction !== 'to-host') return 0;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) {
      value = value * 256 + (this.buffer[(this.#position + i) & (BUFFER_BYTES - 1)] ?? 0);
    }
    this.#advancePort(size);
    return value;
  }

  writeData(size: 2 | 4, value: number): void {
    if (this.#phase !== 'port' || this.#movement?.direction !== 'from-host') return;
    for (let i = 0; i < size; i++) {
      this.buffer[(this.#position + i) & (BUFFER_BYTES - 1)] = (value >>> (8 * i)) & 0xff;
    }
    this.#advancePort(size);
  }

  /** The guest has started the bus master, or stopped it in the middle. */
  onBusMaster(isStarted: boolean): void {
    if (this.#movement?.mode !== 'dma') return;
    if (isStarted && this.#phase === 'dma') this.#moveByDma();
    if (isStarted || this.#phase !== 'disk') return;
    // What the backend does meanwhile is done again when the guest starts anew.
    this.#loseInterest();
    this.#phase = 'dma';
    this.taskFile.state.status = READY | STATUS.DRQ;
  }

  /** Gives up whatever is under way: SRST, DEVICE RESET, power-on. */
  abort(): void {
    this.#loseInterest();
    this.#hasInterrupt = false;
    this.#phase = 'idle';
    this.#movement = undefined;
  }

  #loseInterest(): void {
    this.#epoch++;
    this.movementBackend()?.dropWaiting();
  }

  reset(): void {
    this.abort();
    this.taskFile.reset();
    this.#position = this.#blockEnd = this.#filled = 0;
    this.taskFile.state.error = 1;
    this.sign();
  }

  /** State that a kind of drive shares with the others. */
  protected saveDrive(): IdeDriveState {
    return {
      taskFile: this.taskFile.save(),
      hasInterrupt: this.#hasInterrupt,
      phase: this.#phase,
      movement: this.#movement === undefined ? null : { ...this.#movement },
      position: this.#position,
      blockEnd: this.#blockEnd,
      filled: this.#filled,
    };
  }

  protected restoreDrive(state: IdeDriveState): void {
    this.#epoch++;
    this.taskFile.restore(state.taskFile);
    this.#hasInterrupt = state.hasInterrupt;
    this.#phase = state.phase;
    this.#movement = state.movement === null ? undefined : { ...state.movement };
    this.#position = state.position;
    this.#blockEnd = state.blockEnd;
    this.#filled = state.filled;
  }

  /** What the backend was doing when the state was saved begins anew. */
  resume(): void {
    if (this.#phase === 'own') this.resumeOwn();
    const movement = this.#movement;
    if (this.#phase !== 'disk' || movement === undefined) return;
    if (movement.mode === 'dma') this.#moveByDma();
    else if (movement.direction === 'to-host') this.#fill(movement);
    else this.#drain(movement);
  }

  /** Ends the command; `error` 0 means success. */
  protected finish(error: number, interrupts = true): void {
    const { state } = this.taskFile;
    this.#phase = 'idle';
    this.#movement = undefined;
    state.error = error;
    state.status = READY | (error === 0 ? 0 : STATUS.ERR);
    if (interrupts) this.raiseInterrupt();
  }

  protected abortCommand(): void {
    this.finish(ERROR.ABRT);
  }

  raiseInterrupt(): void {
    this.#hasInterrupt = true;
    this.cable.updateInterrupt();
  }

  /** The drive works on something of its own, such as a flush. */
  protected enterOwnPhase(): void {
    this.#phase = 'own';
    this.taskFile.state.status = READY | STATUS.BSY;
  }

  /** Wraps a completion so that it is lost when the command was given up meanwhile. */
  protected unlessAborted<T>(callback: (value: T) => void): (value: T) => void {
    const epoch = this.#epoch;
    return (value) => {
      if (epoch === this.#epoch) callback(value);
    };
  }

  /** Sends bytes that are not on the disk, in blocks of `blockBytes`. */
  protected send(bytes: Uint8Array, blockBytes: number): void {
    this.buffer.set(bytes);
    const remainingBytes = bytes.length;
    const movement = { direction: 'to-host', mode: 'pio', place: 'buffer' } as const;
    this.move({ ...movement, offsetBytes: 0, remainingBytes, blockBytes });
  }

  /** Begins to move the data of a command. */
  protected move(movement: Movement): void {
    this.#movement = movement;
    this.#position = this.#blockEnd = this.#filled = 0;
    if (movement.mode === 'dma') {
      this.#phase = 'dma';
      this.taskFile.state.status = READY | STATUS.DRQ;
      if (this.cable.busMaster.isActive) this.#moveByDma();
    } else if (movement.direction === 'to-host') {
      this.#fill(movement);
    } else {
      this.#expect(movement, false);
    }
  }

  #advancePort(size: number): void {
    this.#position += size;
    const movement = this.#movement;
    if (this.#position < this.#blockEnd || movement === undefined) return;
    if (this.#position < this.#filled) this.#presentBlock(movement, true);
    else if (movement.direction === 'from-host') this.#drain(movement);
    else if (movement.remainingBytes > 0) this.#fill(movement);
    else this.onMoved('ok');
  }

  /** Gets as much from the disk as the buffer holds. */
  #fill(movement: Movement): void {
    this.#position = this.#blockEnd = 0;
    const length = Math.min(movement.remainingBytes, BUFFER_BYTES);
    const onFilled = (): void => {
      this.#filled = length;
      advance(movement, length);
      this.#presentBlock(movement, true);
    };
    if (movement.place === 'buffer') onFilled();
    else this.#submit(movement, length, onFilled);
  }

  /** Waits for as much from the host as the buffer holds. */
  #expect(movement: Movement, interrupts: boolean): void {
    this.#position = this.#blockEnd = 0;
    this.#filled = Math.min(movement.remainingBytes, BUFFER_BYTES);
    this.#presentBlock(movement, interrupts);
  }

  /** The buffer is full of what the host sent. */
  #drain(movement: Movement): void {
    const length = this.#filled;
    const onDrained = (): void => {
      advance(movement, length);
      if (movement.remainingBytes > 0) this.#expect(movement, true);
      else this.onMoved('ok');
    };
    if (movement.place === 'buffer') onDrained();
    else this.#submit(movement, length, onDrained);
  }

  #presentBlock(movement: Movement, interrupts: boolean): void {
    this.#phase = 'port';
    const length = Math.min(movement.blockBytes, this.#filled - this.#position);
    this.#blockEnd = this.#position + length;
    this.taskFile.state.status = READY | STATUS.DRQ;
    this.onBlock(movement.direction, length);
    if (interrupts) this.raiseInterrupt();
  }

  /** Moves `length` bytes between the disk and the buffer. */
  #submit(movement: Movement, length: number, onDone: () => void): void {
    const backend = this.movementBackend();
    if (backend === undefined) {
      this.onMoved('io-error');
      return;
    }
    this.#phase = 'disk';
    this.taskFile.state.status = READY | STATUS.BSY;
    const kind = movement.direction === 'to-host' ? 'read' : 'write';
    const segments = [this.buffer.subarray(0, length)];
    backend.submit(
      { kind, offsetBytes: movement.offsetBytes, segments },
      this.unlessAborted((status) => {
        if (status === 'ok') onDone();
        else this.onMoved(status);
      }),
    );
  }

  #moveByDma(): void {
    const movement = this.#movement;
    const { busMaster } = this.cable;
    if (movement === undefined) return;
    this.#phase = 'dma';
    this.taskFile.state.status = READY | STATUS.DRQ;
    // A bus master that goes the other way, or has too few descriptors, never gets its interrupt.
    if (!busMaster.isActive) return;
    if (busMaster.isToMemory !== (movement.direction === 'to-host')) {
      busMaster.finish('done');
      return;
    }
    if (movement.place === 'buffer') {
      this.#moveBufferByDma(movement);
      return;
    }
    const chunk = busMaster.nextChunk(Math.min(movement.remainingBytes, DMA_BYTES_MAX));
    const backend = this.movementBackend();
    if (chunk === undefined) {
      busMaster.finish('done');
      return;
    }
    if (backend === undefined) {
      this.#endDma('io-error');
      return;
    }
    const isStarted = transferSectors({
      backend,
      memory: this.cable.memory,
      kind: movement.direction === 'to-host' ? 'read' : 'write',
      offsetBytes: movement.offsetBytes,
      ranges: chunk.ranges,
      onDone: this.unlessAborted((status) => {
        if (status !== 'ok') {
          this.#endDma(status);
          return;
        }
        chunk.commit();
        advance(movement, chunk.lengthBytes);
        if (movement.remainingBytes > 0) this.#moveByDma();
        else this.#endDma('ok');
      }),
    });
    if (!isStarted) {
      busMaster.finish('memory-error');
      return;
    }
    this.#phase = 'disk';
    this.taskFile.state.status = READY | STATUS.BSY;
  }

  #moveBufferByDma(movement: Movement): void {
    const { busMaster, memory } = this.cable;
    const chunk = busMaster.nextChunk(movement.remainingBytes, 1);
    if (chunk === undefined || chunk.lengthBytes < movement.remainingBytes) {
      busMaster.finish('done');
      return;
    }
    let at = 0;
    for (const { address, length } of chunk.ranges) {
      const part = this.buffer.subarray(at, at + length);
      if (movement.direction === 'to-host') memory.writeFrom(address, part);
      else memory.readInto(address, part);
      at += length;
    }
    chunk.commit();
    this.#endDma('ok');
  }

  #endDma(status: BlockStatus): void {
    this.cable.busMaster.finish('done');
    this.onMoved(status);
  }
}

function advance(movement: Movement, length: number): void {
  movement.offsetBytes += length;
  movement.remainingBytes -= length;
}
