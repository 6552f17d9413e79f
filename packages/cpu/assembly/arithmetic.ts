// Integer arithmetic that WebAssembly has no instruction for, and rare instructions. [SDM] vol. 2.

import { DE, GP, NM, UD, faulted, raise, raiseNoError } from './fault';
import { computeFlags, readArithmeticFlags, writeArithmeticFlags } from './flags';
import {
  EFLAGS_AF,
  EFLAGS_CF,
  EFLAGS_OF,
  EFLAGS_ZF,
  FLAG_KIND_ADD,
  FLAG_KIND_SUB,
  FLAG_KIND_LOGIC,
  FLAG_KIND_RESULT,
  OFFSET_scratch,
  SREG_CS,
  base,
  cr0,
  cr4,
  gpr,
  modeKey,
  segLimit,
  setFlagA,
  setFlagB,
  setFlagOp,
  setGpr,
  setScratch,
} from './generated/layout';
import { random32 } from './imports';
import { read64, read8, write64, probeWriteCurrent } from './memory';

/** High 64 bits of an unsigned product. */
export function multiplyHighUnsigned(a: u64, b: u64): u64 {
  const aLow = a & 0xffff_ffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffff_ffff;
  const bHigh = b >> 32;
  const low = aLow * bLow;
  const cross = aHigh * bLow + (low >> 32);
  const middle = aLow * bHigh + (cross & 0xffff_ffff);
  return aHigh * bHigh + (cross >> 32) + (middle >> 32);
}

/** High 64 bits of a signed product. */
export function multiplyHighSigned(a: u64, b: u64): u64 {
  let high = multiplyHighUnsigned(a, b);
  if (<i64>a < 0) high -= b;
  if (<i64>b < 0) high -= a;
  return high;
}

/** DIV of up to 64 bits by up to 32: the quotient, the remainder in scratch; #DE on overflow. */
export function divideUnsigned(dividend: u64, divisor: u64, size: u32): u64 {
  if (divisor == 0) {
    raiseNoError(DE);
    return 0;
  }
  // Narrow divisions are much faster on most hosts.
  const isNarrow = (dividend | divisor) >> 32 == 0;
  const quotient = isNarrow ? <u64>(<u32>dividend / <u32>divisor) : dividend / divisor;
  if (quotient >> <u64>size) {
    raiseNoError(DE);
    return 0;
  }
  setScratch(0, dividend - quotient * divisor);
  return quotient;
}

/** IDIV of up to 64 bits by up to 32, operands sign-extended. */
export function divideSigned(dividend: u64, divisor: u64, size: u32): u64 {
  if (divisor == 0 || (dividend == 0x8000_0000_0000_0000 && divisor == ~(<u64>0))) {
    raiseNoError(DE);
    return 0;
  }
  const quotient = <i64>dividend / <i64>divisor;
  const limit = <i64>1 << <i64>(size - 1);
  if (quotient >= limit || quotient < -limit) {
    raiseNoError(DE);
    return 0;
  }
  setScratch(0, dividend - <u64>quotient * divisor);
  return <u64>quotient;
}

/** DIV of 128 bits by 64. */
export function divideUnsigned128(high: u64, low: u64, divisor: u64): u64 {
  if (high >= divisor) {
    raiseNoError(DE);
    return 0;
  }
  if (high == 0) {
    const whole = (low | divisor) >> 32 == 0 ? <u64>(<u32>low / <u32>divisor) : low / divisor;
    setScratch(0, low - whole * divisor);
    return whole;
  }
  let remainder = high;
  let quotient: u64 = 0;
  for (let bit: i64 = 63; bit >= 0; bit--) {
    const carry = remainder >> 63;
    remainder = (remainder << 1) | ((low >> <u64>bit) & 1);
    if (carry || remainder >= divisor) {
      remainder -= divisor;
      quotient |= <u64>1 << <u64>bit;
    }
  }
  setScratch(0, remainder);
  return quotient;
}

/** IDIV of 128 bits by 64. */
export function divideSigned128(high: u64, low: u64, divisor: u64): u64 {
  const negative = <i64>high < 0;
  const divisorNegative = <i64>divisor < 0;
  let absoluteHigh = high;
  let absoluteLow = low;
  if (negative) {
    absoluteLow = -low;
    absoluteHigh = ~high + (low == 0 ? 1 : 0);
  }
  const by = divisorNegative ? -divisor : divisor;
  const quotient = divideUnsigned128(absoluteHigh, absoluteLow, by);
  if (faulted()) return 0;
  const sign = negative != divisorNegative;
  if (sign ? quotient > 0x8000_0000_0000_0000 : quotient > 0x7fff_ffff_ffff_ffff) {
    raiseNoError(DE);
    return 0;
  }
  if (negative) setScratch(0, -load<u64>(<usize>scratchAddress()));
  return sign ? -quotient : quotient;
}

