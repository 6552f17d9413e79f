import type { Clock, Timer, u8 } from '@umbra/base';
import type { CharBackend, Device, IrqLine, PioBus } from '@umbra/core';
import * as z from 'zod';
import { byte, stateSchema, word } from './state.ts';

/** [PC16550D] table II. */
const REG = { RBR_THR: 0, IER: 1, IIR_FCR: 2, LCR: 3, MCR: 4, LSR: 5, MSR: 6, SCR: 7 } as const;
const IER = { ERBFI: 1 << 0, ETBEI: 1 << 1, ELSI: 1 << 2, EDSSI: 1 << 3 } as const;
const IIR = {
  MODEM_STATUS: 0x00,
  NONE: 0x01,
  THR_EMPTY: 0x02,
  RECEIVED_DATA: 0x04,
  LINE_STATUS: 0x06,
  CHARACTER_TIMEOUT: 0x0c,
  FIFOS_ENABLED: 0xc0,
} as const;
const FCR = { ENABLE: 1 << 0, RESET_RCVR: 1 << 1, RESET_XMIT: 1 << 2, KEPT: 0xc9 } as const;
const LCR = { WLS: 0x03, STB: 1 << 2, PEN: 1 << 3, DLAB: 1 << 7 } as const;
const MCR = { DTR: 1, RTS: 2, OUT1: 4, OUT2: 8, LOOP: 1 << 4, WRITABLE: 0x1f } as const;
const LSR = { DR: 1 << 0, OE: 1 << 1, THRE: 1 << 5, TEMT: 1 << 6 } as const;
const MSR = {
  DCTS: 1,
  DDSR: 2,
  TERI: 4,
  DDCD: 8,
  CTS: 0x10,
  DSR: 0x20,
  RI: 0x40,
  DCD: 0x80,
} as const;
const TRIGGER_LEVELS = [1, 4, 8, 14] as const;
const FIFO_BYTES = 16;
const INPUT_QUEUE_MAX = 4096;
const CRYSTAL_HZ = 1_843_200;
/** The timeout is four characters long. [PC16550D] §8.4. */
const TIMEOUT_CHARACTERS = 4;

const State = z.strictObject({
  ier: byte,
  fcr: byte,
  lcr: byte,
  mcr: byte,
  modemDelta: byte,
  scr: byte,
  divisor: word,
  hasOverrun: z.boolean(),
  isThrInterruptPending: z.boolean(),
  isTimedOut: z.boolean(),
  fifo: z.array(byte).max(FIFO_BYTES),
  input: z.array(byte).max(INPUT_QUEUE_MAX),
});
type State = z.infer<typeof State>;

/**
 * Serial port, National PC16550D. The far end is always ready (CTS, DSR, DCD on), and sending
 * takes no time, so the transmitter is empty whenever anybody looks. [PC16550D]
 */
export class Uart16550 implements Device<State> {
  readonly name: string;
  readonly schema = stateSchema('uart-16550', 1, State);
  readonly #irq: IrqLine;
  readonly #line: CharBackend;
  readonly #clock: Clock;
  readonly #onInputSpace: (() => void) | undefined;
  #state = initialState();
  #wasRefused = false;
  #timeout: Timer | undefined;

  /** `onInputSpace` is called when `feed` would take a byte again after it refused one. */
  constructor(options: {
    name: string;
    pio: PioBus;
    firstPort: number;
    irq: IrqLine;
    line: CharBackend;
    clock: Clock;
    onInputSpace?: () => void;
  }) {
    this.name = options.name;
    this.#irq = options.irq;
    this.#line = options.line;
    this.#clock = options.clock;
    this.#onInputSpace = options.onInputSpace;
    options.pio.register(this.name, options.firstPort, 8, this);
  }

  /** A byte from the host side; false when the queue is full. */
  feed(value: u8): boolean {
    const { input } = this.#state;
    if (input.length >= INPUT_QUEUE_MAX) {
      this.#wasRefused = true;
      return false;
    }
    input.push(value & 0xff);
    this.#receive();
    this.#syncIrq();
    return true;
  }

  /** Bytes that `feed` would take now. */
  inputSpace(): number {
    return INPUT_QUEUE_MAX - this.#state.input.length;
  }

