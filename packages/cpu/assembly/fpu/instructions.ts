// One function for each kind of x87 instruction: stack checks, the operation, its exceptions. They
// begin with #MF for what earlier instructions left pending. [SDM] vol. 2A; vol. 1 §8.3.

import {
  fpuExponent,
  fpuSignificand,
  fpuStatus,
  fpuTag,
  setFpuStatus,
  setFpuTag,
} from '../generated/layout';
import { operate, squareRoot } from './arithmetic';
import { compare, examine, UNORDERED } from './compare';
import { fromDecimal, fromF32, fromF64, fromInteger } from './conversions';
import {
  C0,
  C1,
  C2,
  C3,
  DE,
  ES,
  IE,
  TOP_MASK,
  TOP_SHIFT,
  ZE,
  pendingException,
} from './environment';
import {
  BIAS,
  EXPONENT,
  INDEFINITE,
  INDEFINITE_EXPONENT,
  INTEGER_BIT,
  NAN,
  SIGN,
  beginOperation,
  exponentOut,
  kindOf,
  note,
  quiet,
  raised,
  roundingMode,
  setRaised,
} from './number';
import {
  extract,
  extracted,
  extractedExponent,
  NO_QUOTIENT,
  quotientBits,
  remainder,
  roundToIntegral,
  scale,
} from './partial';
import {
  clearC1,
  finish,
  finishLoad,
  isEmpty,
  physical,
  popRegister,
  poppedStatus,
  pushRegister,
  pushTo,
  setConditions,
  setRegister,
  settle,
  stackOverflow,
  stackUnderflow,
  underflowTo,
} from './registers';

// Kinds of memory operands.
const F32: u32 = 0;
const F64: u32 = 1;

/**
 * The memory operand as an 80-bit number. That it is denormal counts only when nothing of higher
 * priority happens: see noteDenormal.
 */
// @ts-ignore: decorator
@inline
function convert(kind: u32, bits: u64): u64 {
  if (kind == F64) return fromF64(bits);
  if (kind == F32) return fromF32(<u32>bits);
  return fromInteger(<i64>bits);
}

/** Notes #D again, which convert() raised, unless a NaN or a more important exception hides it. */
// @ts-ignore: decorator
@inline
function noteDenormal(wasDenormal: u32, a: u64, exponent: u32): void {
  if (wasDenormal != 0 && (raised & (IE | ZE)) == 0 && kindOf(a, exponent) != NAN) note(DE);
}

/** No sign and exponent: the operand is not a normal number. */
const NOT_PLAIN: u32 = 0x1_0000;

/** Sign and exponent of a memory operand that is a normal number. */
// @ts-ignore: decorator
@inline
function plainExponent(kind: u32, bits: u64): u32 {
  if (kind == F64) {
    const exponent = <u32>(bits >> 52) & 0x7ff;
    if (exponent - 1 >= 0x7fe) return NOT_PLAIN;
    return (<u32>(bits >> 48) & SIGN) | (exponent + (<u32>BIAS - 1023));
  }
  const exponent = <u32>(bits >> 23) & 0xff;
  if (kind != F32 || exponent - 1 >= 0xfe) return NOT_PLAIN;
  return (<u32>(bits >> 16) & SIGN) | (exponent + (<u32>BIAS - 127));
}

/** And its significand. */
// @ts-ignore: decorator
@inline
function plainSignificand(kind: u32, bits: u64): u64 {
  return INTEGER_BIT | (bits << (kind == F64 ? 11 : 40));
}

/** ST(target) := ST(target) `operation` ST(other), then pops. */
export function x87Arithmetic(operation: u32, target: u32, other: u32, pop: u32): void {
  if (pendingException()) return;
  const top = fpuStatus() >> TOP_SHIFT;
  const to = (top + target) & 7;
  const from = (top + other) & 7;
  if (isEmpty(to) || isEmpty(from)) {
    underflowTo(to, pop);
    return;
  }
  beginOperation();
  const a = fpuSignificand(to);
  const b = fpuSignificand(from);
  finish(to, operate(operation, a, <u32>fpuExponent(to), b, <u32>fpuExponent(from)), pop);
}

