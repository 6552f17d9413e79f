import {
  gpr,
  segAttr,
  segEffBase,
  segLimit,
  setGpr,
  stackMask,
  SEG_DB,
  SEG_EXPAND_DOWN,
  SEG_P,
  SREG_SS,
} from '../generated/layout';
import { faulted, raise, SS } from '../fault';
import { read16, read32, read64, readAs, write16, write32, write64, writeAs } from '../memory';
import { in64BitMode, isCanonical } from './mode';
import { sysWrite16, sysWrite32, sysWrite64 } from './supervisor-memory';

const RSP: u32 = 4;

const RIGHTS_CURRENT: u32 = 0;
const RIGHTS_SUPERVISOR: u32 = 1;
const RIGHTS_USER: u32 = 2;

// The stack being pushed to or popped from. RSP itself changes only when all has gone well.
let base: u64 = 0;
let limit: u32 = 0;
let attr: u32 = 0;
let mask: u64 = 0;
let pointer: u64 = 0;
/** Whose rights the accesses have. */
let rights: u32 = 0;
let wide: bool = false;
let errorCode: u32 = 0;

/** Works on the current stack with the rights of the current privilege; `error` is for #SS. */
export function openStack(error: u32): void {
  base = segEffBase(SREG_SS);
  limit = segLimit(SREG_SS);
  attr = segAttr(SREG_SS);
  mask = stackMask();
  pointer = gpr(RSP);
  rights = RIGHTS_CURRENT;
  wide = in64BitMode();
  errorCode = error;
}

/** Works on a stack that is not in SS yet: a legacy segment of the given descriptor. */
export function openLegacyStack(
  newBase: u64,
  newLimit: u32,
  newAttr: u32,
  at: u64,
  newCpl: u32,
  error: u32,
): void {
  base = newBase & 0xffff_ffff;
  limit = newLimit;
  attr = newAttr;
  mask = (newAttr & SEG_DB) != 0 ? 0xffff_ffff : 0xffff;
  pointer = at;
  rights = newCpl == 3 ? RIGHTS_USER : RIGHTS_SUPERVISOR;
  wide = false;
  errorCode = error;
}

/** Works on a 64-bit stack. */
export function openWideStack(at: u64, newCpl: u32, error: u32): void {
  base = 0;
  mask = ~(<u64>0);
  pointer = at;
  rights = newCpl == 3 ? RIGHTS_USER : RIGHTS_SUPERVISOR;
  wide = true;
  errorCode = error;
}

/** Linear address of `size` bytes at a stack offset; #SS when they are not in the segment. */
function locate(offset: u64, size: u32): u64 {
  const last = offset + size - 1;
  let inside: bool;
  if (wide) {
    inside = isCanonical(offset) && isCanonical(last);
  } else if ((attr & SEG_P) == 0) {
    inside = false;
  } else if ((attr & SEG_EXPAND_DOWN) != 0) {
    inside = offset > <u64>limit && last <= ((attr & SEG_DB) != 0 ? <u64>0xffff_ffff : <u64>0xffff);
  } else {
    inside = last <= <u64>limit;
  }
  if (!inside) {
    raise(SS, errorCode);
    return 0;
  }
  return wide ? offset : (base + offset) & 0xffff_ffff;
}

function storeStack(linear: u64, size: u32, value: u64): void {
  if (rights == RIGHTS_CURRENT) {
    if (size == 8) write64(linear, value);
    else if (size == 4) write32(linear, <u32>value);
    else write16(linear, <u32>value & 0xffff);
  } else if (rights == RIGHTS_SUPERVISOR) {
    if (size == 8) sysWrite64(linear, value);
    else if (size == 4) sysWrite32(linear, <u32>value);
    else sysWrite16(linear, <u32>value & 0xffff);
  } else {
    writeAs(linear, size, value, true);
  }
}

function loadStack(linear: u64, size: u32): u64 {
  if (rights != RIGHTS_CURRENT) return readAs(linear, size, rights == RIGHTS_USER);
  if (size == 8) return read64(linear);
  return size == 4 ? <u64>read32(linear) : <u64>read16(linear);
}

/** Pushes `size` bytes; false when that faulted. */
export function push(size: u32, value: u64): bool {
  const offset = (pointer - size) & mask;
  const linear = locate(offset, size);
  if (faulted()) return false;
  storeStack(linear, size, value);
  if (faulted()) return false;
  pointer = (pointer & ~mask) | offset;
  return true;
}

/** Pops `size` bytes; the caller asks faulted(). */
export function pop(size: u32): u64 {
  const offset = pointer & mask;
  const linear = locate(offset, size);
  if (faulted()) return 0;
  const value = loadStack(linear, size);
  if (faulted()) return 0;
  skip(size);
  return value;
}

/** Reads `size` bytes `distance` above the pointer, which stays. */
export function peek(distance: u32, size: u32): u64 {
  const linear = locate((pointer + distance) & mask, size);
  if (faulted()) return 0;
  return loadStack(linear, size);
}

/** Moves the pointer up. */
// @ts-ignore: decorator
@inline
export function skip(bytes: u32): void {
  pointer = (pointer & ~mask) | ((pointer + bytes) & mask);
}

/** Writes the pointer to RSP: for the current stack, the part that its width covers. */
export function commitStack(): void {
  if (rights == RIGHTS_CURRENT) setStackPointer(pointer, mask);
  else setGpr(RSP, pointer);
}

/**
 * Writes RSP as a stack of a given width does: SP leaves the bits above alone (a return to a 16-bit
 * stack shows bits 31:16 of the old ESP, which Linux's "espfix" is about).
 */
export function setStackPointer(value: u64, width: u64): void {
  if (width == 0xffff) setGpr(RSP, (gpr(RSP) & 0xffff_0000) | (value & 0xffff));
  else setGpr(RSP, value & width);
}
