// The instructions of the transcendental functions: stack checks and results around them.

import { fpuExponent, fpuSignificand, fpuStatus, setFpuStatus } from '../generated/layout';
import { C1, C2, pendingException } from './environment';
import { overflowsBoth } from './instructions';
import { powerLessOne, yLogarithm, yLogarithmPlusOne } from './logarithm';
import {
  BIAS,
  EXPONENT,
  INDEFINITE,
  INDEFINITE_EXPONENT,
  INTEGER_BIT,
  beginOperation,
  exponentOut,
} from './number';
import {
  finish,
  isEmpty,
  physical,
  pushRegister,
  setRegister,
  settle,
  stackUnderflow,
  underflowTo,
} from './registers';
import { arctangent, cosine, isBeyondReduction, sine, tangent } from './trigonometric';

const F2XM1: u32 = 0;
const FSIN: u32 = 1;
const FYL2X: u32 = 0;
const FPATAN: u32 = 1;

// @ts-ignore: decorator
@inline
function clearC2(): void {
  setFpuStatus(fpuStatus() & ~C2);
}

/** C2 tells that the argument was not reduced; nothing else happens then. */
function incomplete(significand: u64, exponent: u32): bool {
  const isIncomplete = isBeyondReduction(significand, exponent);
  if (isIncomplete) setFpuStatus((fpuStatus() & ~C1) | C2);
  return isIncomplete;
}

/** F2XM1, FSIN, FCOS. */
export function x87Transcendental(operation: u32): void {
  if (pendingException()) return;
  if (operation != F2XM1) clearC2();
  const register = physical(0);
  if (isEmpty(register)) {
    underflowTo(register, 0);
    return;
  }
  const a = fpuSignificand(register);
  const exponent = <u32>fpuExponent(register);
  if (operation != F2XM1 && incomplete(a, exponent)) return;
  beginOperation();
  let value: u64;
  if (operation == F2XM1) value = powerLessOne(a, exponent);
  else value = operation == FSIN ? sine(a, exponent) : cosine(a, exponent);
  finish(register, value, 0);
}

/** FYL2X, FPATAN, FYL2XP1: ST(1) := f(ST(0), ST(1)), pop. */
export function x87Transcendental2(operation: u32): void {
  if (pendingException()) return;
  const first = physical(0);
  const second = physical(1);
  if (isEmpty(first) || isEmpty(second)) {
    underflowTo(second, 1);
    return;
  }
  beginOperation();
  const x = fpuSignificand(first);
  const xExponent = <u32>fpuExponent(first);
  const y = fpuSignificand(second);
  const yExponent = <u32>fpuExponent(second);
  let value: u64;
  if (operation == FYL2X) value = yLogarithm(x, xExponent, y, yExponent);
  else if (operation == FPATAN) value = arctangent(x, xExponent, y, yExponent);
  else value = yLogarithmPlusOne(x, xExponent, y, yExponent);
  finish(second, value, 1);
}

/** An empty ST(0) of FPTAN or FSINCOS: both results are the indefinite. */
function underflowBoth(register: u32): void {
  if (!stackUnderflow()) return;
  underflowTo(register, 0);
  pushRegister(INDEFINITE, INDEFINITE_EXPONENT);
}

/** FPTAN: the tangent, then 1.0 is pushed. */
export function x87Tangent(): void {
  if (pendingException()) return;
  clearC2();
  const register = physical(0);
  if (isEmpty(register)) {
    underflowBoth(register);
    return;
  }
  if (overflowsBoth()) return;
  const a = fpuSignificand(register);
  const exponent = <u32>fpuExponent(register);
  if (incomplete(a, exponent)) return;
  beginOperation();
  const value = tangent(a, exponent);
  const valueExponent = exponentOut;
  if (!settle()) return;
  setRegister(register, value, valueExponent);
  // A NaN is pushed as well as it is.
  if ((valueExponent & EXPONENT) == EXPONENT) pushRegister(value, valueExponent);
  else pushRegister(INTEGER_BIT, <u32>BIAS);
}

/** FSINCOS: the sine, then the cosine is pushed. */
export function x87SineCosine(): void {
  if (pendingException()) return;
  clearC2();
  const register = physical(0);
  if (isEmpty(register)) {
    underflowBoth(register);
    return;
  }
  if (overflowsBoth()) return;
  const a = fpuSignificand(register);
  const exponent = <u32>fpuExponent(register);
  if (incomplete(a, exponent)) return;
  beginOperation();
  const first = sine(a, exponent);
  const firstExponent = exponentOut;
  const second = cosine(a, exponent);
  const secondExponent = exponentOut;
  if (!settle()) return;
  setRegister(register, first, firstExponent);
  pushRegister(second, secondExponent);
}
