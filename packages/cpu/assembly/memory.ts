// Guest memory at linear addresses: the slow paths behind the inline look-ups of generated code, and
// the accesses of the runtime itself.

import { AC, GP, SS, faulted, raise } from './fault';
import {
  ACCESS_STACK,
  AREA_CODE_MASK,
  AREA_PAGE_INFO,
  AREA_PHYS_MAP,
  MODE_ALIGNMENT,
  PAGE_FLAG_CODE,
  PAGE_FLAG_PAGE_TABLE,
  PAGE_FLAG_ROM,
  a20Mask,
  cpl,
  modeKey,
  readTable,
  setCodeChanged,
  setXmmScratch,
  xmmScratch,
  setStatSlowReads,
  setStatSlowWrites,
  statSlowReads,
  statSlowWrites,
  systemFlags,
  writeTable,
} from './generated/layout';
import { codeInvalidated, mmioRead, mmioWrite } from './imports';
import {
  ACCESS_IMPLICIT,
  ACCESS_USER,
  ACCESS_WRITE,
  fillRead,
  fillWrite,
  hostBehind,
  pageTableReplaced,
  pageTableWritten,
  translate,
  translatedPhysical,
} from './paging';
import { checkDataBreakpoints, WATCH_READ, WATCH_WRITE } from './system/debug';

const ENTRY_MASK: u32 = 0xfff0;
const SIZE_MASK: u32 = 0xff;

/** Host address of a guest-physical byte, or 0 where no readable memory is. */
export function physicalToHost(physical: u64): u32 {
  const masked = physical & a20Mask();
  if (masked >> 32) return 0;
  const entry = load<u32>(AREA_PHYS_MAP + ((<u32>masked >> 12) << 2));
  if ((entry & 1) == 0) return 0;
  return (entry & 0xffff_f000) | (<u32>masked & 0xfff);
}

/** Whether guest stores to the page of this physical address reach memory. */
export function physicalWritable(physical: u64): bool {
  const masked = physical & a20Mask();
  if (masked >> 32) return false;
  return (load<u32>(AREA_PHYS_MAP + ((<u32>masked >> 12) << 2)) & 2) != 0;
}

// @ts-ignore: decorator
@inline
function loadHost(host: u32, size: u32): u64 {
  if (size == 4) return <u64>load<u32>(host);
  if (size == 8) return load<u64>(host);
  if (size == 2) return <u64>load<u16>(host);
  return <u64>load<u8>(host);
}

// @ts-ignore: decorator
@inline
function storeHost(host: u32, size: u32, value: u64): void {
  if (size == 4) store<u32>(host, <u32>value);
  else if (size == 8) store<u64>(host, value);
  else if (size == 2) store<u16>(host, <u16>value);
  else store<u8>(host, <u8>value);
}

/** Reads `size` (1, 2, 4, 8) bytes of guest-physical memory within one page. */
export function physicalRead(physical: u64, size: u32): u64 {
  const host = physicalToHost(physical);
  if (host) return loadHost(host, size);
  const masked = physical & a20Mask();
  const hi = <u32>(masked >> 32);
  const lo = <u32>masked;
  if (size == 8) {
    const low = mmioRead(lo, hi, 4);
    return <u64>low | (<u64>mmioRead(lo + 4, hi, 4) << 32);
  }
  return <u64>mmioRead(lo, hi, size);
}

/** Writes within one page, telling code caches and shadow tables. */
export function physicalWrite(physical: u64, size: u32, value: u64): void {
  const host = physicalToHost(physical);
  if (host && physicalWritable(physical)) {
    storeTracked(host, size, value);
    return;
  }
  const masked = physical & a20Mask();
  const hi = <u32>(masked >> 32);
  const lo = <u32>masked;
  if (size == 8) {
    mmioWrite(lo, hi, 4, <u32>value);
    mmioWrite(lo + 4, hi, 4, <u32>(value >> 32));
  } else {
    mmioWrite(lo, hi, size, <u32>value);
  }
}

/** Whether a store of `size` bytes at a host address touches bytes that were decoded as code. */
export function touchesCode(host: u32, size: u32): bool {
  const page = host >> 12;
  if ((load<u32>(AREA_PAGE_INFO + (page << 2)) & PAGE_FLAG_CODE) == 0) return false;
  const mask = load<u64>(AREA_CODE_MASK + (page << 3));
  const first = (host & 0xfff) >> 6;
  const last = min<u32>(((host & 0xfff) + size - 1) >> 6, 63);
  return (mask & ((<u64>1 << first) | (<u64>1 << last))) != 0;
}

