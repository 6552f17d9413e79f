import type { u8 } from '@umbra/base';
import * as z from 'zod';
import { byte, integer } from './state.ts';

const REPLY = { ACK: 0xfa, RESEND: 0xfe, ERROR: 0xfc, BAT_OK: 0xaa } as const;
/** [PS2REF] "Mouse Commands". */
const COMMAND = {
  SCALING_1_1: 0xe6,
  SCALING_2_1: 0xe7,
  SET_RESOLUTION: 0xe8,
  STATUS: 0xe9,
  STREAM_MODE: 0xea,
  READ_DATA: 0xeb,
  RESET_WRAP: 0xec,
  WRAP_MODE: 0xee,
  REMOTE_MODE: 0xf0,
  READ_ID: 0xf2,
  SET_SAMPLE_RATE: 0xf3,
  ENABLE: 0xf4,
  DISABLE: 0xf5,
  SET_DEFAULTS: 0xf6,
  RESEND: 0xfe,
  RESET: 0xff,
} as const;
const STATUS = { SCALING_2_1: 1 << 4, ENABLED: 1 << 5, REMOTE: 1 << 6 } as const;
const PACKET = { ALWAYS: 1 << 3, X_SIGN: 1 << 4, Y_SIGN: 1 << 5 } as const;
const ID = { STANDARD: 0, INTELLIMOUSE: 3 } as const;
/** Sample rates that knock on the door of the wheel. [PS2REF] "IntelliMouse" */
const WHEEL_KNOCK = [200, 100, 80] as const;
const QUEUE_BYTES_MAX = 64;
const MOVE_MAX = 255;
/** Movement that was not reported yet saturates here. */
const BACKLOG_MAX = 4096;

export const MouseState = z.strictObject({
  queue: z.array(byte).max(QUEUE_BYTES_MAX),
  id: z.union([z.literal(ID.STANDARD), z.literal(ID.INTELLIMOUSE)]),
  isReporting: z.boolean(),
  isRemote: z.boolean(),
  isWrapping: z.boolean(),
  isScaled: z.boolean(),
  resolution: byte,
  sampleRates: z.tuple([byte, byte, byte]),
  command: byte,
  lastSent: byte,
  dx: integer,
  dy: integer,
  wheel: integer,
  buttons: z.int().min(0).max(7),
  reportedButtons: z.int().min(0).max(7),
});
export type MouseState = z.infer<typeof MouseState>;

/** A PS/2 mouse with three buttons and a wheel. [PS2REF] "Mouse" */
export class Ps2Mouse {
  state: MouseState = initialMouse();

  hasOutput(): boolean {
    this.#report();
    return this.state.queue.length > 0;
  }

  take(): u8 {
    const value = this.state.queue.shift() ?? 0;
    this.state.lastSent = value;
    return value;
  }

  /** The mouse moves right and down, its wheel towards the user; `buttons` are held now. */
  move(dx: number, dy: number, wheel: number, buttons: number): void {
    const state = this.state;
    state.dx = clamp(state.dx + Math.trunc(dx), BACKLOG_MAX);
    state.dy = clamp(state.dy - Math.trunc(dy), BACKLOG_MAX);
    state.wheel = clamp(state.wheel + Math.trunc(wheel), BACKLOG_MAX);
    state.buttons = buttons & 7;
    if (!state.isReporting && !state.isRemote) this.#forgetMovement();
  }

  /** A byte from the host. */
  receive(value: u8): void {
    const state = this.state;
    if (state.isWrapping && value !== COMMAND.RESET && value !== COMMAND.RESET_WRAP) {
      this.#reply(value);
      return;
    }
    const pending = state.command;
    state.command = 0;
    if (pending !== 0) this.#parameter(pending, value);
    else this.#command(value);
  }

  reset(): void {
    this.state = { ...initialMouse(), buttons: this.state.buttons };
  }

