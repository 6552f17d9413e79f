import type { Clock, Timer, u32 } from '@umbra/base';
import type { Device, IrqLine, MmioBus } from '@umbra/core';
import * as z from 'zod';
import type { EdgeInterest } from './isa-interrupts.ts';
import { count, dword, qword, stateSchema } from './state.ts';

const DEFAULT_ADDRESS = 0xfed0_0000;
const TIMER_COUNT = 3;
/** 100 MHz. */
const TICK_NS = 10;
const TICK_FEMTOSECONDS = 10_000_000;
/** [HPET] §2.3. */
const REG = {
  GCAP_ID: 0x000,
  GEN_CONF: 0x010,
  GINTR_STA: 0x020,
  MAIN_CNT: 0x0f0,
  TIMER_0: 0x100,
  TIMER_STRIDE: 0x20,
  TN_CONF: 0x00,
  TN_COMPARATOR: 0x08,
} as const;
const GCAP = { REV: 1, COUNT_SIZE: 1 << 13, LEG_RT: 1 << 15 } as const;
const VENDOR_INTEL = 0x8086;
const GEN_CONF = { ENABLE: 1 << 0, LEG_RT: 1 << 1 } as const;
const TN = {
  INT_TYPE_LEVEL: 1 << 1,
  INT_ENB: 1 << 2,
  PERIODIC: 1 << 3,
  PER_INT_CAP: 1 << 4,
  SIZE_CAP: 1 << 5,
  VAL_SET: 1 << 6,
  MODE_32: 1 << 8,
  INT_ROUTE_SHIFT: 9,
  WRITABLE: 0x3f4e,
} as const;
/** Pins 20 to 23 of the I/O APIC, as Intel's chip sets have it. */
const ROUTE_CAP = 0x00f0_0000;
const MASK_32 = 0xffff_ffffn;
const MASK_64 = 0xffff_ffff_ffff_ffffn;
/** Deadlines further away than this (36 days) are never set. */
const TICKS_AHEAD_MAX = 1n << 48n;
const CATCH_UP_PERIODS_MAX = 20n;
const CATCH_UP_SPEED = 4;
/** 20 µs: periodic matches come no closer together, so that the guest's own time goes on. */
const PERIOD_TICKS_MIN = 2_000n;

const TimerState = z.strictObject({
  config: dword,
  comparator: qword,
  period: qword,
  isHighPending: z.boolean(),
});
const State = z.strictObject({
  config: dword,
  status: z.int().min(0).max(7),
  /** Main counter at `startNs`. */
  counter: qword,
  startNs: count,
  timers: z.array(TimerState).length(TIMER_COUNT),
});
type State = z.infer<typeof State>;

interface Comparator {
  config: u32;
  comparator: bigint;
  period: bigint;
  /** The low half was written under VAL_SET; a write of the high half belongs to it. */
  isHighPending: boolean;
  timer: Timer | undefined;
  /** Its matches are not timed: nothing would come of them. Not state: it is found out anew. */
  isResting: boolean;
}

/** High precision event timers, three comparators, interrupts by pins only. [HPET] */
export class Hpet implements Device<State> {
  readonly name: string;
  readonly schema = stateSchema('hpet', 1, State);
  readonly #clock: Clock;
  readonly #pins: readonly IrqLine[];
  readonly #irq0: IrqLine;
  readonly #irq0Interest: EdgeInterest | undefined;
  readonly #irq8: IrqLine;
  readonly #onLegacyReplacement: (isReplaced: boolean) => void;
  #timers = initialTimers();
  #config = 0;
  #status = 0;
  #counter = 0n;
  #startNs = 0;