// @ts-ignore: decorator
@inline
function scratchAddress(): usize {
  return base() + OFFSET_scratch;
}

/** CF of a lazy state given in pieces. */
export function carryOf(op: u32, a: u64, b: u64): u32 {
  const kind = op >> 4;
  const size: u64 = 8 << ((op >> 1) & 3);
  const shift = 64 - size;
  if (kind == FLAG_KIND_LOGIC) return 0;
  if (kind == FLAG_KIND_RESULT) return <u32>b & EFLAGS_CF;
  if ((op & 1) == 0) {
    if (kind == FLAG_KIND_ADD) return (a << shift) < (b << shift) ? 1 : 0;
    if (kind == FLAG_KIND_SUB) return (a << shift) < (b << shift) ? 1 : 0;
  }
  return computeFlags(op, a, b) & EFLAGS_CF;
}

// @ts-ignore: decorator
@inline
function bitOf(value: u64, position: u32): u32 {
  return <u32>(value >> <u64>position) & 1;
}

/** RCL; CF and OF at their places in scratch. */
export function rotateCarryLeft(value: u64, count: u32, carry: u32, size: u32): u64 {
  let left = count;
  if (size < 32) left %= size + 1;
  let result = value;
  let cf = carry;
  const mask: u64 = size == 64 ? ~(<u64>0) : (<u64>1 << <u64>size) - 1;
  for (; left != 0; left--) {
    const top = bitOf(result, size - 1);
    result = ((result << 1) | cf) & mask;
    cf = top;
  }
  setScratch(0, <u64>(cf | ((bitOf(result, size - 1) ^ cf) * EFLAGS_OF)));
  return result;
}

/** RCR; CF and OF at their places in scratch. */
export function rotateCarryRight(value: u64, count: u32, carry: u32, size: u32): u64 {
  let left = count;
  if (size < 32) left %= size + 1;
  let result = value;
  let cf = carry;
  for (; left != 0; left--) {
    const bottom = <u32>result & 1;
    result = (result >> 1) | (<u64>cf << <u64>(size - 1));
    cf = bottom;
  }
  setScratch(0, <u64>(cf | ((bitOf(result, size - 1) ^ bitOf(result, size - 2)) * EFLAGS_OF)));
  return result;
}

/** SHLD; CF and OF at their places in scratch. 16-bit counts above 16 rotate the source in again. */
export function doubleShiftLeft(value: u64, from: u64, count: u32, size: u32): u64 {
  if (count == 0) return value;
  const n = <u64>count;
  let result: u64;
  let cf: u32;
  if (size == 64) {
    result = (value << n) | (from >> (64 - n));
    cf = bitOf(value, 64 - count);
  } else if (size == 32) {
    const joined = (value << 32) | from;
    result = (joined << n) >> 32;
    cf = bitOf(joined, 64 - count);
  } else {
    const joined = (value << 32) | (from << 16) | value;
    const moved = joined << n;
    result = (moved >> 32) & 0xffff;
    cf = bitOf(moved, 48);
  }
  setScratch(0, <u64>(cf | ((bitOf(result, size - 1) ^ bitOf(value, size - 1)) * EFLAGS_OF)));
  return result;
}

/** SHRD; CF and OF at their places in scratch. */
export function doubleShiftRight(value: u64, from: u64, count: u32, size: u32): u64 {
  if (count == 0) return value;
  const n = <u64>count;
  let result: u64;
  let cf: u32;
  if (size == 64) {
    result = (value >> n) | (from << (64 - n));
    cf = bitOf(value, count - 1);
  } else if (size == 32) {
    const joined = (from << 32) | value;
    result = (joined >> n) & 0xffff_ffff;
    cf = bitOf(joined, count - 1);
  } else {
    const joined = (value << 32) | (from << 16) | value;
    result = (joined >> n) & 0xffff;
    cf = bitOf(joined, count - 1);
  }
  setScratch(0, <u64>(cf | ((bitOf(result, size - 1) ^ bitOf(value, size - 1)) * EFLAGS_OF)));
  return result;
}

export function swapBytes32(value: u32): u32 {
  return bswap<u32>(value);
}
export function swapBytes64(value: u64): u64 {
  return bswap<u64>(value);
}

/** CRC32 of `bytes` bytes with the Castagnoli polynomial, bit-reflected. */
export function crc32(sum: u32, value: u64, bytes: u32): u32 {
  let crc = sum;
  let rest = value;
  for (let i: u32 = 0; i < bytes; i++) {
    crc ^= <u32>rest & 0xff;
    rest >>= 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (0x82f6_3b78 & -(crc & 1));
  }
  return crc;
}

// @ts-ignore: decorator
@inline
function setAl(value: u32): void {
  setGpr(0, (gpr(0) & ~(<u64>0xff)) | <u64>(value & 0xff));
}

