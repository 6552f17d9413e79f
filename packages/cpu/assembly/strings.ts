// String instructions. [SDM] vol. 2, MOVS, STOS, LODS, SCAS, CMPS and REP.
//
// Each function runs the whole instruction. Between elements the registers are as the manual says,
// so that a fault or an interrupt leaves an instruction that can go on. Runs within a page, forward
// and without checks, are done in bulk.

import { faulted } from './fault';
import {
  EFLAGS_DF,
  FLAG_KIND_SUB,
  OFFSET_pending,
  SREG_ES,
  base,
  gpr,
  readTable,
  segCheck,
  segEffBase,
  setFlagA,
  setFlagB,
  setFlagOp,
  setGpr,
  systemFlags,
  writeTable,
  codeChanged,
} from './generated/layout';
import { read16, read32, read64, read8, write16, write32, write64, write8 } from './memory';
import { hostBehind } from './paging';
import { isStepping, resumeHere } from './system/debug';
import { linearAddress } from './system/segmentation';

const RAX: u32 = 0;
const RCX: u32 = 1;
const RSI: u32 = 6;
const RDI: u32 = 7;
/** Elements between two looks at the pending word. */
const BATCH: u64 = 4096;

/** Sets a register under an address-size mask: 32-bit results zero-extend, 16-bit ones merge. */
// @ts-ignore: decorator
@inline
function setMasked(index: u32, value: u64, mask: u64): void {
  if (mask == 0xffff) setGpr(index, (gpr(index) & ~mask) | (value & mask));
  else setGpr(index, value & mask);
}

// @ts-ignore: decorator
@inline
function readElement(linear: u64, size: u32): u64 {
  if (size == 1) return <u64>read8(linear);
  if (size == 2) return <u64>read16(linear);
  if (size == 4) return <u64>read32(linear);
  return read64(linear);
}

// @ts-ignore: decorator
@inline
function writeElement(linear: u64, size: u32, value: u64): void {
  if (size == 1) write8(linear, <u32>value);
  else if (size == 2) write16(linear, <u32>value);
  else if (size == 4) write32(linear, <u32>value);
  else write64(linear, value);
}

// @ts-ignore: decorator
@inline
function segmentLinear(segment: u32, offset: u64, size: u32, write: u32): u64 {
  if (segCheck(segment)) return linearAddress(segment, offset, size, write);
  return segEffBase(segment) + offset;
}

// @ts-ignore: decorator
@inline
function interrupted(): bool {
  return load<i32>(base() + OFFSET_pending) != 0 || isStepping();
}

/** Host address behind a table entry for the page of `linear`, or 0. */
// @ts-ignore: decorator
@inline
function hostOf(table: u32, linear: u64): u32 {
  const entry = table + (<u32>(linear >> 8) & 0xfff0);
  if (load<u64>(entry) != (linear & ~(<u64>0xfff))) return 0;
  return hostBehind(entry, linear);
}

/** Elements from `linear` to the end of its page, and no more than `count`. */
// @ts-ignore: decorator
@inline
function run(linear: u64, size: u32, count: u64): u64 {
  return min<u64>(count, (0x1000 - (linear & 0xfff)) / size);
}

