// Stores to guest memory from x87 instructions: the value is worked out, written, and only then do
// the exceptions and the pop happen, so that #PF leaves everything as it was.

import { faulted } from '../fault';
import {
  fpuControl,
  fpuExponent,
  fpuSignificand,
  fpuStatus,
  setFpuStatus,
  writeTable,
} from '../generated/layout';
import { probeWriteCurrent, slowWrite, translatedWrite } from '../memory';
import { hostBehind } from '../paging';
import { C1, IE, OE, PE, SF, TOP_SHIFT, UE, pendingException } from './environment';
import { decimalHigh, toDecimal, toF32, toF64, toInteger } from './conversions';
import {
  BIAS,
  EXPONENT,
  INDEFINITE,
  INDEFINITE_EXPONENT,
  INTEGER_BIT,
  SIGN,
  beginOperation,
  note,
  raised,
  roundingMode,
} from './number';
import {
  BLOCKS_STORE,
  isEmpty,
  physical,
  popRegister,
  poppedStatus,
  setFlags,
} from './registers';

// Results of stores, as translatedWrite gives them.
const DONE: u32 = 0;
const FAULT: u32 = 1;
/** No result of a store: the general way has to be taken. */
const MORE: u32 = 3;

const TRUNCATE: u32 = 3;
/** Rounding control. */
const ROUNDING: u32 = 3 << 10;
const ENTRY_MASK: u32 = 0xfff0;
const PAGE_MASK: u64 = ~(<u64>0xfff);

/** Writes at the current privilege; `translated` as for Semantics.storeCall. */
function write(linear: u64, size: u32, value: u64, translated: u32): u32 {
  const entry = writeTable() + (<u32>(linear >> 8) & ENTRY_MASK);
  if (load<u64>(entry) == ((linear + size - 1) & PAGE_MASK)) {
    const host = hostBehind(entry, linear);
    if (size == 8) store<u64>(host, value);
    else if (size == 4) store<u32>(host, <u32>value);
    else store<u16>(host, <u16>value);
    return DONE;
  }
  if (translated != 0) return translatedWrite(linear, size, value);
  slowWrite(linear, size, value);
  return faulted() ? FAULT : DONE;
}

/** Writes a result unless an unmasked exception keeps it from memory; then flags and pop. */
function commit(linear: u64, size: u32, value: u64, pop: u32, translated: u32): u32 {
  let flags = raised;
  const unmasked = flags & ~fpuControl() & BLOCKS_STORE;
  if (unmasked == 0) {
    const status = write(linear, size, value, translated);
    if (status != DONE) return status;
  } else if ((unmasked & (OE | UE)) != 0) {
    flags &= ~(PE | C1);
  }
  setFlags(flags);
  if (pop != 0 && unmasked == 0) popRegister();
  return DONE;
}

/**
 * Stores ST(0) when it is a number that stays normal, is exact or may be rounded to nearest without
 * more ado: DONE, or what a write that did not happen gave; MORE when it is something else.
 */
// @ts-ignore: decorator
@inline
function storePlain(status: u32, linear: u64, size: u32, pop: u32, translated: u32): u32 {
  const register = (status >> TOP_SHIFT) & 7;
  const significand = fpuSignificand(register);
  const exponent = <u32>fpuExponent(register);
  const isDouble = size == 8;
  const biased = (exponent & EXPONENT) - (isDouble ? <u32>BIAS - 1023 : <u32>BIAS - 127);
  // The largest exponent might overflow by rounding.
  if (biased - 1 >= <u32>(isDouble ? 0x7fd : 0xfd) || <i64>significand >= 0) return MORE;
  const rest = significand << (isDouble ? 53 : 24);
  let flags: u32 = 0;
  let kept = significand >> (isDouble ? 11 : 40);
  if (rest != 0) {
    if ((fpuControl() & (ROUNDING | PE)) != PE) return MORE;
    const up: u32 = rest > INTEGER_BIT || (rest == INTEGER_BIT && (kept & 1) != 0) ? 1 : 0;
    kept += <u64>up;
    flags = PE | (up * C1);
  }
  const magnitude = (<u64>(biased - 1) << (isDouble ? 52 : 23)) + kept;
  const sign = <u64>(exponent & SIGN) << (isDouble ? 48 : 16);
  const outcome = write(linear, size, sign | magnitude, translated);
  if (outcome != DONE) return outcome;
  const next = (status & ~C1) | flags;
  setFpuStatus(pop != 0 ? poppedStatus(next) : next);
  return DONE;
}