function resultFlags(al: u32, extra: u32): void {
  setFlagOp(FLAG_KIND_RESULT << 4);
  setFlagA(<u64>(al & 0xff));
  setFlagB(<u64>extra);
}

/** DAA. OF is undefined; it is cleared. */
export function daa(): void {
  const flags = readArithmeticFlags();
  const old = <u32>gpr(0) & 0xff;
  let al = old;
  let extra: u32 = 0;
  if ((al & 15) > 9 || flags & EFLAGS_AF) {
    al += 6;
    extra |= EFLAGS_AF;
  }
  if (old > 0x99 || flags & EFLAGS_CF) {
    al += 0x60;
    extra |= EFLAGS_CF;
  }
  setAl(al);
  resultFlags(al, extra);
}

/** DAS. OF is undefined; it is cleared. */
export function das(): void {
  const flags = readArithmeticFlags();
  const old = <u32>gpr(0) & 0xff;
  let al = old;
  let extra: u32 = 0;
  if ((al & 15) > 9 || flags & EFLAGS_AF) {
    if (al < 6) extra |= EFLAGS_CF;
    al -= 6;
    extra |= EFLAGS_AF;
  }
  if (old > 0x99 || flags & EFLAGS_CF) {
    al -= 0x60;
    extra |= EFLAGS_CF;
  }
  setAl(al);
  resultFlags(al, extra);
}

function adjust(up: bool): void {
  const flags = readArithmeticFlags();
  let ax = <u32>gpr(0) & 0xffff;
  let extra: u32 = 0;
  if ((ax & 15) > 9 || flags & EFLAGS_AF) {
    ax = up ? ax + 0x106 : ax - 0x106;
    extra = EFLAGS_AF | EFLAGS_CF;
  }
  ax &= 0xff0f;
  setGpr(0, (gpr(0) & ~(<u64>0xffff)) | <u64>ax);
  resultFlags(ax & 0xff, extra);
}
/** AAA and AAS. SF, ZF, PF and OF are undefined; they follow AL, OF is cleared. */
export function aaa(): void {
  adjust(true);
}
export function aas(): void {
  adjust(false);
}
/** AAM with a divisor that is not zero. */
export function aam(by: u32): void {
  const al = <u32>gpr(0) & 0xff;
  setGpr(0, (gpr(0) & ~(<u64>0xffff)) | <u64>(((al / by) << 8) | (al % by)));
  resultFlags(al % by, 0);
}
export function aad(by: u32): void {
  const ax = <u32>gpr(0) & 0xffff;
  const al = ((ax & 0xff) + (ax >> 8) * by) & 0xff;
  setGpr(0, (gpr(0) & ~(<u64>0xffff)) | <u64>al);
  resultFlags(al, 0);
}

/** CMPXCHG16B at a linear address. */
export function compareExchange16(linear: u64): void {
  if (linear & 15) {
    raise(GP, 0);
    return;
  }
  if (!probeWriteCurrent(linear, 8)) return;
  const low = read64(linear);
  const high = read64(linear + 8);
  if (faulted()) return;
  const flags = readArithmeticFlags();
  if (low == gpr(0) && high == gpr(2)) {
    write64(linear, gpr(3));
    write64(linear + 8, gpr(1));
    writeArithmeticFlags(flags | EFLAGS_ZF);
  } else {
    write64(linear, low);
    write64(linear + 8, high);
    setGpr(0, low);
    setGpr(2, high);
    writeArithmeticFlags(flags & ~EFLAGS_ZF);
  }
}

export function randomWord(): u32 {
  return random32();
}

/** A read that only shows whether it would fault (CLFLUSH). */
export function touch(linear: u64): u32 {
  return read8(linear);
}

/** Raises what an x87, MMX or SSE instruction raises while its unit is not available. */
export function unitUnavailable(unit: u32): void {
  const em = (cr0() & 4) != 0;
  const ts = (cr0() & 8) != 0;
  if (unit == 1) {
    // #UD when CR0.EM or not CR4.OSFXSR, else it is CR0.TS. [SDM] vol. 2A table 2-21.
    raiseNoError(ts && !em && sseEnabled() ? NM : UD);
  } else {
    // MMX is not emulated: #UD under CR0.EM. [SDM] vol. 3A table 12-1.
    raiseNoError(unit == 2 && em ? UD : NM);
  }
}

function sseEnabled(): bool {
  return (cr4() & (1 << 9)) != 0;
}

/** #GP(0) when a near transfer's target is beyond the code segment or not canonical. */
export function checkJump(target: u64): void {
  if ((modeKey() & 3) == 2) {
    if (<u64>(<i64>(target << 16) >> 16) != target) raise(GP, 0);
  } else if (target > <u64>segLimit(SREG_CS)) {
    raise(GP, 0);
  }
}
