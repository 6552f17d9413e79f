/** Unsigned 8-bit value in a number. */
export type u8 = number;
/** Unsigned 16-bit value in a number. */
export type u16 = number;
/** Unsigned 32-bit value in a number, 0 to 2^32-1 (never negative). */
export type u32 = number;
/** Nanoseconds of the machine's monotonic clock since power-on, an integer below 2^53. */
export type Nanoseconds = number;

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;
/** Bytes in a 4 KiB page. */
export const PAGE_SIZE = 4096;
