import {
  base,
  cpl,
  cr0,
  cr3,
  debugPending,
  dr,
  gdtrBase,
  gpr,
  segAttr,
  segBase,
  segLimit,
  segSelector,
  setCpl,
  setCr0,
  setCr3,
  setDebugPending,
  setGpr,
  setNextRip,
  setRip,
  setSegAttr,
  setSegSelector,
  systemFlags,
  EFLAGS_NT,
  EFLAGS_VM,
  OFFSET_scratch,
  SEG_P,
  SREG_CS,
  SREG_DS,
  SREG_ES,
  SREG_FS,
  SREG_GS,
  SREG_LDTR,
  SREG_SS,
  SREG_TR,
} from '../generated/layout';
import { faulted, GP, NP, raise, TS } from '../fault';
import { writeFlags } from '../flags';
import { probeWrite } from '../memory';
import { switchSpace } from '../paging';
import { DR6_BT, DR7_LOCAL, dropIdleResumeFlag, writeDebugControl } from './debug';
import {
  address,
  attrDpl,
  attrOf,
  baseOf,
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
  writeSegment,
  writeVirtualSegment,
  TYPE_LDT,
} from './descriptors';
import { CR0_PG, CR0_TS, CR4_PAE, tableAddress, updateMode } from './mode';
import { cr4 } from '../generated/layout';
import { loadPageDirectoryPointers } from './page-directory-pointers';
import { checkDataSegment, writeSystemSegment } from './segmentation';
import { commitStack, openStack, push } from './stack';
import { sysRead16, sysRead32, sysWrite16, sysWrite32, sysWrite8 } from './supervisor-memory';

export const TASK_JUMP: u32 = 0;
export const TASK_CALL: u32 = 1;
export const TASK_IRET: u32 = 2;
export const TASK_INTERRUPT: u32 = 3;

const BUSY: u32 = 2;
/** EFLAGS bits that exist. */
const FLAGS_DEFINED: u32 = 0x003f_7fd5;

/** What the new TSS says, read before the point of no return. Registers wait in state.scratch. */
let newRip: u32 = 0;
let newFlags: u32 = 0;
let newCr3: u32 = 0;
let newLdt: u32 = 0;
let newTrap: u32 = 0;

/**
 * Switches tasks, [SDM] vol. 3A §8.3. `selector` names the new TSS; `resume` and `flags` are what
 * the old task's state is saved with. Faults up to the commit belong to the old task; those after it
 * (segment checks, the error code's push) to the new one.
 */
export function switchTask(
  selector: u32,
  source: u32,
  ext: u32,
  resume: u64,
  hasError: bool,
  errorCode: u32,
  flags: u32,
): void {
  if (!fetchTask(selector, source, ext)) return;
  const taskLow = low;
  const taskHigh = high;
  const descriptor = address;
  const newWide = (typeOf(taskHigh) & 8) != 0;
  const newBase = <u64>baseOf(taskLow, taskHigh);
  const oldWide = (segAttr(SREG_TR) & 8) != 0;
  const oldBase = segBase(SREG_TR);
  const nests = source == TASK_CALL || source == TASK_INTERRUPT;
  readTask(newBase, newWide);
  if (faulted() || !probeTask(oldBase, oldWide, newBase, nests)) return;
  const oldDescriptor = tableDescriptor(segSelector(SREG_TR));
  if (!nests && !probeWrite(oldDescriptor + 5, 1, false)) return;
  if (source != TASK_IRET && !probeWrite(descriptor + 5, 1, false)) return;
  if ((cr0() & CR0_PG) != 0 && newWide && (cr4() & CR4_PAE) != 0) {
    if (!loadPageDirectoryPointers(newCr3)) return;
  }

  if (!nests) sysWrite8(oldDescriptor + 5, (segAttr(SREG_TR) & 0xff & ~BUSY));
  saveTask(oldBase, oldWide, <u32>resume, source == TASK_IRET ? flags & ~EFLAGS_NT : flags);
  if (nests) {
    sysWrite16(newBase, segSelector(SREG_TR));
    newFlags |= EFLAGS_NT;
  }
  if (source != TASK_IRET) sysWrite8(descriptor + 5, ((taskHigh >> 8) & 0xff) | BUSY);
  writeSystemSegment(SREG_TR, selector, taskLow, taskHigh | (BUSY << 8), 0);
  setCr0(cr0() | CR0_TS);
  loadTask(newWide);
  loadTaskSegments(ext);
  updateMode();
  dropIdleResumeFlag();
  if (faulted()) return;
  if (newTrap != 0) setDebugPending(debugPending() | DR6_BT);
  if (hasError) {
    openStack(ext);
    if (push(newWide ? 4 : 2, errorCode)) commitStack();
  }
}

