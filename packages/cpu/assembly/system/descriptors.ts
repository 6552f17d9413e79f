import {
  gdtrBase,
  gdtrLimit,
  segAttr,
  segBase,
  segLimit,
  setSegAttr,
  setSegBase,
  setSegLimit,
  setSegSelector,
  SEG_ACCESSED,
  SEG_CODE,
  SEG_DPL_SHIFT,
  SEG_EXPAND_DOWN,
  SEG_G,
  SEG_P,
  SEG_S,
  SEG_WRITABLE,
  SREG_LDTR,
} from '../generated/layout';
import { faulted, GP, raise, SS } from '../fault';
import { sysRead64, sysWrite8 } from './supervisor-memory';
import { inLongMode, isCanonical, tableAddress } from './mode';

// The descriptor that fetchDescriptor() found last.
export let low: u32 = 0;
export let high: u32 = 0;
export let address: u64 = 0;

// System descriptor types, [SDM] vol. 3A table 3-2, with S = 0 in bit 4.
export const TYPE_TSS16: u32 = 1;
export const TYPE_LDT: u32 = 2;
export const TYPE_TSS16_BUSY: u32 = 3;
export const TYPE_CALL16: u32 = 4;
export const TYPE_TASK_GATE: u32 = 5;
export const TYPE_INT16: u32 = 6;
export const TYPE_TRAP16: u32 = 7;
export const TYPE_TSS: u32 = 9;
export const TYPE_TSS_BUSY: u32 = 11;
export const TYPE_CALL: u32 = 12;
export const TYPE_INT: u32 = 14;
export const TYPE_TRAP: u32 = 15;

/** Whether a selector is one of the four null selectors. */
// @ts-ignore: decorator
@inline
export function isNull(selector: u32): bool {
  return (selector & 0xfffc) == 0;
}

/** Reads the descriptor of a selector; false when it is outside of its table or the read faulted. */
export function findDescriptor(selector: u32): bool {
  const offset = selector & 0xfff8;
  let table: u64;
  let limit: u32;
  if ((selector & 4) != 0) {
    if ((segAttr(SREG_LDTR) & SEG_P) == 0) return false;
    table = segBase(SREG_LDTR);
    limit = segLimit(SREG_LDTR);
  } else {
    table = gdtrBase();
    limit = gdtrLimit();
  }
  if (offset + 7 > limit) return false;
  address = tableAddress(table + offset);
  const raw = sysRead64(address);
  if (faulted()) return false;
  low = <u32>raw;
  high = <u32>(raw >> 32);
  return true;
}

/** Reads the descriptor of a selector or raises `vector` with the selector as its error code. */
export function fetchDescriptor(selector: u32, vector: u32, ext: u32): bool {
  if (findDescriptor(selector)) return true;
  if (!faulted()) raise(vector, (selector & 0xfffc) | ext);
  return false;
}

/**
 * The second half of the 16-byte descriptor just found, or all ones in the upper half of the result
 * when it is outside of the table or has a type, [SDM] vol. 3A §7.2.3 and §5.8.3.1.
 */
export function findUpperHalf(selector: u32): u64 {
  const limit = (selector & 4) != 0 ? segLimit(SREG_LDTR) : gdtrLimit();
  if ((selector & 0xfff8) + 15 > limit) return ~(<u64>0);
  const raw = sysRead64(address + 8);
  if (faulted()) return ~(<u64>0);
  if (((raw >> 40) & 0x1f) != 0) return ~(<u64>0);
  return raw & 0xffff_ffff;
}

// @ts-ignore: decorator
@inline
export function typeOf(highWord: u32): u32 {
  return (highWord >> 8) & 0x1f;
}

// @ts-ignore: decorator
@inline
export function dplOf(highWord: u32): u32 {
  return (highWord >> 13) & 3;
}

// @ts-ignore: decorator
@inline
export function isPresent(highWord: u32): bool {
  return (highWord & 0x8000) != 0;
}

/** The descriptor's attributes as segAttr keeps them. */
// @ts-ignore: decorator
@inline
export function attrOf(highWord: u32): u32 {
  return (highWord >> 8) & 0xf0ff;
}

// @ts-ignore: decorator
@inline
export function baseOf(lowWord: u32, highWord: u32): u32 {
  return (lowWord >> 16) | ((highWord & 0xff) << 16) | (highWord & 0xff00_0000);
}

