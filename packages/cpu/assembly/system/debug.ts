import {
  cr4,
  debugPending,
  dr,
  setDebugPending,
  setDr,
  setMsrDebugCtl,
  setNextRip,
  setSystemFlags,
  modeKey,
  msrDebugCtl,
  rip,
  segEffBase,
  systemFlags,
  EFLAGS_RF,
  EFLAGS_TF,
  MODE_SINGLE_STEP,
  SREG_CS,
} from '../generated/layout';
import { DB, GP, raise, raiseNoError, UD } from '../fault';
import { dropLinear } from '../paging';
import { CR4_DE, requireSupervisor, updatePrivilege } from './mode';

// [SDM] vol. 3B §18.2: DR6 and DR7.
export const DR6_BD: u64 = 1 << 13;
export const DR6_BS: u64 = 1 << 14;
export const DR6_BT: u64 = 1 << 15;
export const DR6_FIXED: u64 = 0xffff_0ff0;
const DR6_WRITABLE: u64 = 0xe00f;
export const DR7_FIXED: u64 = 0x400;
const DR7_GD: u64 = 1 << 13;
const DR7_WRITABLE: u64 = 0xffff_23ff;
/** L0 to L3 and LE: cleared by a task switch. */
export const DR7_LOCAL: u64 = 0x155;

const EXECUTE: u32 = 0;
/** Kinds of data access as checkDataBreakpoints() takes them: a R/W field meets those in it. */
export const WATCH_WRITE: u32 = 1;
export const WATCH_READ: u32 = 3;
const IO: u32 = 2;

/** The checks of MOV to and from debug registers; the register meant, or 8 after a fault. */
function selectRegister(index: u32): u32 {
  if (index > 7 || ((index & 6) == 4 && (cr4() & CR4_DE) != 0)) {
    raiseNoError(UD);
    return 8;
  }
  if (!requireSupervisor()) return 8;
  if ((dr(7) & DR7_GD) != 0) {
    setDr(6, dr(6) | DR6_BD);
    raiseNoError(DB);
    return 8;
  }
  return (index & 6) == 4 ? index + 2 : index;
}

/** MOV from DRn. DR4 and DR5 are other names of DR6 and DR7 unless CR4.DE is set. */
export function readDr(index: u32): u64 {
  const register = selectRegister(index);
  return register < 8 ? dr(register) : 0;
}

/** MOV to DRn. */
export function writeDr(index: u32, value: u64): void {
  const register = selectRegister(index);
  if (register > 7) return;
  if (register >= 6 && value >> 32 != 0) {
    raise(GP, 0);
    return;
  }
  if (register == 6) setDr(6, (value & DR6_WRITABLE) | DR6_FIXED);
  else if (register == 7) writeDebugControl(value);
  else {
    setDr(register, value);
    unmapWatchedPages();
  }
}

/** Sets DR7 and the single-step mode that follows from it. */
export function writeDebugControl(value: u64): void {
  setDr(7, (value & DR7_WRITABLE) | DR7_FIXED);
  unmapWatchedPages();
  updatePrivilege();
}

/** Whether breakpoint `index` is enabled, and for data. */
// @ts-ignore: decorator
@inline
function watchesData(index: u32): bool {
  const control = <u32>dr(7);
  return ((control >> (index * 2)) & 3) != 0 && ((control >> (16 + index * 4)) & 1) != 0;
}

/** Pages with a data breakpoint leave the shadow tables: all accesses to them take the slow path. */
function unmapWatchedPages(): void {
  for (let index: u32 = 0; index < 4; index++) {
    if (watchesData(index)) dropLinear(dr(index));
  }
}

/** Whether a page must not enter the shadow tables. No breakpoint reaches beyond its page. */
export function isWatched(linear: u64): bool {
  if ((dr(7) & 0xff) == 0) return false;
  for (let index: u32 = 0; index < 4; index++) {
    if (watchesData(index) && dr(index) >> 12 == linear >> 12) return true;
  }
  return false;
}

/**
 * What every #DB does before its handler: it tells what MOV SS held back, and DR7.GD and
 * last-branch recording go off.
 */
