import type { Clock, Nanoseconds, Timer, u32 } from '@umbra/base';
import { CRYSTAL_HZ } from './cpuid.ts';

/** Timer modes, bits 18:17 of the LVT entry. [SDM] vol. 3A §11.5.4. */
export const TIMER_MODE = { ONE_SHOT: 0, PERIODIC: 1, TSC_DEADLINE: 2 } as const;
const NS_PER_SECOND = 1_000_000_000;
const TICK_NS = NS_PER_SECOND / CRYSTAL_HZ;
/**
 * A periodic timer interrupts no oftener than this. Deviation: a guest that asks for more would
 * keep the processor's thread in timer callbacks.
 */
const PERIOD_NS_MIN = 20_000;
/** TSC deadlines further away than this are looked at again then. */
const SLEEP_NS_MAX = 3_600 * NS_PER_SECOND;

export interface TimerState {
  mode: number;
  initialCount: u32;
  /** The divide configuration register. */
  divide: u32;
  /** When the counter reaches zero next; 0 while it stands at zero. */
  expiryNs: Nanoseconds;
  /** Armed TSC deadline, 0n when none. */
  deadline: bigint;
}

/** The timer of a local APIC. [SDM] vol. 3A §11.5.4 */
export class LocalApicTimer {
  state: TimerState = initialTimer();
  readonly #clock: Clock;
  readonly #tscHz: number;
  readonly #tsc: () => bigint;
  readonly #onExpiry: () => void;
  #timer: Timer | undefined;

  constructor(options: {
    clock: Clock;
    tscHz: number;
    tsc: () => bigint;
    onExpiry: () => void;
  }) {
    this.#clock = options.clock;
    this.#tscHz = options.tscHz;
    this.#tsc = options.tsc;
    this.#onExpiry = options.onExpiry;
  }

  /** A change to or from TSC-deadline mode disarms the timer; other changes let it count on. */
  setMode(mode: number): void {
    const state = this.state;
    if (mode === state.mode) return;
    this.#settle();
    const disarms = mode === TIMER_MODE.TSC_DEADLINE || state.mode === TIMER_MODE.TSC_DEADLINE;
    state.mode = mode;
    if (disarms) {
      state.initialCount = 0;
      state.expiryNs = 0;
      state.deadline = 0n;
    }
    this.#schedule();
  }

  setInitialCount(value: u32): void {
    const state = this.state;
    if (state.mode === TIMER_MODE.TSC_DEADLINE) return;
    state.initialCount = value;
    state.expiryNs = value === 0 ? 0 : this.#clock.now() + value * this.#stepNs();
    this.#schedule();
  }

  setDivide(value: u32): void {
    const remaining = this.currentCount();
    this.state.divide = value & 0xb;
    if (this.state.expiryNs !== 0) {
      this.state.expiryNs = this.#clock.now() + remaining * this.#stepNs();
    }
    this.#schedule();
  }

  currentCount(): u32 {
    this.#settle();
    const { expiryNs } = this.state;
    return expiryNs === 0 ? 0 : Math.ceil((expiryNs - this.#clock.now()) / this.#stepNs());
  }

  /** A deadline that has passed already expires at once, before the next guest instruction. */
  setDeadline(deadline: bigint): void {
    if (this.state.mode !== TIMER_MODE.TSC_DEADLINE) return;
    this.state.deadline = deadline;
    this.#checkDeadline();
  }

  reset(): void {
    this.state = initialTimer();
    this.#schedule();
  }

  restore(state: TimerState): void {
    this.state = { ...state };
    this.#schedule();
  }

  /** Nanoseconds per count. */
  #stepNs(): number {
    const { divide } = this.state;
    const code = (divide & 3) | ((divide >> 1) & 4);
    // 000 divides by 2, 110 by 128, 111 by 1.
    return TICK_NS * (code === 7 ? 1 : 2 << code);
  }

  /** Brings the expiry of a counter that passed zero unobserved up to date, and tells of it. */
  #settle(): void {
    const state = this.state;
    const now = this.#clock.now();
    if (state.expiryNs === 0 || state.expiryNs > now) return;
    if (state.mode === TIMER_MODE.PERIODIC) {
      const periodNs = state.initialCount * this.#stepNs();
      const missed = Math.floor((now - state.expiryNs) / periodNs);
      state.expiryNs += (missed + 1) * periodNs;
    } else {
      state.expiryNs = 0;
    }
    this.#onExpiry();
    this.#schedule();
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { expiryNs, mode, deadline } = this.state;
    if (mode === TIMER_MODE.TSC_DEADLINE) {
      if (deadline !== 0n) this.#scheduleDeadline(deadline);
      return;
    }
    if (expiryNs === 0) return;
    const now = this.#clock.now();
    const isShort = mode === TIMER_MODE.PERIODIC && expiryNs - now < PERIOD_NS_MIN;
    const at = isShort && this.#periodNs() < PERIOD_NS_MIN ? now + PERIOD_NS_MIN : expiryNs;
    this.#timer = this.#clock.schedule(at, () => this.#settle());
  }

  #periodNs(): number {
    return this.state.initialCount * this.#stepNs();
  }

  #scheduleDeadline(deadline: bigint): void {
    const ticks = deadline - this.#tsc();
    const waitNs = Math.min(SLEEP_NS_MAX, Math.ceil((Number(ticks) * NS_PER_SECOND) / this.#tscHz));
    const at = this.#clock.now() + Math.max(0, waitNs);
    this.#timer = this.#clock.schedule(at, () => this.#checkDeadline());
  }

  #checkDeadline(): void {
    const { deadline } = this.state;
    if (deadline !== 0n && this.#tsc() >= deadline) {
      this.state.deadline = 0n;
      this.#onExpiry();
    }
    this.#schedule();
  }
}

export function initialTimer(): TimerState {
  return {
    mode: TIMER_MODE.ONE_SHOT,
    initialCount: 0,
    divide: 0,
    expiryNs: 0,
    deadline: 0n,
  };
}