  in8(offset: number): u8 {
    const state = this.#state;
    const isDivisor = (state.lcr & LCR.DLAB) !== 0;
    switch (offset) {
      case REG.RBR_THR:
        return isDivisor ? state.divisor & 0xff : this.#readReceiver();
      case REG.IER:
        return isDivisor ? state.divisor >> 8 : state.ier;
      case REG.IIR_FCR:
        return this.#readIir();
      case REG.LCR:
        return state.lcr;
      case REG.MCR:
        return state.mcr;
      case REG.LSR:
        return this.#readLsr();
      case REG.MSR:
        return this.#readMsr();
      case REG.SCR:
        return state.scr;
      default:
        return 0xff;
    }
  }

  out8(offset: number, value: u8): void {
    const state = this.#state;
    const isDivisor = (state.lcr & LCR.DLAB) !== 0;
    switch (offset) {
      case REG.RBR_THR:
        if (isDivisor) state.divisor = (state.divisor & 0xff00) | value;
        else this.#transmit(value);
        break;
      case REG.IER:
        if (isDivisor) state.divisor = (value << 8) | (state.divisor & 0xff);
        else this.#writeIer(value & 0x0f);
        break;
      case REG.IIR_FCR:
        this.#writeFcr(value);
        break;
      case REG.LCR:
        state.lcr = value;
        break;
      case REG.MCR:
        this.#writeMcr(value & MCR.WRITABLE);
        break;
      case REG.SCR:
        state.scr = value;
        break;
    }
    this.#syncIrq();
  }

  reset(): void {
    this.#timeout?.cancel();
    this.#timeout = undefined;
    this.#state = initialState();
    this.#syncIrq();
    this.#announceSpace();
  }

  save(): State {
    return { ...this.#state, fifo: [...this.#state.fifo], input: [...this.#state.input] };
  }

  restore(state: State): void {
    this.#state = { ...state, fifo: [...state.fifo], input: [...state.input] };
    this.#restartTimeout();
  }

  #hasFifos(): boolean {
    return (this.#state.fcr & FCR.ENABLE) !== 0;
  }

  #capacity(): number {
    return this.#hasFifos() ? FIFO_BYTES : 1;
  }

