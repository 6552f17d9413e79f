import type { u8, u32 } from '@umbra/base';
import type { CharBackend, Device, PioBus } from '@umbra/core';
import * as z from 'zod';
import { byte, stateSchema } from './state.ts';

const PORT = { POST: 0x80, DEBUG_CONSOLE: 0x402, DEBUG_EXIT: 0xf4 } as const;
/** What a guest reads to learn that a debug console listens. [QEMU-ISA-DEBUGCON] */
const DEBUG_CONSOLE_PRESENT = 0xe9;

const Stateless = z.strictObject({});
type Stateless = z.infer<typeof Stateless>;
const PostState = z.strictObject({ code: byte });
type PostState = z.infer<typeof PostState>;

/** A port whose bytes go to the host as text: SeaBIOS reports there. [QEMU-ISA-DEBUGCON] */
export class DebugConsole implements Device<Stateless> {
  readonly name: string;
  readonly schema = stateSchema('debug-console', 1, Stateless);
  readonly #line: CharBackend;

  constructor(options: { name: string; pio: PioBus; line: CharBackend; port?: number }) {
    this.name = options.name;
    this.#line = options.line;
    options.pio.register(this.name, options.port ?? PORT.DEBUG_CONSOLE, 1, this);
  }

  in8(): u8 {
    return DEBUG_CONSOLE_PRESENT;
  }

  out8(_offset: number, value: u8): void {
    this.#line.write(value);
  }

  reset(): void {}

  save(): Stateless {
    return {};
  }

  restore(): void {}
}

/** A port that ends the machine with a status, for test guests. [QEMU-ISA-DEBUG-EXIT] */
export class DebugExit implements Device<Stateless> {
  readonly name: string;
  readonly schema = stateSchema('debug-exit', 1, Stateless);
  readonly #onExit: (value: u32) => void;

  /** `onExit` gets the value that the guest wrote, as it is. */
  constructor(options: {
    name: string;
    pio: PioBus;
    onExit: (value: u32) => void;
    port?: number;
  }) {
    this.name = options.name;
    this.#onExit = options.onExit;
    options.pio.register(this.name, options.port ?? PORT.DEBUG_EXIT, 4, this);
  }

  in8(): u8 {
    return 0;
  }

  out8(offset: number, value: u8): void {
    if (offset === 0) this.#onExit(value);
  }

  out16(offset: number, value: number): void {
    if (offset === 0) this.#onExit(value);
  }

  out32(offset: number, value: u32): void {
    if (offset === 0) this.#onExit(value);
  }

  reset(): void {}

  save(): Stateless {
    return {};
  }

  restore(): void {}
}

/** The diagnostic port of power-on self tests (80h); Linux also writes it to pass time. */
export class PostPort implements Device<PostState> {
  readonly name: string;
  readonly schema = stateSchema('post-port', 1, PostState);
  readonly #onCode: ((code: u8) => void) | undefined;
  #code = 0;

  constructor(options: { name: string; pio: PioBus; onCode?: (code: u8) => void }) {
    this.name = options.name;
    this.#onCode = options.onCode;
    options.pio.register(this.name, PORT.POST, 1, this);
  }

  /** The code that was written last. */
  get lastCode(): u8 {
    return this.#code;
  }

  in8(): u8 {
    return this.#code;
  }

  out8(_offset: number, value: u8): void {
    this.#code = value;
    this.#onCode?.(value);
  }

  reset(): void {
    this.#code = 0;
  }

  save(): PostState {
    return { code: this.#code };
  }

  restore(state: PostState): void {
    this.#code = state.code;
  }
}
