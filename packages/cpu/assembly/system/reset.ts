import {
  a20Mask,
  base,
  setA20Mask,
  setCpl,
  setCr0,
  setCr2,
  setCr3,
  setCr4,
  setDr,
  setEfer,
  setFpuControl,
  setFpuTag,
  setGdtrBase,
  setGdtrLimit,
  setGpr,
  setIdtrBase,
  setIdtrLimit,
  setMaxPhysMask,
  setModeKey,
  setMsrFeatureControl,
  setMsrMiscEnable,
  setMsrPat,
  setMxcsr,
  setNextRip,
  setRip,
  setSegAttr,
  setSegBase,
  setSegLimit,
  setSegSelector,
  setSystemFlags,
  setXcr0,
  OFFSET_dr,
  OFFSET_exitReason,
  OFFSET_faultPending,
  OFFSET_fpuSignificand,
  OFFSET_gpr,
  OFFSET_msrStar,
  OFFSET_msrValue,
  OFFSET_pending,
  OFFSET_xmm,
  SREG_CS,
  SREG_LDTR,
  SREG_TR,
} from '../generated/layout';
import { writeArithmeticFlags } from '../flags';
import { resetPaging, switchSpace } from '../paging';
import { DR6_FIXED, DR7_FIXED } from './debug';
import { CR0_CD, CR0_ET, CR0_NW, updateMode } from './mode';
import { cr0 } from '../generated/layout';
import { MISC_ENABLE_RESET } from './msr';

const RDX: u32 = 2;
/** Family 6, model 26, stepping 5, as CPUID leaf 1 tells (see cpuid.ts). */
const SIGNATURE: u32 = 0x0001_06a5;
const PHYSICAL_BITS: u64 = 40;
const PAT_RESET: u64 = 0x0007_0406_0007_0406;
const DATA: u32 = 0x93;
const LDT: u32 = 0x82;
const BUSY_TSS: u32 = 0x8b;

function clear(from: usize, to: usize): void {
  memory.fill(base() + from, 0, to - from);
}

/** What INIT and power-on have in common, [SDM] vol. 3A table 10-1. */
function resetArchitecture(): void {
  clear(OFFSET_gpr, OFFSET_gpr + 16 * 8);
  setGpr(RDX, SIGNATURE);
  setSystemFlags(0);
  writeArithmeticFlags(0);
  setRip(0xfff0);
  setNextRip(0xfff0);
  for (let index: u32 = 0; index < 6; index++) writeResetSegment(index, DATA);
  setSegSelector(SREG_CS, 0xf000);
  setSegBase(SREG_CS, 0xffff_0000);
  writeResetSegment(SREG_LDTR, LDT);
  writeResetSegment(SREG_TR, BUSY_TSS);
  setGdtrBase(0);
  setGdtrLimit(0xffff);
  setIdtrBase(0);
  setIdtrLimit(0xffff);
  setCpl(0);
  setCr2(0);
  setCr3(0);
  setCr4(0);
  setXcr0(1);
  setEfer(0);
  clear(OFFSET_dr, OFFSET_dr + 8 * 8);
  setDr(6, DR6_FIXED);
  setDr(7, DR7_FIXED);
  clear(OFFSET_faultPending, OFFSET_exitReason);
  clear(OFFSET_exitReason, OFFSET_pending);
  setModeKey(~(<u32>0));
}

function writeResetSegment(index: u32, attr: u32): void {
  setSegSelector(index, 0);
  setSegAttr(index, attr);
  setSegLimit(index, 0xffff);
  setSegBase(index, 0);
}

/** Power-on and RESET#: all but the pending word and the A20 gate, which are the machine's. */
export function resetProcessor(): void {
  resetArchitecture();
  setCr0(CR0_CD | CR0_NW | CR0_ET);
  clear(OFFSET_msrStar, OFFSET_msrValue);
  setMsrPat(PAT_RESET);
  setMsrMiscEnable(MISC_ENABLE_RESET);
  // Locked with VMX off.
  setMsrFeatureControl(1);
  clear(OFFSET_fpuSignificand, OFFSET_xmm + 16 * 16);
  setFpuControl(0x40);
  // After power-on, unlike after FINIT, the registers hold +0.0.
  setFpuTag(0xff);
  setMxcsr(0x1f80);
  setMaxPhysMask((1 << PHYSICAL_BITS) - 1);
  if (a20Mask() == 0) setA20Mask(~(<u64>0));
  resetPaging();
  updateMode();
}

/** INIT: MSRs, x87, SSE, and CR0.CD and NW stay as they are. */
export function initProcessor(): void {
  resetArchitecture();
  setCr0((cr0() & (CR0_CD | CR0_NW)) | CR0_ET);
  switchSpace();
  updateMode();
}
