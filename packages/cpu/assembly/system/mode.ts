import {
  cpl,
  cr0,
  cr4,
  dr,
  efer,
  modeKey,
  segAttr,
  segBase,
  segCheck,
  segEffBase,
  segLimit,
  setIpMask,
  setModeKey,
  setSegCheck,
  setSegEffBase,
  setStackMask,
  systemFlags,
  EFLAGS_AC,
  EFLAGS_TF,
  EFLAGS_VM,
  MODE_ALIGNMENT,
  MODE_CODE_SIZE,
  MODE_FLAT_CODE,
  MODE_FLAT_DATA,
  MODE_LONG,
  MODE_NO_SSE,
  MODE_NO_X87,
  MODE_REAL,
  MODE_SINGLE_STEP,
  MODE_SMAP_OVERRIDE,
  MODE_STACK32,
  MODE_USER,
  MODE_VIRTUAL_8086,
  SEG_CHECK_READ,
  SEG_CHECK_WRITE,
  SEG_CODE,
  SEG_DB,
  SEG_EXPAND_DOWN,
  SEG_L,
  SEG_P,
  SEG_WRITABLE,
  SREG_CS,
  SREG_DS,
  SREG_ES,
  SREG_FS,
  SREG_SS,
} from '../generated/layout';
import { GP, raise } from '../fault';
import { selectTables } from '../paging';

// Control register and EFER bits, [SDM] vol. 3A §2.5 and §2.2.1.
export const CR0_PE: u64 = 1 << 0;
export const CR0_MP: u64 = 1 << 1;
export const CR0_EM: u64 = 1 << 2;
export const CR0_TS: u64 = 1 << 3;
export const CR0_ET: u64 = 1 << 4;
export const CR0_NE: u64 = 1 << 5;
export const CR0_WP: u64 = 1 << 16;
export const CR0_AM: u64 = 1 << 18;
export const CR0_NW: u64 = 1 << 29;
export const CR0_CD: u64 = 1 << 30;
export const CR0_PG: u64 = 1 << 31;
export const CR4_VME: u64 = 1 << 0;
export const CR4_PVI: u64 = 1 << 1;
export const CR4_TSD: u64 = 1 << 2;
export const CR4_DE: u64 = 1 << 3;
export const CR4_PSE: u64 = 1 << 4;
export const CR4_PAE: u64 = 1 << 5;
export const CR4_MCE: u64 = 1 << 6;
export const CR4_PGE: u64 = 1 << 7;
export const CR4_PCE: u64 = 1 << 8;
export const CR4_OSFXSR: u64 = 1 << 9;
export const CR4_OSXMMEXCPT: u64 = 1 << 10;
export const CR4_UMIP: u64 = 1 << 11;
export const CR4_FSGSBASE: u64 = 1 << 16;
export const CR4_PCIDE: u64 = 1 << 17;
export const CR4_OSXSAVE: u64 = 1 << 18;
export const CR4_SMEP: u64 = 1 << 20;
export const CR4_SMAP: u64 = 1 << 21;
export const EFER_SCE: u64 = 1 << 0;
export const EFER_LME: u64 = 1 << 8;
export const EFER_LMA: u64 = 1 << 10;
export const EFER_NXE: u64 = 1 << 11;

const LIMIT_MAX: u32 = 0xffff_ffff;

/** Whether the processor runs 64-bit code (as of the last update of the mode). */
// @ts-ignore: decorator
@inline
export function in64BitMode(): bool {
  return (modeKey() & MODE_CODE_SIZE) == 2;
}

/** Whether EFER.LMA is set (as of the last update of the mode). */
// @ts-ignore: decorator
@inline
export function inLongMode(): bool {
  return (modeKey() & MODE_LONG) != 0;
}

/** Real-address or virtual-8086 mode: segments are paragraphs. */
// @ts-ignore: decorator
@inline
export function hasParagraphs(): bool {
  return (modeKey() & (MODE_REAL | MODE_VIRTUAL_8086)) != 0;
}

/** Whether bits 63:47 of a linear address are equal, [SDM] vol. 1 §3.3.7.1. */
// @ts-ignore: decorator
@inline
export function isCanonical(address: u64): bool {
  return <u64>((<i64>(address << 16)) >> 16) == address;
}

/** Cuts a linear address to 32 bits outside of IA-32e mode. */
// @ts-ignore: decorator
@inline
export function tableAddress(address: u64): u64 {
  return inLongMode() ? address : address & 0xffff_ffff;
}

/** Raises #GP(0) and answers false unless CPL is 0. */
export function requireSupervisor(): bool {
  if (cpl() == 0) return true;
  raise(GP, 0);
  return false;
}