  /** `pins` are the I/O APIC's; `irq0` and `irq8` are used in legacy replacement mode. */
  constructor(options: {
    name: string;
    mmio: MmioBus;
    clock: Clock;
    pins: readonly IrqLine[];
    irq0: IrqLine;
    /** Spares the host matches of the periodic timer on IRQ 0 that change nothing. */
    irq0Interest?: EdgeInterest;
    irq8: IrqLine;
    onLegacyReplacement: (isReplaced: boolean) => void;
    address?: number;
  }) {
    this.name = options.name;
    this.#clock = options.clock;
    this.#pins = options.pins;
    this.#irq0 = options.irq0;
    this.#irq8 = options.irq8;
    this.#onLegacyReplacement = options.onLegacyReplacement;
    this.#irq0Interest = options.irq0Interest;
    this.#irq0Interest?.onChange(() => this.#wake());
    options.mmio.register(this.name, options.address ?? DEFAULT_ADDRESS, 4096, this);
  }

  read(offset: number, size: number): u32 {
    const value = this.#readWord(offset & ~3) >>> (8 * (offset & 3));
    return size === 4 ? value : value & (size === 2 ? 0xffff : 0xff);
  }

  write(offset: number, size: number, value: u32): void {
    this.#advanceResting();
    // Registers take aligned words. [HPET] §2.2.
    if (size !== 4 || (offset & 3) !== 0) return;
    const isHigh = (offset & 4) !== 0;
    const register = offset & ~7;
    if (register === REG.GEN_CONF && !isHigh) this.#writeConfig(value);
    else if (register === REG.GINTR_STA && !isHigh) this.#writeStatus(value);
    else if (register === REG.MAIN_CNT) this.#writeCounter(isHigh, value);
    else if (register >= REG.TIMER_0) this.#writeTimer(register - REG.TIMER_0, isHigh, value);
  }

