// FXSAVE and XSAVE images. [SDM] vol. 1 §10.5 and §13.4 to §13.8.

import { GP, NM, UD, faulted, raise, raiseNoError } from '../fault';
import {
  OFFSET_xmm,
  base,
  cr0,
  cr4,
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
  gpr,
  mxcsr,
  setFpuExponent,
  setFpuLastCs,
  setFpuLastDp,
  setFpuLastDs,
  setFpuLastIp,
  setFpuLastOpcode,
  setFpuSignificand,
  setFpuStatus,
  setFpuTag,
  setMxcsr,
  xcr0,
} from '../generated/layout';
import { read16, read32, read64, write16, write32, write64 } from '../memory';
import { CR0_TS, CR4_OSXSAVE, in64BitMode } from '../system/mode';
import { loadControl, refreshSummary, TOP_SHIFT, x87Initialize } from './environment';
import { probeRange, probeRead } from './save';

/** Bits of MXCSR that exist. */
export const MXCSR_MASK: u32 = 0xffff;
const LEGACY_BYTES: u64 = 512;
const HEADER_BYTES: u64 = 64;
const PLACE_IP: u64 = 8;
const PLACE_DP: u64 = 16;
const PLACE_MXCSR: u64 = 24;
const PLACE_ST: u64 = 32;
const PLACE_XMM: u64 = 160;
const PLACE_XSTATE_BV: u64 = 512;
const COMPONENT_X87: u64 = 1;
const COMPONENT_SSE: u64 = 2;

/** XMM registers that the mode has. */
// @ts-ignore: decorator
@inline
function xmmCount(): u32 {
  return in64BitMode() ? 16 : 8;
}

/** `wide`: instruction and data pointer as 64-bit offsets, without selectors. */
function saveX87(linear: u64, wide: u32): void {
  write16(linear, fpuControl());
  write16(linear + 2, fpuStatus());
  write16(linear + 4, fpuTag() & 0xff);
  write16(linear + 6, fpuLastOpcode() & 0x7ff);
  if (wide != 0) {
    write64(linear + PLACE_IP, fpuLastIp());
    write64(linear + PLACE_DP, fpuLastDp());
  } else {
    write64(linear + PLACE_IP, (fpuLastIp() & 0xffff_ffff) | (<u64>(fpuLastCs() & 0xffff) << 32));
    write64(linear + PLACE_DP, (fpuLastDp() & 0xffff_ffff) | (<u64>(fpuLastDs() & 0xffff) << 32));
  }
  const top = (fpuStatus() >> TOP_SHIFT) & 7;
  for (let index: u32 = 0; index < 8; index++) {
    const at = linear + PLACE_ST + (<u64>index << 4);
    const physical = (top + index) & 7;
    write64(at, fpuSignificand(physical));
    write64(at + 8, <u64>fpuExponent(physical));
  }
}

function restoreX87(linear: u64, wide: u32): void {
  loadControl(read16(linear));
  setFpuStatus(read16(linear + 2));
  setFpuTag(read16(linear + 4) & 0xff);
  setFpuLastOpcode(read16(linear + 6) & 0x7ff);
  const ip = read64(linear + PLACE_IP);
  const dp = read64(linear + PLACE_DP);
  if (wide != 0) {
    setFpuLastIp(ip);
    setFpuLastDp(dp);
    setFpuLastCs(0);
    setFpuLastDs(0);
  } else {
    setFpuLastIp(ip & 0xffff_ffff);
    setFpuLastDp(dp & 0xffff_ffff);
    setFpuLastCs(<u32>(ip >> 32) & 0xffff);
    setFpuLastDs(<u32>(dp >> 32) & 0xffff);
  }
  const top = (fpuStatus() >> TOP_SHIFT) & 7;
  for (let index: u32 = 0; index < 8; index++) {
    const at = linear + PLACE_ST + (<u64>index << 4);
    const physical = (top + index) & 7;
    setFpuSignificand(physical, read64(at));
    setFpuExponent(physical, <u16>read16(at + 8));
  }
  refreshSummary();
}

function saveMxcsr(linear: u64): void {
  write32(linear + PLACE_MXCSR, mxcsr());
  write32(linear + PLACE_MXCSR + 4, MXCSR_MASK);
}

