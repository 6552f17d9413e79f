import type { Clock, Nanoseconds, Timer } from '@umbra/base';
import { TimerQueue } from './timer-queue.ts';

/** Where a machine's clock takes the host's time from. */
export interface TimeSource {
  /** The host's monotonic time, ns. */
  monotonicNs(): number;
  /** Milliseconds since 1970-01-01 UTC. */
  wallClockMs(): number;
}

/** The clock of one machine; lives on the processor's thread. */
export class MachineClock implements Clock {
  readonly #source: TimeSource;
  readonly #queue = new TimerQueue();
  readonly #onDeadline: (hostDeadlineNs: number) => void;
  /** The host's time at the machine's time zero. */
  #originNs: number;
  #announced = Number.POSITIVE_INFINITY;
  #isRunningTimers = false;

  /**
   * `onDeadline` hears the host time of the earliest deadline (Infinity: none) whenever that
   * changes.
   */
  constructor(source: TimeSource, onDeadline: (hostDeadlineNs: number) => void) {
    this.#source = source;
    this.#onDeadline = onDeadline;
    this.#originNs = source.monotonicNs();
  }

  now(): Nanoseconds {
    return Math.trunc(this.#source.monotonicNs() - this.#originNs);
  }

  wallClockMs(): number {
    return this.#source.wallClockMs();
  }

  schedule(deadline: Nanoseconds, callback: () => void): Timer {
    const timer = this.#queue.add(deadline, callback);
    this.#announce();
    return timer;
  }

  /** Runs the timers that are due, then announces the next deadline in any case. */
  runDue(): void {
    this.#isRunningTimers = true;
    this.#queue.runDue(this.now());
    this.#isRunningTimers = false;
    // The watcher forgets its deadline when it wakes the processor, also for one that has changed.
    this.#announced = Number.NaN;
    this.#announce();
  }

  /** Time until the earliest deadline in ms, 0 when it has passed, Infinity when there is none. */
  untilNextMs(): number {
    return Math.max(0, (this.#queue.nextDeadline() - this.now()) / 1e6);
  }

  /** Sets the machine's time, such as after a restore. */
  setNow(now: Nanoseconds): void {
    this.#originNs = this.#source.monotonicNs() - now;
    this.#announced = Number.NaN;
    this.#announce();
  }

  /**
   * Cancelled timers are not announced: waking once too early is cheaper than telling the timer
   * thread of every change.
   */
  #announce(): void {
    if (this.#isRunningTimers) return;
    const deadline = this.#queue.nextDeadline();
    if (deadline === this.#announced) return;
    this.#announced = deadline;
    this.#onDeadline(deadline + this.#originNs);
  }
}