export function enterDebugHandler(): void {
  setDr(6, dr(6) | debugPending());
  setDebugPending(0);
  setDr(7, dr(7) & ~DR7_GD);
  setMsrDebugCtl(msrDebugCtl() & ~(<u64>1));
}

// @ts-ignore: decorator
@inline
function matches(type: u32, kind: u32): bool {
  if (kind == EXECUTE || kind == IO) return type == kind;
  return (type & kind) == kind;
}

/** Enabled breakpoints among DR0-3 of a kind that `size` bytes at `linear` touch, as DR6 bits. */
function findBreakpoints(linear: u64, size: u32, kind: u32): u32 {
  const control = <u32>dr(7);
  let hits: u32 = 0;
  for (let index: u32 = 0; index < 4; index++) {
    if (((control >> (index * 2)) & 3) == 0) continue;
    const type = (control >> (16 + index * 4)) & 3;
    if (!matches(type, kind)) continue;
    if (type == IO && (cr4() & CR4_DE) == 0) continue;
    const length = breakpointLength((control >> (18 + index * 4)) & 3);
    const first = dr(index) & ~(<u64>length - 1);
    if (kind == EXECUTE ? dr(index) == linear : first < linear + size && linear < first + length) {
      hits |= 1 << index;
    }
  }
  return hits;
}

/** LEN: 1, 2, 8 and 4 bytes. */
function breakpointLength(code: u32): u32 {
  return code == 2 ? 8 : code + 1;
}

/**
 * Before an instruction in single-step mode: raises the #DB fault of an instruction breakpoint at
 * CS:RIP and answers true, unless RF holds it off.
 */
export function checkInstructionBreakpoint(): bool {
  if ((dr(7) & 0xff) == 0 || (systemFlags() & EFLAGS_RF) != 0) return false;
  const hits = findBreakpoints(segEffBase(SREG_CS) + rip(), 1, EXECUTE);
  if (hits == 0) return false;
  setDr(6, (dr(6) & ~(<u64>15)) | hits);
  raiseNoError(DB);
  return true;
}

/** After a data access on the slow path: notes the #DB trap due at the instruction's end. */
// @ts-ignore: decorator
@inline
export function checkDataBreakpoints(linear: u64, size: u32, kind: u32): void {
  if ((dr(7) & 0xff) != 0) noteBreakpoints(linear, size, kind);
}

function noteBreakpoints(address: u64, size: u32, kind: u32): void {
  const hits = findBreakpoints(address, size, kind);
  if (hits != 0) setDebugPending(debugPending() | hits);
}

/** The same for a port, [SDM] vol. 3B §18.2.4 (only with CR4.DE). */
export function checkPortBreakpoints(port: u32, size: u32): void {
  if ((dr(7) & 0xff) != 0) noteBreakpoints(port, size, IO);
}

/** Whether traps may be due after single instructions and iterations of repeated ones. */
// @ts-ignore: decorator
@inline
export function isStepping(): bool {
  return (modeKey() & MODE_SINGLE_STEP) != 0;
}

/**
 * A repeated string instruction stops between two iterations, to go on at its own address. RF lets
 * it do so without another instruction breakpoint, [SDM] vol. 3B §18.3.1.1.
 */
export function resumeHere(): void {
  setNextRip(rip());
  if (isStepping()) setSystemFlags(systemFlags() | EFLAGS_RF);
}

/**
 * After a transfer that may have loaded RF: where no breakpoint is enabled it has no effect, and
 * nothing would clear it at the end of the next instruction.
 */
export function dropIdleResumeFlag(): void {
  if (!isStepping()) setSystemFlags(systemFlags() & ~EFLAGS_RF);
}

let stepSuppressed: bool = false;

/** INT n and SYSCALL go by TF as they leave it, [SDM] vol. 3B §18.3.1.4. */
// @ts-ignore: decorator
@inline
export function suppressSingleStep(): void {
  stepSuppressed = true;
}

/** Before an instruction that begins with TF set. */
export function beginSingleStep(): void {
  stepSuppressed = false;
}

/**
 * After an instruction that began with TF set and did not fault: notes the single-step trap unless
 * the instruction was one that suppresses it.
 */
export function noteSingleStep(): void {
  if (!stepSuppressed || (systemFlags() & EFLAGS_TF) != 0) setDebugPending(debugPending() | DR6_BS);
}
