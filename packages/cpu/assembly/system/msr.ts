import {
  cpl,
  cr4,
  efer,
  gpr,
  msrCstar,
  msrDebugCtl,
  msrFeatureControl,
  msrKernelGsBase,
  msrLstar,
  msrMcgStatus,
  msrMiscEnable,
  msrPat,
  msrSfmask,
  msrSpecCtrl,
  msrStar,
  msrSysenterCs,
  msrSysenterEip,
  msrSysenterEsp,
  msrTscAdjust,
  msrTscAux,
  msrValue,
  segBase,
  setGpr,
  setMsrCstar,
  setMsrDebugCtl,
  setMsrKernelGsBase,
  setMsrLstar,
  setMsrMcgStatus,
  setMsrMiscEnable,
  setMsrPat,
  setMsrSfmask,
  setMsrSpecCtrl,
  setMsrStar,
  setMsrSysenterCs,
  setMsrSysenterEip,
  setMsrSysenterEsp,
  setMsrTscAdjust,
  setMsrTscAux,
  setMsrValue,
  setSegBase,
  setTscOffset,
  tscOffset,
  SREG_FS,
  SREG_GS,
} from '../generated/layout';
import { GP, raise } from '../fault';
import { readApicMsr, readTsc, writeApicMsr } from '../imports';
import { writeEfer } from './control-registers';
import { CR4_TSD, isCanonical, refreshSegment, requireSupervisor } from './mode';
import { isMtrr, isValidPat, readMtrr, writeMtrr } from './mtrr';

const RAX: u32 = 0;
const RCX: u32 = 1;
const RDX: u32 = 2;

// Numbers and layouts: [SDM] vol. 4 table 2-2.
const PLATFORM_ID: u32 = 0x17;
const EBL_CR_POWERON: u32 = 0x2a;
const SMI_COUNT: u32 = 0x34;
const TSC: u32 = 0x10;
const APIC_BASE: u32 = 0x1b;
const FEATURE_CONTROL: u32 = 0x3a;
const TSC_ADJUST: u32 = 0x3b;
const SPEC_CTRL: u32 = 0x48;
const PRED_CMD: u32 = 0x49;
const BIOS_UPDATE_TRIGGER: u32 = 0x79;
const BIOS_SIGN_ID: u32 = 0x8b;
const PLATFORM_INFO: u32 = 0xce;
const ARCH_CAPABILITIES: u32 = 0x10a;
const MISC_FEATURES_ENABLES: u32 = 0x140;
const SYSENTER_CS: u32 = 0x174;
const SYSENTER_ESP: u32 = 0x175;
const SYSENTER_EIP: u32 = 0x176;
const MCG_CAP: u32 = 0x179;
const MCG_STATUS: u32 = 0x17a;
const PERF_STATUS: u32 = 0x198;
const MISC_ENABLE: u32 = 0x1a0;
const DEBUGCTL: u32 = 0x1d9;
const PAT: u32 = 0x277;
const TSC_DEADLINE: u32 = 0x6e0;
const X2APIC_FIRST: u32 = 0x800;
const X2APIC_LAST: u32 = 0x8ff;
const EFER: u32 = 0xc000_0080;
const STAR: u32 = 0xc000_0081;
const LSTAR: u32 = 0xc000_0082;
const CSTAR: u32 = 0xc000_0083;
const SFMASK: u32 = 0xc000_0084;
const FS_BASE: u32 = 0xc000_0100;
const GS_BASE: u32 = 0xc000_0101;
const KERNEL_GS_BASE: u32 = 0xc000_0102;
const TSC_AUX: u32 = 0xc000_0103;

/**
 * IA32_ARCH_CAPABILITIES, [SDM] vol. 4 table 2-2: RDCL_NO, IBRS_ALL, SKIP_L1DFL_VMENTRY, SSB_NO,
 * MDS_NO, IF_PSCHANGE_MC_NO, TAA_NO, SBDR_SSDP_NO, FBSDP_NO, PSDP_NO, BHI_NO, PBRSB_NO, GDS_NO,
 * RFDS_NO and ITS_NO. A translator has none of these caches and predictors to leak from.
 */
