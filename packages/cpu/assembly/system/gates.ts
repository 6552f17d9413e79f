import {
  cpl,
  gpr,
  idtrBase,
  idtrLimit,
  modeKey,
  segAttr,
  segBase,
  segLimit,
  segSelector,
  setCpl,
  setNextRip,
  setSystemFlags,
  systemFlags,
  EFLAGS_AC,
  EFLAGS_IF,
  EFLAGS_NT,
  EFLAGS_RF,
  EFLAGS_TF,
  EFLAGS_VM,
  MODE_REAL,
  SEG_DB,
  SEG_L,
  SREG_CS,
  SREG_DS,
  SREG_ES,
  SREG_FS,
  SREG_GS,
  SREG_SS,
  SREG_TR,
} from '../generated/layout';
import { faulted, GP, NP, raise, SS, TS } from '../fault';
import { readFlags } from '../flags';
import { sysRead16, sysRead32, sysRead64 } from './supervisor-memory';
import {
  address,
  attrDpl,
  attrOf,
  baseOf,
  checkTarget,
  fetchDescriptor,
  fetchStackDescriptor,
  high,
  isCode,
  isConforming,
  isNull,
  isPresent,
  limitOf,
  low,
  markAccessed,
  typeOf,
  writeNullSegment,
  writeParagraph,
  writeSegment,
  TYPE_INT,
  TYPE_INT16,
  TYPE_TASK_GATE,
  TYPE_TRAP,
  TYPE_TRAP16,
} from './descriptors';
import {
  in64BitMode,
  inLongMode,
  isCanonical,
  tableAddress,
  updateMode,
  updatePrivilege,
} from './mode';
import { commitStack, openLegacyStack, openStack, openWideStack, push } from './stack';
import { switchTask, TASK_INTERRUPT } from './task-switch';

const RSP: u32 = 4;

/** What is being delivered: decides privilege checks of the gate and the EXT bit of error codes. */
export const EVENT_HARDWARE: u32 = 0;
export const EVENT_SOFTWARE: u32 = 1;
/** INT1: software made it, but no gate privilege is asked for. [SDM] vol. 2A "INT n". */
export const EVENT_ICEBP: u32 = 2;

// The event under delivery. An error code has `errorSize` 1 (present) or 0.
let eventVector: u32 = 0;
let ext: u32 = 0;
let hasError: bool = false;
let errorCode: u32 = 0;
let returnRip: u64 = 0;
let flagsImage: u64 = 0;

/**
 * Delivers an interrupt or exception through the IVT or IDT, [SDM] vol. 2A "INT n/INTO/INT3/INT1"
 * and vol. 3A §6.12 to §6.14. `resume` is the instruction pointer to push and `setRf` the RF bit to
 * push as set. When this faults, nothing has changed but memory below the stack pointer.
 */
export function deliver(
  vector: u32,
  kind: u32,
  withError: bool,
  error: u32,
  resume: u64,
  setRf: u32,
): void {
  eventVector = vector;
  ext = kind == EVENT_SOFTWARE ? 0 : 1;
  hasError = withError;
  errorCode = error;
  returnRip = resume;
  flagsImage = readFlags() | setRf;
  if ((modeKey() & MODE_REAL) != 0) deliverReal();
  else deliverThroughGate(kind);
}

/** Real-address mode: the interrupt vector table, [SDM] vol. 3B §21.1.4. */
function deliverReal(): void {
  if (eventVector * 4 + 3 > idtrLimit()) {
    raise(GP, eventVector * 8 + 2 + ext);
    return;
  }
  const entry = sysRead32(tableAddress(idtrBase() + eventVector * 4));
  if (faulted()) return;
  openStack(0);
  if (!push(2, flagsImage & 0xffff)) return;
  if (!push(2, segSelector(SREG_CS))) return;
  if (!push(2, returnRip & 0xffff)) return;
  commitStack();
  setSystemFlags(systemFlags() & ~(EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF));
  writeParagraph(SREG_CS, entry >> 16);
  setNextRip(entry & 0xffff);
  updateMode();
}

