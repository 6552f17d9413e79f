import type { Nanoseconds } from '@umbra/base';

const NS_PER_SECOND = 1_000_000_000;

/**
 * Whole ticks of a `hz` oscillator in `time`; exact up to 9 MHz, because whole seconds go apart.
 */
export function ticksAt(time: Nanoseconds, hz: number): number {
  const seconds = Math.floor(time / NS_PER_SECOND);
  const rest = time - seconds * NS_PER_SECOND;
  return seconds * hz + Math.floor((rest * hz) / NS_PER_SECOND);
}

/** The first nanosecond at which `ticksAt` answers `ticks` or more. */
export function timeOfTick(ticks: number, hz: number): Nanoseconds {
  const seconds = Math.floor(ticks / hz);
  const rest = ticks - seconds * hz;
  return seconds * NS_PER_SECOND + Math.ceil((rest * NS_PER_SECOND) / hz);
}