const CAPABILITIES: u64 = 0x4000_0000_0d10_e17b;
/** IBRS, STIBP and SSBD. */
const SPEC_CTRL_DEFINED: u64 = 7;
/** Fast strings, BTS and PEBS unavailable, MONITOR. */
export const MISC_ENABLE_RESET: u64 = 0x0004_1801;
/**
 * What software may toggle: fast strings, thermal control, SpeedStep, MONITOR, CPUID limit, xTPR
 * messages and XD.
 */
const MISC_ENABLE_WRITABLE: u64 = 0x0000_0004_00c5_0009;
/** Ratio 10 of a 100 MHz clock, the frequency that CPUID 0x16 tells. */
const RATIO: u64 = 10;
/** LBR and BTF. */
const DEBUGCTL_DEFINED: u64 = 3;

let found: bool = true;

/** RDMSR. [SDM] vol. 2B "RDMSR—Read From Model Specific Register". */
export function rdmsr(): void {
  if (!requireSupervisor()) return;
  found = true;
  const value = readMsr(<u32>gpr(RCX));
  if (!found) {
    raise(GP, 0);
    return;
  }
  setGpr(RAX, value & 0xffff_ffff);
  setGpr(RDX, value >> 32);
}

/** WRMSR. */
export function wrmsr(): void {
  if (!requireSupervisor()) return;
  const value = (gpr(RDX) << 32) | (gpr(RAX) & 0xffff_ffff);
  if (!writeMsr(<u32>gpr(RCX), value)) raise(GP, 0);
}

// @ts-ignore: decorator
@inline
function isApicMsr(index: u32): bool {
  if (index == APIC_BASE || index == TSC_DEADLINE) return true;
  return index >= X2APIC_FIRST && index <= X2APIC_LAST;
}

function readMsr(index: u32): u64 {
  switch (index) {
    case TSC:
      return readTimeStamp();
    case EFER:
      return efer();
    case STAR:
      return msrStar();
    case LSTAR:
      return msrLstar();
    case CSTAR:
      return msrCstar();
    case SFMASK:
      return msrSfmask();
    case FS_BASE:
      return segBase(SREG_FS);
    case GS_BASE:
      return segBase(SREG_GS);
    case KERNEL_GS_BASE:
      return msrKernelGsBase();
    case TSC_AUX:
      return msrTscAux();
    case SYSENTER_CS:
      return msrSysenterCs();
    case SYSENTER_ESP:
      return msrSysenterEsp();
    case SYSENTER_EIP:
      return msrSysenterEip();
    case PAT:
      return msrPat();
    case TSC_ADJUST:
      return msrTscAdjust();
    case SPEC_CTRL:
      return msrSpecCtrl();
    case ARCH_CAPABILITIES:
      return CAPABILITIES;
    case MISC_ENABLE:
      return msrMiscEnable();
    case DEBUGCTL:
      return msrDebugCtl();
    case FEATURE_CONTROL:
      return msrFeatureControl();
    case MCG_STATUS:
      return msrMcgStatus();
    case PLATFORM_INFO:
      return (RATIO << 8) | (RATIO << 40);
    case PERF_STATUS:
      return RATIO << 8;
    case PLATFORM_ID:
    case EBL_CR_POWERON:
    case SMI_COUNT:
    case BIOS_SIGN_ID:
    case MISC_FEATURES_ENABLES:
    case MCG_CAP:
      // No microcode, no machine-check banks, no CPUID faulting, a platform of its own.
      return 0;
    default:
      return readOther(index);
  }
}

function readOther(index: u32): u64 {
  if (isMtrr(index)) return readMtrr(index);
  if (isApicMsr(index) && readApicMsr(index) != 0) return msrValue();
  found = false;
  return 0;
}

