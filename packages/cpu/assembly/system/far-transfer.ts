import {
  cpl,
  gpr,
  modeKey,
  nextRip,
  segLimit,
  segSelector,
  setCpl,
  setNextRip,
  MODE_REAL,
  SEG_DB,
  SEG_L,
  SREG_CS,
  SREG_SS,
} from '../generated/layout';
import { faulted, GP, NP, raise, TS } from '../fault';
import { readFlags } from '../flags';
import {
  address,
  attrDpl,
  attrOf,
  baseOf,
  checkTarget,
  dplOf,
  fetchDescriptor,
  fetchStackDescriptor,
  findUpperHalf,
  high,
  isCode,
  isConforming,
  isNull,
  isPresent,
  limitOf,
  low,
  markAccessed,
  typeOf,
  writeParagraph,
  writeSegment,
  writeVirtualSegment,
  TYPE_CALL,
  TYPE_CALL16,
  TYPE_TASK_GATE,
  TYPE_TSS,
  TYPE_TSS16,
} from './descriptors';
import {
  findInnerStack,
  findWideStack,
  innerPointer,
  innerSelector,
  writeNullStack,
} from './gates';
import { hasParagraphs, inLongMode, updateMode } from './mode';
import { commitStack, openLegacyStack, openStack, openWideStack, peek, push, skip } from './stack';
import { switchTask, TASK_CALL, TASK_JUMP } from './task-switch';

const RSP: u32 = 4;

/** Far JMP. `size` (2, 4 or 8 bytes) is the operand size. [SDM] vol. 2A "JMP—Jump". */
export function farJump(selector: u32, offset: u64, size: u32): void {
  transfer(selector & 0xffff, size == 2 ? offset & 0xffff : offset, size, false);
}

/** Far CALL. [SDM] vol. 2A "CALL—Call Procedure". */
export function farCall(selector: u32, offset: u64, size: u32): void {
  transfer(selector & 0xffff, size == 2 ? offset & 0xffff : offset, size, true);
}

/** Loads CS in real-address or virtual-8086 mode. */
export function writeParagraphCode(selector: u32): void {
  if ((modeKey() & MODE_REAL) != 0) writeParagraph(SREG_CS, selector);
  else writeVirtualSegment(SREG_CS, selector);
}

/** CS and the next instruction's address on the current stack, for a call. */
function pushReturn(size: u32): bool {
  openStack(0);
  return push(size, segSelector(SREG_CS)) && push(size, nextRip());
}

function transfer(selector: u32, offset: u64, size: u32, call: bool): void {
  if (hasParagraphs()) {
    if (offset > <u64>segLimit(SREG_CS)) {
      raise(GP, 0);
      return;
    }
    if (call) {
      if (!pushReturn(size)) return;
      commitStack();
    }
    writeParagraphCode(selector);
    setNextRip(offset);
    updateMode();
    return;
  }
  if (isNull(selector)) {
    raise(GP, 0);
    return;
  }
  if (!fetchDescriptor(selector, GP, 0)) return;
  const attr = attrOf(high);
  if (isCode(attr)) {
    transferDirect(selector, offset, size, call);
    return;
  }
  const type = typeOf(high);
  const dpl = dplOf(high);
  const long = inLongMode();
  const known =
    type == TYPE_CALL ||
    (!long &&
      (type == TYPE_CALL16 || type == TYPE_TASK_GATE || type == TYPE_TSS || type == TYPE_TSS16));
  if (!known || dpl < cpl() || dpl < (selector & 3)) {
    raise(GP, selector & 0xfffc);
    return;
  }
  if (type == TYPE_TSS || type == TYPE_TSS16) {
    startTask(selector, call);
    return;
  }
  // The upper half of a 64-bit gate is checked like its type.
  const upper = long ? findUpperHalf(selector) : 0;
  if (faulted()) return;
  if (upper >> 32 != 0) {
    raise(GP, selector & 0xfffc);
    return;
  }
  if (!isPresent(high)) {
    raise(NP, selector & 0xfffc);
    return;
  }
  if (type == TYPE_TASK_GATE) {
    startTask(low >> 16, call);
    return;
  }
  let target = <u64>((low & 0xffff) | (high & 0xffff_0000)) | (upper << 32);
  if (type == TYPE_CALL16) target &= 0xffff;
  transferThroughGate(low >> 16, target, long ? 8 : type == TYPE_CALL16 ? 2 : 4, high & 0x1f, call);
}

function startTask(selector: u32, call: bool): void {
  switchTask(selector, call ? TASK_CALL : TASK_JUMP, 0, nextRip(), false, 0, readFlags());
}

