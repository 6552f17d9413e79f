import type { u8 } from '@umbra/base';
import type { GuestMemory, IrqLine, PioBus, PioHandlers } from '@umbra/core';
import * as z from 'zod';
import { byte } from '../state.ts';
import { BusMaster, BusMasterState } from './bus-master.ts';
import type { IdeCable, IdeDrive } from './ide-drive.ts';
import { DEVICE, REG, STATUS } from './task-file.ts';

/** Device control register. [ATA] "Device Control register". */
const CONTROL = { NIEN: 1 << 1, SRST: 1 << 2, HOB: 1 << 7 } as const;
const COMMAND = { DEVICE_RESET: 0x08, EXECUTE_DIAGNOSTIC: 0x90 } as const;
const COMMAND_PORTS = 8;
/** No drive is there to drive the bus. */
const NOBODY = 0;

export const IdeChannelState = z.strictObject({
  control: byte,
  selected: byte,
  busMaster: BusMasterState,
});
export type IdeChannelState = z.infer<typeof IdeChannelState>;

/** One IDE channel: a cable with up to two drives, behind the ports of the first PCs. [ATA] */
export class IdeChannel implements IdeCable {
  readonly memory: GuestMemory;
  readonly busMaster: BusMaster;
  readonly #irq: IrqLine;
  readonly #drives: (IdeDrive | undefined)[] = [undefined, undefined];
  #control = 0;
  #selected = 0;
  #isIrqHigh = false;

