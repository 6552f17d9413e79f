import type { u8 } from '@umbra/base';
import type { BlockStatus } from '@umbra/core';
import * as z from 'zod';
import type { QueuedBackend } from '../queued-backend.ts';
import { type ScsiCdrom, ScsiCdromState } from '../scsi/scsi-cdrom.ts';
import { PARAMETER_BYTES_MAX, type ScsiAction, type Sense, senseOf } from '../scsi/scsi-command.ts';
import { byte, fromHex, hexBytes, toHex, word } from '../state.ts';
import { identifyCdrom } from './ata-identify.ts';
import { type IdeCable, IdeDrive, IdeDriveState, type Movement } from './ide-drive.ts';
import { ERROR, SIGNATURE } from './task-file.ts';

const COMMAND = {
  NOP: 0x00,
  DEVICE_RESET: 0x08,
  READ_SECTORS: 0x20,
  PACKET: 0xa0,
  IDENTIFY_PACKET: 0xa1,
  CHECK_POWER_MODE: 0xe5,
  IDENTIFY: 0xec,
  SET_FEATURES: 0xef,
} as const;
const WITHOUT_EFFECT = new Set([0x94, 0x95, 0x96, 0x97, 0x99, 0xe0, 0xe1, 0xe2, 0xe3, 0xe6]);
const POWER_ACTIVE = 0xff;
const FEATURE_TRANSFER_MODE = 0x03;
const PACKET_BYTES = 12;
const PACKET_DMA = 1 << 0;
/** The count register during a packet command. [ATA] "Interrupt Reason register". */
const REASON = { COMMAND: 1 << 0, TO_HOST: 1 << 1 } as const;
const BLOCK_BYTES_MAX = 0xfffe;

export const AtapiDriveState = z.strictObject({
  drive: IdeDriveState,
  unit: ScsiCdromState,
  stage: z.enum(['none', 'packet', 'data', 'list']),
  packet: hexBytes(PACKET_BYTES),
  blockLimit: word,
  isDma: z.boolean(),
  transferMode: byte,
});
export type AtapiDriveState = z.infer<typeof AtapiDriveState>;

/** A CD or DVD drive on an IDE cable: carries SCSI commands in packets. [ATA] "PACKET" */
export class AtapiDrive extends IdeDrive {
  readonly unit: ScsiCdrom;
  readonly #serial: string;
  readonly #model: string;
  /** What the data being moved is: the packet, data of its command, or a parameter list. */
  #stage: AtapiDriveState['stage'] = 'none';
  readonly #packet = new Uint8Array(PACKET_BYTES);
  #blockLimit = 0;
  #isDma = false;
  #transferMode = 0;

  constructor(cable: IdeCable, options: { unit: ScsiCdrom; serial: string; model: string }) {
    super(cable);
    this.unit = options.unit;
    this.#serial = options.serial;
    this.#model = options.model;
    this.reset();
  }

  override reset(): void {
    super.reset();
    this.unit.noteReset();
    this.#stage = 'none';
    this.#packet.fill(0);
    this.#blockLimit = 0;
    this.#isDma = false;
    this.#transferMode = 0;
  }

  sign(): void {
    this.taskFile.setSignature(SIGNATURE.ATAPI);
    this.taskFile.state.status = 0;
  }