/** Straight to a code segment: privilege stays. The descriptor was just fetched. */
function transferDirect(selector: u32, offset: u64, size: u32, call: bool): void {
  const error = selector & 0xfffc;
  const attr = attrOf(high);
  const dpl = attrDpl(attr);
  const level = cpl();
  const allowed = isConforming(attr) ? dpl <= level : dpl == level && (selector & 3) <= level;
  if (!allowed || (inLongMode() && (attr & (SEG_L | SEG_DB)) == (SEG_L | SEG_DB))) {
    raise(GP, error);
    return;
  }
  if (!isPresent(high)) {
    raise(NP, error);
    return;
  }
  const csLow = low;
  const csHigh = high;
  const csAddress = address;
  if (!checkTarget(csLow, csHigh, offset, 0)) return;
  if (call && !pushReturn(size)) return;
  if (!markAccessed(csAddress, csHigh)) return;
  if (call) commitStack();
  writeSegment(SREG_CS, error | level, csLow, csHigh);
  setNextRip(offset);
  updateMode();
}

/** Through a call gate; a CALL to more privileged code changes stacks. [SDM] vol. 3A §5.8.4. */
function transferThroughGate(selector: u32, target: u64, size: u32, count: u32, call: bool): void {
  if (isNull(selector)) {
    raise(GP, 0);
    return;
  }
  if (!fetchDescriptor(selector, GP, 0)) return;
  const error = selector & 0xfffc;
  const attr = attrOf(high);
  const dpl = attrDpl(attr);
  const level = cpl();
  const wrongSize = inLongMode() && (attr & (SEG_L | SEG_DB)) != SEG_L;
  const tooFar = dpl > level || (!call && !isConforming(attr) && dpl != level);
  if (!isCode(attr) || wrongSize || tooFar) {
    raise(GP, error);
    return;
  }
  if (!isPresent(high)) {
    raise(NP, error);
    return;
  }
  const csLow = low;
  const csHigh = high;
  const csAddress = address;
  if (!checkTarget(csLow, csHigh, target, 0)) return;
  const inner = call && !isConforming(attr) && dpl < level;
  const newLevel = inner ? dpl : level;
  if (inner) {
    const done = size == 8
      ? pushWideCall(newLevel, csAddress, csHigh)
      : pushInnerCall(newLevel, size, count, csAddress, csHigh);
    if (!done) return;
  } else {
    if (call && !pushReturn(size)) return;
    if (!markAccessed(csAddress, csHigh)) return;
    if (call) commitStack();
  }
  writeSegment(SREG_CS, error | newLevel, csLow, csHigh);
  setCpl(newLevel);
  setNextRip(target);
  updateMode();
}

/** Old SS:RSP and CS:RIP on RSPn of the TSS; SS becomes null. */
function pushWideCall(level: u32, csAddress: u64, csHigh: u32): bool {
  if (!findWideStack(level, 0)) return false;
  openWideStack(innerPointer, level, 0);
  if (!push(8, segSelector(SREG_SS)) || !push(8, gpr(RSP))) return false;
  if (!push(8, segSelector(SREG_CS)) || !push(8, nextRip())) return false;
  if (!markAccessed(csAddress, csHigh)) return false;
  commitStack();
  writeNullStack(level);
  return true;
}

/** Old SS:ESP, `count` parameters off the old stack and CS:EIP on the TSS's stack for `level`. */
function pushInnerCall(level: u32, size: u32, count: u32, csAddress: u64, csHigh: u32): bool {
  if (!findInnerStack(level, 0)) return false;
  const selector = innerSelector;
  const pointer = innerPointer;
  if (!fetchStackDescriptor(selector, level, TS, 0)) return false;
  const ssLow = low;
  const ssHigh = high;
  const ssAddress = address;
  // Each parameter means turning from the new stack to the old one and back.
  openInner(ssLow, ssHigh, pointer, level, selector);
  if (!push(size, segSelector(SREG_SS)) || !push(size, gpr(RSP))) return false;
  for (let index = count; index > 0; index--) {
    openStack(0);
    const value = peek((index - 1) * size, size);
    if (faulted()) return false;
    openInner(ssLow, ssHigh, pointer, level, selector);
    skip(0 - (2 + count - index) * size);
    if (!push(size, value)) return false;
  }
  openInner(ssLow, ssHigh, pointer, level, selector);
  skip(0 - (2 + count) * size);
  if (!push(size, segSelector(SREG_CS)) || !push(size, nextRip())) return false;
  if (!markAccessed(ssAddress, ssHigh) || !markAccessed(csAddress, csHigh)) return false;
  commitStack();
  writeSegment(SREG_SS, selector, ssLow, ssHigh);
  return true;
}

function openInner(ssLow: u32, ssHigh: u32, pointer: u64, level: u32, selector: u32): void {
  openLegacyStack(
    baseOf(ssLow, ssHigh),
    limitOf(ssLow, ssHigh),
    attrOf(ssHigh),
    pointer,
    level,
    selector & 0xfffc,
  );
}