  #command(value: u8): void {
    const state = this.state;
    switch (value) {
      case COMMAND.SCALING_1_1:
      case COMMAND.SCALING_2_1:
        state.isScaled = value === COMMAND.SCALING_2_1;
        this.#reply(REPLY.ACK);
        break;
      case COMMAND.SET_RESOLUTION:
      case COMMAND.SET_SAMPLE_RATE:
        state.command = value;
        this.#reply(REPLY.ACK);
        break;
      case COMMAND.STATUS:
        this.#reply(REPLY.ACK, this.#status(), state.resolution, state.sampleRates[2]);
        break;
      case COMMAND.STREAM_MODE:
      case COMMAND.REMOTE_MODE:
        state.isRemote = value === COMMAND.REMOTE_MODE;
        this.#reply(REPLY.ACK);
        break;
      case COMMAND.READ_DATA:
        this.#reply(REPLY.ACK, ...this.#packet());
        break;
      case COMMAND.WRAP_MODE:
      case COMMAND.RESET_WRAP:
        state.isWrapping = value === COMMAND.WRAP_MODE;
        this.#reply(REPLY.ACK);
        break;
      case COMMAND.READ_ID:
        this.#reply(REPLY.ACK, state.id);
        break;
      case COMMAND.ENABLE:
      case COMMAND.DISABLE:
        state.isReporting = value === COMMAND.ENABLE;
        this.#forgetMovement();
        this.#reply(REPLY.ACK);
        break;
      case COMMAND.SET_DEFAULTS:
        this.state = { ...initialMouse(), id: state.id, buttons: state.buttons };
        this.#reply(REPLY.ACK);
        break;
      case COMMAND.RESEND:
        this.#reply(state.lastSent);
        break;
      case COMMAND.RESET:
        this.reset();
        this.#reply(REPLY.ACK, REPLY.BAT_OK, ID.STANDARD);
        break;
      default:
        this.#reply(REPLY.RESEND);
    }
  }

  #parameter(command: u8, value: u8): void {
    const state = this.state;
    if (command === COMMAND.SET_RESOLUTION) {
      state.resolution = value & 3;
    } else {
      const [, second, third] = state.sampleRates;
      state.sampleRates = [second, third, value];
      if (WHEEL_KNOCK.every((rate, index) => state.sampleRates[index] === rate)) {
        state.id = ID.INTELLIMOUSE;
      }
    }
    this.#reply(REPLY.ACK);
  }

  #status(): u8 {
    const { isRemote, isReporting, isScaled, buttons } = this.state;
    // Status has left and right exchanged against packets: left 2, middle 1, right 0.
    const held = ((buttons & 1) << 2) | ((buttons & 4) >> 1) | ((buttons & 2) >> 1);
    return (
      (isRemote ? STATUS.REMOTE : 0) |
      (isReporting ? STATUS.ENABLED : 0) |
      (isScaled ? STATUS.SCALING_2_1 : 0) |
      held
    );
  }

  /** Puts movement that was held back into the queue when it is empty. */
  #report(): void {
    const state = this.state;
    if (!state.isReporting || state.isRemote || state.queue.length > 0) return;
    const hasMoved = state.dx !== 0 || state.dy !== 0 || state.wheel !== 0;
    if (hasMoved || state.buttons !== state.reportedButtons) this.#reply(...this.#packet());
  }

  #packet(): number[] {
    const state = this.state;
    const dx = clamp(state.dx, MOVE_MAX);
    const dy = clamp(state.dy, MOVE_MAX);
    const signs = (dx < 0 ? PACKET.X_SIGN : 0) | (dy < 0 ? PACKET.Y_SIGN : 0);
    const packet = [PACKET.ALWAYS | signs | state.buttons, dx & 0xff, dy & 0xff];
    state.dx -= dx;
    state.dy -= dy;
    state.reportedButtons = state.buttons;
    if (state.id === ID.INTELLIMOUSE) {
      const wheel = clamp(state.wheel, 7);
      packet.push(wheel & 0xff);
      state.wheel -= wheel;
    } else {
      state.wheel = 0;
    }
    return packet;
  }

  #forgetMovement(): void {
    Object.assign(this.state, { dx: 0, dy: 0, wheel: 0, reportedButtons: this.state.buttons });
  }

  #reply(...bytes: number[]): void {
    if (this.state.queue.length + bytes.length > QUEUE_BYTES_MAX) return;
    this.state.queue.push(...bytes);
  }
}

function clamp(value: number, limit: number): number {
  return Math.max(-limit, Math.min(limit, value));
}

function initialMouse(): MouseState {
  return {
    queue: [],
    id: ID.STANDARD,
    isReporting: false,
    isRemote: false,
    isWrapping: false,
    isScaled: false,
    resolution: 2,
    sampleRates: [0, 0, 100],
    command: 0,
    lastSent: 0,
    dx: 0,
    dy: 0,
    wheel: 0,
    buttons: 0,
    reportedButtons: 0,
  };
}
