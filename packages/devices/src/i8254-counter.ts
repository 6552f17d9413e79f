import type { u8 } from '@umbra/base';
import * as z from 'zod';
import { byte, count, word } from './state.ts';

/** Read/write field of the control word. [I82C54] "Control Word Format". */
const RW = { LATCH: 0, LSB: 1, MSB: 2, LSB_MSB: 3 } as const;
const STATUS = { NULL_COUNT: 1 << 6, OUTPUT: 1 << 7 } as const;
/** Modes, named as the data sheet does. */
const MODE = {
  TERMINAL_COUNT: 0,
  ONE_SHOT: 1,
  RATE_GENERATOR: 2,
  SQUARE_WAVE: 3,
  SOFTWARE_STROBE: 4,
  HARDWARE_STROBE: 5,
} as const;

export const CounterState = z.strictObject({
  mode: z.int().min(0).max(5),
  isBcd: z.boolean(),
  access: z.int().min(0).max(3),
  gate: z.boolean(),
  /** Initial count, 1 to 65,536 (10,000 in BCD); 0 while none was written. */
  reload: z.int().min(0).max(0x1_0000),
  /** A count written while a period runs: taken over at its end. 0 when there is none. */
  nextReload: z.int().min(0).max(0x1_0000),
  /** Tick at which nextReload takes over. */
  switchTick: count,
  isRunning: z.boolean(),
  /** Tick at which counting of this round began. */
  startTick: count,
  /** Ticks counted when the gate stopped the counter. */
  heldTicks: count,
  /** First byte of a two-byte write; -1 when none waits. */
  pendingByte: z.int().min(-1).max(0xff),
  isReadingMsb: z.boolean(),
  latchedCount: word,
  /** Bytes of the latched count that are still unread. */
  latchedBytes: z.int().min(0).max(2),
  latchedStatus: byte,
  isStatusLatched: z.boolean(),
});
export type CounterState = z.infer<typeof CounterState>;

/** One counter of an 8254; time comes as oscillator ticks. [I82C54] "Mode Definitions". */
export class I8254Counter {
  state: CounterState = initialCounter();

  reset(): void {
    this.state = initialCounter();
  }

  /** A control word for this counter, or the counter latch command. */
  control(value: u8, tick: number): void {
    const access = (value >> 4) & 3;
    if (access === RW.LATCH) {
      this.latchCount(tick);
      return;
    }
    const mode = (value >> 1) & 7;
    // Bit 2 of the mode is a don't care for modes 2 and 3.
    this.state = {
      ...initialCounter(),
      gate: this.state.gate,
      mode: mode > 5 ? mode - 4 : mode,
      isBcd: (value & 1) !== 0,
      access,
    };
  }

  write(value: u8, tick: number): void {
    const state = this.state;
    if (state.access !== RW.LSB_MSB) {
      this.#load(state.access === RW.MSB ? value << 8 : value, tick);
    } else if (state.pendingByte < 0) {
      state.pendingByte = value;
      // The first byte stops the counter in mode 0.
      if (state.mode === MODE.TERMINAL_COUNT) state.isRunning = false;
    } else {
      const low = state.pendingByte;
      state.pendingByte = -1;
      this.#load(low | (value << 8), tick);
    }
  }

  read(tick: number): u8 {
    const state = this.state;
    if (state.isStatusLatched) {
      state.isStatusLatched = false;
      return state.latchedStatus;
    }
    if (state.latchedBytes > 0) return this.#readByte(state.latchedCount, true);
    return this.#readByte(this.#visibleCount(tick), false);
  }

  latchCount(tick: number): void {
    const state = this.state;
    if (state.latchedBytes > 0) return;
    state.latchedCount = this.#visibleCount(tick);
    state.latchedBytes = state.access === RW.LSB_MSB ? 2 : 1;
  }

  latchStatus(tick: number): void {
    const state = this.state;
    if (state.isStatusLatched) return;
    this.#advance(tick);
    const isNull = !state.isRunning || state.nextReload !== 0;
    state.isStatusLatched = true;
    state.latchedStatus =
      (this.output(tick) ? STATUS.OUTPUT : 0) |
      (isNull ? STATUS.NULL_COUNT : 0) |
      (state.access << 4) |
      (state.mode << 1) |
      (state.isBcd ? 1 : 0);
  }

  setGate(level: boolean, tick: number): void {
    const state = this.state;
    if (level === state.gate) return;
    this.#advance(tick);
    const elapsed = this.#elapsed(tick);
    state.gate = level;
    if (!level) {
      state.heldTicks = elapsed;
      return;
    }
    switch (state.mode) {
      case MODE.TERMINAL_COUNT:
      case MODE.SOFTWARE_STROBE:
        state.startTick = tick - state.heldTicks;
        break;
      default:
        // A rising gate triggers the other modes with a fresh count.
        if (state.reload === 0) break;
        this.#takeNextReload();
        state.isRunning = true;
        state.startTick = tick + 1;
    }
  }

  /** The level of OUT. */
  output(tick: number): boolean {
    this.#advance(tick);
    const state = this.state;
    if (!state.isRunning) return state.mode !== MODE.TERMINAL_COUNT;
    const elapsed = this.#elapsed(tick);
    switch (state.mode) {
      case MODE.TERMINAL_COUNT:
      case MODE.ONE_SHOT:
        return elapsed >= state.reload;
      case MODE.RATE_GENERATOR:
        return !state.gate || elapsed % state.reload !== state.reload - 1;
      case MODE.SQUARE_WAVE:
        return !state.gate || elapsed % state.reload < Math.ceil(state.reload / 2);
      default:
        return elapsed !== state.reload;
    }
  }