/** MOVS: `repeat` is 0 or 1; `mask` is the address size. */
export function stringMove(segment: u32, size: u32, mask: u64, repeat: u32): void {
  const down = (systemFlags() & EFLAGS_DF) != 0;
  const step: u64 = down ? -(<u64>size) : <u64>size;
  let count: u64 = repeat ? gpr(RCX) & mask : 1;
  while (count != 0) {
    const source = gpr(RSI) & mask;
    const target = gpr(RDI) & mask;
    let done: u64 = 0;
    if (repeat && !down && !isStepping() && mask != 0xffff && (segCheck(segment) | segCheck(SREG_ES)) == 0) {
      const from = segEffBase(segment) + source;
      const to = segEffBase(SREG_ES) + target;
      const fromHost = hostOf(readTable(), from);
      const toHost = fromHost ? hostOf(writeTable(), to) : 0;
      if (toHost) {
        done = run(to, size, run(from, size, count));
        const bytes = <u32>done * size;
        if (done) copyForward(toHost, fromHost, bytes, size);
      }
    }
    if (done == 0) {
      const from = segmentLinear(segment, source, size, 0);
      if (faulted()) return;
      const value = readElement(from, size);
      if (faulted()) return;
      const to = segmentLinear(SREG_ES, target, size, 1);
      if (faulted()) return;
      writeElement(to, size, value);
      if (faulted()) return;
      done = 1;
    }
    setMasked(RSI, source + done * step, mask);
    setMasked(RDI, target + done * step, mask);
    if (repeat == 0) return;
    count -= done;
    setMasked(RCX, count, mask);
    if (count != 0 && (interrupted() || codeChanged() != 0)) {
      resumeHere();
      return;
    }
  }
}

/** Copies upwards as the elements in turn would: overlapping source and target repeat a pattern. */
// @ts-ignore: decorator
@inline
function copyForward(to: u32, from: u32, bytes: u32, size: u32): void {
  if (to - from >= bytes) {
    memory.copy(to, from, bytes);
  } else if (size == 8) {
    for (let i: u32 = 0; i < bytes; i += 8) store<u64>(to + i, load<u64>(from + i));
  } else if (size == 4) {
    for (let i: u32 = 0; i < bytes; i += 4) store<u32>(to + i, load<u32>(from + i));
  } else if (size == 2) {
    for (let i: u32 = 0; i < bytes; i += 2) store<u16>(to + i, load<u16>(from + i));
  } else {
    for (let i: u32 = 0; i < bytes; i++) store<u8>(to + i, load<u8>(from + i));
  }
}

/** STOS. */
export function stringStore(size: u32, mask: u64, repeat: u32): void {
  const down = (systemFlags() & EFLAGS_DF) != 0;
  const step: u64 = down ? -(<u64>size) : <u64>size;
  let count: u64 = repeat ? gpr(RCX) & mask : 1;
  const value = gpr(RAX);
  while (count != 0) {
    const target = gpr(RDI) & mask;
    let done: u64 = 0;
    if (repeat && !down && !isStepping() && mask != 0xffff && segCheck(SREG_ES) == 0) {
      const to = segEffBase(SREG_ES) + target;
      const host = hostOf(writeTable(), to);
      if (host) {
        done = run(to, size, count);
        if (done) fillForward(host, <u32>done * size, size, value);
      }
    }
    if (done == 0) {
      const to = segmentLinear(SREG_ES, target, size, 1);
      if (faulted()) return;
      writeElement(to, size, value);
      if (faulted()) return;
      done = 1;
    }
    setMasked(RDI, target + done * step, mask);
    if (repeat == 0) return;
    count -= done;
    setMasked(RCX, count, mask);
    if (count != 0 && (interrupted() || codeChanged() != 0)) {
      resumeHere();
      return;
    }
  }
}

// @ts-ignore: decorator
@inline
function fillForward(host: u32, bytes: u32, size: u32, value: u64): void {
  let pattern = value;
  if (size == 1) pattern = (value & 0xff) * 0x0101_0101_0101_0101;
  else if (size == 2) pattern = (value & 0xffff) * 0x0001_0001_0001_0001;
  else if (size == 4) pattern = (value & 0xffff_ffff) * 0x0000_0001_0000_0001;
  if (pattern == (pattern & 0xff) * 0x0101_0101_0101_0101) {
    memory.fill(host, <u8>pattern, bytes);
    return;
  }
  let i: u32 = 0;
  for (; i + 8 <= bytes; i += 8) store<u64>(host + i, pattern);
  for (; i < bytes; i++) store<u8>(host + i, <u8>(pattern >> (<u64>(i & 7) << 3)));
}

