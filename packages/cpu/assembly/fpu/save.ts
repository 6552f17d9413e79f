// The x87 state in memory: FNSTENV and FNSAVE images. [SDM] vol. 1 §8.1.10, figures 8-9 to 8-12.

import { faulted } from '../fault';
import {
  fpuControl,
  fpuExponent,
  fpuLastCs,
  fpuLastDp,
  fpuLastDs,
  fpuLastIp,
  fpuLastOpcode,
  fpuSignificand,
  fpuStatus,
  fpuTag,
  setFpuControl,
  setFpuExponent,
  setFpuLastCs,
  setFpuLastDp,
  setFpuLastDs,
  setFpuLastIp,
  setFpuLastOpcode,
  setFpuSignificand,
  setFpuStatus,
  setFpuTag,
} from '../generated/layout';
import {
  probeWriteCurrent,
  read16,
  read32,
  read64,
  read8,
  write16,
  write32,
  write64,
} from '../memory';
import { hasParagraphs } from '../system/mode';
import {
  BUSY,
  ES,
  EXCEPTIONS,
  loadControl,
  pendingException,
  refreshSummary,
  TOP_SHIFT,
  x87Initialize,
} from './environment';

const OPCODE_BITS: u32 = 0x7ff;
const TAG_VALID: u32 = 0;
const TAG_ZERO: u32 = 1;
const TAG_SPECIAL: u32 = 2;
const TAG_EMPTY: u32 = 3;
const REGISTER_BYTES: u64 = 10;

/** The two tag bits of a physical register, worked out from what it holds. */
function tagOf(index: u32): u32 {
  if ((fpuTag() & (1 << index)) == 0) return TAG_EMPTY;
  const exponent = <u32>fpuExponent(index) & 0x7fff;
  const significand = fpuSignificand(index);
  if (exponent == 0) return significand == 0 ? TAG_ZERO : TAG_SPECIAL;
  if (exponent == 0x7fff || (<i64>significand) >= 0) return TAG_SPECIAL;
  return TAG_VALID;
}

/** The tag word of FNSTENV. */
export function fullTag(): u32 {
  let word: u32 = 0;
  for (let index: u32 = 0; index < 8; index++) word |= tagOf(index) << (index << 1);
  return word;
}

function setFullTag(word: u32): void {
  let tags: u32 = 0;
  for (let index: u32 = 0; index < 8; index++) {
    if (((word >> (index << 1)) & 3) != TAG_EMPTY) tags |= 1 << index;
  }
  setFpuTag(tags);
}

/** Whether the `bytes` at `linear` may be written; #PF is pending otherwise. */
export function probeRange(linear: u64, bytes: u64): bool {
  return probeWriteCurrent(linear, 1) && probeWriteCurrent(linear + bytes - 1, 1);
}

/** Whether the `bytes` at `linear` may be read; #PF is pending otherwise. */
export function probeRead(linear: u64, bytes: u64): bool {
  read8(linear);
  if (faulted()) return false;
  read8(linear + bytes - 1);
  return !faulted();
}

function writeEnvironment32(linear: u64): void {
  const reserved: u32 = 0xffff_0000;
  write32(linear, fpuControl() | reserved);
  write32(linear + 4, fpuStatus() | reserved);
  write32(linear + 8, fullTag() | reserved);
  const opcode = fpuLastOpcode() & OPCODE_BITS;
  if (hasParagraphs()) {
    const ip = <u32>fpuLastIp() + (fpuLastCs() << 4);
    const dp = <u32>fpuLastDp() + (fpuLastDs() << 4);
    write32(linear + 12, (ip & 0xffff) | reserved);
    write32(linear + 16, ((ip >> 4) & 0x0fff_f000) | opcode);
    write32(linear + 20, (dp & 0xffff) | reserved);
    write32(linear + 24, (dp >> 4) & 0x0fff_f000);
  } else {
    write32(linear + 12, <u32>fpuLastIp());
    write32(linear + 16, (fpuLastCs() & 0xffff) | (opcode << 16));
    write32(linear + 20, <u32>fpuLastDp());
    write32(linear + 24, (fpuLastDs() & 0xffff) | reserved);
  }
}

function writeEnvironment16(linear: u64): void {
  write16(linear, fpuControl());
  write16(linear + 2, fpuStatus());
  write16(linear + 4, fullTag());
  if (hasParagraphs()) {
    const ip = <u32>fpuLastIp() + (fpuLastCs() << 4);
    const dp = <u32>fpuLastDp() + (fpuLastDs() << 4);
    write16(linear + 6, ip & 0xffff);
    write16(linear + 8, ((ip >> 4) & 0xf000) | (fpuLastOpcode() & OPCODE_BITS));
    write16(linear + 10, dp & 0xffff);
    write16(linear + 12, (dp >> 4) & 0xf000);
  } else {
    write16(linear + 6, <u32>fpuLastIp() & 0xffff);
    write16(linear + 8, fpuLastCs() & 0xffff);
    write16(linear + 10, <u32>fpuLastDp() & 0xffff);
    write16(linear + 12, fpuLastDs() & 0xffff);
  }
}