/** Finds and checks the TSS descriptor, [SDM] vol. 3A table 8-1. */
function fetchTask(selector: u32, source: u32, ext: u32): bool {
  const error = (selector & 0xfffc) | ext;
  const vector = source == TASK_IRET ? TS : GP;
  if ((selector & 4) != 0 || isNull(selector)) {
    raise(vector, error);
    return false;
  }
  if (!fetchDescriptor(selector, vector, ext)) return false;
  // Types 1 and 9 are available, 3 and 11 busy.
  const type = typeOf(high);
  if ((type & 0x15) != 1 || ((type & BUSY) != 0) != (source == TASK_IRET)) {
    raise(vector, error);
    return false;
  }
  if (!isPresent(high)) {
    raise(NP, error);
    return false;
  }
  if (limitOf(low, high) < ((type & 8) != 0 ? <u32>103 : <u32>43)) {
    raise(TS, error);
    return false;
  }
  return true;
}

/** Where the GDT describes the current task. */
function tableDescriptor(selector: u32): u64 {
  return tableAddress(gdtrBase() + (selector & 0xfff8));
}

// @ts-ignore: decorator
@inline
function field32(at: u64): u32 {
  return faulted() ? 0 : sysRead32(tableAddress(at));
}

// @ts-ignore: decorator
@inline
function field16(at: u64): u32 {
  return faulted() ? 0 : sysRead16(tableAddress(at));
}

/** Reads the new task's state: offsets of [SDM] vol. 3A figures 8-2 and 8-10. */
function readTask(at: u64, wide: bool): void {
  const registers = base() + OFFSET_scratch;
  const selectors = registers + 32;
  if (wide) {
    newCr3 = field32(at + 28);
    newRip = field32(at + 32);
    newFlags = field32(at + 36);
    for (let i: u32 = 0; i < 8; i++) store<u32>(registers + i * 4, field32(at + 40 + i * 4));
    for (let i: u32 = 0; i < 6; i++) store<u16>(selectors + i * 2, <u16>field16(at + 72 + i * 4));
    newLdt = field16(at + 96);
    newTrap = field16(at + 100) & 1;
    return;
  }
  newCr3 = 0;
  newRip = field16(at + 14);
  newFlags = field16(at + 16);
  // The upper halves are undefined; processors were seen to set them.
  for (let i: u32 = 0; i < 8; i++) {
    store<u32>(registers + i * 4, field16(at + 18 + i * 2) | 0xffff_0000);
  }
  for (let i: u32 = 0; i < 4; i++) store<u16>(selectors + i * 2, <u16>field16(at + 34 + i * 2));
  store<u32>(selectors + 8, 0);
  newLdt = field16(at + 42);
  newTrap = 0;
}

/** Makes sure that none of the stores of the switch can fault. */
function probeTask(oldBase: u64, oldWide: bool, newBase: u64, nests: bool): bool {
  const first = oldBase + (oldWide ? 32 : 14);
  const last = oldBase + (oldWide ? 95 : 41);
  if (!probeWrite(tableAddress(first), 1, false)) return false;
  if (!probeWrite(tableAddress(last), 1, false)) return false;
  return !nests || probeWrite(tableAddress(newBase), 2, false);
}

/** Saves the old task's state in its TSS. */
function saveTask(at: u64, wide: bool, resume: u32, flags: u32): void {
  if (wide) {
    sysWrite32(tableAddress(at + 32), resume);
    sysWrite32(tableAddress(at + 36), flags);
    for (let i: u32 = 0; i < 8; i++) sysWrite32(tableAddress(at + 40 + i * 4), <u32>gpr(i));
    for (let i: u32 = 0; i < 6; i++) sysWrite16(tableAddress(at + 72 + i * 4), segSelector(i));
    return;
  }
  sysWrite16(tableAddress(at + 14), resume);
  sysWrite16(tableAddress(at + 16), flags);
  for (let i: u32 = 0; i < 8; i++) sysWrite16(tableAddress(at + 18 + i * 2), <u32>gpr(i) & 0xffff);
  for (let i: u32 = 0; i < 4; i++) sysWrite16(tableAddress(at + 34 + i * 2), segSelector(i));
}