/** Writes an MSR; false for #GP. */
function writeMsr(index: u32, value: u64): bool {
  switch (index) {
    case TSC:
      writeTimeStamp(value);
      return true;
    case TSC_ADJUST:
      moveTimeStamp(value - msrTscAdjust());
      return true;
    case EFER:
      return writeEfer(value);
    case STAR:
      setMsrStar(value);
      return true;
    case SFMASK:
      if (value >> 32 != 0) return false;
      setMsrSfmask(value);
      return true;
    case TSC_AUX:
      if (value >> 32 != 0) return false;
      setMsrTscAux(value);
      return true;
    case SYSENTER_CS:
      setMsrSysenterCs(value & 0xffff_ffff);
      return true;
    case PAT:
      if (!isValidPat(value)) return false;
      setMsrPat(value);
      return true;
    case SPEC_CTRL:
      if ((value & ~SPEC_CTRL_DEFINED) != 0) return false;
      setMsrSpecCtrl(value);
      return true;
    case PRED_CMD:
      // IBPB: there is no predictor to empty.
      return (value & ~(<u64>1)) == 0;
    case MISC_ENABLE:
      setMsrMiscEnable((msrMiscEnable() & ~MISC_ENABLE_WRITABLE) | (value & MISC_ENABLE_WRITABLE));
      return true;
    case DEBUGCTL:
      if ((value & ~DEBUGCTL_DEFINED) != 0) return false;
      setMsrDebugCtl(value);
      return true;
    case FEATURE_CONTROL:
      // Locked by reset, without VMX.
      return false;
    case MCG_STATUS:
      if (value != 0) return false;
      setMsrMcgStatus(0);
      return true;
    case BIOS_SIGN_ID:
    case BIOS_UPDATE_TRIGGER:
      return true;
    case MISC_FEATURES_ENABLES:
      return value == 0;
    default:
      return writeAddress(index, value);
  }
}

/** MSRs that hold linear addresses, which must be canonical; then the MTRRs and the APIC. */
function writeAddress(index: u32, value: u64): bool {
  switch (index) {
    case LSTAR:
    case CSTAR:
    case FS_BASE:
    case GS_BASE:
    case KERNEL_GS_BASE:
    case SYSENTER_ESP:
    case SYSENTER_EIP:
      if (!isCanonical(value)) return false;
      break;
    default:
      if (isMtrr(index)) return writeMtrr(index, value);
      if (!isApicMsr(index)) return false;
      setMsrValue(value);
      return writeApicMsr(index) != 0;
  }
  if (index == LSTAR) setMsrLstar(value);
  else if (index == CSTAR) setMsrCstar(value);
  else if (index == KERNEL_GS_BASE) setMsrKernelGsBase(value);
  else if (index == SYSENTER_ESP) setMsrSysenterEsp(value);
  else if (index == SYSENTER_EIP) setMsrSysenterEip(value);
  else {
    const segment = index == FS_BASE ? SREG_FS : SREG_GS;
    setSegBase(segment, value);
    refreshSegment(segment);
  }
  return true;
}

/** The guest's time stamp counter. */
function readTimeStamp(): u64 {
  readTsc();
  return msrValue() + tscOffset();
}

/** A write to the counter moves IA32_TSC_ADJUST along, [SDM] vol. 3B §18.17.3. */
function writeTimeStamp(value: u64): void {
  moveTimeStamp(value - readTimeStamp());
}

/** The deadline stays where it is in guest time: armed anew, its timer is set by the new time. */
function moveTimeStamp(step: u64): void {
  setTscOffset(tscOffset() + step);
  setMsrTscAdjust(msrTscAdjust() + step);
  if (readApicMsr(TSC_DEADLINE) != 0 && msrValue() != 0) writeApicMsr(TSC_DEADLINE);
}

/** RDTSC. */
export function rdtsc(): void {
  if (cpl() != 0 && (cr4() & CR4_TSD) != 0) {
    raise(GP, 0);
    return;
  }
  const value = readTimeStamp();
  setGpr(RAX, value & 0xffff_ffff);
  setGpr(RDX, value >> 32);
}

/** RDTSCP. */
export function rdtscp(): void {
  if (cpl() != 0 && (cr4() & CR4_TSD) != 0) {
    raise(GP, 0);
    return;
  }
  const value = readTimeStamp();
  setGpr(RAX, value & 0xffff_ffff);
  setGpr(RDX, value >> 32);
  setGpr(RCX, msrTscAux() & 0xffff_ffff);
}

/** RDPMC: CPUID tells of no counters, so every number is wrong. */
export function rdpmc(): void {
  raise(GP, 0);
}