/** LODS. */
export function stringLoad(segment: u32, size: u32, mask: u64, repeat: u32): void {
  const down = (systemFlags() & EFLAGS_DF) != 0;
  const step: u64 = down ? -(<u64>size) : <u64>size;
  let count: u64 = repeat ? gpr(RCX) & mask : 1;
  let batch: u64 = isStepping() ? BATCH - 1 : 0;
  while (count != 0) {
    const source = gpr(RSI) & mask;
    const from = segmentLinear(segment, source, size, 0);
    if (faulted()) return;
    const value = readElement(from, size);
    if (faulted()) return;
    if (size == 1) setGpr(RAX, (gpr(RAX) & ~(<u64>0xff)) | value);
    else if (size == 2) setGpr(RAX, (gpr(RAX) & ~(<u64>0xffff)) | value);
    else setGpr(RAX, value);
    setMasked(RSI, source + step, mask);
    if (repeat == 0) return;
    count--;
    setMasked(RCX, count, mask);
    if (++batch == BATCH && count != 0) {
      batch = 0;
      if (interrupted()) {
        resumeHere();
        return;
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function compareFlags(first: u64, second: u64, size: u32): void {
  setFlagOp((FLAG_KIND_SUB << 4) | (ctz<u32>(size) << 1));
  setFlagA(first);
  setFlagB(second);
}

/** SCAS: `repeat` is 0, 1 = REPE or 2 = REPNE. */
export function stringScan(size: u32, mask: u64, repeat: u32): void {
  const down = (systemFlags() & EFLAGS_DF) != 0;
  const step: u64 = down ? -(<u64>size) : <u64>size;
  let count: u64 = repeat ? gpr(RCX) & mask : 1;
  const widthMask: u64 = size == 8 ? ~(<u64>0) : (<u64>1 << (<u64>size << 3)) - 1;
  const wanted = gpr(RAX) & widthMask;
  let batch: u64 = isStepping() ? BATCH - 1 : 0;
  while (count != 0) {
    const target = gpr(RDI) & mask;
    const from = segmentLinear(SREG_ES, target, size, 0);
    if (faulted()) return;
    const value = readElement(from, size);
    if (faulted()) return;
    setMasked(RDI, target + step, mask);
    compareFlags(wanted, value, size);
    if (repeat == 0) return;
    count--;
    setMasked(RCX, count, mask);
    if ((wanted == value) != (repeat == 1)) return;
    if (++batch == BATCH && count != 0) {
      batch = 0;
      if (interrupted()) {
        resumeHere();
        return;
      }
    }
  }
}

/** CMPS. */
export function stringCompare(segment: u32, size: u32, mask: u64, repeat: u32): void {
  const down = (systemFlags() & EFLAGS_DF) != 0;
  const step: u64 = down ? -(<u64>size) : <u64>size;
  let count: u64 = repeat ? gpr(RCX) & mask : 1;
  let batch: u64 = isStepping() ? BATCH - 1 : 0;
  while (count != 0) {
    const source = gpr(RSI) & mask;
    const target = gpr(RDI) & mask;
    const from = segmentLinear(segment, source, size, 0);
    if (faulted()) return;
    const first = readElement(from, size);
    if (faulted()) return;
    const other = segmentLinear(SREG_ES, target, size, 0);
    if (faulted()) return;
    const second = readElement(other, size);
    if (faulted()) return;
    setMasked(RSI, source + step, mask);
    setMasked(RDI, target + step, mask);
    compareFlags(first, second, size);
    if (repeat == 0) return;
    count--;
    setMasked(RCX, count, mask);
    if ((first == second) != (repeat == 1)) return;
    if (++batch == BATCH && count != 0) {
      batch = 0;
      if (interrupted()) {
        resumeHere();
        return;
      }
    }
  }
}