/** Stores to host memory behind guest RAM, keeping decoded code and shadow tables true. */
export function storeTracked(host: u32, size: u32, value: u64): void {
  const page = host >> 12;
  const info = load<u32>(AREA_PAGE_INFO + (page << 2));
  if (info & (PAGE_FLAG_CODE | PAGE_FLAG_PAGE_TABLE | PAGE_FLAG_ROM)) {
    if (info & PAGE_FLAG_ROM) return;
    if (touchesCode(host, size)) {
      codeInvalidated(page, host & 0xfff, (host & 0xfff) + size - 1);
      setCodeChanged(1);
    }
    if (info & PAGE_FLAG_PAGE_TABLE) {
      pageTableWritten(host, size, value);
    }
  }
  storeHost(host, size, value);
}

/** Tells the caches that `size` bytes (within one page) at `host` are about to change (DMA). */
export function noteHostWrite(host: u32, size: u32): void {
  const page = host >> 12;
  const info = load<u32>(AREA_PAGE_INFO + (page << 2));
  if (info & PAGE_FLAG_CODE) {
    codeInvalidated(page, host & 0xfff, (host & 0xfff) + size - 1);
    setCodeChanged(1);
  }
  if (info & PAGE_FLAG_PAGE_TABLE) pageTableWritten(host, size, ~(<u64>0));
}

/** Tells the caches that the page of `host` has other contents by now, whatever they were (DMA). */
export function notePageReplaced(host: u32): void {
  const page = host >> 12;
  const info = load<u32>(AREA_PAGE_INFO + (page << 2));
  if (info & PAGE_FLAG_CODE) {
    codeInvalidated(page, 0, 0xfff);
    setCodeChanged(1);
  }
  if (info & PAGE_FLAG_PAGE_TABLE) pageTableReplaced(host);
}

// @ts-ignore: decorator
@inline
function currentAccess(): u32 {
  return cpl() == 3 ? ACCESS_USER : 0;
}

/** In 64-bit mode, raises #GP, or #SS with ACCESS_STACK, when `linear` is not canonical. */
// @ts-ignore: decorator
@inline
function checkCanonical(linear: u64, access: u32): bool {
  if ((modeKey() & 3) == 2 && <u64>(<i64>(linear << 16) >> 16) != linear) {
    raise(access & ACCESS_STACK ? SS : GP, 0);
    return false;
  }
  return true;
}

/** Raises #AC where alignment is checked: of the access's size. [SDM] vol. 3A §6.15 vector 17. */
// @ts-ignore: decorator
@inline
function checkAlignment(linear: u64, size: u32): bool {
  if ((modeKey() & MODE_ALIGNMENT) == 0 || (<u32>linear & (size - 1)) == 0) return true;
  raise(AC, 0);
  return false;
}

/**
 * Read at the current privilege, any alignment: what inline code calls when its look-up misses. The
 * size comes with ACCESS_STACK where that applies, here as in the other slow paths.
 */
export function slowRead(linear: u64, sizeAndSegment: u32): u64 {
  setStatSlowReads(statSlowReads() + 1);
  const size = sizeAndSegment & SIZE_MASK;
  if (!checkAlignment(linear, size)) return 0;
  const value = readWith(linear, size, currentAccess() | (sizeAndSegment & ACCESS_STACK));
  checkDataBreakpoints(linear, size, WATCH_READ);
  return value;
}

/** Write at the current privilege, any alignment. */
export function slowWrite(linear: u64, sizeAndSegment: u32, value: u64): void {
  setStatSlowWrites(statSlowWrites() + 1);
  const size = sizeAndSegment & SIZE_MASK;
  if (!checkAlignment(linear, size)) return;
  writeWith(linear, size, value, currentAccess() | (sizeAndSegment & ACCESS_STACK));
  checkDataBreakpoints(linear, size, WATCH_WRITE);
}

/**
 * A store of translated code whose look-up missed. 0 = done, 1 = a fault is pending, 2 = not done:
 * it would change decoded code, so the interpreter must run this instruction.
 */
export function translatedWrite(linear: u64, sizeAndSegment: u32, value: u64): u32 {
  setStatSlowWrites(statSlowWrites() + 1);
  const size = sizeAndSegment & SIZE_MASK;
  const access = currentAccess() | ACCESS_WRITE | (sizeAndSegment & ACCESS_STACK);
  if (!checkAlignment(linear, size)) return 1;
  if (((<u32>linear & 0xfff) + size) <= 0x1000) {
    if (!checkCanonical(linear, access)) return 1;
    if (!translate(linear, access)) return 1;
    const physical = translatedPhysical();
    const host = physicalToHost(physical);
    if (host && touchesCode(host, size)) return 2;
    if (host) fillWrite(linear, access, physical);
    physicalWrite(physical, size, value);
    return 0;
  }
  if (!probeWith(linear, size, access)) return 1;
  const second = (linear + size - 1) & ~(<u64>0xfff);
  if (!translate(linear, access)) return 1;
  const firstHost = physicalToHost(translatedPhysical());
  if (firstHost && touchesCode(firstHost, 0x1000 - (<u32>linear & 0xfff))) return 2;
  if (!translate(second, access)) return 1;
  const secondHost = physicalToHost(translatedPhysical());
  if (secondHost && touchesCode(secondHost, size)) return 2;
  writeWith(linear, size, value, access);
  return faulted() ? 1 : 0;
}