function deliverThroughGate(kind: u32): void {
  const long = inLongMode();
  const size: u32 = long ? 16 : 8;
  const error = eventVector * 8 + 2 + ext;
  if (eventVector * size + size - 1 > idtrLimit()) {
    raise(GP, error);
    return;
  }
  const at = tableAddress(idtrBase() + eventVector * size);
  const raw = sysRead64(at);
  if (faulted()) return;
  const gateLow = <u32>raw;
  const gateHigh = <u32>(raw >> 32);
  const type = typeOf(gateHigh);
  if (!isInterruptGate(type, long) || (kind == EVENT_SOFTWARE && ((gateHigh >> 13) & 3) < cpl())) {
    raise(GP, error);
    return;
  }
  if (!isPresent(gateHigh)) {
    raise(NP, error);
    return;
  }
  if (type == TYPE_TASK_GATE) {
    switchTask(gateLow >> 16, TASK_INTERRUPT, ext, returnRip, hasError, errorCode, <u32>flagsImage);
    return;
  }
  let target = <u64>((gateLow & 0xffff) | (gateHigh & 0xffff_0000));
  if (long) {
    target |= (<u64>sysRead32(at + 8)) << 32;
    if (faulted()) return;
  } else if (type < TYPE_INT) {
    target &= 0xffff;
  }
  enterHandler(gateLow >> 16, target, type, gateHigh & 7);
}

function isInterruptGate(type: u32, long: bool): bool {
  if (type == TYPE_INT || type == TYPE_TRAP) return true;
  return !long && (type == TYPE_INT16 || type == TYPE_TRAP16 || type == TYPE_TASK_GATE);
}

/** The handler's code segment decides whether privilege changes. */
function enterHandler(selector: u32, target: u64, type: u32, ist: u32): void {
  if (isNull(selector)) {
    raise(GP, ext);
    return;
  }
  if (!fetchDescriptor(selector, GP, ext)) return;
  const error = (selector & 0xfffc) | ext;
  const attr = attrOf(high);
  const dpl = attrDpl(attr);
  const level = cpl();
  const wrongSize = inLongMode() && (attr & (SEG_L | SEG_DB)) != SEG_L;
  if (!isCode(attr) || dpl > level || wrongSize) {
    raise(GP, error);
    return;
  }
  if (!isPresent(high)) {
    raise(NP, error);
    return;
  }
  const virtual = (systemFlags() & EFLAGS_VM) != 0;
  const inner = !isConforming(attr) && dpl < level;
  if (virtual && (!inner || dpl != 0)) {
    raise(GP, error);
    return;
  }
  const csLow = low;
  const csHigh = high;
  const csAddress = address;
  const newLevel = inner ? dpl : level;
  if (!checkTarget(csLow, csHigh, target, ext)) return;
  if (inLongMode()) {
    if (!pushWideFrame(newLevel, inner, ist)) return;
    if (!markAccessed(csAddress, csHigh)) return;
    commitWide(newLevel, inner);
  } else {
    const size: u32 = type < TYPE_INT ? 2 : 4;
    if (inner) {
      if (!pushInnerFrame(newLevel, size, virtual, csAddress, csHigh)) return;
    } else {
      openStack(ext);
      if (!pushReturn(size)) return;
      if (!markAccessed(csAddress, csHigh)) return;
      commitStack();
    }
  }
  const narrow = !in64BitMode();
  writeSegment(SREG_CS, (selector & 0xfffc) | newLevel, csLow, csHigh);
  setCpl(newLevel);
  let cleared = EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM;
  if ((type & 1) == 0) cleared |= EFLAGS_IF;
  setSystemFlags(systemFlags() & ~cleared);
  setNextRip(target);
  // From 64-bit code to 64-bit code nothing that depends on segments changes.
  if (narrow) updateMode();
  else updatePrivilege();
}

/** EFLAGS, CS, EIP and the error code. */
function pushReturn(size: u32): bool {
  if (!push(size, flagsImage)) return false;
  if (!push(size, segSelector(SREG_CS))) return false;
  if (!push(size, returnRip)) return false;
  return !hasError || push(size, errorCode);
}

/**
 * A legacy frame on the stack that the TSS names for `level`, and SS and ESP for it. Out of
 * virtual-8086 mode the data segments are saved and nulled as well.
 */