/**
 * Works out `segEffBase` and `segCheck` of one of the six segment registers. In 64-bit mode limits
 * and types do not matter, and only FS and GS have a base, [SDM] vol. 3A §3.4.4.
 */
export function refreshSegment(index: u32): void {
  if ((efer() & EFER_LMA) != 0 && (segAttr(SREG_CS) & SEG_L) != 0) {
    setSegEffBase(index, index >= SREG_FS ? segBase(index) : 0);
    setSegCheck(index, 0);
    return;
  }
  setSegEffBase(index, segBase(index) & 0xffff_ffff);
  setSegCheck(index, checksOf(segAttr(index), segLimit(index)));
}

function checksOf(attr: u32, limit: u32): u32 {
  const all = SEG_CHECK_READ | SEG_CHECK_WRITE;
  if (limit != LIMIT_MAX || (attr & SEG_P) == 0) return all;
  if ((cr0() & CR0_PE) == 0 || (systemFlags() & EFLAGS_VM) != 0) return 0;
  if ((attr & SEG_CODE) != 0) return (attr & SEG_WRITABLE) != 0 ? SEG_CHECK_WRITE : all;
  if ((attr & SEG_EXPAND_DOWN) != 0) return all;
  return (attr & SEG_WRITABLE) != 0 ? 0 : SEG_CHECK_WRITE;
}

/** The bits of the mode key that follow from CPL and EFLAGS alone. */
// @ts-ignore: decorator
@inline
function privilegeBits(): u32 {
  const flags = systemFlags();
  let bits: u32 = 0;
  if (cpl() == 3) {
    bits |= MODE_USER;
    if ((flags & EFLAGS_AC) != 0 && (cr0() & CR0_AM) != 0) bits |= MODE_ALIGNMENT;
  } else if ((flags & EFLAGS_AC) != 0 && (cr4() & CR4_SMAP) != 0) {
    bits |= MODE_SMAP_OVERRIDE;
  }
  if ((flags & EFLAGS_TF) != 0 || (dr(7) & 0xff) != 0) bits |= MODE_SINGLE_STEP;
  return bits;
}

/** Recomputes the mode key and the pointer masks; the segments must be up to date. */
export function updateModeKey(): void {
  let key = privilegeBits();
  const control = cr0();
  const csAttr = segAttr(SREG_CS);
  const long = (efer() & EFER_LMA) != 0;
  if (long) key |= MODE_LONG;
  if ((control & CR0_PE) == 0) key |= MODE_REAL;
  else if ((systemFlags() & EFLAGS_VM) != 0) key |= MODE_VIRTUAL_8086;
  if ((control & (CR0_EM | CR0_TS)) != 0) key |= MODE_NO_X87 | MODE_NO_SSE;
  if ((cr4() & CR4_OSFXSR) == 0) key |= MODE_NO_SSE;
  if (long && (csAttr & SEG_L) != 0) {
    setStackMask(~(<u64>0));
    setIpMask(~(<u64>0));
    switchKey(key | 2 | MODE_FLAT_DATA | MODE_FLAT_CODE);
    return;
  }
  if ((csAttr & SEG_DB) != 0) {
    key |= 1;
    setIpMask(0xffff_ffff);
  } else {
    setIpMask(0xffff);
  }
  if ((segAttr(SREG_SS) & SEG_DB) != 0) {
    key |= MODE_STACK32;
    setStackMask(0xffff_ffff);
  } else {
    setStackMask(0xffff);
  }
  const bases = segEffBase(SREG_ES) | segEffBase(SREG_SS) | segEffBase(SREG_DS);
  const checks = segCheck(SREG_ES) | segCheck(SREG_SS) | segCheck(SREG_DS);
  if (bases == 0 && checks == 0) key |= MODE_FLAT_DATA;
  if (segEffBase(SREG_CS) == 0 && segLimit(SREG_CS) == LIMIT_MAX) key |= MODE_FLAT_CODE;
  switchKey(key);
}

/** The jump cache and the shadow tables in use depend on the key as well. */
// @ts-ignore: decorator
@inline
function switchKey(key: u32): void {
  if (key == modeKey()) return;
  setModeKey(key);
  selectTables();
}

/** Recomputes all that is derived from the mode: after any change not known to be harmless. */
export function updateMode(): void {
  for (let index: u32 = 0; index < 6; index++) refreshSegment(index);
  updateModeKey();
}

/** The short form for changes of CPL, TF and AC only: code size, VM and segments are as before. */
export function updatePrivilege(): void {
  const mask = MODE_USER | MODE_SINGLE_STEP | MODE_SMAP_OVERRIDE | MODE_ALIGNMENT;
  switchKey((modeKey() & ~mask) | privilegeBits());
}
