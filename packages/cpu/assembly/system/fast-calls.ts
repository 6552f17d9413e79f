import {
  cpl,
  cr0,
  debugPending,
  efer,
  gpr,
  msrLstar,
  msrSfmask,
  msrStar,
  msrSysenterCs,
  msrSysenterEip,
  msrSysenterEsp,
  nextRip,
  setCpl,
  setDebugPending,
  setGpr,
  setNextRip,
  setSystemFlags,
  systemFlags,
  EFLAGS_IF,
  EFLAGS_RF,
  EFLAGS_TF,
  EFLAGS_VM,
  SREG_CS,
  SREG_SS,
} from '../generated/layout';
import { GP, raise, raiseNoError, UD } from '../fault';
import { readFlags, writeFlags } from '../flags';
import { DR6_BS, suppressSingleStep } from './debug';
import { writeFlatSegment } from './descriptors';
import {
  CR0_PE,
  EFER_SCE,
  in64BitMode,
  inLongMode,
  isCanonical,
  requireSupervisor,
  updateMode,
  updatePrivilege,
} from './mode';

const RCX: u32 = 1;
const RDX: u32 = 2;
const RSP: u32 = 4;
const R11: u32 = 11;

// Attributes of the flat segments that come without a descriptor, for DPL 0.
const CODE64: u32 = 0xa09b;
const CODE32: u32 = 0xc09b;
const DATA: u32 = 0xc093;
const DPL3: u32 = 0x60;

/** All flags that SYSRET can restore: not RF and VM. */
const FLAGS_SYSRET: u32 = 0x003c_7fd5;

/** SYSCALL: from 64-bit code only, as on Intel processors. [SDM] vol. 2B "SYSCALL". */
export function syscallInstruction(): void {
  if (!in64BitMode() || (efer() & EFER_SCE) == 0) {
    raiseNoError(UD);
    return;
  }
  suppressSingleStep();
  const flags = readFlags();
  setGpr(RCX, nextRip());
  setGpr(R11, flags & ~EFLAGS_RF);
  const selector = <u32>(msrStar() >> 32) & 0xfffc;
  writeFlatSegment(SREG_CS, selector, CODE64);
  writeFlatSegment(SREG_SS, selector + 8, DATA);
  setCpl(0);
  writeFlags(flags & ~<u32>msrSfmask() & ~EFLAGS_RF, FLAGS_SYSRET | EFLAGS_RF);
  setNextRip(msrLstar());
  updatePrivilege();
}

/** SYSRET to 64-bit (`size` 8) or compatibility-mode code. [SDM] vol. 2B "SYSRET". */
export function sysretInstruction(size: u32): void {
  if (!in64BitMode() || (efer() & EFER_SCE) == 0) {
    raiseNoError(UD);
    return;
  }
  if (!requireSupervisor()) return;
  const wide = size == 8;
  const target = wide ? gpr(RCX) : gpr(RCX) & 0xffff_ffff;
  // Intel processors check the address before they leave CPL 0.
  if (!isCanonical(target)) {
    raise(GP, 0);
    return;
  }
  const selector = <u32>(msrStar() >> 48);
  const code = (wide ? selector + 16 : selector) & 0xffff;
  writeFlatSegment(SREG_CS, code | 3, (wide ? CODE64 : CODE32) | DPL3);
  writeFlatSegment(SREG_SS, ((selector + 8) & 0xffff) | 3, DATA | DPL3);
  writeFlags(<u32>gpr(R11), FLAGS_SYSRET | EFLAGS_RF | EFLAGS_VM);
  setSystemFlags(systemFlags() & ~(EFLAGS_RF | EFLAGS_VM));
  setCpl(3);
  setNextRip(target);
  // Unlike after IRET, the trap of a TF that was just set comes before the next instruction.
  if ((systemFlags() & EFLAGS_TF) != 0) setDebugPending(debugPending() | DR6_BS);
  if (wide) updatePrivilege();
  else updateMode();
}

/** SYSENTER. [SDM] vol. 2B "SYSENTER—Fast System Call". */
export function sysenter(): void {
  const selector = <u32>msrSysenterCs() & 0xfffc;
  if ((cr0() & CR0_PE) == 0 || selector == 0) {
    raise(GP, 0);
    return;
  }
  const long = inLongMode();
  setSystemFlags(systemFlags() & ~(EFLAGS_VM | EFLAGS_IF | EFLAGS_RF));
  setGpr(RSP, long ? msrSysenterEsp() : msrSysenterEsp() & 0xffff_ffff);
  writeFlatSegment(SREG_CS, selector, long ? CODE64 : CODE32);
  writeFlatSegment(SREG_SS, (selector + 8) & 0xffff, DATA);
  setCpl(0);
  setNextRip(long ? msrSysenterEip() : msrSysenterEip() & 0xffff_ffff);
  updateMode();
}

/** SYSEXIT to 64-bit (`size` 8) or 32-bit code. [SDM] vol. 2B "SYSEXIT—Fast Return". */
export function sysexit(size: u32): void {
  const selector = <u32>msrSysenterCs() & 0xfffc;
  if ((cr0() & CR0_PE) == 0 || selector == 0 || cpl() != 0) {
    raise(GP, 0);
    return;
  }
  const wide = size == 8;
  const target = wide ? gpr(RDX) : gpr(RDX) & 0xffff_ffff;
  const pointer = wide ? gpr(RCX) : gpr(RCX) & 0xffff_ffff;
  if (!isCanonical(target) || !isCanonical(pointer)) {
    raise(GP, 0);
    return;
  }
  const code = (selector + (wide ? 32 : 16)) & 0xffff;
  writeFlatSegment(SREG_CS, code | 3, (wide ? CODE64 : CODE32) | DPL3);
  writeFlatSegment(SREG_SS, ((code + 8) & 0xffff) | 3, DATA | DPL3);
  setGpr(RSP, pointer);
  setCpl(3);
  setNextRip(target);
  updateMode();
}