function saveXmm(linear: u64): void {
  const count = xmmCount();
  for (let index: u32 = 0; index < count; index++) {
    const from = base() + OFFSET_xmm + (<usize>index << 4);
    const at = linear + PLACE_XMM + (<u64>index << 4);
    write64(at, load<u64>(from));
    write64(at + 8, load<u64>(from, 8));
  }
}

function restoreXmm(linear: u64): void {
  const count = xmmCount();
  for (let index: u32 = 0; index < count; index++) {
    const to = base() + OFFSET_xmm + (<usize>index << 4);
    const at = linear + PLACE_XMM + (<u64>index << 4);
    store<u64>(to, read64(at));
    store<u64>(to, read64(at + 8), 8);
  }
}

function misaligned(linear: u64, bytes: u64): bool {
  if ((linear & (bytes - 1)) == 0) return false;
  raise(GP, 0);
  return true;
}

/** FXSAVE. */
export function fxsave(linear: u64, wide: u32): void {
  if (misaligned(linear, 16) || !probeRange(linear, LEGACY_BYTES)) return;
  saveX87(linear, wide);
  saveMxcsr(linear);
  saveXmm(linear);
}

/** FXRSTOR. */
export function fxrstor(linear: u64, wide: u32): void {
  if (misaligned(linear, 16) || !probeRead(linear, LEGACY_BYTES)) return;
  const control = read32(linear + PLACE_MXCSR);
  if ((control & ~MXCSR_MASK) != 0) {
    raise(GP, 0);
    return;
  }
  restoreX87(linear, wide);
  setMxcsr(control);
  restoreXmm(linear);
}

/** LDMXCSR. */
export function loadMxcsr(value: u32): void {
  if ((value & ~MXCSR_MASK) != 0) raise(GP, 0);
  else setMxcsr(value);
}

/** Raises what the XSAVE instructions raise before they look at memory. */
function xsaveFails(linear: u64): bool {
  if ((cr4() & CR4_OSXSAVE) == 0) {
    raiseNoError(UD);
    return true;
  }
  if ((cr0() & CR0_TS) != 0) {
    raiseNoError(NM);
    return true;
  }
  return misaligned(linear, 64);
}

/** The components asked for by EDX:EAX that XCR0 enables. */
// @ts-ignore: decorator
@inline
function requested(): u64 {
  return ((gpr(2) << 32) | (gpr(0) & 0xffff_ffff)) & xcr0();
}

/**
 * XSAVE, and XSAVEOPT without its optimizations. All components count as in use, which §13.6 allows.
 */
export function xsave(linear: u64, wide: u32): void {
  if (xsaveFails(linear) || !probeRange(linear, LEGACY_BYTES + HEADER_BYTES)) return;
  const components = requested();
  const present = read64(linear + PLACE_XSTATE_BV);
  if (faulted()) return;
  if ((components & COMPONENT_X87) != 0) saveX87(linear, wide);
  if ((components & COMPONENT_SSE) != 0) {
    saveMxcsr(linear);
    saveXmm(linear);
  }
  write64(linear + PLACE_XSTATE_BV, present | components);
}

/** XRSTOR of the standard form; the compacted one does not exist here and gives #GP. §13.8. */
export function xrstor(linear: u64, wide: u32): void {
  if (xsaveFails(linear) || !probeRead(linear, LEGACY_BYTES + HEADER_BYTES)) return;
  const present = read64(linear + PLACE_XSTATE_BV);
  const reserved = read64(linear + PLACE_XSTATE_BV + 8) | read64(linear + PLACE_XSTATE_BV + 16);
  const components = requested();
  const control = read32(linear + PLACE_MXCSR);
  const badControl = (components & COMPONENT_SSE) != 0 && (control & ~MXCSR_MASK) != 0;
  if ((present & ~xcr0()) != 0 || reserved != 0 || badControl) {
    raise(GP, 0);
    return;
  }
  if ((components & COMPONENT_X87) != 0) {
    if ((present & COMPONENT_X87) != 0) restoreX87(linear, wide);
    else initializeX87();
  }
  if ((components & COMPONENT_SSE) == 0) return;
  setMxcsr(control);
  if ((present & COMPONENT_SSE) != 0) restoreXmm(linear);
  else memory.fill(base() + OFFSET_xmm, 0, <usize>xmmCount() << 4);
}

/** The initial configuration of §13.6: FNINIT's, with the registers zero. */
function initializeX87(): void {
  x87Initialize();
  for (let index: u32 = 0; index < 8; index++) {
    setFpuSignificand(index, 0);
    setFpuExponent(index, 0);
  }
}
