import {
  cpl,
  cr4,
  modeKey,
  segAttr,
  segBase,
  segLimit,
  setCpl,
  setNextRip,
  setNmiMasked,
  setSegAttr,
  setSegSelector,
  systemFlags,
  EFLAGS_AC,
  EFLAGS_ID,
  EFLAGS_IF,
  EFLAGS_IOPL,
  EFLAGS_NT,
  EFLAGS_RF,
  EFLAGS_TF,
  EFLAGS_VIF,
  EFLAGS_VIP,
  EFLAGS_VM,
  MODE_VIRTUAL_8086,
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
import { faulted, GP, NP, raise } from '../fault';
import { readFlags, writeFlags } from '../flags';
import { sysRead16 } from './supervisor-memory';
import {
  address,
  attrDpl,
  attrOf,
  checkTarget,
  fetchDescriptor,
  fetchStackDescriptor,
  high,
  isCode,
  isConforming,
  isNull,
  isPresent,
  low,
  markAccessed,
  writeNullSegment,
  writeSegment,
  writeVirtualSegment,
} from './descriptors';
import { writeParagraphCode } from './far-transfer';
import { nextRip } from '../generated/layout';
import { dropIdleResumeFlag } from './debug';
import {
  CR4_VME,
  hasParagraphs,
  in64BitMode,
  inLongMode,
  tableAddress,
  updateMode,
  updatePrivilege,
} from './mode';
import { commitStack, openStack, pop, setStackPointer, skip } from './stack';
import { switchTask, TASK_IRET } from './task-switch';

/** Flags that every POPF and IRET can write, whatever the privilege. */
export const FLAGS_COMMON: u32 = 0x0cd5 | 0x0100 | 0x4000;

/** Flags that CPL 0 can write besides. */
const FLAGS_SUPERVISOR: u32 =
  EFLAGS_IF | EFLAGS_IOPL | EFLAGS_RF | EFLAGS_AC | EFLAGS_ID | EFLAGS_VIF | EFLAGS_VIP;

/** Far RET of `size`-byte slots that releases `popBytes` of parameters. [SDM] vol. 2B "RET". */
export function farReturn(size: u32, popBytes: u32): void {
  openStack(0);
  const target = pop(size);
  if (faulted()) return;
  const selector = <u32>pop(size) & 0xffff;
  if (faulted()) return;
  if (hasParagraphs()) {
    if (!checkParagraphTarget(target)) return;
    skip(popBytes);
    commitStack();
    writeParagraphCode(selector);
    setNextRip(target);
    updateMode();
    return;
  }
  if (!fetchReturnCode(selector)) return;
  skip(popBytes);
  if ((selector & 3) == cpl()) {
    const csLow = low;
    const csHigh = high;
    if (!checkTarget(csLow, csHigh, target, 0)) return;
    if (!markAccessed(address, csHigh)) return;
    commitStack();
    writeSegment(SREG_CS, selector, csLow, csHigh);
    setNextRip(target);
    updateMode();
    return;
  }
  returnToOuter(selector, target, size, popBytes, false, 0);
}

function checkParagraphTarget(target: u64): bool {
  if (target <= <u64>segLimit(SREG_CS)) return true;
  raise(GP, 0);
  return false;
}

/** Finds the code segment to return to; what RET and IRET check of it is the same. */
function fetchReturnCode(selector: u32): bool {
  if (isNull(selector)) {
    raise(GP, 0);
    return false;
  }
  if (!fetchDescriptor(selector, GP, 0)) return false;
  const error = selector & 0xfffc;
  const attr = attrOf(high);
  const level = selector & 3;
  const dpl = attrDpl(attr);
  const wrongSize = inLongMode() && (attr & (SEG_L | SEG_DB)) == (SEG_L | SEG_DB);
  const wrongLevel = level < cpl() || (isConforming(attr) ? dpl > level : dpl != level);
  if (!isCode(attr) || wrongLevel || wrongSize) {
    raise(GP, error);
    return false;
  }
  if (isPresent(high)) return true;
  raise(NP, error);
  return false;
}

/**
 * The rest of a return that also pops SS:(E/R)SP: to an outer privilege, or any IRET of 64-bit
 * code. The code descriptor was just fetched; `release` is added to the popped stack pointer.
 */
function returnToOuter(
  selector: u32,
  target: u64,
  size: u32,
  release: u32,
  interrupt: bool,
  flags: u32,
): void {
  const csLow = low;
  const csHigh = high;
  const csAddress = address;
  const level = selector & 3;
  const pointer = pop(size);
  if (faulted()) return;
  const stack = <u32>pop(size) & 0xffff;
  if (faulted()) return;
  const wide = inLongMode() && (csHigh & 0x0020_0000) != 0;
  const nullStack = isNull(stack) && wide && level != 3;
  if (!nullStack && !fetchStackDescriptor(stack, level, GP, 0)) return;
  const ssLow = low;
  const ssHigh = high;
  if (!checkTarget(csLow, csHigh, target, 0)) return;
  if (!markAccessed(csAddress, csHigh)) return;
  if (!nullStack && !markAccessed(address, ssHigh)) return;
  if (interrupt) restoreFlags(flags, size);
  const stays = in64BitMode() && wide;
  const outer = level != cpl();
  writeSegment(SREG_CS, selector, csLow, csHigh);
  if (nullStack) writeNullSegment(SREG_SS, stack);
  else writeSegment(SREG_SS, stack, ssLow, ssHigh);
  const width: u64 = wide ? ~(<u64>0) : (ssHigh & 0x0040_0000) != 0 ? 0xffff_ffff : 0xffff;
  setStackPointer(pointer + release, width);
  setCpl(level);
  if (outer) dropInnerSegments(level);
  setNextRip(target);
  // Between 64-bit code segments only the privilege may differ.
  if (stays) updatePrivilege();
  else updateMode();
}

/** Nulls the data segments that the outer level may not use, [SDM] vol. 2B "RET". */
function dropInnerSegments(level: u32): void {
  dropInner(SREG_ES, level);
  dropInner(SREG_DS, level);
  dropInner(SREG_FS, level);
  dropInner(SREG_GS, level);
}

// @ts-ignore: decorator
@inline
function dropInner(index: u32, level: u32): void {
  const attr = segAttr(index);
  if (attrDpl(attr) >= level || (isCode(attr) && isConforming(attr))) return;
  setSegSelector(index, 0);
  setSegAttr(index, 0);
}

/** Writes the popped flags as far as the privilege before the return allows. */
function restoreFlags(flags: u32, size: u32): void {
  const level = cpl();
  let mask = FLAGS_COMMON;
  if (size > 2) mask |= EFLAGS_RF | EFLAGS_AC | EFLAGS_ID;
  if (level <= (systemFlags() >> 12 & 3)) mask |= EFLAGS_IF;
  if (level == 0) {
    mask |= EFLAGS_IOPL;
    if (size > 2) mask |= EFLAGS_VIF | EFLAGS_VIP;
  }
  writeFlags(flags, mask);
}

/** IRET, IRETD and IRETQ, [SDM] vol. 2A "IRET/IRETD". */
export function interruptReturn(size: u32): void {
  // NMIs are let in even when the instruction faults, [SDM] vol. 3A §6.7.1.
  setNmiMasked(0);
  returnFromInterrupt(size);
  dropIdleResumeFlag();
}

function returnFromInterrupt(size: u32): void {
  if (hasParagraphs()) {
    returnParagraph(size);
    return;
  }
  if ((systemFlags() & EFLAGS_NT) != 0) {
    returnTask();
    return;
  }
  openStack(0);
  const target = pop(size);
  if (faulted()) return;
  const selector = <u32>pop(size) & 0xffff;
  if (faulted()) return;
  const flags = <u32>pop(size);
  if (faulted()) return;
  if ((flags & EFLAGS_VM) != 0 && size == 4 && cpl() == 0 && !inLongMode()) {
    returnToVirtual(<u32>target, selector, flags);
    return;
  }
  if (!fetchReturnCode(selector)) return;
  if ((selector & 3) > cpl() || in64BitMode()) {
    returnToOuter(selector, target, size, 0, true, flags);
    return;
  }
  const csLow = low;
  const csHigh = high;
  if (!checkTarget(csLow, csHigh, target, 0)) return;
  if (!markAccessed(address, csHigh)) return;
  commitStack();
  restoreFlags(flags, size);
  writeSegment(SREG_CS, selector, csLow, csHigh);
  setNextRip(target);
  updateMode();
}

/** Real-address mode, and virtual-8086 mode staying in it. */
function returnParagraph(size: u32): void {
  const virtual = (modeKey() & MODE_VIRTUAL_8086) != 0;
  const trusted = !virtual || (systemFlags() & EFLAGS_IOPL) == EFLAGS_IOPL;
  if (!trusted && (size != 2 || (cr4() & CR4_VME) == 0)) {
    raise(GP, 0);
    return;
  }
  openStack(0);
  const target = pop(size);
  if (faulted()) return;
  const selector = <u32>pop(size) & 0xffff;
  if (faulted()) return;
  const flags = <u32>pop(size);
  if (faulted() || !checkParagraphTarget(target)) return;
  if (!trusted && !checkVirtualFlags(flags)) return;
  commitStack();
  if (!trusted) {
    writeVirtualFlags(flags);
  } else {
    let mask = FLAGS_COMMON | EFLAGS_IF;
    if (!virtual) mask |= EFLAGS_IOPL;
    if (size > 2) mask |= EFLAGS_RF | EFLAGS_AC | EFLAGS_ID;
    writeFlags(flags, mask);
  }
  writeParagraphCode(selector);
  setNextRip(target);
  updateMode();
}

/** With VME, flags that would let a waiting interrupt in, or set TF, are the monitor's business. */
export function checkVirtualFlags(flags: u32): bool {
  const waiting = (flags & EFLAGS_IF) != 0 && (systemFlags() & EFLAGS_VIP) != 0;
  if (!waiting && (flags & EFLAGS_TF) == 0) return true;
  raise(GP, 0);
  return false;
}

/** Writes 16 bits of flags with VIF in the place of IF. */
export function writeVirtualFlags(flags: u32): void {
  const image = (flags & 0xffff) | ((flags & EFLAGS_IF) != 0 ? EFLAGS_VIF : 0);
  writeFlags(image, FLAGS_COMMON | EFLAGS_VIF);
}

/** From CPL 0 into virtual-8086 mode, [SDM] vol. 3B §21.2.5: ESP SS ES DS FS GS follow. */
function returnToVirtual(target: u32, code: u32, flags: u32): void {
  const pointer = pop(4);
  if (faulted()) return;
  const stack = <u32>pop(4) & 0xffff;
  if (faulted()) return;
  const es = <u32>pop(4) & 0xffff;
  if (faulted()) return;
  const ds = <u32>pop(4) & 0xffff;
  if (faulted()) return;
  const fs = <u32>pop(4) & 0xffff;
  if (faulted()) return;
  const gs = <u32>pop(4) & 0xffff;
  if (faulted()) return;
  if (target > 0xffff) {
    raise(GP, 0);
    return;
  }
  writeFlags(flags, FLAGS_COMMON | FLAGS_SUPERVISOR | EFLAGS_VM);
  writeVirtualSegment(SREG_CS, code);
  writeVirtualSegment(SREG_SS, stack);
  writeVirtualSegment(SREG_ES, es);
  writeVirtualSegment(SREG_DS, ds);
  writeVirtualSegment(SREG_FS, fs);
  writeVirtualSegment(SREG_GS, gs);
  setStackPointer(pointer, 0xffff_ffff);
  setCpl(3);
  setNextRip(target);
  updateMode();
}

/** NT is set: back to the task that the current TSS links to. */
function returnTask(): void {
  if (inLongMode()) {
    raise(GP, 0);
    return;
  }
  const link = sysRead16(tableAddress(segBase(SREG_TR)));
  if (faulted()) return;
  switchTask(link, TASK_IRET, 0, nextRip(), false, 0, readFlags());
}
