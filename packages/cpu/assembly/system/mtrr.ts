import {
  maxPhysMask,
  msrMtrrDefType,
  msrMtrrFixed,
  msrMtrrVariable,
  setMsrMtrrDefType,
  setMsrMtrrFixed,
  setMsrMtrrVariable,
} from '../generated/layout';

// Memory type range registers, [SDM] vol. 3A §12.11. Memory has no types here; guests that set
// them up must find them as they left them.

const MTRR_CAP: u32 = 0xfe;
const VARIABLE_FIRST: u32 = 0x200;
const VARIABLE_LAST: u32 = 0x20f;
const FIX64K: u32 = 0x250;
const FIX16K: u32 = 0x258;
const FIX4K: u32 = 0x268;
const DEF_TYPE: u32 = 0x2ff;
/** 8 variable ranges, fixed ranges, write combining. */
const CAPABILITIES: u64 = 0x508;
const NO_INDEX: u32 = 16;

/** Whether an MSR is one of the MTRRs. */
export function isMtrr(index: u32): bool {
  return (
    index == MTRR_CAP ||
    index == DEF_TYPE ||
    (index >= VARIABLE_FIRST && index <= VARIABLE_LAST) ||
    fixedIndex(index) != NO_INDEX
  );
}

/** Place of a fixed-range register in the state, or NO_INDEX. */
function fixedIndex(index: u32): u32 {
  if (index == FIX64K) return 0;
  if (index == FIX16K || index == FIX16K + 1) return 1 + index - FIX16K;
  if (index >= FIX4K && index < FIX4K + 8) return 3 + index - FIX4K;
  return NO_INDEX;
}

/** Value of an MTRR. */
export function readMtrr(index: u32): u64 {
  if (index == MTRR_CAP) return CAPABILITIES;
  if (index == DEF_TYPE) return msrMtrrDefType();
  if (index <= VARIABLE_LAST) return msrMtrrVariable(index - VARIABLE_FIRST);
  return msrMtrrFixed(fixedIndex(index));
}

/** UC, WC, WT, WP and WB. */
// @ts-ignore: decorator
@inline
function isMemoryType(type: u64): bool {
  return type < 7 && type != 2 && type != 3;
}

/** Writes an MTRR; false for #GP. */
export function writeMtrr(index: u32, value: u64): bool {
  if (index == MTRR_CAP) return false;
  if (index == DEF_TYPE) {
    if ((value & ~(<u64>0xcff)) != 0 || !isMemoryType(value & 0xff)) return false;
    setMsrMtrrDefType(value);
    return true;
  }
  if (index <= VARIABLE_LAST) {
    // Even registers hold base and type, odd ones mask and valid bit 11.
    const reserved = ~maxPhysMask() | ((index & 1) != 0 ? 0x7ff : 0xf00);
    if ((value & reserved) != 0) return false;
    if ((index & 1) == 0 && !isMemoryType(value & 0xff)) return false;
    setMsrMtrrVariable(index - VARIABLE_FIRST, value);
    return true;
  }
  for (let shift: u64 = 0; shift < 64; shift += 8) {
    if (!isMemoryType((value >> shift) & 0xff)) return false;
  }
  setMsrMtrrFixed(fixedIndex(index), value);
  return true;
}

/** IA32_PAT: each byte one of UC, WC, WT, WP, WB, UC-. [SDM] vol. 3A §12.12.2. */
export function isValidPat(value: u64): bool {
  for (let shift: u64 = 0; shift < 64; shift += 8) {
    const type = (value >> shift) & 0xff;
    if (type != 7 && !isMemoryType(type)) return false;
  }
  return true;
}