/** ST(0) := ST(0) `operation` memory. */
export function x87ArithmeticMemory(operation: u32, kind: u32, bits: u64): void {
  if (pendingException()) return;
  const to = physical(0);
  if (isEmpty(to)) {
    underflowTo(to, 0);
    return;
  }
  beginOperation();
  const a = fpuSignificand(to);
  const aExponent = <u32>fpuExponent(to);
  const plain = plainExponent(kind, bits);
  if (plain != NOT_PLAIN) {
    finish(to, operate(operation, a, aExponent, plainSignificand(kind, bits), plain), 0);
    return;
  }
  const b = convert(kind, bits);
  const denormal = raised & DE;
  setRaised(raised & ~DE);
  const value = operate(operation, a, aExponent, b, exponentOut);
  noteDenormal(denormal, a, aExponent);
  finish(to, value, 0);
}

/** FLD m32, m64 and FILD. */
export function x87Load(kind: u32, bits: u64): void {
  const status = fpuStatus();
  const top = ((status >> TOP_SHIFT) + 7) & 7;
  const plain = plainExponent(kind, bits);
  if (plain != NOT_PLAIN && (status & ES) == 0 && isEmpty(top)) {
    pushTo(status, top, plainSignificand(kind, bits), plain);
    return;
  }
  if (pendingException() || stackOverflow()) return;
  beginOperation();
  let significand = convert(kind, bits);
  if ((exponentOut & EXPONENT) == EXPONENT && significand << 1 != 0) {
    significand = quiet(significand, exponentOut);
  }
  finishLoad(significand);
}

/** FLD m80. */
export function x87LoadExtended(significand: u64, exponent: u32): void {
  if (pendingException() || stackOverflow()) return;
  clearC1();
  pushRegister(significand, exponent);
}

/** FBLD. */
export function x87LoadDecimal(low: u64, high: u32): void {
  if (pendingException() || stackOverflow()) return;
  clearC1();
  const significand = fromDecimal(low, high);
  pushRegister(significand, exponentOut);
}

/** FLD ST(index). */
export function x87LoadRegister(index: u32): void {
  if (pendingException()) return;
  const status = fpuStatus();
  const from = physical(index);
  if (isEmpty(from)) {
    if (stackUnderflow()) pushRegister(INDEFINITE, INDEFINITE_EXPONENT);
    return;
  }
  if (stackOverflow()) return;
  const top = ((status >> TOP_SHIFT) + 7) & 7;
  pushTo(status, top, fpuSignificand(from), <u32>fpuExponent(from));
}

// Constants of FLD1 on: significand truncated, exponent, and whether the rest is above half.
const CONSTANTS = memory.data<u64>([
  0x8000_0000_0000_0000, 0x3fff, 0,
  0xd49a_784b_cd1b_8afe, 0x4000, 1,
  0xb8aa_3b29_5c17_f0bb, 0x3fff, 2,
  0xc90f_daa2_2168_c234, 0x4000, 2,
  0x9a20_9a84_fbcf_f798, 0x3ffd, 2,
  0xb172_17f7_d1cf_79ab, 0x3ffe, 2,
  0, 0, 0,
]);

/** FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ, rounded from more bits than fit. */
export function x87LoadConstant(index: u32): void {
  if (pendingException() || stackOverflow()) return;
  clearC1();
  const at = CONSTANTS + <usize>(index * 24);
  const rest = load<u64>(at, 16);
  const mode = roundingMode();
  const up = (mode == 0 && rest == 2) || (mode == 2 && rest != 0);
  pushRegister(load<u64>(at) + (up ? 1 : 0), load<u32>(at, 8));
}

/** FST and FSTP (`pop`) ST(index). The alias of FSTP in D9 (`pop` = 2) pops an empty register. */
export function x87StoreRegister(index: u32, pop: u32): void {
  if (pendingException()) return;
  const from = physical(0);
  const to = physical(index);
  if (pop == 2 && isEmpty(from)) {
    clearC1();
    popRegister();
    return;
  }
  if (isEmpty(from)) {
    underflowTo(to, pop);
    return;
  }
  setRegister(to, fpuSignificand(from), <u32>fpuExponent(from));
  setFpuTag(fpuTag() | (1 << to));
  const status = fpuStatus() & ~C1;
  setFpuStatus(pop != 0 ? poppedStatus(status) : status);
}

