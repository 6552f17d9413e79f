import {
  cpl,
  cr4,
  modeKey,
  setInhibitInterrupts,
  setSystemFlags,
  systemFlags,
  EFLAGS_AC,
  EFLAGS_ID,
  EFLAGS_IF,
  EFLAGS_IOPL,
  EFLAGS_RF,
  EFLAGS_VIF,
  EFLAGS_VIP,
  EFLAGS_VM,
  INHIBIT_INTERRUPTS,
  MODE_REAL,
  MODE_VIRTUAL_8086,
} from '../generated/layout';
import { faulted, GP, raise, raiseNoError, UD } from '../fault';
import { readFlags, writeFlags } from '../flags';
import { checkVirtualFlags, FLAGS_COMMON, writeVirtualFlags } from './far-return';
import { CR4_PVI, CR4_VME, updatePrivilege } from './mode';
import { commitStack, openStack, pop, push } from './stack';

// @ts-ignore: decorator
@inline
function inVirtualMode(): bool {
  return (modeKey() & MODE_VIRTUAL_8086) != 0;
}

// @ts-ignore: decorator
@inline
function ioPrivilege(): u32 {
  return (systemFlags() >> 12) & 3;
}

/** Whether CPL may change IF; in virtual-8086 mode (CPL 3) IOPL must be 3. */
// @ts-ignore: decorator
@inline
function ownsInterrupts(): bool {
  return cpl() <= ioPrivilege();
}

/** Whether CLI and STI work on VIF instead of IF, [SDM] vol. 3B §21.3 and §21.4. */
function hasVirtualInterrupts(): bool {
  if (inVirtualMode()) return (cr4() & CR4_VME) != 0;
  return (modeKey() & MODE_REAL) == 0 && cpl() == 3 && (cr4() & CR4_PVI) != 0;
}

/** CLI. [SDM] vol. 2A "CLI—Clear Interrupt Flag". */
export function cli(): void {
  if (ownsInterrupts()) setSystemFlags(systemFlags() & ~EFLAGS_IF);
  else if (hasVirtualInterrupts()) setSystemFlags(systemFlags() & ~EFLAGS_VIF);
  else raise(GP, 0);
}

/** STI: interrupts stay off until the end of the next instruction. [SDM] vol. 2B "STI". */
export function sti(): void {
  if (ownsInterrupts()) {
    if ((systemFlags() & EFLAGS_IF) == 0) setInhibitInterrupts(INHIBIT_INTERRUPTS);
    setSystemFlags(systemFlags() | EFLAGS_IF);
  } else if (hasVirtualInterrupts() && (systemFlags() & EFLAGS_VIP) == 0) {
    setSystemFlags(systemFlags() | EFLAGS_VIF);
  } else {
    raise(GP, 0);
  }
}

/** CLAC. [SDM] vol. 2A "CLAC—Clear AC Flag in EFLAGS Register". */
export function clac(): void {
  setAlignmentFlag(0);
}

/** STAC. */
export function stac(): void {
  setAlignmentFlag(EFLAGS_AC);
}

function setAlignmentFlag(value: u32): void {
  if (cpl() != 0) {
    raiseNoError(UD);
    return;
  }
  setSystemFlags((systemFlags() & ~EFLAGS_AC) | value);
  updatePrivilege();
}

/** PUSHF, PUSHFD, PUSHFQ. [SDM] vol. 2B "PUSHF/PUSHFD/PUSHFQ". */
export function pushFlags(size: u32): void {
  let image = readFlags() & ~(EFLAGS_VM | EFLAGS_RF);
  if (inVirtualMode() && ioPrivilege() < 3) {
    if (size != 2 || (cr4() & CR4_VME) == 0) {
      raise(GP, 0);
      return;
    }
    image = (image & ~EFLAGS_IF) | EFLAGS_IOPL;
    if ((systemFlags() & EFLAGS_VIF) != 0) image |= EFLAGS_IF;
  }
  openStack(0);
  if (push(size, image)) commitStack();
}

/** POPF, POPFD, POPFQ. [SDM] vol. 2B "POPF/POPFD/POPFQ", table 4-16. */
export function popFlags(size: u32): void {
  const virtual = inVirtualMode();
  const limited = virtual && ioPrivilege() < 3;
  if (limited && (size != 2 || (cr4() & CR4_VME) == 0)) {
    raise(GP, 0);
    return;
  }
  openStack(0);
  const flags = <u32>pop(size);
  if (faulted()) return;
  if (limited) {
    if (!checkVirtualFlags(flags)) return;
    commitStack();
    writeVirtualFlags(flags);
  } else {
    commitStack();
    let mask = FLAGS_COMMON;
    if (ownsInterrupts()) mask |= EFLAGS_IF;
    if (cpl() == 0) mask |= EFLAGS_IOPL;
    if (size > 2) mask |= EFLAGS_AC | EFLAGS_ID | EFLAGS_RF;
    writeFlags(flags & ~EFLAGS_RF, mask);
  }
  updatePrivilege();
}