function pushInnerFrame(level: u32, size: u32, virtual: bool, csAddress: u64, csHigh: u32): bool {
  if (!findInnerStack(level, ext)) return false;
  const selector = innerSelector;
  const pointer = innerPointer;
  if (!fetchStackDescriptor(selector, level, TS, ext)) return false;
  const ssLow = low;
  const ssHigh = high;
  const ssAddress = address;
  const error = (selector & 0xfffc) | ext;
  const base = baseOf(ssLow, ssHigh);
  openLegacyStack(base, limitOf(ssLow, ssHigh), attrOf(ssHigh), pointer, level, error);
  if (virtual) {
    if (!push(size, segSelector(SREG_GS))) return false;
    if (!push(size, segSelector(SREG_FS))) return false;
    if (!push(size, segSelector(SREG_DS))) return false;
    if (!push(size, segSelector(SREG_ES))) return false;
  }
  if (!push(size, segSelector(SREG_SS))) return false;
  if (!push(size, gpr(RSP))) return false;
  if (!pushReturn(size)) return false;
  if (!markAccessed(ssAddress, ssHigh) || !markAccessed(csAddress, csHigh)) return false;
  commitStack();
  writeSegment(SREG_SS, selector, ssLow, ssHigh);
  if (virtual) {
    writeNullSegment(SREG_ES, 0);
    writeNullSegment(SREG_DS, 0);
    writeNullSegment(SREG_FS, 0);
    writeNullSegment(SREG_GS, 0);
  }
  return true;
}

// The stack found by findInnerStack().
export let innerSelector: u32 = 0;
export let innerPointer: u64 = 0;

/** Reads SS and ESP of a privilege level from the TSS; #TS when it is too short. */
export function findInnerStack(level: u32, extBit: u32): bool {
  const wide = (segAttr(SREG_TR) & 8) != 0;
  const offset: u32 = wide ? level * 8 + 4 : level * 4 + 2;
  if (offset + (wide ? 5 : 3) > segLimit(SREG_TR)) {
    raise(TS, (segSelector(SREG_TR) & 0xfffc) | extBit);
    return false;
  }
  const at = segBase(SREG_TR) + offset;
  innerPointer = wide ? sysRead32(tableAddress(at)) : sysRead16(tableAddress(at));
  if (faulted()) return false;
  innerSelector = sysRead16(tableAddress(at + (wide ? 4 : 2)));
  return !faulted();
}

/** Reads RSP0 to RSP2, or IST1 to IST7 for index 4 on, [SDM] vol. 3A §7.7. */
export function findWideStack(index: u32, extBit: u32): bool {
  const offset = index * 8 + 4;
  if (offset + 7 > segLimit(SREG_TR)) {
    raise(TS, (segSelector(SREG_TR) & 0xfffc) | extBit);
    return false;
  }
  innerPointer = sysRead64(segBase(SREG_TR) + offset);
  if (faulted()) return false;
  if (isCanonical(innerPointer)) return true;
  raise(SS, extBit);
  return false;
}

/** The 64-bit frame, [SDM] vol. 3A §6.14.2: SS:RSP always, the pointer aligned to 16 bytes. */
function pushWideFrame(level: u32, inner: bool, ist: u32): bool {
  let pointer = gpr(RSP);
  if (ist != 0) {
    // IST1 lies 8 bytes behind RSP2, after a reserved quadword.
    if (!findWideStack(ist + 3, ext)) return false;
    pointer = innerPointer;
  } else if (inner) {
    if (!findWideStack(level, ext)) return false;
    pointer = innerPointer;
  }
  openWideStack(pointer & ~(<u64>15), level, ext);
  if (!push(8, segSelector(SREG_SS))) return false;
  if (!push(8, gpr(RSP))) return false;
  return pushReturn(8);
}

function commitWide(level: u32, inner: bool): void {
  commitStack();
  if (inner) writeNullStack(level);
}

/** SS after a change of privilege in IA-32e mode: null, with the new level in RPL and DPL. */
export function writeNullStack(level: u32): void {
  writeNullSegment(SREG_SS, level);
}