  /** `isDecoding`: whether the bridge lets accesses to the channel's ports through. */
  constructor(options: {
    name: string;
    pio: PioBus;
    memory: GuestMemory;
    irq: IrqLine;
    commandPort: number;
    controlPort: number;
    isDecoding: () => boolean;
  }) {
    const { name, pio, isDecoding } = options;
    this.memory = options.memory;
    this.#irq = options.irq;
    this.busMaster = new BusMaster(options.memory, (isStarted) => {
      for (const drive of this.#drives) drive?.onBusMaster(isStarted);
    });
    pio.register(name, options.commandPort, COMMAND_PORTS, gated(this.#commandBlock(), isDecoding));
    pio.register(name, options.controlPort, 1, gated(this.#controlBlock(), isDecoding));
  }

  /** Plugs a drive in; only before the machine runs. */
  attach(position: 0 | 1, drive: IdeDrive): void {
    this.#drives[position] = drive;
  }

  updateInterrupt(): void {
    const isEnabled = (this.#control & CONTROL.NIEN) === 0;
    const isHigh = isEnabled && this.#drive()?.hasInterrupt === true;
    if (isHigh && !this.#isIrqHigh) this.busMaster.noteInterrupt();
    this.#isIrqHigh = isHigh;
    this.#irq.set(isHigh);
  }

  reset(): void {
    this.#control = 0;
    this.#selected = 0;
    this.busMaster.reset();
    for (const drive of this.#drives) drive?.reset();
    this.updateInterrupt();
  }

  save(): IdeChannelState {
    return {
      control: this.#control,
      selected: this.#selected,
      busMaster: this.busMaster.save(),
    };
  }

  /** Call after the drives' states are restored; what was under way begins anew. */
  restore(state: IdeChannelState): void {
    this.#control = state.control;
    this.#selected = state.selected;
    this.busMaster.restore(state.busMaster);
    this.#isIrqHigh = (this.#control & CONTROL.NIEN) === 0 && this.#drive()?.hasInterrupt === true;
    for (const drive of this.#drives) drive?.resume();
  }

  #drive(): IdeDrive | undefined {
    return this.#drives[(this.#selected & DEVICE.SECOND) === 0 ? 0 : 1];
  }

  #commandBlock(): PioHandlers {
    const readBytes = (offset: number, size: number): number => {
      let value = 0;
      for (let i = size - 1; i >= 0; i--) value = value * 256 + this.#read(offset + i);
      return value;
    };
    const writeBytes = (offset: number, size: number, value: number): void => {
      for (let i = 0; i < size; i++) this.#write(offset + i, (value >>> (8 * i)) & 0xff);
    };
    return {
      in8: (offset) => this.#read(offset),
      out8: (offset, value) => this.#write(offset, value),
      in16: (offset) =>
        offset === REG.DATA ? (this.#drive()?.readData(2) ?? NOBODY) : readBytes(offset, 2),
      out16: (offset, value) => {
        if (offset === REG.DATA) this.#drive()?.writeData(2, value);
        else writeBytes(offset, 2, value);
      },
      in32: (offset) =>
        offset === REG.DATA ? (this.#drive()?.readData(4) ?? NOBODY) : readBytes(offset, 4),
      out32: (offset, value) => {
        if (offset === REG.DATA) this.#drive()?.writeData(4, value);
        else writeBytes(offset, 4, value);
      },
    };
  }

  #controlBlock(): PioHandlers {
    return {
      // The alternate status leaves the interrupt alone.
      in8: () => this.#drive()?.taskFile.state.status ?? NOBODY,
      out8: (_offset, value) => this.#writeControl(value),
    };
  }

  #read(offset: number): u8 {
    const drive = this.#drive();
    if (drive === undefined) return NOBODY;
    if (offset === REG.DATA) return drive.readData(2) & 0xff;
    if (offset !== REG.COMMAND_STATUS) {
      return drive.taskFile.read(offset, (this.#control & CONTROL.HOB) !== 0);
    }
    drive.acknowledgeInterrupt();
    this.updateInterrupt();
    return drive.taskFile.state.status;
  }

  #write(offset: number, value: u8): void {
    if (offset === REG.DATA) return;
    this.#control &= ~CONTROL.HOB;
    if (offset === REG.COMMAND_STATUS) {
      this.#writeCommand(value);
      return;
    }
    if (offset === REG.DEVICE) this.#selected = value;
    // Both drives listen to all registers.
    for (const drive of this.#drives) {
      if (drive?.isBusy === false) drive.taskFile.write(offset, value);
    }
    if (offset === REG.DEVICE) this.updateInterrupt();
  }

  #writeCommand(command: u8): void {
    const drive = this.#drive();
    if (command === COMMAND.EXECUTE_DIAGNOSTIC) {
      for (const each of this.#drives) each?.reset();
      this.#selected = 0;
      this.#drives[0]?.raiseInterrupt();
      return;
    }
    if (drive === undefined) return;
    const { status } = drive.taskFile.state;
    const isOccupied = (status & (STATUS.BSY | STATUS.DRQ)) !== 0;
    if (isOccupied && command !== COMMAND.DEVICE_RESET) return;
    drive.acknowledgeInterrupt();
    this.updateInterrupt();
    drive.execute(command);
  }

  #writeControl(value: u8): void {
    const rose = value & ~this.#control & CONTROL.SRST;
    const fell = this.#control & ~value & CONTROL.SRST;
    this.#control = value & (CONTROL.NIEN | CONTROL.SRST | CONTROL.HOB);
    if (rose !== 0) {
      for (const drive of this.#drives) {
        drive?.abort();
        if (drive !== undefined) drive.taskFile.state.status = STATUS.BSY;
      }
    }
    if (fell !== 0) {
      this.#selected = 0;
      for (const drive of this.#drives) drive?.reset();
    }
    this.updateInterrupt();
  }
}

/** Handlers that float while the bridge does not decode their ports. */
function gated(handlers: PioHandlers, isDecoding: () => boolean): PioHandlers {
  const { in16, in32, out16, out32 } = handlers;
  return {
    in8: (offset) => (isDecoding() ? handlers.in8(offset) : 0xff),
    out8: (offset, value) => {
      if (isDecoding()) handlers.out8(offset, value);
    },
    ...(in16 && { in16: (offset) => (isDecoding() ? in16(offset) : 0xffff) }),
    ...(in32 && { in32: (offset) => (isDecoding() ? in32(offset) : 0xffff_ffff) }),
    ...(out16 && {
      out16: (offset, value) => {
        if (isDecoding()) out16(offset, value);
      },
    }),
    ...(out32 && {
      out32: (offset, value) => {
        if (isDecoding()) out32(offset, value);
      },
    }),
  };
}
