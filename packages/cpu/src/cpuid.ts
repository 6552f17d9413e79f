/**
 * CPUID: an x86-64-v2 processor of Intel's kind with a name of its own. [SDM] vol. 2A
 * "CPUID—CPU Identification" for all leaves.
 */

import type { FeatureRegister } from './features.ts';

/** Frequency of the time stamp counter: one tick is a nanosecond of machine time. */
export const TSC_HZ = 1_000_000_000;
/**
 * The core crystal of leaf 0x15. Linux takes it for the frequency of the local APIC's timer before
 * the divider, so the APIC must count at this rate.
 */
export const CRYSTAL_HZ = 1_000_000_000;
/** MAXPHYADDR; the runtime's reset sets maxPhysMask to match. */
export const PHYSICAL_ADDRESS_BITS = 40;
const LINEAR_ADDRESS_BITS = 48;

/**
 * Family 6, model 26, stepping 5: of the first generation with x86-64-v2, which kernels know
 * neither errata work-arounds for that would matter here, nor leaks that IA32_ARCH_CAPABILITIES
 * does not speak of. EDX holds it after reset (see assembly/system/reset.ts).
 */
export const SIGNATURE = 0x0001_06a5;
const VENDOR = 'GenuineIntel';
const HYPERVISOR_NAME = 'UmbraMonitor';
/** Brand string unless the machine has another. */
export const DEFAULT_BRAND = 'Umbra Virtual Processor @ 1.00GHz';

const BASIC_MAX = 0x16;
const BASIC_MAX_LIMITED = 3;
const HYPERVISOR_BASE = 0x4000_0000;
const HYPERVISOR_END = 0x4000_00ff;
const EXTENDED_BASE = 0x8000_0000;
const EXTENDED_MAX = 0x8000_0008;

const CR4_OSXSAVE = 1 << 18;
const XSAVE_LEGACY_SIZE = 512 + 64;
const CACHE_LINE = 64;

/** What CPUID depends on besides EAX and ECX. */
export interface CpuidState {
  /** CR4 (its low half): OSXSAVE shows in leaf 1. */
  readonly cr4: number;
  /** Whether the processor runs 64-bit code: elsewhere Intel processors hide SYSCALL. */
  readonly code64: boolean;
  /** IA32_APIC_BASE[11]. */
  readonly apicEnabled: boolean;
  readonly apicId: number;
  readonly processorCount: number;
  /** IA32_MISC_ENABLE in halves: MONITOR (bit 18), leaf limit (22) and XD disable (34) show. */
  readonly miscEnableLow: number;
  readonly miscEnableHigh: number;
  readonly brand?: string;
  /** Features that this processor was made without. */
  readonly hidden?: Readonly<Record<FeatureRegister, number>>;
}