/** The limit in bytes. */
// @ts-ignore: decorator
@inline
export function limitOf(lowWord: u32, highWord: u32): u32 {
  const limit = (lowWord & 0xffff) | (highWord & 0x000f_0000);
  return (highWord & 0x0080_0000) != 0 ? (limit << 12) | 0xfff : limit;
}

// @ts-ignore: decorator
@inline
export function isCode(attr: u32): bool {
  return (attr & (SEG_S | SEG_CODE)) == (SEG_S | SEG_CODE);
}

// @ts-ignore: decorator
@inline
export function isConforming(attr: u32): bool {
  return (attr & SEG_EXPAND_DOWN) != 0;
}

// @ts-ignore: decorator
@inline
export function isWritableData(attr: u32): bool {
  return (attr & (SEG_S | SEG_CODE | SEG_WRITABLE)) == (SEG_S | SEG_WRITABLE);
}

// @ts-ignore: decorator
@inline
export function isReadable(attr: u32): bool {
  return (attr & SEG_S) != 0 && ((attr & SEG_CODE) == 0 || (attr & SEG_WRITABLE) != 0);
}

// @ts-ignore: decorator
@inline
export function attrDpl(attr: u32): u32 {
  return (attr >> SEG_DPL_SHIFT) & 3;
}

/** Sets the accessed bit of a descriptor in memory; false when that faulted. */
export function markAccessed(at: u64, highWord: u32): bool {
  if ((highWord & 0x100) != 0) return true;
  sysWrite8(at + 5, ((highWord >> 8) & 0xff) | 1);
  return !faulted();
}

/** Fills a segment register from a code or data descriptor; the mode is the caller's to update. */
export function writeSegment(index: u32, selector: u32, lowWord: u32, highWord: u32): void {
  setSegSelector(index, selector);
  setSegAttr(index, attrOf(highWord) | SEG_ACCESSED);
  setSegLimit(index, limitOf(lowWord, highWord));
  setSegBase(index, baseOf(lowWord, highWord));
}

/** Puts a null selector into a segment register. Intel clears the base as well. */
export function writeNullSegment(index: u32, selector: u32): void {
  setSegSelector(index, selector);
  setSegAttr(index, 0);
  setSegLimit(index, 0);
  setSegBase(index, 0);
}

/**
 * Fills a segment register as real-address mode does: limit and D stay ("big real mode"), unless a
 * null selector had left none.
 */
export function writeParagraph(index: u32, selector: u32): void {
  if ((segAttr(index) & SEG_P) == 0) setSegLimit(index, 0xffff);
  setSegSelector(index, selector);
  setSegBase(index, selector << 4);
  setSegAttr(index, (segAttr(index) & 0xf000) | SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED);
}

/** Fills a segment register for virtual-8086 mode, [SDM] vol. 3B §21.2.1. */
export function writeVirtualSegment(index: u32, selector: u32): void {
  setSegSelector(index, selector);
  setSegBase(index, selector << 4);
  setSegLimit(index, 0xffff);
  setSegAttr(index, SEG_P | (3 << SEG_DPL_SHIFT) | SEG_S | SEG_WRITABLE | SEG_ACCESSED);
}

/** Fills a segment register with a flat segment, as SYSCALL and its kin do without a descriptor. */
export function writeFlatSegment(index: u32, selector: u32, attr: u32): void {
  setSegSelector(index, selector);
  setSegAttr(index, attr | SEG_G);
  setSegLimit(index, 0xffff_ffff);
  setSegBase(index, 0);
}

/** Raises #GP(ext) unless `target` is an address that code of this descriptor may run at. */
export function checkTarget(lowWord: u32, highWord: u32, target: u64, ext: u32): bool {
  const wide = inLongMode() && (highWord & 0x0020_0000) != 0;
  if (wide ? isCanonical(target) : target <= <u64>limitOf(lowWord, highWord)) return true;
  raise(GP, ext);
  return false;
}

/**
 * Finds the descriptor for a stack of privilege `level`. What is wrong with it raises `vector`
 * (#TS for a stack from a TSS, #GP for a return), a stack that is not present #SS.
 */
export function fetchStackDescriptor(selector: u32, level: u32, vector: u32, ext: u32): bool {
  if (isNull(selector)) {
    raise(vector, ext);
    return false;
  }
  if (!fetchDescriptor(selector, vector, ext)) return false;
  const error = (selector & 0xfffc) | ext;
  if ((selector & 3) != level || dplOf(high) != level || !isWritableData(attrOf(high))) {
    raise(vector, error);
    return false;
  }
  if (!isPresent(high)) {
    raise(SS, error);
    return false;
  }
  return true;
}