  #triggerLevel(): number {
    return this.#hasFifos() ? (TRIGGER_LEVELS[this.#state.fcr >> 6] ?? 1) : 1;
  }

  /** Moves bytes from the host's queue into the receiver, as far as they fit. */
  #receive(): void {
    const { fifo, input, mcr } = this.#state;
    if ((mcr & MCR.LOOP) !== 0) return;
    const moved = input.splice(0, Math.max(0, this.#capacity() - fifo.length));
    if (moved.length === 0) return;
    fifo.push(...moved);
    this.#state.isTimedOut = false;
    this.#restartTimeout();
    this.#announceSpace();
  }

  #announceSpace(): void {
    if (!this.#wasRefused || this.#state.input.length > INPUT_QUEUE_MAX / 2) return;
    this.#wasRefused = false;
    this.#onInputSpace?.();
  }

  #readReceiver(): u8 {
    const value = this.#state.fifo.shift() ?? 0;
    this.#state.isTimedOut = false;
    this.#receive();
    this.#restartTimeout();
    this.#syncIrq();
    return value;
  }

  #readIir(): u8 {
    const id = this.#interruptId();
    // Reading the register acknowledges the transmitter's interrupt, and only that one.
    if (id === IIR.THR_EMPTY) this.#state.isThrInterruptPending = false;
    this.#syncIrq();
    return id | (this.#hasFifos() ? IIR.FIFOS_ENABLED : 0);
  }

  #readLsr(): u8 {
    const state = this.#state;
    const value =
      LSR.THRE | LSR.TEMT | (state.fifo.length > 0 ? LSR.DR : 0) | (state.hasOverrun ? LSR.OE : 0);
    state.hasOverrun = false;
    this.#syncIrq();
    return value;
  }

  #readMsr(): u8 {
    const value = this.#modemLines() | this.#state.modemDelta;
    this.#state.modemDelta = 0;
    this.#syncIrq();
    return value;
  }

  #modemLines(): number {
    const { mcr } = this.#state;
    if ((mcr & MCR.LOOP) === 0) return MSR.CTS | MSR.DSR | MSR.DCD;
    return (
      ((mcr & MCR.RTS) !== 0 ? MSR.CTS : 0) |
      ((mcr & MCR.DTR) !== 0 ? MSR.DSR : 0) |
      ((mcr & MCR.OUT1) !== 0 ? MSR.RI : 0) |
      ((mcr & MCR.OUT2) !== 0 ? MSR.DCD : 0)
    );
  }

  #transmit(value: u8): void {
    const state = this.#state;
    state.isThrInterruptPending = true;
    if ((state.mcr & MCR.LOOP) === 0) {
      this.#line.write(value);
      return;
    }
    if (state.fifo.length >= this.#capacity()) {
      state.hasOverrun = true;
      // Without FIFOs the new byte replaces the old one. [PC16550D] §8.6.3.
      if (!this.#hasFifos()) state.fifo[0] = value;
      return;
    }
    state.fifo.push(value);
    this.#restartTimeout();
  }

  #writeIer(value: u8): void {
    const state = this.#state;
    // Enabling the interrupt while the register is empty raises it at once.
    if ((value & ~state.ier & IER.ETBEI) !== 0) state.isThrInterruptPending = true;
    state.ier = value;
  }

  #writeFcr(value: u8): void {
    const state = this.#state;
    const hasToggled = ((value ^ state.fcr) & FCR.ENABLE) !== 0;
    state.fcr = (value & FCR.ENABLE) !== 0 ? value & FCR.KEPT : 0;
    if (hasToggled || (value & FCR.RESET_RCVR) !== 0) {
      state.fifo.length = 0;
      state.isTimedOut = false;
    }
    if (hasToggled || (value & FCR.RESET_XMIT) !== 0) state.isThrInterruptPending = true;
    this.#receive();
    this.#restartTimeout();
  }

  #writeMcr(value: u8): void {
    const before = this.#modemLines();
    this.#state.mcr = value;
    const after = this.#modemLines();
    const changed = before ^ after;
    if ((changed & MSR.CTS) !== 0) this.#state.modemDelta |= MSR.DCTS;
    if ((changed & MSR.DSR) !== 0) this.#state.modemDelta |= MSR.DDSR;
    if ((changed & MSR.DCD) !== 0) this.#state.modemDelta |= MSR.DDCD;
    // The ring indicator counts at its trailing edge only.
    if ((changed & before & MSR.RI) !== 0) this.#state.modemDelta |= MSR.TERI;
    this.#receive();
  }

  #characterNs(): number {
    const { lcr, divisor } = this.#state;
    const bits =
      7 + (lcr & LCR.WLS) + ((lcr & LCR.STB) !== 0 ? 1 : 0) + ((lcr & LCR.PEN) !== 0 ? 1 : 0);
    return Math.ceil((bits * Math.max(1, divisor) * 16 * 1_000_000_000) / CRYSTAL_HZ);
  }

  /** Below the trigger level, bytes are announced after a pause. */
  #restartTimeout(): void {
    this.#timeout?.cancel();
    this.#timeout = undefined;
    const { fifo, isTimedOut } = this.#state;
    if (!this.#hasFifos() || isTimedOut) return;
    if (fifo.length === 0 || fifo.length >= this.#triggerLevel()) return;
    const deadline = this.#clock.now() + TIMEOUT_CHARACTERS * this.#characterNs();
    this.#timeout = this.#clock.schedule(deadline, () => {
      this.#state.isTimedOut = true;
      this.#syncIrq();
    });
  }

  /** The interrupt of highest priority. [PC16550D] table IV. */
  #interruptId(): number {
    const state = this.#state;
    if ((state.ier & IER.ELSI) !== 0 && state.hasOverrun) return IIR.LINE_STATUS;
    if ((state.ier & IER.ERBFI) !== 0 && state.fifo.length > 0) {
      if (state.fifo.length >= this.#triggerLevel()) return IIR.RECEIVED_DATA;
      if (state.isTimedOut) return IIR.CHARACTER_TIMEOUT;
    }
    if ((state.ier & IER.ETBEI) !== 0 && state.isThrInterruptPending) return IIR.THR_EMPTY;
    if ((state.ier & IER.EDSSI) !== 0 && state.modemDelta !== 0) return IIR.MODEM_STATUS;
    return IIR.NONE;
  }

  /** On a PC, OUT2 connects the chip to its interrupt line; loopback takes the pin away. */
  #syncIrq(): void {
    const isConnected = (this.#state.mcr & (MCR.OUT2 | MCR.LOOP)) === MCR.OUT2;
    this.#irq.set(isConnected && this.#interruptId() !== IIR.NONE);
  }
}

function initialState(): State {
  return {
    ier: 0,
    fcr: 0,
    lcr: 0,
    mcr: 0,
    modemDelta: 0,
    scr: 0,
    divisor: 12,
    hasOverrun: false,
    isThrInterruptPending: false,
    isTimedOut: false,
    fifo: [],
    input: [],
  };
}
