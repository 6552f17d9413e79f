import type { u8 } from '@umbra/base';
import * as z from 'zod';
import { keySequence, translate } from './ps2-scancodes.ts';
import { byte } from './state.ts';

const REPLY = { ACK: 0xfa, RESEND: 0xfe, ECHO: 0xee, BAT_OK: 0xaa } as const;
/** [PS2REF] "Keyboard Commands". */
const COMMAND = {
  SET_LEDS: 0xed,
  ECHO: 0xee,
  SCAN_CODE_SET: 0xf0,
  READ_ID: 0xf2,
  SET_TYPEMATIC: 0xf3,
  ENABLE: 0xf4,
  DISABLE: 0xf5,
  SET_DEFAULT: 0xf6,
  SET_ALL_TYPEMATIC: 0xf7,
  SET_KEY_MAKE: 0xfd,
  RESEND: 0xfe,
  RESET: 0xff,
} as const;
const ID = [0xab, 0x83] as const;
const QUEUE_BYTES_MAX = 128;
/** Replies must always find room, so keys stop short of the end. */
const KEY_BYTES_MAX = QUEUE_BYTES_MAX - 16;

export const KeyboardState = z.strictObject({
  queue: z.array(byte).max(QUEUE_BYTES_MAX),
  scanCodeSet: z.union([z.literal(1), z.literal(2)]),
  isScanning: z.boolean(),
  leds: byte,
  typematic: byte,
  /** Command whose parameter comes next, 0 when none. */
  command: byte,
  lastSent: byte,
});
export type KeyboardState = z.infer<typeof KeyboardState>;

/** A PS/2 keyboard at the far end of the cable. [PS2REF] "Keyboard" */
export class Ps2Keyboard {
  state: KeyboardState = initialKeyboard();

  /** Lights that the guest set: bit 0 scroll lock, 1 num lock, 2 caps lock. */
  get leds(): u8 {
    return this.state.leds;
  }

  hasOutput(): boolean {
    return this.state.queue.length > 0;
  }

  take(): u8 {
    const value = this.state.queue.shift() ?? 0;
    this.state.lastSent = value;
    return value;
  }

  /** A key moves; false when no such key exists. A full queue drops the key. */
  press(code: string, isDown: boolean): boolean {
    const sequence = keySequence(code, isDown);
    if (sequence === undefined) return false;
    const { isScanning, queue, scanCodeSet } = this.state;
    if (!isScanning || queue.length + sequence.length > KEY_BYTES_MAX) return true;
    let isBreak = false;
    for (const value of sequence) {
      if (scanCodeSet === 2) {
        queue.push(value);
        continue;
      }
      const translated = translate(value, isBreak);
      isBreak = translated.isBreak;
      if (translated.byte !== undefined) queue.push(translated.byte);
    }
    return true;
  }

  /** A byte from the host. */
  receive(value: u8): void {
    const pending = this.state.command;
    // A command byte in place of a parameter ends the old command.
    if (pending !== 0 && value < 0xed) {
      this.state.command = 0;
      this.#parameter(pending, value);
      return;
    }
    this.state.command = 0;
    this.#command(value);
  }

  reset(): void {
    this.state = initialKeyboard();
  }

  #command(value: u8): void {
    switch (value) {
      case COMMAND.ECHO:
        this.#reply(REPLY.ECHO);
        break;
      case COMMAND.SET_LEDS:
      case COMMAND.SCAN_CODE_SET:
      case COMMAND.SET_TYPEMATIC:
        this.state.command = value;
        this.#reply(REPLY.ACK);
        break;
      case COMMAND.READ_ID:
        this.#reply(REPLY.ACK, ...ID);
        break;
      case COMMAND.ENABLE:
        this.state.queue.length = 0;
        this.state.isScanning = true;
        this.#reply(REPLY.ACK);
        break;
      case COMMAND.DISABLE:
      case COMMAND.SET_DEFAULT:
        this.state = { ...initialKeyboard(), isScanning: value === COMMAND.SET_DEFAULT };
        this.#reply(REPLY.ACK);
        break;
      case COMMAND.RESEND:
        this.#reply(this.state.lastSent);
        break;
      case COMMAND.RESET:
        this.reset();
        this.#reply(REPLY.ACK, REPLY.BAT_OK);
        break;
      default: {
        // The make/break commands act on scan code set 3 only, which this keyboard has not.
        const isKeyType = value >= COMMAND.SET_ALL_TYPEMATIC && value <= COMMAND.SET_KEY_MAKE;
        this.#reply(isKeyType ? REPLY.ACK : REPLY.RESEND);
      }
    }
  }

  #parameter(command: u8, value: u8): void {
    if (command === COMMAND.SCAN_CODE_SET) {
      if (value === 0) {
        this.#reply(REPLY.ACK, this.state.scanCodeSet);
        return;
      }
      if (value !== 1 && value !== 2) {
        this.#reply(REPLY.RESEND);
        return;
      }
      this.state.scanCodeSet = value;
    }
    if (command === COMMAND.SET_LEDS) this.state.leds = value & 7;
    if (command === COMMAND.SET_TYPEMATIC) this.state.typematic = value & 0x7f;
    this.#reply(REPLY.ACK);
  }

  #reply(...bytes: number[]): void {
    if (this.state.queue.length + bytes.length > QUEUE_BYTES_MAX) return;
    this.state.queue.push(...bytes);
  }
}

function initialKeyboard(): KeyboardState {
  return {
    queue: [],
    scanCodeSet: 2,
    isScanning: true,
    leds: 0,
    // 500 ms, 10.9 characters per second.
    typematic: 0x2b,
    command: 0,
    lastSent: REPLY.BAT_OK,
  };
}
