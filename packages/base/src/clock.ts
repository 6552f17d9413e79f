import type { Nanoseconds } from './units.ts';

/** A pending call made by Clock.schedule. */
export interface Timer {
  /** Withdraws the call; harmless when it already ran. */
  cancel(): void;
}

/** Time as a machine's devices see it. Runs on the processor's thread only. */
export interface Clock {
  /** Monotonic time since power-on; stands still while the machine is paused. */
  now(): Nanoseconds;
  /** Wall-clock time in milliseconds since 1970-01-01 UTC (for the real-time clock). */
  wallClockMs(): number;
  /**
   * Calls `callback` once, on the processor's thread between two guest instructions, at or soon
   * after `deadline`. A deadline in the past fires at the next opportunity.
   */
  schedule(deadline: Nanoseconds, callback: () => void): Timer;
}