/** FST and FSTP m32 and m64. */
export function x87StoreFloat(linear: u64, size: u32, pop: u32, translated: u32): u32 {
  if (pendingException()) return FAULT;
  const status = fpuStatus();
  if (!isEmpty((status >> TOP_SHIFT) & 7)) {
    const outcome = storePlain(status, linear, size, pop, translated);
    if (outcome != MORE) return outcome;
  }
  beginOperation();
  const register = physical(0);
  let significand = INDEFINITE;
  let exponent = INDEFINITE_EXPONENT;
  if (isEmpty(register)) {
    note(IE | SF);
  } else {
    significand = fpuSignificand(register);
    exponent = <u32>fpuExponent(register);
  }
  const value = size == 4 ? <u64>toF32(significand, exponent) : toF64(significand, exponent);
  return commit(linear, size, value, pop, translated);
}

/** FIST, FISTP (`pop`: bit 0) and FISTTP (bit 1) of 2, 4 or 8 bytes. */
export function x87StoreInteger(linear: u64, size: u32, pop: u32, translated: u32): u32 {
  if (pendingException()) return FAULT;
  beginOperation();
  const register = physical(0);
  let value = <u64>1 << <u64>((size << 3) - 1);
  if (isEmpty(register)) {
    note(IE | SF);
  } else {
    const mode = (pop & 2) != 0 ? TRUNCATE : roundingMode();
    value = toInteger(fpuSignificand(register), <u32>fpuExponent(register), size << 3, mode);
  }
  return commit(linear, size, value, pop, translated);
}

/** Writes ten bytes. What was written before the interpreter is asked for is written again then. */
function write10(linear: u64, low: u64, high: u32, translated: u32): u32 {
  if (!probeWriteCurrent(linear, 10)) return FAULT;
  const status = write(linear, 8, low, translated);
  if (status != DONE) return status;
  return write(linear + 8, 2, <u64>high, translated);
}

/** FSTP m80: no conversion, no exceptions but those of the stack. */
export function x87StoreExtended(linear: u64, translated: u32): u32 {
  if (pendingException()) return FAULT;
  const register = physical(0);
  const empty = isEmpty(register);
  const blocked = empty && (fpuControl() & IE) == 0;
  if (!blocked) {
    const significand = empty ? INDEFINITE : fpuSignificand(register);
    const exponent = empty ? INDEFINITE_EXPONENT : <u32>fpuExponent(register);
    const status = write10(linear, significand, exponent, translated);
    if (status != DONE) return status;
  }
  setFlags(empty ? IE | SF : 0);
  if (!blocked) popRegister();
  return DONE;
}

/** FBSTP. */
export function x87StoreDecimal(linear: u64, translated: u32): u32 {
  if (pendingException()) return FAULT;
  beginOperation();
  const register = physical(0);
  const empty = isEmpty(register);
  if (empty) note(IE | SF);
  const significand = empty ? INDEFINITE : fpuSignificand(register);
  const exponent = empty ? INDEFINITE_EXPONENT : <u32>fpuExponent(register);
  const low = toDecimal(significand, exponent);
  const flags = empty ? IE | SF : raised;
  const blocked = (flags & ~fpuControl() & IE) != 0;
  if (!blocked) {
    const status = write10(linear, low, decimalHigh, translated);
    if (status != DONE) return status;
  }
  setFlags(flags);
  if (!blocked) popRegister();
  return DONE;
}
