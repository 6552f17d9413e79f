import type { TimeSource } from './machine-clock.ts';

/** The host's monotonic clock in ns, the same in all threads of the process. */
export function monotonicNs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e9 + nanoseconds;
}

/**
 * The host's time for a processor's thread. `performance.now` costs a third of `process.hrtime`
 * but counts from the start of its thread: measure the difference once.
 */
export function hostTimeSource(): TimeSource {
  const offsetNs = monotonicNs() - performance.now() * 1e6;
  return {
    monotonicNs: () => performance.now() * 1e6 + offsetNs,
    wallClockMs: () => Date.now(),
  };
}
