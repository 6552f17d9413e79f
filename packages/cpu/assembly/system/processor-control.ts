import {
  cpl,
  cr0,
  cr3,
  cr4,
  gpr,
  modeKey,
  msrKernelGsBase,
  segBase,
  setExitReason,
  setMsrKernelGsBase,
  setSegBase,
  setSegEffBase,
  EXIT_HALT,
  MODE_VIRTUAL_8086,
  SREG_GS,
} from '../generated/layout';
import { faulted, GP, raise, raiseNoError, UD } from '../fault';
import { read64, read8 } from '../memory';
import { cpuid } from '../imports';
import { flushNonGlobal, invalidateLinear } from '../paging';
import {
  CR0_PG,
  CR4_FSGSBASE,
  CR4_PCIDE,
  in64BitMode,
  isCanonical,
  requireSupervisor,
} from './mode';



const RCX: u32 = 1;
const RSP: u32 = 4;
const RBP: u32 = 5;

/** HLT. */
export function hlt(): void {
  if (!requireSupervisor()) return;
  setExitReason(EXIT_HALT);
}

/** MONITOR of the address in the given linear place. [SDM] vol. 2B "MONITOR". */
export function monitor(linear: u64): void {
  if (cpl() != 0) {
    raiseNoError(UD);
    return;
  }
  if (<u32>gpr(RCX) != 0) {
    raise(GP, 0);
    return;
  }
  // Ordered and checked like a byte load.
  read8(linear);
}

/**
 * MWAIT: waits like HLT. Being woken too early is allowed, and on a processor of its own nothing
 * but an interrupt can have changed the monitored line. CPUID leaf 5 tells of no extensions, so ECX
 * must be 0. [SDM] vol. 2B "MWAIT—Monitor Wait".
 */
export function mwait(): void {
  if (cpl() != 0) {
    raiseNoError(UD);
    return;
  }
  if (<u32>gpr(RCX) != 0) {
    raise(GP, 0);
    return;
  }
  setExitReason(EXIT_HALT);
}

/** INVLPG. */
export function invlpg(linear: u64): void {
  if (!requireSupervisor()) return;
  // A non-canonical address is no error: nothing is there to be dropped.
  if ((cr0() & CR0_PG) != 0) invalidateLinear(linear);
}

/** INVPCID with its 16-byte descriptor at a linear address. [SDM] vol. 2A "INVPCID". */
export function invpcid(type: u64, descriptorLinear: u64): void {
  if ((modeKey() & MODE_VIRTUAL_8086) != 0 || !requireSupervisor()) {
    raise(GP, 0);
    return;
  }
  const process = read64(descriptorLinear);
  if (faulted()) return;
  const linear = read64(descriptorLinear + 8);
  if (faulted()) return;
  const single = type < 2;
  const tagged = (cr4() & CR4_PCIDE) != 0;
  const wrong =
    type > 3 ||
    (process & ~(<u64>0xfff)) != 0 ||
    (single && !tagged && process != 0) ||
    (type == 0 && !isCanonical(linear));
  if (wrong) {
    raise(GP, 0);
    return;
  }
  if (type != 0) flushNonGlobal();
  else if (!tagged || process == (cr3() & 0xfff)) invalidateLinear(linear);
  else flushNonGlobal();
}

/** Whether RDFSBASE and its kin may run: 64-bit mode with CR4.FSGSBASE, else #UD. */
function mayAccessBases(): bool {
  if (in64BitMode() && (cr4() & CR4_FSGSBASE) != 0) return true;
  raiseNoError(UD);
  return false;
}

/** RDFSBASE and RDGSBASE. */
export function readSegmentBase(index: u32): u64 {
  return mayAccessBases() ? segBase(index) : 0;
}

/** WRFSBASE and WRGSBASE. */
export function writeSegmentBase(index: u32, value: u64): void {
  if (!mayAccessBases()) return;
  if (!isCanonical(value)) {
    raise(GP, 0);
    return;
  }
  setSegBase(index, value);
  setSegEffBase(index, value);
}

/** INVD and WBINVD: there is no cache, only the privilege to check. */
export function cacheInstruction(): void {
  requireSupervisor();
}

/** CPUID. */
export function cpuidInstruction(): void {
  cpuid();
}

/** SWAPGS: CPL 0 of 64-bit mode only. */
export function swapgs(): void {
  if (!in64BitMode()) {
    raiseNoError(UD);
    return;
  }
  if (!requireSupervisor()) return;
  const base = segBase(SREG_GS);
  setSegBase(SREG_GS, msrKernelGsBase());
  setSegEffBase(SREG_GS, msrKernelGsBase());
  setMsrKernelGsBase(base);
}
