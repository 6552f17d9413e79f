export { AssertionError, assert, unreachable } from './assert.ts';
export type { Clock, Timer } from './clock.ts';
export { UmbraError } from './errors.ts';
export type { Nanoseconds, u16, u32, u8 } from './units.ts';
export { GiB, KiB, MiB, PAGE_SIZE } from './units.ts';