function readEnvironment32(linear: u64): void {
  const ip = read32(linear + 12);
  const selector = read32(linear + 16);
  const dp = read32(linear + 20);
  const last = read32(linear + 24);
  if (hasParagraphs()) {
    setFpuLastIp(<u64>((ip & 0xffff) | ((selector & 0x0fff_f000) << 4)));
    setFpuLastDp(<u64>((dp & 0xffff) | ((last & 0x0fff_f000) << 4)));
    setFpuLastOpcode(selector & OPCODE_BITS);
    setFpuLastCs(0);
    setFpuLastDs(0);
  } else {
    setFpuLastIp(<u64>ip);
    setFpuLastDp(<u64>dp);
    setFpuLastOpcode((selector >> 16) & OPCODE_BITS);
    setFpuLastCs(selector & 0xffff);
    setFpuLastDs(last & 0xffff);
  }
  finishEnvironment(read32(linear), read32(linear + 4), read32(linear + 8));
}

function readEnvironment16(linear: u64): void {
  const ip = read16(linear + 6);
  const selector = read16(linear + 8);
  const dp = read16(linear + 10);
  const last = read16(linear + 12);
  if (hasParagraphs()) {
    setFpuLastIp(<u64>(ip | ((selector & 0xf000) << 4)));
    setFpuLastDp(<u64>(dp | ((last & 0xf000) << 4)));
    setFpuLastOpcode(selector & OPCODE_BITS);
    setFpuLastCs(0);
    setFpuLastDs(0);
  } else {
    setFpuLastIp(<u64>ip);
    setFpuLastDp(<u64>dp);
    setFpuLastCs(selector);
    setFpuLastDs(last);
  }
  finishEnvironment(read16(linear), read16(linear + 2), read16(linear + 4));
}

function finishEnvironment(control: u32, status: u32, tags: u32): void {
  loadControl(control);
  setFpuStatus(status & 0xffff);
  setFullTag(tags & 0xffff);
  refreshSummary();
}

/** Writes the environment in the format that operand size and mode ask for; its size in bytes. */
// @ts-ignore: decorator
@inline
function writeEnvironment(linear: u64, size: u32): u64 {
  if (size == 16) {
    writeEnvironment16(linear);
    return 14;
  }
  writeEnvironment32(linear);
  return 28;
}

// @ts-ignore: decorator
@inline
function environmentBytes(size: u32): u64 {
  return size == 16 ? 14 : 28;
}

/** FNSTENV: afterwards all exceptions are masked. */
export function x87StoreEnvironment(linear: u64, size: u32): void {
  if (!probeRange(linear, environmentBytes(size))) return;
  writeEnvironment(linear, size);
  setFpuControl(fpuControl() | EXCEPTIONS);
  setFpuStatus(fpuStatus() & ~(ES | BUSY));
}

/** FLDENV. */
export function x87LoadEnvironment(linear: u64, size: u32): void {
  if (pendingException()) return;
  if (!probeRead(linear, environmentBytes(size))) return;
  if (size == 16) readEnvironment16(linear);
  else readEnvironment32(linear);
}

/** FNSAVE: the environment and the registers from ST(0) on; then as FNINIT. */
export function x87Save(linear: u64, size: u32): void {
  const head = environmentBytes(size);
  if (!probeRange(linear, head + 8 * REGISTER_BYTES)) return;
  writeEnvironment(linear, size);
  const top = (fpuStatus() >> TOP_SHIFT) & 7;
  for (let index: u32 = 0; index < 8; index++) {
    const at = linear + head + <u64>index * REGISTER_BYTES;
    const physical = (top + index) & 7;
    write64(at, fpuSignificand(physical));
    write16(at + 8, fpuExponent(physical));
  }
  x87Initialize();
}

/** FRSTOR. */
export function x87Restore(linear: u64, size: u32): void {
  if (pendingException()) return;
  const head = environmentBytes(size);
  if (!probeRead(linear, head + 8 * REGISTER_BYTES)) return;
  if (size == 16) readEnvironment16(linear);
  else readEnvironment32(linear);
  const top = (fpuStatus() >> TOP_SHIFT) & 7;
  for (let index: u32 = 0; index < 8; index++) {
    const at = linear + head + <u64>index * REGISTER_BYTES;
    const physical = (top + index) & 7;
    setFpuSignificand(physical, read64(at));
    setFpuExponent(physical, <u16>read16(at + 8));
  }
}
