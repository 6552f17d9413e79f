import {
  dr,
  exitReason,
  faultError,
  faultHasError,
  faultIsTrap,
  faultVector,
  modeKey,
  nextRip,
  rip,
  segBase,
  segLimit,
  segSelector,
  setDeliveryDepth,
  setDeliveryVector,
  setDr,
  setExitReason,
  setFaultPending,
  setNextRip,
  setNmiMasked,
  setRip,
  setSystemFlags,
  systemFlags,
  EFLAGS_IF,
  EFLAGS_IOPL,
  EFLAGS_RF,
  EFLAGS_TF,
  EFLAGS_VIF,
  EXIT_SHUTDOWN,
  MODE_VIRTUAL_8086,
  SREG_CS,
  SREG_TR,
} from '../generated/layout';
import { cr4 } from '../generated/layout';
import { BP, DB, DE, DF, faulted, GP, NMI, OF, PF, raise, TS } from '../fault';
import { readArithmeticFlags, readFlags } from '../flags';
import { sysRead16, sysRead32, sysRead8 } from './supervisor-memory';
import { writeVirtualSegment } from './descriptors';
import { DR6_BD, enterDebugHandler, suppressSingleStep } from './debug';
import { deliver, EVENT_HARDWARE, EVENT_ICEBP, EVENT_SOFTWARE } from './gates';
import { CR4_VME, tableAddress, updateMode } from './mode';
import { commitStack, openStack, push } from './stack';

/** Contributory exceptions, [SDM] vol. 3A table 6-4. */
function isContributory(vector: u32): bool {
  return vector == DE || (vector >= TS && vector <= GP);
}

/** [SDM] vol. 3A table 6-5: whether a fault while delivering another makes a double fault. */
function makesDoubleFault(first: u32, second: u32): bool {
  if (first == PF) return second == PF || isContributory(second);
  return isContributory(first) && isContributory(second);
}

/** RF is pushed as set for faults, so that the restarted instruction meets no breakpoint again. */
function rfImage(vector: u32): u32 {
  if (faultIsTrap() != 0 || vector == DF || vector == BP || vector == OF) return 0;
  if (vector == DB) return (dr(6) & DR6_BD) != 0 ? EFLAGS_RF : 0;
  return EFLAGS_RF;
}

/** Delivers the pending fault; a fault on the way may become a double fault or a shutdown. */
export function deliverFault(): void {
  let depth: u32 = 0;
  while (true) {
    const vector = faultVector();
    setFaultPending(0);
    setDeliveryDepth(++depth);
    setDeliveryVector(vector);
    if (vector == DB) enterDebugHandler();
    deliver(vector, EVENT_HARDWARE, faultHasError() != 0, faultError(), rip(), rfImage(vector));
    if (!faulted()) break;
    if (vector == DF) {
      // A triple fault: the processor stops until something resets it.
      setFaultPending(0);
      setExitReason(EXIT_SHUTDOWN);
      break;
    }
    if (makesDoubleFault(vector, faultVector())) raise(DF, 0);
  }
  setDeliveryDepth(0);
  if (exitReason() != EXIT_SHUTDOWN) setRip(nextRip());
}

/** Between two instructions: delivers an event that came from outside. */
function deliverEvent(vector: u32): void {
  deliver(vector, EVENT_HARDWARE, false, 0, rip(), 0);
  if (faulted()) deliverFault();
  else setRip(nextRip());
}

/** Delivers a maskable external interrupt. */
export function deliverInterrupt(vector: u32): void {
  deliverEvent(vector);
}

/** Delivers an NMI; further ones wait for the next IRET, [SDM] vol. 3A §6.7.1. */
export function deliverNmi(): void {
  setNmiMasked(1);
  deliverEvent(NMI);
}

/** Delivers the #DB trap that `debugPending` collected during the last instruction. */
export function deliverDebug(): void {
  setDr(6, dr(6) & ~(<u64>15));
  enterDebugHandler();
  deliverEvent(DB);
}

/** INT n. [SDM] vol. 2A "INT n", vol. 3B §21.3. */
export function softwareInterrupt(vector: u32): void {
  vector &= 0xff;
  suppressSingleStep();
  if ((modeKey() & MODE_VIRTUAL_8086) != 0) {
    const trusted = (systemFlags() & EFLAGS_IOPL) == EFLAGS_IOPL;
    if ((cr4() & CR4_VME) != 0) {
      const redirected = isRedirected(vector);
      if (faulted()) return;
      if (redirected) {
        interruptVirtual(vector, trusted);
        return;
      }
    }
    if (!trusted) {
      raise(GP, 0);
      return;
    }
  }
  deliver(vector, EVENT_SOFTWARE, false, 0, nextRip(), 0);
}

/** A clear bit in the TSS's redirection bitmap sends INT n to the 8086 program's own handler. */
function isRedirected(vector: u32): bool {
  const limit = segLimit(SREG_TR);
  if (limit < 103) {
    raise(GP, 0);
    return false;
  }
  const ioBase = sysRead16(tableAddress(segBase(SREG_TR) + 102));
  if (faulted()) return false;
  const offset = ioBase - 32 + (vector >> 3);
  if (ioBase < 32 || offset > limit) {
    raise(GP, 0);
    return false;
  }
  const bits = sysRead8(tableAddress(segBase(SREG_TR) + offset));
  if (faulted()) return false;
  return (bits & (1 << (vector & 7))) == 0;
}

/** Interrupt inside the virtual-8086 task, with VIF in the place of IF when IOPL is below 3. */
function interruptVirtual(vector: u32, trusted: bool): void {
  const entry = sysReadVector(vector);
  if (faulted()) return;
  let flags = readFlags() & 0xffff;
  if (!trusted) {
    flags = (flags & ~EFLAGS_IF) | EFLAGS_IOPL;
    if ((systemFlags() & EFLAGS_VIF) != 0) flags |= EFLAGS_IF;
  }
  openStack(0);
  if (!push(2, flags)) return;
  if (!push(2, segSelector(SREG_CS))) return;
  if (!push(2, nextRip() & 0xffff)) return;
  commitStack();
  const cleared = EFLAGS_TF | EFLAGS_RF | (trusted ? EFLAGS_IF : EFLAGS_VIF);
  setSystemFlags(systemFlags() & ~cleared);
  writeVirtualSegment(SREG_CS, entry >> 16);
  setNextRip(entry & 0xffff);
  updateMode();
}

/** The 8086 program's interrupt table is at linear address 0 of its task. */
function sysReadVector(vector: u32): u32 {
  return sysRead32(vector * 4);
}

/** INT3: neither IOPL nor the redirection bitmap matters. */
export function int3(): void {
  suppressSingleStep();
  deliver(BP, EVENT_SOFTWARE, false, 0, nextRip(), 0);
}

/** INT1 (ICEBP): a #DB that no gate privilege keeps away. */
export function int1(): void {
  suppressSingleStep();
  enterDebugHandler();
  deliver(DB, EVENT_ICEBP, false, 0, nextRip(), 0);
}

/** INTO. */
export function into(): void {
  if ((readArithmeticFlags() & 0x800) == 0) return;
  suppressSingleStep();
  deliver(OF, EVENT_SOFTWARE, false, 0, nextRip(), 0);
}
