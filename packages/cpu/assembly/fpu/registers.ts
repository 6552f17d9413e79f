// The register stack, and how an instruction's exceptions are answered. [SDM] vol. 1 §8.1.2, §8.5.

import {
  fpuControl,
  fpuStatus,
  fpuTag,
  setFpuExponent,
  setFpuSignificand,
  setFpuStatus,
  setFpuTag,
} from '../generated/layout';
import {
  BUSY,
  C0,
  C1,
  C2,
  C3,
  DE,
  ES,
  EXCEPTIONS,
  IE,
  OE,
  SF,
  TOP_MASK,
  TOP_SHIFT,
  UE,
  ZE,
} from './environment';
import { INDEFINITE, INDEFINITE_EXPONENT, exponentOut, raised } from './number';

const SUMMARY: u32 = ES | BUSY;

/** Physical number of ST(index). */
// @ts-ignore: decorator
@inline
export function physical(index: u32): u32 {
  return ((fpuStatus() >> TOP_SHIFT) + index) & 7;
}

// @ts-ignore: decorator
@inline
export function isEmpty(register: u32): bool {
  return ((fpuTag() >> register) & 1) == 0;
}

// @ts-ignore: decorator
@inline
export function setRegister(register: u32, significand: u64, exponent: u32): void {
  setFpuSignificand(register, significand);
  setFpuExponent(register, <u16>exponent);
}

/** Sets `flags` (exceptions, SF, C1) in place of C1; ES when an exception is not masked. */
export function setFlags(flags: u32): void {
  let status = (fpuStatus() & ~C1) | flags;
  if ((flags & ~fpuControl() & EXCEPTIONS) != 0) status |= SUMMARY;
  setFpuStatus(status);
}

// @ts-ignore: decorator
@inline
export function clearC1(): void {
  setFpuStatus(fpuStatus() & ~C1);
}

/** Replaces the condition codes C0, C2 and C3; C1 stays. */
// @ts-ignore: decorator
@inline
export function setConditions(bits: u32): void {
  setFpuStatus((fpuStatus() & ~(C0 | C2 | C3)) | bits);
}

/** Frees ST(0): the status word with the top moved. */
// @ts-ignore: decorator
@inline
export function poppedStatus(status: u32): u32 {
  setFpuTag(fpuTag() & ~(1 << ((status >> TOP_SHIFT) & 7)));
  return (status & ~TOP_MASK) | ((status + (1 << TOP_SHIFT)) & TOP_MASK);
}

/** Frees ST(0) and moves the top. */
export function popRegister(): void {
  setFpuStatus(poppedStatus(fpuStatus()));
}

/** Fills the register that `top` names and makes it ST(0); C1 is cleared. */
// @ts-ignore: decorator
@inline
export function pushTo(status: u32, top: u32, significand: u64, exponent: u32): void {
  setFpuStatus((status & ~(TOP_MASK | C1)) | (top << TOP_SHIFT));
  setFpuTag(fpuTag() | (1 << top));
  setRegister(top, significand, exponent);
}

/** Moves the top down and fills it. */
export function pushRegister(significand: u64, exponent: u32): void {
  const status = fpuStatus();
  const top = ((status >> TOP_SHIFT) + 7) & 7;
  setFpuStatus((status & ~TOP_MASK) | (top << TOP_SHIFT));
  setFpuTag(fpuTag() | (1 << top));
  setRegister(top, significand, exponent);
}

/**
 * Ends an operation whose result goes to a register: false when an unmasked exception left
 * everything as it was. Exceptions found before the operation hide those of its result.
 */
export function settle(): bool {
  let flags = raised;
  if (flags == 0) {
    clearC1();
    return true;
  }
  const blocks = flags & ~fpuControl() & (IE | DE | ZE);
  if (blocks != 0) flags &= IE | DE | ZE | SF;
  setFlags(flags);
  return blocks == 0;
}

/** Ends an operation with its result in a register, then pops `pops` times. */
export function finish(register: u32, significand: u64, pops: u32): void {
  const exponent = exponentOut;
  const flags = raised;
  if ((flags & ~fpuControl() & EXCEPTIONS) != 0) {
    if (!settle()) return;
    setRegister(register, significand, exponent);
    if (pops != 0) popRegister();
    return;
  }
  // The status word is read and written once: what most instructions do.
  const status = (fpuStatus() & ~C1) | flags;
  setRegister(register, significand, exponent);
  setFpuStatus(pops != 0 ? poppedStatus(status) : status);
}

/** Ends a load, which a denormal operand does not keep from its push even when not masked. */
export function finishLoad(significand: u64): void {
  const exponent = exponentOut;
  const flags = raised;
  setFlags(flags);
  if ((flags & ~fpuControl() & IE) == 0) pushRegister(significand, exponent);
}

/** An operand is empty: true when the exception is masked and the indefinite takes its place. */
export function stackUnderflow(): bool {
  setFlags(IE | SF);
  return (fpuControl() & IE) != 0;
}

/** The same with the answer stored in a register, and pops. */
export function underflowTo(register: u32, pops: u32): void {
  if (!stackUnderflow()) return;
  setRegister(register, INDEFINITE, INDEFINITE_EXPONENT);
  setFpuTag(fpuTag() | (1 << register));
  if (pops != 0) popRegister();
}

/** Whether there is no room for a push; then the exception was dealt with. */
export function stackOverflow(): bool {
  if (isEmpty(physical(7))) return false;
  setFlags(IE | SF | C1);
  if ((fpuControl() & IE) != 0) pushRegister(INDEFINITE, INDEFINITE_EXPONENT);
  return true;
}

/** Exceptions that keep a result from memory when they are not masked. */
export const BLOCKS_STORE: u32 = IE | DE | OE | UE;
