import type { u8 } from '@umbra/base';
import type { Device, GuestMemory, PioBus } from '@umbra/core';
import * as z from 'zod';
import { byte, fromHex, hexBytes, stateSchema, toHex, word } from './state.ts';

const PORT = { FIRST: 0x00, SECOND: 0xc0, PAGE: 0x81 } as const;
/** Registers above the eight address and count registers. [I8237A] figure 5. */
const REG = {
  COMMAND_STATUS: 0x8,
  REQUEST: 0x9,
  SINGLE_MASK: 0xa,
  MODE: 0xb,
  CLEAR_FLIP_FLOP: 0xc,
  MASTER_CLEAR: 0xd,
  CLEAR_MASK: 0xe,
  ALL_MASK: 0xf,
} as const;
const MODE = { TRANSFER: 3 << 2, WRITE: 1 << 2, READ: 2 << 2, AUTO: 1 << 4, DOWN: 1 << 5 } as const;
const COMMAND = { DISABLE: 1 << 2 } as const;
/** Offset from port 81h of the page register of channels 0 to 7. */
const PAGE_OF_CHANNEL = [6, 2, 0, 1, 14, 10, 8, 9] as const;
const PAGE_BYTES = 15;

const ChannelState = z.strictObject({
  baseAddress: word,
  baseCount: word,
  address: word,
  count: word,
  mode: byte,
});
const ControllerState = z.strictObject({
  channels: z.array(ChannelState).length(4),
  command: byte,
  mask: z.int().min(0).max(15),
  request: z.int().min(0).max(15),
  terminalCount: z.int().min(0).max(15),
  isHighByte: z.boolean(),
});
type ControllerState = z.infer<typeof ControllerState>;
const State = z.strictObject({
  first: ControllerState,
  second: ControllerState,
  pages: hexBytes(PAGE_BYTES),
});
type State = z.infer<typeof State>;

/** What became of a device's request. */
export interface DmaOutcome {
  /** Bytes that went through. */
  readonly moved: number;
  /** The count of the channel ran out with the last of them. */
  readonly isTerminalCount: boolean;
}

/** The two cascaded DMA controllers of a PC, Intel 8237A, with their page registers. [I8237A] */
export class I8237Pair implements Device<State> {
  readonly name: string;
  readonly schema = stateSchema('i8237-pair', 1, State);
  readonly #memory: GuestMemory;
  readonly #pages = new Uint8Array(PAGE_BYTES);
  #first = initialController();
  #second = initialController();

