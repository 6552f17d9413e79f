export { AssertionError, assert, unreachable } from './assert.ts';
export type { Clock, Timer } from './clock.ts';
export { UmbraError } from './errors.ts';
export type { Nanoseconds, u8, u16, u32 } from './units.ts';
export { GiB, KiB, MiB, PAGE_SIZE } from './units.ts';