/** FXCH: an empty register counts as the indefinite when that is allowed. */
export function x87Exchange(index: u32): void {
  if (pendingException()) return;
  const first = physical(0);
  const second = physical(index);
  if (isEmpty(first) || isEmpty(second)) {
    if (!stackUnderflow()) return;
    if (isEmpty(first)) setRegister(first, INDEFINITE, INDEFINITE_EXPONENT);
    if (isEmpty(second)) setRegister(second, INDEFINITE, INDEFINITE_EXPONENT);
    setFpuTag(fpuTag() | (1 << first) | (1 << second));
  } else {
    clearC1();
  }
  const significand = fpuSignificand(first);
  const exponent = <u32>fpuExponent(first);
  setRegister(first, fpuSignificand(second), <u32>fpuExponent(second));
  setRegister(second, significand, exponent);
}

/** FCMOVcc; `condition` is whether to move. */
export function x87Move(index: u32, condition: u32): void {
  if (pendingException()) return;
  const to = physical(0);
  const from = physical(index);
  if (isEmpty(to) || isEmpty(from)) {
    underflowTo(to, 0);
  } else if (condition != 0) {
    setRegister(to, fpuSignificand(from), <u32>fpuExponent(from));
  }
}

const NO_CONDITIONS: u32 = ~(<u32>0);

/** Condition codes of a comparison, after its exceptions; all ones when there are none to set. */
function compareWith(a: u64, aExponent: u32, b: u64, bExponent: u32, quiet: u32): u32 {
  const conditions = compare(a, aExponent, b, bExponent, quiet != 0);
  return raised == 0 || settle() ? conditions : NO_CONDITIONS;
}

/** The same with the register ST(index). */
function compareRegister(index: u32, quiet: u32): u32 {
  const first = physical(0);
  const second = physical(index);
  if (isEmpty(first) || isEmpty(second)) return stackUnderflow() ? UNORDERED : NO_CONDITIONS;
  beginOperation();
  const exponent = <u32>fpuExponent(first);
  const b = fpuSignificand(second);
  return compareWith(fpuSignificand(first), exponent, b, <u32>fpuExponent(second), quiet);
}

function finishComparison(conditions: u32, pops: u32): void {
  if (conditions == NO_CONDITIONS) return;
  let status = (fpuStatus() & ~(C0 | C1 | C2 | C3)) | conditions;
  if (pops != 0) status = poppedStatus(status);
  if (pops == 2) status = poppedStatus(status);
  setFpuStatus(status);
}

/** FCOM, FUCOM (`quiet`) and their popping forms. */
export function x87Compare(index: u32, quiet: u32, pops: u32): void {
  if (pendingException()) return;
  finishComparison(compareRegister(index, quiet), pops);
}

/** FCOM and FCOMP with m32, m64; FICOM and FICOMP. */
export function x87CompareMemory(kind: u32, bits: u64, pops: u32): void {
  if (pendingException()) return;
  const register = physical(0);
  if (isEmpty(register)) {
    finishComparison(stackUnderflow() ? UNORDERED : NO_CONDITIONS, pops);
    return;
  }
  beginOperation();
  const b = convert(kind, bits);
  const denormal = raised & DE;
  setRaised(raised & ~DE);
  const a = fpuSignificand(register);
  const exponent = <u32>fpuExponent(register);
  const conditions = compare(a, exponent, b, exponentOut, false);
  noteDenormal(denormal, a, exponent);
  finishComparison(settle() ? conditions : NO_CONDITIONS, pops);
}

/** FTST. */
export function x87Test(): void {
  if (pendingException()) return;
  const register = physical(0);
  if (isEmpty(register)) {
    finishComparison(stackUnderflow() ? UNORDERED : NO_CONDITIONS, 0);
    return;
  }
  beginOperation();
  const a = fpuSignificand(register);
  finishComparison(compareWith(a, <u32>fpuExponent(register), 0, 0, 0), 0);
}

/** FCOMI, FUCOMI and their popping forms: ZF PF CF at their places, or bit 31: flags stay. */
export function x87CompareFlags(index: u32, quiet: u32, pops: u32): u32 {
  if (pendingException()) return 0;
  const conditions = compareRegister(index, quiet);
  if (conditions == NO_CONDITIONS) return 0x8000_0000;
  const status = fpuStatus() & ~C1;
  setFpuStatus(pops != 0 ? poppedStatus(status) : status);
  // C0 C2 C3 lie 8 bits above CF PF ZF.
  return (conditions >> 8) & 0x45;
}