/** Reads with the rights in `access` (ACCESS_USER or 0, ACCESS_IMPLICIT). */
function readWith(linear: u64, size: u32, access: u32): u64 {
  if (!checkCanonical(linear, access)) return 0;
  const room: u32 = 0x1000 - (<u32>linear & 0xfff);
  if (size <= room) {
    if (!translate(linear, access)) return 0;
    const physical = translatedPhysical();
    fillRead(linear, access, physical);
    return physicalRead(physical, size);
  }
  // Both pages are checked before either is read: a device register must not be read in vain.
  if (!translate(linear, access)) return 0;
  const first = translatedPhysical();
  const mask: u64 = (modeKey() & 3) == 2 ? ~(<u64>0) : 0xffff_ffff;
  const next = ((linear & ~(<u64>0xfff)) + 0x1000) & mask;
  if (!checkCanonical(next, access)) return 0;
  if (!translate(next, access)) return 0;
  const second = translatedPhysical();
  let value: u64 = 0;
  for (let i: u32 = 0; i < size; i++) {
    const byte = i < room ? physicalRead(first + i, 1) : physicalRead(second + (i - room), 1);
    value |= byte << (<u64>i << 3);
  }
  return value;
}

function writeWith(linear: u64, size: u32, value: u64, rights: u32): void {
  const access = rights | ACCESS_WRITE;
  if (!checkCanonical(linear, access)) return;
  const room: u32 = 0x1000 - (<u32>linear & 0xfff);
  if (size <= room) {
    if (!translate(linear, access)) return;
    const physical = translatedPhysical();
    fillWrite(linear, access, physical);
    physicalWrite(physical, size, value);
    return;
  }
  if (!translate(linear, access)) return;
  const first = translatedPhysical();
  const mask: u64 = (modeKey() & 3) == 2 ? ~(<u64>0) : 0xffff_ffff;
  const next = ((linear & ~(<u64>0xfff)) + 0x1000) & mask;
  if (!checkCanonical(next, access)) return;
  if (!translate(next, access)) return;
  const second = translatedPhysical();
  for (let i: u32 = 0; i < size; i++) {
    const byte = (value >> (<u64>i << 3)) & 0xff;
    if (i < room) physicalWrite(first + i, 1, byte);
    else physicalWrite(second + (i - room), 1, byte);
  }
}

function probeWith(linear: u64, size: u32, rights: u32): bool {
  const access = rights | ACCESS_WRITE;
  if (!checkCanonical(linear, access)) return false;
  if (!translate(linear, access)) return false;
  if ((<u32>linear & 0xfff) + size > 0x1000) {
    const mask: u64 = (modeKey() & 3) == 2 ? ~(<u64>0) : 0xffff_ffff;
    const next = ((linear & ~(<u64>0xfff)) + 0x1000) & mask;
    if (!checkCanonical(next, access)) return false;
    return translate(next, access);
  }
  return true;
}

// @ts-ignore: decorator
@inline
function lookUp(table: u32, linear: u64, size: u32): u32 {
  const entry = table + ((<u32>(linear >> 8)) & ENTRY_MASK);
  if (load<u64>(entry) != ((linear + size - 1) & ~(<u64>0xfff))) return 0;
  return hostBehind(entry, linear);
}

/** Reads at the current privilege. On a fault returns 0 with the fault pending. */
export function read8(linear: u64): u32 {
  const host = lookUp(readTable(), linear, 1);
  return host ? <u32>load<u8>(host) : <u32>slowRead(linear, 1);
}
export function read16(linear: u64): u32 {
  const host = lookUp(readTable(), linear, 2);
  return host ? <u32>load<u16>(host) : <u32>slowRead(linear, 2);
}
export function read32(linear: u64): u32 {
  const host = lookUp(readTable(), linear, 4);
  return host ? load<u32>(host) : <u32>slowRead(linear, 4);
}
export function read64(linear: u64): u64 {
  const host = lookUp(readTable(), linear, 8);
  return host ? load<u64>(host) : slowRead(linear, 8);
}