  reset(): void {
    for (const timer of this.#timers) timer.timer?.cancel();
    this.#dropLevels();
    this.#timers = initialTimers();
    if ((this.#config & GEN_CONF.LEG_RT) !== 0) this.#onLegacyReplacement(false);
    this.#config = 0;
    this.#status = 0;
    this.#counter = 0n;
    this.#startNs = 0;
  }

  save(): State {
    this.#advanceResting();
    return {
      config: this.#config,
      status: this.#status,
      counter: String(this.#counter),
      startNs: this.#startNs,
      timers: this.#timers.map(({ config, comparator, period, isHighPending }) => ({
        config,
        comparator: String(comparator),
        period: String(period),
        isHighPending,
      })),
    };
  }

  restore(state: State): void {
    this.#config = state.config;
    this.#status = state.status;
    this.#counter = BigInt.asUintN(64, BigInt(state.counter));
    this.#startNs = state.startNs;
    for (const timer of this.#timers) timer.timer?.cancel();
    this.#timers = state.timers.map(({ config, comparator, period, isHighPending }) => ({
      config,
      comparator: BigInt.asUintN(64, BigInt(comparator)),
      period: BigInt.asUintN(64, BigInt(period)),
      isHighPending,
      timer: undefined,
      isResting: false,
    }));
    this.#scheduleAll();
  }

  #isEnabled(): boolean {
    return (this.#config & GEN_CONF.ENABLE) !== 0;
  }

  #now(): bigint {
    if (!this.#isEnabled()) return this.#counter;
    const ticks = Math.floor((this.#clock.now() - this.#startNs) / TICK_NS);
    return (this.#counter + BigInt(Math.max(0, ticks))) & MASK_64;
  }

  #readWord(offset: number): u32 {
    const isHigh = (offset & 4) !== 0;
    switch (offset & ~7) {
      case REG.GCAP_ID:
        if (isHigh) return TICK_FEMTOSECONDS;
        return (
          (GCAP.REV |
            ((TIMER_COUNT - 1) << 8) |
            GCAP.COUNT_SIZE |
            GCAP.LEG_RT |
            (VENDOR_INTEL << 16)) >>>
          0
        );
      case REG.GEN_CONF:
        return isHigh ? 0 : this.#config;
      case REG.GINTR_STA:
        return isHigh ? 0 : this.#status;
      case REG.MAIN_CNT:
        return half(this.#now(), isHigh);
      default:
        return offset >= REG.TIMER_0 ? this.#readTimer(offset - REG.TIMER_0, isHigh) : 0;
    }
  }

  #readTimer(offset: number, isHigh: boolean): u32 {
    const timer = this.#timers[Math.floor(offset / REG.TIMER_STRIDE)];
    if (timer === undefined) return 0;
    this.#advanceResting();
    switch ((offset % REG.TIMER_STRIDE) & ~7) {
      case REG.TN_CONF:
        return isHigh ? ROUTE_CAP : timer.config | TN.PER_INT_CAP | TN.SIZE_CAP;
      case REG.TN_COMPARATOR:
        return half(timer.comparator, isHigh);
      default:
        return 0;
    }
  }

  #writeConfig(value: u32): void {
    const config = value & (GEN_CONF.ENABLE | GEN_CONF.LEG_RT);
    const changed = config ^ this.#config;
    if ((changed & GEN_CONF.ENABLE) !== 0) {
      this.#counter = this.#now();
      this.#startNs = this.#clock.now();
    }
    this.#config = config;
    if ((changed & GEN_CONF.LEG_RT) !== 0) {
      this.#onLegacyReplacement((config & GEN_CONF.LEG_RT) !== 0);
    }
    this.#scheduleAll();
  }

  #writeStatus(value: u32): void {
    this.#status &= ~value;
    this.#timers.forEach((timer, index) => {
      const isHeld = (this.#status & (1 << index)) !== 0;
      if ((timer.config & TN.INT_TYPE_LEVEL) !== 0) this.#line(index)?.set(isHeld);
    });
  }

  #writeCounter(isHigh: boolean, value: u32): void {
    this.#counter = withHalf(this.#now(), isHigh, value);
    this.#startNs = this.#clock.now();
    this.#scheduleAll();
  }

  #writeTimer(offset: number, isHigh: boolean, value: u32): void {
    const index = Math.floor(offset / REG.TIMER_STRIDE);
    const timer = this.#timers[index];
    if (timer === undefined) return;
    const register = offset % REG.TIMER_STRIDE;
    if (register === REG.TN_CONF && !isHigh) {
      // A held level would stay behind on the old route.
      if ((this.#status & (1 << index)) !== 0) this.#line(index)?.set(false);
      timer.config = value & TN.WRITABLE;
      if ((timer.config & TN.MODE_32) !== 0) {
        timer.comparator &= MASK_32;
        timer.period &= MASK_32;
      }
    } else if (register === REG.TN_COMPARATOR) {
      this.#writeComparator(timer, isHigh, value);
    }
    this.#schedule(index);
  }

  #writeComparator(timer: Comparator, isHigh: boolean, value: u32): void {
    if (isHigh && (timer.config & TN.MODE_32) !== 0) return;
    const isPeriodic = (timer.config & TN.PERIODIC) !== 0;
    const isValueSet = (timer.config & TN.VAL_SET) !== 0;
    if (!isPeriodic || isValueSet || (isHigh && timer.isHighPending)) {
      timer.comparator = withHalf(timer.comparator, isHigh, value);
    }
    if (isPeriodic) timer.period = withHalf(timer.period, isHigh, value);
    timer.isHighPending = isValueSet && !isHigh;
    timer.config &= ~TN.VAL_SET;
  }

  #scheduleAll(): void {
    for (let index = 0; index < TIMER_COUNT; index++) this.#schedule(index);
  }

  /** Sets the timer of the next match; `isAfterMatch` when the current value was served. */
  #schedule(index: number, isAfterMatch = false): void {
    const timer = this.#timers[index];
    if (timer === undefined) return;
    timer.timer?.cancel();
    timer.timer = undefined;
    timer.isResting = false;
    if (!this.#isEnabled()) return;
    const mask = (timer.config & TN.MODE_32) !== 0 ? MASK_32 : MASK_64;
    const isPeriodic = (timer.config & TN.PERIODIC) !== 0 && timer.period > 0n;
    const now = this.#now();
    let ahead = (timer.comparator - now) & mask;
    if (isAfterMatch && isPeriodic && ((now - timer.comparator) & mask) < mask / 2n) {
      // Late already: replay the missed periods faster than they come.
      ahead = timer.period / BigInt(CATCH_UP_SPEED);
    } else if (isAfterMatch && ahead === 0n) {
      ahead = mask;
    }
    if (isAfterMatch && isPeriodic && ahead < PERIOD_TICKS_MIN) ahead = PERIOD_TICKS_MIN;
    if (ahead > TICKS_AHEAD_MAX) return;
    const deadline = this.#clock.now() + Number(ahead) * TICK_NS;
    timer.timer = this.#clock.schedule(deadline, () => this.#match(index, timer));
  }

  #match(index: number, timer: Comparator): void {
    const mask = (timer.config & TN.MODE_32) !== 0 ? MASK_32 : MASK_64;
    if ((timer.config & TN.PERIODIC) !== 0 && timer.period > 0n) {
      const late = ((this.#now() - timer.comparator) & mask) / timer.period;
      const skipped = late > CATCH_UP_PERIODS_MAX ? late - CATCH_UP_PERIODS_MAX : 0n;
      timer.comparator = (timer.comparator + (skipped + 1n) * timer.period) & mask;
    }
    this.#interrupt(index, timer);
    if (this.#mayRest(index, timer)) timer.isResting = true;
    else this.#schedule(index, true);
  }

  /** Whether nothing would come of a periodic comparator's matches but its own next value. */
  #mayRest(index: number, timer: Comparator): boolean {
    if ((timer.config & TN.PERIODIC) === 0 || timer.period === 0n) return false;
    if ((timer.config & TN.INT_TYPE_LEVEL) !== 0) return false;
    if ((timer.config & TN.INT_ENB) === 0) return true;
    const isIrq0 = index === 0 && (this.#config & GEN_CONF.LEG_RT) !== 0;
    return isIrq0 && this.#irq0Interest?.isIgnored() === true;
  }

  /** Gives comparators that rest the values they would have by now. */
  #advanceResting(): void {
    for (const timer of this.#timers) {
      if (!timer.isResting) continue;
      const mask = (timer.config & TN.MODE_32) !== 0 ? MASK_32 : MASK_64;
      const late = (this.#now() - timer.comparator) & mask;
      if (late >= mask / 2n) continue;
      timer.comparator = (timer.comparator + (late / timer.period + 1n) * timer.period) & mask;
    }
  }

  /** Edges count again. */
  #wake(): void {
    this.#advanceResting();
    this.#timers.forEach((timer, index) => {
      if (timer.isResting && !this.#mayRest(index, timer)) this.#schedule(index);
    });
  }

  #interrupt(index: number, timer: Comparator): void {
    const isLevel = (timer.config & TN.INT_TYPE_LEVEL) !== 0;
    // The status bit of a level comparator is set even with its interrupt off. [HPET] §2.3.6.
    if (isLevel) this.#status |= 1 << index;
    if ((timer.config & TN.INT_ENB) === 0) return;
    const line = this.#line(index);
    line?.set(true);
    if (!isLevel) line?.set(false);
  }

  #line(index: number): IrqLine | undefined {
    if ((this.#config & GEN_CONF.LEG_RT) !== 0) {
      if (index === 0) return this.#irq0;
      if (index === 1) return this.#irq8;
    }
    const route = ((this.#timers[index]?.config ?? 0) >> TN.INT_ROUTE_SHIFT) & 31;
    return (ROUTE_CAP & (1 << route)) !== 0 ? this.#pins[route] : undefined;
  }

  #dropLevels(): void {
    for (let index = 0; index < TIMER_COUNT; index++) {
      if ((this.#status & (1 << index)) !== 0) this.#line(index)?.set(false);
    }
  }
}

function half(value: bigint, isHigh: boolean): u32 {
  return Number((isHigh ? value >> 32n : value) & MASK_32);
}

function withHalf(value: bigint, isHigh: boolean, word: u32): bigint {
  const part = BigInt(word >>> 0);
  return isHigh ? (part << 32n) | (value & MASK_32) : (value & (MASK_32 << 32n)) | part;
}

function initialTimers(): Comparator[] {
  return Array.from({ length: TIMER_COUNT }, () => ({
    config: 0,
    comparator: MASK_64,
    period: 0n,
    isHighPending: false,
    timer: undefined,
    isResting: false,
  }));
}