/** FXAM: C1 is the sign, empty registers have one too. */
export function x87Examine(): void {
  if (pendingException()) return;
  const register = physical(0);
  const exponent = <u32>fpuExponent(register);
  const empty: u32 = 0x4100;
  const bits = isEmpty(register) ? empty : examine(fpuSignificand(register), exponent);
  clearC1();
  setConditions(bits);
  if ((exponent & SIGN) != 0) setFpuStatus(fpuStatus() | C1);
}

/** FCHS and FABS: sign ^ `flip` & `keep`. */
export function x87Sign(keep: u32, flip: u32): void {
  if (pendingException()) return;
  const register = physical(0);
  if (isEmpty(register)) {
    underflowTo(register, 0);
    return;
  }
  clearC1();
  const exponent = (<u32>fpuExponent(register) & keep) ^ flip;
  setRegister(register, fpuSignificand(register), exponent);
}

// Operations on ST(0) alone.
const SQRT: u32 = 0;

/** FSQRT and FRNDINT. */
export function x87Unary(operation: u32): void {
  if (pendingException()) return;
  const register = physical(0);
  if (isEmpty(register)) {
    underflowTo(register, 0);
    return;
  }
  beginOperation();
  const a = fpuSignificand(register);
  const exponent = <u32>fpuExponent(register);
  finish(register, operation == SQRT ? squareRoot(a, exponent) : roundToIntegral(a, exponent), 0);
}

/** FSCALE: ST(0) := ST(0) * 2^ST(1). */
export function x87Scale(): void {
  if (pendingException()) return;
  const to = physical(0);
  const from = physical(1);
  if (isEmpty(to) || isEmpty(from)) {
    underflowTo(to, 0);
    return;
  }
  beginOperation();
  const b = fpuSignificand(from);
  finish(to, scale(fpuSignificand(to), <u32>fpuExponent(to), b, <u32>fpuExponent(from)), 0);
}

/** FPREM and FPREM1 (`nearest`). */
export function x87Remainder(nearest: u32): void {
  if (pendingException()) return;
  const to = physical(0);
  const from = physical(1);
  setFpuStatus(fpuStatus() & ~C2);
  if (isEmpty(to) || isEmpty(from)) {
    underflowTo(to, 0);
    return;
  }
  beginOperation();
  const a = fpuSignificand(to);
  const b = fpuSignificand(from);
  const rest = remainder(a, <u32>fpuExponent(to), b, <u32>fpuExponent(from), nearest != 0);
  const exponent = exponentOut;
  if (!settle()) return;
  setRegister(to, rest, exponent);
  if (quotientBits == NO_QUOTIENT) return;
  setConditions(quotientBits & ~C1);
  setFpuStatus((fpuStatus() & ~C1) | (quotientBits & C1));
}

/** FXTRACT: the exponent stays, the significand is pushed. */
export function x87Extract(): void {
  if (pendingException()) return;
  const register = physical(0);
  if (isEmpty(register)) {
    if (!stackUnderflow()) return;
    underflowTo(register, 0);
    pushRegister(INDEFINITE, INDEFINITE_EXPONENT);
    return;
  }
  if (overflowsBoth()) return;
  beginOperation();
  const significand = extract(fpuSignificand(register), <u32>fpuExponent(register));
  const exponent = exponentOut;
  if (!settle()) return;
  setRegister(register, extracted, extractedExponent);
  pushRegister(significand, exponent);
}

/** Stack overflow of an instruction that would also replace ST(0). */
export function overflowsBoth(): bool {
  const register = physical(0);
  if (!stackOverflow()) return false;
  if (physical(0) != register) setRegister(register, INDEFINITE, INDEFINITE_EXPONENT);
  return true;
}

/** FFREE, and FFREEP with `pop`. */
export function x87Free(index: u32, pop: u32): void {
  if (pendingException()) return;
  clearC1();
  setFpuTag(fpuTag() & ~(1 << physical(index)));
  if (pop != 0) popRegister();
}

/** FINCSTP (by 1) and FDECSTP (by 7). */
export function x87Rotate(by: u32): void {
  if (pendingException()) return;
  const status = fpuStatus() & ~C1;
  const top = ((status >> TOP_SHIFT) + by) & 7;
  setFpuStatus((status & ~TOP_MASK) | (top << TOP_SHIFT));
}