  save(): AtapiDriveState {
    return {
      drive: this.saveDrive(),
      unit: this.unit.save(),
      stage: this.#stage,
      packet: toHex(this.#packet),
      blockLimit: this.#blockLimit,
      isDma: this.#isDma,
      transferMode: this.#transferMode,
    };
  }

  restore(state: AtapiDriveState): void {
    this.restoreDrive(state.drive);
    this.unit.restore(state.unit);
    this.#stage = state.stage;
    fromHex(state.packet, this.#packet);
    this.#blockLimit = state.blockLimit;
    this.#isDma = state.isDma;
    this.#transferMode = state.transferMode;
  }

  execute(command: u8): void {
    const { state } = this.taskFile;
    this.#stage = 'none';
    if (WITHOUT_EFFECT.has(command)) {
      this.finish(0);
      return;
    }
    switch (command) {
      case COMMAND.PACKET:
        this.#expectPacket();
        break;
      case COMMAND.IDENTIFY_PACKET:
        this.#identify();
        break;
      case COMMAND.DEVICE_RESET:
        this.abort();
        this.sign();
        break;
      // So that hosts which try the disk's commands first find out.
      case COMMAND.IDENTIFY:
      case COMMAND.READ_SECTORS:
        this.taskFile.setSignature(SIGNATURE.ATAPI);
        this.abortCommand();
        break;
      case COMMAND.SET_FEATURES:
        if ((state.features & 0xff) === FEATURE_TRANSFER_MODE) {
          this.#transferMode = state.count & 0xff;
        }
        this.finish(0);
        break;
      case COMMAND.CHECK_POWER_MODE:
        state.count = POWER_ACTIVE;
        this.finish(0);
        break;
      default:
        this.abortCommand();
        break;
    }
  }

  protected movementBackend(): QueuedBackend | undefined {
    return this.unit.backend;
  }

  protected onBlock(direction: Movement['direction'], length: number): void {
    const { state } = this.taskFile;
    if (this.#stage === 'none') return;
    if (this.#stage === 'packet') {
      state.count = REASON.COMMAND;
      return;
    }
    state.count = direction === 'to-host' ? REASON.TO_HOST : 0;
    state.mid = length & 0xff;
    state.high = length >> 8;
  }

  protected onMoved(status: BlockStatus): void {
    if (status !== 'ok') {
      const sense = senseOf(status, 'read');
      this.unit.noteFailure(sense);
      this.#complain(sense);
      return;
    }
    switch (this.#stage) {
      case 'packet':
        this.#packet.set(this.buffer.subarray(0, PACKET_BYTES));
        this.#perform(this.unit.start(this.#packet));
        break;
      case 'list':
        this.#perform(this.unit.take());
        break;
      case 'data':
        this.#conclude();
        break;
      case 'none':
        this.finish(0, false);
        break;
    }
  }

  /** Nothing of a CD drive runs in a phase of its own. */
  protected resumeOwn(): void {}

  #expectPacket(): void {
    const { features, mid, high } = this.taskFile.state;
    const limit = ((high & 0xff) << 8) | (mid & 0xff);
    this.#isDma = (features & PACKET_DMA) !== 0;
    this.#blockLimit = Math.min(limit & ~1 || BLOCK_BYTES_MAX, BLOCK_BYTES_MAX);
    this.#stage = 'packet';
    this.move({
      direction: 'from-host',
      mode: 'pio',
      place: 'buffer',
      offsetBytes: 0,
      remainingBytes: PACKET_BYTES,
      blockBytes: PACKET_BYTES,
    });
  }

  #perform(action: ScsiAction): void {
    switch (action.kind) {
      case 'check':
        this.#complain(action.sense);
        break;
      case 'data-in': {
        const length = Math.min(action.bytes.length, PARAMETER_BYTES_MAX);
        if (length === 0) {
          this.#conclude();
          return;
        }
        this.buffer.set(action.bytes.subarray(0, length));
        this.#moveData('data', 'to-host', 'buffer', 0, length);
        break;
      }
      case 'data-out': {
        if (action.lengthBytes === 0) {
          this.#conclude();
          return;
        }
        this.#moveData('list', 'from-host', 'buffer', 0, action.lengthBytes);
        break;
      }
      case 'read':
        this.#moveData('data', 'to-host', 'disk', action.offsetBytes, action.lengthBytes);
        break;
      case 'good':
      // CD drives neither write nor work without data.
      case 'write':
      case 'work':
        this.#conclude();
        break;
    }
  }

  #moveData(
    stage: 'data' | 'list',
    direction: Movement['direction'],
    place: Movement['place'],
    offsetBytes: number,
    remainingBytes: number,
  ): void {
    this.#stage = stage;
    const mode = this.#isDma ? 'dma' : 'pio';
    const blockBytes = this.#blockLimit;
    this.move({ direction, mode, place, offsetBytes, remainingBytes, blockBytes });
  }

  /** The answer to IDENTIFY PACKET DEVICE, which is no packet command. */
  #identify(): void {
    const [serial, model, transferMode] = [this.#serial, this.#model, this.#transferMode];
    const bytes = identifyCdrom({ serial, model, transferMode });
    this.send(bytes, bytes.length);
  }

  #conclude(): void {
    this.taskFile.state.count = REASON.COMMAND | REASON.TO_HOST;
    this.finish(0);
  }

  #complain(sense: Sense): void {
    this.taskFile.state.count = REASON.COMMAND | REASON.TO_HOST;
    this.finish((sense.key << 4) | ERROR.ABRT);
  }
}