/** The commit: registers of the new task, its selectors not yet checked. */
function loadTask(wide: bool): void {
  const registers = base() + OFFSET_scratch;
  if ((cr0() & CR0_PG) != 0 && wide && <u64>newCr3 != cr3()) {
    setCr3(newCr3);
    switchSpace();
  }
  for (let i: u32 = 0; i < 8; i++) setGpr(i, load<u32>(registers + i * 4));
  writeFlags(newFlags | 2, FLAGS_DEFINED);
  setRip(newRip);
  setNextRip(newRip);
  for (let i: u32 = 0; i < 6; i++) {
    setSegSelector(i, load<u16>(registers + 32 + i * 2));
    setSegAttr(i, segAttr(i) & ~SEG_P);
  }
  setSegSelector(SREG_LDTR, newLdt);
  setSegAttr(SREG_LDTR, 0);
  writeDebugControl(dr(7) & ~DR7_LOCAL);
}

/** LDTR, then CS, SS and the data segments; a fault leaves the rest unusable. */
function loadTaskSegments(ext: u32): void {
  const virtual = (systemFlags() & EFLAGS_VM) != 0;
  // Until CS is known to be good the new task's privilege is that of its selector.
  setCpl(virtual ? 3 : segSelector(SREG_CS) & 3);
  if (!loadTaskLdt(ext)) return;
  if (virtual) {
    for (let i: u32 = 0; i < 6; i++) writeVirtualSegment(i, segSelector(i));
    return;
  }
  if (!loadTaskCode(ext)) return;
  const selector = segSelector(SREG_SS);
  if (!fetchStackDescriptor(selector, cpl(), TS, ext)) return;
  if (!markAccessed(address, high)) return;
  writeSegment(SREG_SS, selector, low, high);
  if (!loadTaskData(SREG_DS, ext) || !loadTaskData(SREG_ES, ext)) return;
  if (!loadTaskData(SREG_FS, ext) || !loadTaskData(SREG_GS, ext)) return;
  if (<u64>newRip > <u64>segLimit(SREG_CS)) raise(GP, ext);
}

function loadTaskLdt(ext: u32): bool {
  const selector = newLdt;
  if (isNull(selector)) {
    writeNullSegment(SREG_LDTR, selector);
    return true;
  }
  const error = (selector & 0xfffc) | ext;
  if ((selector & 4) != 0) {
    raise(TS, error);
    return false;
  }
  if (!fetchDescriptor(selector, TS, ext)) return false;
  if (typeOf(high) != TYPE_LDT || !isPresent(high)) {
    raise(TS, error);
    return false;
  }
  writeSystemSegment(SREG_LDTR, selector, low, high, 0);
  return true;
}

function loadTaskCode(ext: u32): bool {
  const selector = segSelector(SREG_CS);
  if (isNull(selector)) {
    raise(TS, ext);
    return false;
  }
  if (!fetchDescriptor(selector, TS, ext)) return false;
  const error = (selector & 0xfffc) | ext;
  const attr = attrOf(high);
  const level = selector & 3;
  if (!isCode(attr) || (isConforming(attr) ? attrDpl(attr) > level : attrDpl(attr) != level)) {
    raise(TS, error);
    return false;
  }
  if (!isPresent(high)) {
    raise(NP, error);
    return false;
  }
  if (!markAccessed(address, high)) return false;
  writeSegment(SREG_CS, selector, low, high);
  return true;
}

function loadTaskData(index: u32, ext: u32): bool {
  const selector = segSelector(index);
  if (isNull(selector)) {
    writeNullSegment(index, selector);
    return true;
  }
  if (!fetchDescriptor(selector, TS, ext)) return false;
  if (!checkDataSegment(selector, high, cpl(), TS, ext)) return false;
  if (!markAccessed(address, high)) return false;
  writeSegment(index, selector, low, high);
  return true;
}
