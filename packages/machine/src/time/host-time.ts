import type { TimeSource } from './machine-clock.ts';

/** The host's monotonic clock in ns, the same in all threads of the process. */
export function monotonicNs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e9 + nanoseconds;
}

/** Readings of both clocks that the difference between them is taken from. */
const SAMPLES = 32;

/**
 * The host's time for a processor's thread. `performance.now` costs a third of `process.hrtime`
 * but counts from the start of its thread: the difference is measured once.
 */
export function hostTimeSource(): TimeSource {
  const offsetNs = measureOffsetNs();
  return {
    monotonicNs: () => performance.now() * 1e6 + offsetNs,
    wallClockMs: () => Date.now(),
  };
}

/**
 * What `performance.now` lacks to the clock that all threads share, from the reading that took
 * least time. A thread ahead of the timer thread would be woken too early, again and again.
 */
function measureOffsetNs(): number {
  let offsetNs = 0;
  let shortest = Number.POSITIVE_INFINITY;
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const before = performance.now();
    const shared = monotonicNs();
    const after = performance.now();
    if (after - before < shortest) {
      shortest = after - before;
      offsetNs = shared - ((before + after) / 2) * 1e6;
    }
  }
  return offsetNs;
}
