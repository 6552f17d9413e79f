import {
  cpl,
  cr0,
  cr2,
  cr3,
  cr4,
  cr4Hidden,
  efer,
  eferHidden,
  gpr,
  maxPhysMask,
  segAttr,
  setCr0,
  setCr2,
  setCr3,
  setCr4,
  setEfer,
  setGpr,
  setXcr0,
  xcr0,
  SEG_L,
  SREG_CS,
  SREG_TR,
} from '../generated/layout';
import { GP, raise, raiseNoError, UD } from '../fault';
import { readCr8, writeCr8 } from '../imports';
import { flushAll, flushNonGlobal, switchSpace } from '../paging';
import {
  CR0_AM,
  CR0_CD,
  CR0_EM,
  CR0_ET,
  CR0_MP,
  CR0_NE,
  CR0_NW,
  CR0_PE,
  CR0_PG,
  CR0_TS,
  CR0_WP,
  CR4_DE,
  CR4_FSGSBASE,
  CR4_MCE,
  CR4_OSFXSR,
  CR4_OSXMMEXCPT,
  CR4_OSXSAVE,
  CR4_PAE,
  CR4_PCE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PSE,
  CR4_PVI,
  CR4_SMAP,
  CR4_SMEP,
  CR4_TSD,
  CR4_UMIP,
  CR4_VME,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  EFER_SCE,
  requireSupervisor,
  updateMode,
  updateModeKey,
} from './mode';
import { loadPageDirectoryPointers } from './page-directory-pointers';

const CR0_DEFINED: u64 =
  CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;
const CR4_LOW: u64 = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE;
const CR4_HIGH: u64 = CR4_UMIP | CR4_FSGSBASE | CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP;
const CR4_DEFINED: u64 = CR4_LOW | CR4_HIGH | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
const CR3_NO_FLUSH: u64 = 1 << 63;

/** MOV from CRn. [SDM] vol. 2B "MOV—Move to/from Control Registers". */
export function readCr(index: u32): u64 {
  if (index > 8 || index == 1 || (index > 4 && index < 8)) {
    raiseNoError(UD);
    return 0;
  }
  if (!requireSupervisor()) return 0;
  if (index == 0) return cr0();
  if (index == 2) return cr2();
  if (index == 3) return cr3();
  return index == 4 ? cr4() : readCr8();
}

/** MOV to CRn. */
export function writeCr(index: u32, value: u64): void {
  if (index > 8 || index == 1 || (index > 4 && index < 8)) {
    raiseNoError(UD);
    return;
  }
  if (!requireSupervisor()) return;
  if (index == 0) writeCr0(value);
  else if (index == 2) setCr2(value);
  else if (index == 3) writeCr3(value);
  else if (index == 4) writeCr4(value);
  else if (value >> 4 != 0) raise(GP, 0);
  else writeCr8(<u32>value);
}

/** The rules of CR0: [SDM] vol. 3A §2.5, §4.1.2 and §10.8.5 (IA-32e mode). */
function writeCr0(raw: u64): void {
  const pagingOn = (raw & CR0_PG) != 0;
  const wrong =
    raw >> 32 != 0 ||
    (pagingOn && (raw & CR0_PE) == 0) ||
    ((raw & CR0_NW) != 0 && (raw & CR0_CD) == 0);
  const value = (raw & CR0_DEFINED) | CR0_ET;
  const changed = value ^ cr0();
  if (wrong || !mayTogglePaging(changed, pagingOn)) {
    raise(GP, 0);
    return;
  }
  const legacyPae = pagingOn && (cr4() & CR4_PAE) != 0 && (efer() & EFER_LME) == 0;
  if (legacyPae && (changed & (CR0_PG | CR0_CD | CR0_NW)) != 0) {
    if (!loadPageDirectoryPointers(cr3())) return;
  }
  setCr0(value);
  if ((changed & CR0_PG) != 0) {
    const active = pagingOn && (efer() & EFER_LME) != 0;
    setEfer(active ? efer() | EFER_LMA : efer() & ~EFER_LMA);
  }
  if ((changed & (CR0_PG | CR0_PE)) != 0) updateMode();
  else updateModeKey();
  if ((changed & (CR0_PG | CR0_WP)) != 0) {
    switchSpace();
    flushAll();
  } else if (legacyPae && (changed & (CR0_CD | CR0_NW)) != 0) {
    switchSpace();
  }
}

