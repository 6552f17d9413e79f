// Control, status and tag words, and what changes them as a whole: FNINIT, FLDCW, FNCLEX, EMMS.
// [SDM] vol. 1 §8.1.

import { MF, NM, raiseNoError } from '../fault';
import {
  cr0,
  fpuControl,
  fpuStatus,
  setFpuControl,
  setFpuLastCs,
  setFpuLastDp,
  setFpuLastDs,
  setFpuLastIp,
  setFpuLastOpcode,
  setFpuStatus,
  setFpuTag,
} from '../generated/layout';
import { CR0_MP, CR0_TS } from '../system/mode';

// Status word.
export const IE: u32 = 1 << 0;
export const DE: u32 = 1 << 1;
export const ZE: u32 = 1 << 2;
export const OE: u32 = 1 << 3;
export const UE: u32 = 1 << 4;
export const PE: u32 = 1 << 5;
export const SF: u32 = 1 << 6;
export const ES: u32 = 1 << 7;
export const C0: u32 = 1 << 8;
export const C1: u32 = 1 << 9;
export const C2: u32 = 1 << 10;
export const TOP_SHIFT: u32 = 11;
export const TOP_MASK: u32 = 7 << 11;
export const C3: u32 = 1 << 14;
export const BUSY: u32 = 1 << 15;
export const EXCEPTIONS: u32 = 0x3f;

/** Control word after FNINIT. */
const CONTROL_INIT: u32 = 0x037f;
/** Bits of the control word that exist: masks, precision, rounding, the infinity bit without use. */
const CONTROL_BITS: u32 = 0x1f3f;
/** Bit 6 reads as one. */
const CONTROL_FIXED: u32 = 0x0040;

/** Raises #MF when an unmasked exception is pending: what every waiting instruction does first. */
// @ts-ignore: decorator
@inline
export function pendingException(): bool {
  if ((fpuStatus() & ES) == 0) return false;
  raiseNoError(MF);
  return true;
}

/** ES and B follow the exception flags and their masks. */
export function refreshSummary(): void {
  const status = fpuStatus() & ~(ES | BUSY);
  const unmasked = status & ~fpuControl() & EXCEPTIONS;
  setFpuStatus(unmasked != 0 ? status | ES | BUSY : status);
}

/** The control word as given, with the bits that do not exist as they read. */
export function loadControl(value: u32): void {
  setFpuControl((value & CONTROL_BITS) | CONTROL_FIXED);
}

/** FLDCW. */
export function x87LoadControl(value: u32): void {
  if (pendingException()) return;
  loadControl(value);
  refreshSummary();
}

/** FNINIT. [SDM] vol. 2A "FINIT/FNINIT". */
export function x87Initialize(): void {
  setFpuControl(CONTROL_INIT);
  setFpuStatus(0);
  setFpuTag(0);
  setFpuLastOpcode(0);
  setFpuLastIp(0);
  setFpuLastDp(0);
  setFpuLastCs(0);
  setFpuLastDs(0);
}

/** FWAIT: unlike the other instructions it heeds CR0.TS only together with CR0.MP. */
export function x87Wait(): void {
  if ((cr0() & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)) raiseNoError(NM);
  else pendingException();
}

/** The check alone, for instructions without a function of their own. */
export function x87Check(): void {
  pendingException();
}

/** EMMS. [SDM] vol. 3A table 12-3. */
export function x87EmptyMmx(): void {
  if (pendingException()) return;
  setFpuTag(0);
  setFpuStatus(fpuStatus() & ~TOP_MASK);
}