  constructor(options: { name: string; pio: PioBus; memory: GuestMemory }) {
    this.name = options.name;
    this.#memory = options.memory;
    options.pio.register(this.name, PORT.FIRST, 16, {
      in8: (offset) => readRegister(this.#first, offset),
      out8: (offset, value) => writeRegister(this.#first, offset, value),
    });
    // The second controller transfers words: its registers are two ports apart.
    options.pio.register(this.name, PORT.SECOND, 32, {
      in8: (offset) => readRegister(this.#second, offset >> 1),
      out8: (offset, value) => writeRegister(this.#second, offset >> 1, value),
    });
    options.pio.register(`${this.name}-pages`, PORT.PAGE, PAGE_BYTES, {
      in8: (offset) => this.#pages[offset] ?? 0xff,
      out8: (offset, value) => {
        this.#pages[offset] = value;
      },
    });
  }

  /** A device gives bytes to its channel. */
  writeToMemory(channel: number, bytes: Uint8Array): DmaOutcome {
    return this.#transfer(channel, MODE.WRITE, bytes, (address, index) =>
      this.#memory.write8(address, bytes[index] ?? 0),
    );
  }

  /** A device takes bytes from its channel. */
  readFromMemory(channel: number, target: Uint8Array): DmaOutcome {
    return this.#transfer(channel, MODE.READ, target, (address, index) => {
      target[index] = this.#memory.read8(address);
    });
  }

  reset(): void {
    this.#first = initialController();
    this.#second = initialController();
    this.#pages.fill(0);
  }

  save(): State {
    return {
      first: copyController(this.#first),
      second: copyController(this.#second),
      pages: toHex(this.#pages),
    };
  }

  restore(state: State): void {
    this.#first = copyController(state.first);
    this.#second = copyController(state.second);
    fromHex(state.pages, this.#pages);
  }

  #controller(channel: number): ControllerState {
    return channel < 4 ? this.#first : this.#second;
  }

  #transfer(
    channel: number,
    direction: number,
    bytes: Uint8Array,
    move: (address: number, index: number) => void,
  ): DmaOutcome {
    const controller = this.#controller(channel);
    const bit = 1 << (channel & 3);
    const state = controller.channels[channel & 3];
    const page = this.#pages[PAGE_OF_CHANNEL[channel] ?? 0] ?? 0;
    const width = channel < 4 ? 1 : 2;
    let moved = 0;
    let isTerminalCount = false;
    while (state !== undefined && moved + width <= bytes.length) {
      const isOff = (controller.mask & bit) !== 0 || (controller.command & COMMAND.DISABLE) !== 0;
      if (isOff || (state.mode & MODE.TRANSFER) !== direction) break;
      // Word channels shift the address left and ignore the lowest page bit.
      const address =
        width === 1 ? (page << 16) | state.address : ((page & 0xfe) << 16) | (state.address << 1);
      for (let i = 0; i < width; i++) move(address + i, moved + i);
      moved += width;
      state.address = (state.address + ((state.mode & MODE.DOWN) !== 0 ? -1 : 1)) & 0xffff;
      state.count = (state.count - 1) & 0xffff;
      if (state.count !== 0xffff) continue;
      controller.terminalCount |= bit;
      isTerminalCount = true;
      if ((state.mode & MODE.AUTO) !== 0) {
        state.address = state.baseAddress;
        state.count = state.baseCount;
      } else {
        controller.mask |= bit;
      }
      break;
    }
    return { moved, isTerminalCount };
  }
}

function readRegister(controller: ControllerState, offset: number): u8 {
  const channel = controller.channels[offset >> 1];
  if (channel !== undefined) {
    const value = (offset & 1) === 0 ? channel.address : channel.count;
    const shift = controller.isHighByte ? 8 : 0;
    controller.isHighByte = !controller.isHighByte;
    return (value >> shift) & 0xff;
  }
  if (offset === REG.COMMAND_STATUS) {
    const status = controller.terminalCount | (controller.request << 4);
    controller.terminalCount = 0;
    return status;
  }
  if (offset === REG.ALL_MASK) return controller.mask | 0xf0;
  return 0;
}

function writeRegister(controller: ControllerState, offset: number, value: u8): void {
  const channel = controller.channels[offset >> 1];
  if (channel !== undefined) {
    const merge = (old: number): number =>
      controller.isHighByte ? (old & 0xff) | (value << 8) : (old & 0xff00) | value;
    if ((offset & 1) === 0) channel.address = channel.baseAddress = merge(channel.baseAddress);
    else channel.count = channel.baseCount = merge(channel.baseCount);
    controller.isHighByte = !controller.isHighByte;
    return;
  }
  const bit = 1 << (value & 3);
  const isSet = (value & 4) !== 0;
  switch (offset) {
    case REG.COMMAND_STATUS:
      controller.command = value;
      break;
    case REG.REQUEST:
      controller.request = isSet ? controller.request | bit : controller.request & ~bit;
      break;
    case REG.SINGLE_MASK:
      controller.mask = isSet ? controller.mask | bit : controller.mask & ~bit;
      break;
    case REG.MODE: {
      const selected = controller.channels[value & 3];
      if (selected !== undefined) selected.mode = value & 0xfc;
      break;
    }
    case REG.CLEAR_FLIP_FLOP:
      controller.isHighByte = false;
      break;
    case REG.MASTER_CLEAR:
      Object.assign(controller, {
        command: 0,
        mask: 15,
        request: 0,
        terminalCount: 0,
        isHighByte: false,
      });
      break;
    case REG.CLEAR_MASK:
      controller.mask = 0;
      break;
    case REG.ALL_MASK:
      controller.mask = value & 15;
      break;
  }
}

function initialController(): ControllerState {
  const channel = { baseAddress: 0, baseCount: 0, address: 0, count: 0, mode: 0 };
  return {
    channels: [{ ...channel }, { ...channel }, { ...channel }, { ...channel }],
    command: 0,
    mask: 15,
    request: 0,
    terminalCount: 0,
    isHighByte: false,
  };
}

function copyController(state: ControllerState): ControllerState {
  return { ...state, channels: state.channels.map((channel) => ({ ...channel })) };
}
