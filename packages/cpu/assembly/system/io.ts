import {
  cpl,
  gpr,
  modeKey,
  pending,
  segAttr,
  segBase,
  segLimit,
  setGpr,
  systemFlags,
  EFLAGS_DF,
  MODE_REAL,
  MODE_VIRTUAL_8086,
  SREG_ES,
  SREG_TR,
} from '../generated/layout';
import { faulted, GP, raise } from '../fault';
import { ioRead, ioWrite } from '../imports';
import { probeWriteCurrent, read16, read32, read8, write16, write32, write8 } from '../memory';
import { checkPortBreakpoints, isStepping, resumeHere } from './debug';
import { tableAddress } from './mode';
import { linearAddress } from './segmentation';
import { sysRead16 } from './supervisor-memory';

const RCX: u32 = 1;
const RDX: u32 = 2;
const RSI: u32 = 6;
const RDI: u32 = 7;

/** The I/O privilege rules, [SDM] vol. 1 §19.5: IOPL, else the permission bitmap of the TSS. */
function mayAccess(port: u32, size: u32): bool {
  const key = modeKey();
  if ((key & MODE_REAL) != 0) return true;
  if ((key & MODE_VIRTUAL_8086) == 0 && cpl() <= ((systemFlags() >> 12) & 3)) return true;
  const limit = segLimit(SREG_TR);
  // A 16-bit TSS has no bitmap.
  if ((segAttr(SREG_TR) & 8) != 0 && limit >= 103) {
    const bitmap = sysRead16(tableAddress(segBase(SREG_TR) + 102));
    if (faulted()) return false;
    const offset = bitmap + (port >> 3);
    // Two bytes are read whatever the port: the bitmap ends with a byte of ones.
    if (offset + 1 <= limit) {
      const bits = sysRead16(tableAddress(segBase(SREG_TR) + offset)) >> (port & 7);
      if (faulted()) return false;
      if ((bits & ((1 << size) - 1)) == 0) return true;
    }
  }
  raise(GP, 0);
  return false;
}

/** IN of 1, 2 or 4 bytes. */
export function portIn(port: u32, size: u32): u32 {
  port &= 0xffff;
  if (!mayAccess(port, size)) return 0;
  checkPortBreakpoints(port, size);
  return ioRead(port, size);
}

/** OUT. */
export function portOut(port: u32, size: u32, value: u32): void {
  port &= 0xffff;
  if (!mayAccess(port, size)) return;
  checkPortBreakpoints(port, size);
  ioWrite(port, size, value);
}

/** Writes an address-sized part of a register: 16 bits leave the rest, 32 bits clear it. */
function setAddressRegister(index: u32, value: u64, mask: u64): void {
  if (mask == 0xffff) setGpr(index, (gpr(index) & ~mask) | (value & mask));
  else setGpr(index, value & mask);
}

// @ts-ignore: decorator
@inline
function step(size: u32): u64 {
  return (systemFlags() & EFLAGS_DF) != 0 ? 0 - <u64>size : size;
}

/**
 * After an element of a repeated string instruction: counts it, and answers whether to go on here.
 * When something waits, the instruction is resumed later at its own address.
 */
function continues(mask: u64): bool {
  const left = (gpr(RCX) - 1) & mask;
  setAddressRegister(RCX, left, mask);
  if (left == 0) return false;
  if (pending() == 0 && !isStepping()) return true;
  resumeHere();
  return false;
}

/** INS, with REP when `repeat` is not 0. [SDM] vol. 2A "INS/INSB/INSW/INSD". */
export function insString(size: u32, addressMask: u64, repeat: u32): void {
  if (repeat != 0 && (gpr(RCX) & addressMask) == 0) return;
  const port = <u32>gpr(RDX) & 0xffff;
  if (!mayAccess(port, size)) return;
  const distance = step(size);
  do {
    const linear = linearAddress(SREG_ES, gpr(RDI) & addressMask, size, 1);
    // The port must not be read when there is nowhere to put the value.
    if (faulted() || !probeWriteCurrent(linear, size)) return;
    checkPortBreakpoints(port, size);
    const value = ioRead(port, size);
    if (size == 4) write32(linear, value);
    else if (size == 2) write16(linear, value);
    else write8(linear, value);
    setAddressRegister(RDI, gpr(RDI) + distance, addressMask);
  } while (repeat != 0 && continues(addressMask));
}

/** OUTS from segment `seg`, with REP when `repeat` is not 0. */
export function outsString(seg: u32, size: u32, addressMask: u64, repeat: u32): void {
  if (repeat != 0 && (gpr(RCX) & addressMask) == 0) return;
  const port = <u32>gpr(RDX) & 0xffff;
  if (!mayAccess(port, size)) return;
  const distance = step(size);
  do {
    const linear = linearAddress(seg, gpr(RSI) & addressMask, size, 0);
    if (faulted()) return;
    const value = size == 4 ? read32(linear) : size == 2 ? read16(linear) : read8(linear);
    if (faulted()) return;
    checkPortBreakpoints(port, size);
    ioWrite(port, size, value);
    setAddressRegister(RSI, gpr(RSI) + distance, addressMask);
  } while (repeat != 0 && continues(addressMask));
}