/** Writes at the current privilege. On a fault nothing is written. */
export function write8(linear: u64, value: u32): void {
  const host = lookUp(writeTable(), linear, 1);
  if (host) store<u8>(host, value);
  else slowWrite(linear, 1, <u64>value);
}
export function write16(linear: u64, value: u32): void {
  const host = lookUp(writeTable(), linear, 2);
  if (host) store<u16>(host, value);
  else slowWrite(linear, 2, <u64>value);
}
export function write32(linear: u64, value: u32): void {
  const host = lookUp(writeTable(), linear, 4);
  if (host) store<u32>(host, value);
  else slowWrite(linear, 4, <u64>value);
}
export function write64(linear: u64, value: u64): void {
  const host = lookUp(writeTable(), linear, 8);
  if (host) store<u64>(host, value);
  else slowWrite(linear, 8, value);
}

/** Implicit supervisor accesses: descriptor tables, TSS. [SDM] vol. 3A §4.6.1. */
export function sysRead8(linear: u64): u32 {
  return <u32>readWith(linear, 1, ACCESS_IMPLICIT);
}
export function sysRead16(linear: u64): u32 {
  return <u32>readWith(linear, 2, ACCESS_IMPLICIT);
}
export function sysRead32(linear: u64): u32 {
  return <u32>readWith(linear, 4, ACCESS_IMPLICIT);
}
export function sysRead64(linear: u64): u64 {
  return readWith(linear, 8, ACCESS_IMPLICIT);
}
export function sysWrite8(linear: u64, value: u32): void {
  writeWith(linear, 1, <u64>value, ACCESS_IMPLICIT);
}
export function sysWrite16(linear: u64, value: u32): void {
  writeWith(linear, 2, <u64>value, ACCESS_IMPLICIT);
}
export function sysWrite32(linear: u64, value: u32): void {
  writeWith(linear, 4, <u64>value, ACCESS_IMPLICIT);
}
export function sysWrite64(linear: u64, value: u64): void {
  writeWith(linear, 8, value, ACCESS_IMPLICIT);
}

/** Reads with the rights of user or supervisor code, whatever the current privilege. */
export function readAs(linear: u64, size: u32, user: bool): u64 {
  return readWith(linear, size, user ? ACCESS_USER : ACCESS_IMPLICIT);
}
export function writeAs(linear: u64, size: u32, value: u64, user: bool): void {
  writeWith(linear, size, value, user ? ACCESS_USER : ACCESS_IMPLICIT);
}

/** False, with #PF pending, when a write would fault. */
export function probeWrite(linear: u64, size: u32, user: bool): bool {
  return probeWith(linear, size, user ? ACCESS_USER : ACCESS_IMPLICIT);
}

/** False, with the fault pending, when a write at the current privilege would fault. */
export function probeWriteCurrent(linear: u64, sizeAndSegment: u32): bool {
  const size = sizeAndSegment & SIZE_MASK;
  if (lookUp(writeTable(), linear, size)) return true;
  return probeWith(linear, size, currentAccess() | (sizeAndSegment & ACCESS_STACK));
}

/** 16-byte read into xmmScratch[0]. */
export function slowRead16(linear: u64, sizeAndSegment: u32): void {
  const half = (sizeAndSegment & ACCESS_STACK) | 8;
  const low = slowRead(linear, half);
  if (faulted()) return;
  const high = slowRead(linear + 8, half);
  if (faulted()) return;
  setXmmScratch(0, i64x2.replace_lane(i64x2.splat(<i64>low), 1, <i64>high));
}

/** 16-byte write of xmmScratch[0]; nothing is written when a part would fault. */
export function slowWrite16(linear: u64, sizeAndSegment: u32): void {
  if (!probeWriteCurrent(linear, sizeAndSegment)) return;
  const value = xmmScratch(0);
  write64(linear, <u64>i64x2.extract_lane(value, 0));
  write64(linear + 8, <u64>i64x2.extract_lane(value, 1));
}

/** The same for translated code; results as those of translatedWrite. */
export function translatedWrite16(linear: u64, sizeAndSegment: u32): u32 {
  if (!probeWriteCurrent(linear, sizeAndSegment)) return 1;
  if (writesCode(linear) || writesCode(linear + 15)) return 2;
  slowWrite16(linear, sizeAndSegment);
  return faulted() ? 1 : 0;
}

/** Whether the byte at a writable linear address was decoded as code. */
function writesCode(linear: u64): bool {
  if (!translate(linear, currentAccess() | ACCESS_WRITE)) return false;
  const host = physicalToHost(translatedPhysical());
  return host != 0 && touchesCode(host, 1);
}