export interface CpuidResult {
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

/** Feature bits by name, for leaf 1, 7 and 0x8000_0001. */
const LEAF1_ECX = {
  SSE3: 0,
  MONITOR: 3,
  SSSE3: 9,
  CX16: 13,
  PCID: 17,
  SSE4_1: 19,
  SSE4_2: 20,
  X2APIC: 21,
  MOVBE: 22,
  POPCNT: 23,
  TSC_DEADLINE: 24,
  XSAVE: 26,
  OSXSAVE: 27,
  RDRAND: 30,
  HYPERVISOR: 31,
} as const;
const LEAF1_EDX = {
  FPU: 0,
  VME: 1,
  DE: 2,
  PSE: 3,
  TSC: 4,
  MSR: 5,
  PAE: 6,
  MCE: 7,
  CX8: 8,
  APIC: 9,
  SEP: 11,
  MTRR: 12,
  PGE: 13,
  MCA: 14,
  CMOV: 15,
  PAT: 16,
  PSE36: 17,
  CLFSH: 19,
  MMX: 23,
  FXSR: 24,
  SSE: 25,
  SSE2: 26,
  SELF_SNOOP: 27,
  HTT: 28,
} as const;
const LEAF7_EBX = {
  FSGSBASE: 0,
  TSC_ADJUST: 1,
  SMEP: 7,
  ERMS: 9,
  INVPCID: 10,
  SMAP: 20,
  PCOMMIT: 22,
  CLFLUSHOPT: 23,
  CLWB: 24,
} as const;
const LEAF7_ECX = { UMIP: 2 } as const;
const LEAF7_EDX = { SPEC_CTRL: 26, STIBP: 27, ARCH_CAPABILITIES: 29, SSBD: 31 } as const;
const EXTENDED1_ECX = { LAHF64: 0 } as const;
const EXTENDED1_EDX = { SYSCALL: 11, NX: 20, PAGE1GB: 26, RDTSCP: 27, LM: 29 } as const;

const NOTHING: CpuidResult = { eax: 0, ebx: 0, ecx: 0, edx: 0 };

function bits(table: Readonly<Record<string, number>>): number {
  return Object.values(table).reduce((mask, bit) => (mask | (1 << bit)) >>> 0, 0);
}

function without(mask: number, bit: number, drop: boolean): number {
  return drop ? (mask & ~(1 << bit)) >>> 0 : mask;
}

/** Four characters as a little-endian doubleword. */
function word(text: string, at: number): number {
  let value = 0;
  for (let index = 3; index >= 0; index--) {
    const code = at + index < text.length ? text.charCodeAt(at + index) & 0xff : 0;
    value = value * 256 + code;
  }
  return value;
}

/** Bits needed to number `count` things. */
function indexBits(count: number): number {
  return count <= 1 ? 0 : 32 - Math.clz32(count - 1);
}

function features(state: CpuidState): CpuidResult {
  const monitor = (state.miscEnableLow & (1 << 18)) !== 0;
  let ecx = without(bits(LEAF1_ECX), LEAF1_ECX.MONITOR, !monitor);
  ecx = without(ecx, LEAF1_ECX.OSXSAVE, (state.cr4 & CR4_OSXSAVE) === 0);
  let edx = without(bits(LEAF1_EDX), LEAF1_EDX.APIC, !state.apicEnabled);
  edx = without(edx, LEAF1_EDX.HTT, state.processorCount < 2);
  const logical = Math.min(1 << indexBits(state.processorCount), 255);
  const ebx = ((CACHE_LINE / 8) << 8) | (logical << 16) | ((state.apicId & 0xff) << 24);
  return { eax: SIGNATURE, ebx: ebx >>> 0, ecx, edx };
}

interface Cache {
  readonly type: 1 | 2 | 3;
  readonly level: number;
  readonly ways: number;
  readonly sets: number;
  readonly shared: boolean;
}

/** 32 KiB + 32 KiB, 256 KiB, 8 MiB. */
const CACHES: readonly Cache[] = [
  { type: 1, level: 1, ways: 8, sets: 64, shared: false },
  { type: 2, level: 1, ways: 4, sets: 128, shared: false },
  { type: 3, level: 2, ways: 8, sets: 512, shared: false },
  { type: 3, level: 3, ways: 16, sets: 8192, shared: true },
];

function cache(index: number, state: CpuidState): CpuidResult {
  const entry = CACHES[index];
  if (!entry) return NOTHING;
  const cores = (1 << indexBits(state.processorCount)) - 1;
  const selfInitializing = 1 << 8;
  const sharing = entry.shared ? cores : 0;
  const eax =
    entry.type |
    (entry.level << 5) |
    selfInitializing |
    (sharing << 14) |
    (Math.min(cores, 63) << 26);
  const ebx = (CACHE_LINE - 1) | ((entry.ways - 1) << 22);
  return { eax: eax >>> 0, ebx: ebx >>> 0, ecx: entry.sets - 1, edx: 0 };
}

/** One thread per core, one package. */
function topology(level: number, state: CpuidState): CpuidResult {
  const edx = state.apicId >>> 0;
  if (level === 0) return { eax: 0, ebx: 1, ecx: 1 << 8, edx };
  if (level !== 1) return { eax: 0, ebx: 0, ecx: level & 0xff, edx };
  const eax = indexBits(state.processorCount);
  return { eax, ebx: state.processorCount & 0xffff, ecx: 1 | (2 << 8), edx };
}

/** x87 and SSE only: the state areas are those of FXSAVE and the header, whatever XCR0 enables. */
function extendedState(subleaf: number): CpuidResult {
  // XSAVEOPT, but neither XSAVEC nor XSAVES.
  if (subleaf === 1) return { ...NOTHING, eax: 1 };
  if (subleaf !== 0) return NOTHING;
  return { eax: 3, ebx: XSAVE_LEGACY_SIZE, ecx: XSAVE_LEGACY_SIZE, edx: 0 };
}

function basic(leaf: number, subleaf: number, state: CpuidState): CpuidResult {
  switch (leaf) {
    case 0: {
      const limited = (state.miscEnableLow & (1 << 22)) !== 0;
      return {
        eax: limited ? BASIC_MAX_LIMITED : BASIC_MAX,
        ebx: word(VENDOR, 0),
        edx: word(VENDOR, 4),
        ecx: word(VENDOR, 8),
      };
    }
    case 1:
      return features(state);
    case 2:
      // One call is enough; descriptor 0xff sends to leaf 4.
      return { eax: 0x0000_ff01, ebx: 0, ecx: 0, edx: 0 };
    case 4:
      return cache(subleaf, state);
    case 5:
      return { eax: CACHE_LINE, ebx: CACHE_LINE, ecx: 0, edx: 0 };
    case 6:
      // The APIC timer never stops.
      return { eax: 1 << 2, ebx: 0, ecx: 0, edx: 0 };
    case 7:
      if (subleaf !== 0) return NOTHING;
      return { eax: 0, ebx: bits(LEAF7_EBX), ecx: bits(LEAF7_ECX), edx: bits(LEAF7_EDX) };
    case 0x0b:
      return topology(subleaf, state);
    case 0x0d:
      return extendedState(subleaf);
    case 0x15:
      return { eax: 1, ebx: TSC_HZ / CRYSTAL_HZ, ecx: CRYSTAL_HZ, edx: 0 };
    case 0x16:
      return { eax: TSC_HZ / 1e6, ebx: TSC_HZ / 1e6, ecx: 100, edx: 0 };
    default:
      return NOTHING;
  }
}

function extended(leaf: number, state: CpuidState): CpuidResult {
  switch (leaf) {
    case EXTENDED_BASE:
      return { ...NOTHING, eax: EXTENDED_MAX };
    case 0x8000_0001: {
      const hidesNx = (state.miscEnableHigh & (1 << 2)) !== 0;
      let edx = without(bits(EXTENDED1_EDX), EXTENDED1_EDX.NX, hidesNx);
      edx = without(edx, EXTENDED1_EDX.SYSCALL, !state.code64);
      return { eax: 0, ebx: 0, ecx: bits(EXTENDED1_ECX), edx };
    }
    case 0x8000_0002:
    case 0x8000_0003:
    case 0x8000_0004: {
      const brand = (state.brand ?? DEFAULT_BRAND).slice(0, 47);
      const at = (leaf - 0x8000_0002) * 16;
      return {
        eax: word(brand, at),
        ebx: word(brand, at + 4),
        ecx: word(brand, at + 8),
        edx: word(brand, at + 12),
      };
    }
    case 0x8000_0006:
      // L2: 256 KiB, 8-way, 64 bytes a line.
      return { ...NOTHING, ecx: (256 << 16) | (6 << 12) | CACHE_LINE };
    case 0x8000_0007:
      // Invariant TSC.
      return { ...NOTHING, edx: 1 << 8 };
    case EXTENDED_MAX:
      return { ...NOTHING, eax: (LINEAR_ADDRESS_BITS << 8) | PHYSICAL_ADDRESS_BITS };
    default:
      return NOTHING;
  }
}

/** Result of CPUID with EAX = `leaf` and ECX = `subleaf`, all unsigned 32-bit numbers. */
export function cpuid(leaf: number, subleaf: number, state: CpuidState): CpuidResult {
  const result = everything(leaf, subleaf, state);
  const { hidden } = state;
  if (hidden === undefined) return result;
  const { ebx, ecx, edx } = result;
  const rest = (value: number, mask: number) => (value & ~mask) >>> 0;
  switch (leaf) {
    case 1:
      return { ...result, ecx: rest(ecx, hidden.leaf1Ecx), edx: rest(edx, hidden.leaf1Edx) };
    case 7:
      return { ...result, ebx: rest(ebx, hidden.leaf7Ebx), ecx: rest(ecx, hidden.leaf7Ecx) };
    case 0x0d:
      return (hidden.leaf1Ecx & (1 << LEAF1_ECX.XSAVE)) === 0 ? result : NOTHING;
    case 0x8000_0001: {
      const { extended1Ecx, extended1Edx } = hidden;
      return { ...result, ecx: rest(ecx, extended1Ecx), edx: rest(edx, extended1Edx) };
    }
    default:
      return result;
  }
}

/** The same for a processor that has all features. */
function everything(leaf: number, subleaf: number, state: CpuidState): CpuidResult {
  if (leaf >= HYPERVISOR_BASE && leaf <= HYPERVISOR_END) {
    if (leaf !== HYPERVISOR_BASE) return NOTHING;
    return {
      eax: HYPERVISOR_BASE,
      ebx: word(HYPERVISOR_NAME, 0),
      ecx: word(HYPERVISOR_NAME, 4),
      edx: word(HYPERVISOR_NAME, 8),
    };
  }
  if (leaf >= EXTENDED_BASE && leaf <= EXTENDED_MAX) return extended(leaf, state);
  // Beyond the last leaf Intel processors answer with the last basic one.
  return basic(Math.min(leaf, BASIC_MAX), subleaf, state);
}