/** What IA-32e mode and PCIDs ask of a change of CR0.PG. */
function mayTogglePaging(changed: u64, on: bool): bool {
  if ((changed & CR0_PG) == 0) return true;
  const wideCode = (segAttr(SREG_CS) & SEG_L) != 0;
  if (!on) return (cr4() & CR4_PCIDE) == 0 && !((efer() & EFER_LMA) != 0 && wideCode);
  if ((efer() & EFER_LME) == 0) return true;
  // A 16-bit TSS cannot be taken along.
  return (cr4() & CR4_PAE) != 0 && !wideCode && (segAttr(SREG_TR) & 8) != 0;
}

/** [SDM] vol. 3A §4.5 and §4.10.4.1. */
function writeCr3(raw: u64): void {
  let value = raw;
  if ((cr4() & CR4_PCIDE) != 0) value &= ~CR3_NO_FLUSH;
  if ((value & ~maxPhysMask()) != 0) {
    raise(GP, 0);
    return;
  }
  const legacy = (efer() & EFER_LMA) == 0;
  if (legacy && (cr0() & CR0_PG) != 0 && (cr4() & CR4_PAE) != 0) {
    if (!loadPageDirectoryPointers(value)) return;
  }
  setCr3(value);
  if ((cr0() & CR0_PG) == 0) return;
  switchSpace();
  if ((raw & CR3_NO_FLUSH) == 0) flushNonGlobal();
}

/** [SDM] vol. 3A §2.5 and §4.10.4.1. */
function writeCr4(value: u64): void {
  const changed = value ^ cr4();
  const long = (efer() & EFER_LMA) != 0;
  const pcidOn = (changed & value & CR4_PCIDE) != 0;
  const wrong =
    (value & (~CR4_DEFINED | <u64>cr4Hidden())) != 0 ||
    (long && (value & CR4_PAE) == 0) ||
    (pcidOn && (!long || (cr3() & 0xfff) != 0));
  if (wrong) {
    raise(GP, 0);
    return;
  }
  const paging = (cr0() & CR0_PG) != 0;
  if (paging && !long && (value & CR4_PAE) != 0) {
    const reloads = (changed & (CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP)) != 0;
    if (reloads && !loadPageDirectoryPointers(cr3())) return;
  }
  setCr4(value);
  updateModeKey();
  if (!paging) return;
  if ((changed & (CR4_PAE | CR4_PSE | CR4_SMEP | CR4_SMAP)) != 0) {
    switchSpace();
    flushAll();
  } else if ((changed & (CR4_PGE | CR4_PCIDE)) != 0) {
    if (!long) switchSpace();
    flushNonGlobal();
  }
}

/** LMSW can set PE but not clear it. [SDM] vol. 2A "LMSW—Load Machine Status Word". */
export function lmsw(value: u64): void {
  if (!requireSupervisor()) return;
  const kept = cr0() & ~<u64>(CR0_MP | CR0_EM | CR0_TS);
  writeCr0(kept | (value & 15));
}

/** CLTS. */
export function clts(): void {
  if (!requireSupervisor()) return;
  setCr0(cr0() & ~CR0_TS);
  updateModeKey();
}

/** IA32_EFER; false for #GP. LMA follows from LME and CR0.PG alone. */
export function writeEfer(value: u64): bool {
  const writable = EFER_SCE | EFER_LME | EFER_NXE;
  if ((value & (~(writable | EFER_LMA) | <u64>eferHidden())) != 0) return false;
  const changed = (value ^ efer()) & writable;
  if ((changed & EFER_LME) != 0 && (cr0() & CR0_PG) != 0) return false;
  setEfer((efer() & ~writable) | (value & writable));
  if ((changed & EFER_NXE) != 0 && (cr0() & CR0_PG) != 0) flushAll();
  return true;
}

const RAX: u32 = 0;
const RCX: u32 = 1;
const RDX: u32 = 2;
/** XCR0 components that exist: x87 and SSE. */
const XCR0_DEFINED: u64 = 3;

/** XGETBV. */
export function xgetbv(): void {
  if ((cr4() & CR4_OSXSAVE) == 0) {
    raiseNoError(UD);
    return;
  }
  if (<u32>gpr(RCX) != 0) {
    raise(GP, 0);
    return;
  }
  setGpr(RAX, xcr0() & 0xffff_ffff);
  setGpr(RDX, xcr0() >> 32);
}

/** XSETBV. [SDM] vol. 2C "XSETBV—Set Extended Control Register". */
export function xsetbv(): void {
  if ((cr4() & CR4_OSXSAVE) == 0) {
    raiseNoError(UD);
    return;
  }
  const value = (gpr(RDX) << 32) | (gpr(RAX) & 0xffff_ffff);
  if (cpl() != 0 || <u32>gpr(RCX) != 0 || (value & 1) == 0 || (value & ~XCR0_DEFINED) != 0) {
    raise(GP, 0);
    return;
  }
  setXcr0(value);
}