  /** Length of the period in the periodic modes while they run. */
  periodTicks(): number | undefined {
    const { mode, isRunning, gate, reload } = this.state;
    const isPeriodic = mode === MODE.RATE_GENERATOR || mode === MODE.SQUARE_WAVE;
    return isPeriodic && isRunning && gate ? reload : undefined;
  }

  /** The first tick after `tick` at which OUT rises. */
  nextRisingEdge(tick: number): number | undefined {
    this.#advance(tick);
    const { mode, isRunning, gate, reload, startTick } = this.state;
    if (!isRunning) return undefined;
    const period = this.periodTicks();
    if (period !== undefined) {
      const cycles = Math.max(0, Math.floor((tick - startTick) / period));
      return startTick + (cycles + 1) * period;
    }
    if (mode === MODE.RATE_GENERATOR || mode === MODE.SQUARE_WAVE) return undefined;
    const stopsWithGate = mode === MODE.TERMINAL_COUNT || mode === MODE.SOFTWARE_STROBE;
    if (stopsWithGate && !gate) return undefined;
    const isStrobe = mode === MODE.SOFTWARE_STROBE || mode === MODE.HARDWARE_STROBE;
    const edge = startTick + reload + (isStrobe ? 1 : 0);
    return edge > tick ? edge : undefined;
  }

  #load(value: number, tick: number): void {
    const state = this.state;
    const reload = this.#decode(value);
    switch (state.mode) {
      case MODE.RATE_GENERATOR:
      case MODE.SQUARE_WAVE:
        if (state.isRunning) {
          this.#advance(tick);
          state.nextReload = reload;
          state.switchTick = this.#nextPeriod(tick);
          return;
        }
        state.reload = reload;
        break;
      case MODE.ONE_SHOT:
      case MODE.HARDWARE_STROBE:
        // These wait for the gate.
        if (state.isRunning) state.nextReload = reload;
        else state.reload = reload;
        return;
      default:
        state.reload = reload;
    }
    state.isRunning = true;
    state.startTick = tick + 1;
    state.heldTicks = 0;
  }

  #decode(value: number): number {
    if (!this.state.isBcd) return value === 0 ? 0x1_0000 : value;
    let decimal = 0;
    for (let shift = 12; shift >= 0; shift -= 4) decimal = decimal * 10 + ((value >> shift) & 15);
    return decimal === 0 ? 10_000 : decimal;
  }

  /** Takes a waiting count over when the current period has ended. */
  #advance(tick: number): void {
    const state = this.state;
    if (state.nextReload === 0 || this.periodTicks() === undefined) return;
    if (tick < state.switchTick) return;
    state.startTick = state.switchTick;
    this.#takeNextReload();
  }

  /** The tick at which the period after the one that holds `tick` begins. */
  #nextPeriod(tick: number): number {
    const { startTick, reload } = this.state;
    return startTick + reload * Math.max(1, Math.ceil((tick - startTick + 1) / reload));
  }

  #takeNextReload(): void {
    const state = this.state;
    if (state.nextReload === 0) return;
    state.reload = state.nextReload;
    state.nextReload = 0;
  }

  #elapsed(tick: number): number {
    const { mode, gate, startTick, heldTicks } = this.state;
    const stopsWithGate = mode !== MODE.ONE_SHOT && mode !== MODE.HARDWARE_STROBE;
    return stopsWithGate && !gate ? heldTicks : Math.max(0, tick - startTick);
  }

  #visibleCount(tick: number): number {
    this.#advance(tick);
    const state = this.state;
    const elapsed = this.#elapsed(tick);
    const modulus = state.isBcd ? 10_000 : 0x1_0000;
    let value = state.reload;
    if (state.isRunning) {
      if (state.mode === MODE.RATE_GENERATOR) value -= elapsed % state.reload;
      else if (state.mode === MODE.SQUARE_WAVE) value -= (2 * elapsed) % state.reload;
      else value -= elapsed;
    }
    value = ((value % modulus) + modulus) % modulus;
    if (!state.isBcd) return value;
    let bcd = 0;
    for (let shift = 0; shift < 16; shift += 4) {
      bcd |= (value % 10) << shift;
      value = Math.floor(value / 10);
    }
    return bcd;
  }

  #readByte(value: number, isLatched: boolean): u8 {
    const state = this.state;
    const isMsb = state.access === RW.MSB || (state.access === RW.LSB_MSB && state.isReadingMsb);
    if (state.access === RW.LSB_MSB) state.isReadingMsb = !state.isReadingMsb;
    if (isLatched) state.latchedBytes--;
    return isMsb ? value >> 8 : value & 0xff;
  }
}

function initialCounter(): CounterState {
  return {
    mode: MODE.SQUARE_WAVE,
    isBcd: false,
    access: RW.LSB_MSB,
    gate: true,
    reload: 0,
    nextReload: 0,
    switchTick: 0,
    isRunning: false,
    startTick: 0,
    heldTicks: 0,
    pendingByte: -1,
    isReadingMsb: false,
    latchedCount: 0,
    latchedBytes: 0,
    latchedStatus: 0,
    isStatusLatched: false,
  };
}
