import {
  cpl,
  modeKey,
  segAttr,
  segBase,
  segEffBase,
  segLimit,
  segSelector,
  setGdtrBase,
  setGdtrLimit,
  setIdtrBase,
  setIdtrLimit,
  setSegAttr,
  setSegBase,
  setSegLimit,
  setSegSelector,
  MODE_REAL,
  SEG_CODE,
  SEG_DB,
  SEG_EXPAND_DOWN,
  SEG_P,
  SEG_S,
  SEG_WRITABLE,
  SREG_FS,
  SREG_LDTR,
  SREG_SS,
  SREG_TR,
} from '../generated/layout';
import { faulted, GP, NP, raise, raiseNoError, SS, UD } from '../fault';
import { sysWrite8 } from './supervisor-memory';
import { cr4 } from '../generated/layout';
import {
  address,
  attrOf,
  baseOf,
  dplOf,
  fetchDescriptor,
  fetchStackDescriptor,
  findDescriptor,
  findUpperHalf,
  high,
  isCode,
  isConforming,
  isNull,
  isPresent,
  isReadable,
  isWritableData,
  limitOf,
  low,
  markAccessed,
  typeOf,
  writeNullSegment,
  writeParagraph,
  writeSegment,
  writeVirtualSegment,
  TYPE_CALL,
  TYPE_CALL16,
  TYPE_LDT,
  TYPE_TASK_GATE,
  TYPE_TSS,
  TYPE_TSS16,
  TYPE_TSS16_BUSY,
  TYPE_TSS_BUSY,
} from './descriptors';
import {
  CR4_UMIP,
  hasParagraphs,
  in64BitMode,
  inLongMode,
  isCanonical,
  refreshSegment,
  requireSupervisor,
  updateModeKey,
} from './mode';

/**
 * Loads ES, SS, DS, FS or GS as MOV, POP and LDS do, with the checks of [SDM] vol. 2B
 * "MOV—Move". Code segments are loaded by far transfers only.
 */
export function loadSegmentRegister(index: u32, selector: u32): void {
  selector &= 0xffff;
  if (hasParagraphs()) {
    if ((modeKey() & MODE_REAL) != 0) writeParagraph(index, selector);
    else writeVirtualSegment(index, selector);
  } else if (index == SREG_SS) {
    if (!loadStackSegment(selector)) return;
  } else if (!loadDataSegment(index, selector)) {
    return;
  }
  refreshSegment(index);
  if (index < SREG_FS) updateModeKey();
}

function loadStackSegment(selector: u32): bool {
  const level = cpl();
  if (isNull(selector)) {
    // 64-bit mode tolerates a null stack segment below CPL 3 with a matching RPL.
    if (!in64BitMode() || level == 3 || (selector & 3) != level) {
      raise(GP, 0);
      return false;
    }
    writeNullSegment(SREG_SS, selector);
    return true;
  }
  if (!fetchStackDescriptor(selector, level, GP, 0)) return false;
  if (!markAccessed(address, high)) return false;
  writeSegment(SREG_SS, selector, low, high);
  return true;
}

function loadDataSegment(index: u32, selector: u32): bool {
  if (isNull(selector)) {
    writeNullSegment(index, selector);
    return true;
  }
  if (!fetchDescriptor(selector, GP, 0)) return false;
  if (!checkDataSegment(selector, high, cpl(), GP, 0)) return false;
  if (!markAccessed(address, high)) return false;
  writeSegment(index, selector, low, high);
  return true;
}

/** The checks on a descriptor for DS, ES, FS and GS; raises `vector` or #NP. */
export function checkDataSegment(
  selector: u32,
  highWord: u32,
  level: u32,
  vector: u32,
  ext: u32,
): bool {
  const attr = attrOf(highWord);
  const error = (selector & 0xfffc) | ext;
  const open = isCode(attr) && isConforming(attr);
  const dpl = dplOf(highWord);
  if (!isReadable(attr) || (!open && (dpl < (selector & 3) || dpl < level))) {
    raise(vector, error);
    return false;
  }
  if (!isPresent(highWord)) {
    raise(NP, error);
    return false;
  }
  return true;
}

/**
 * Linear address of an access of `size` bytes with every check, [SDM] vol. 3A §5.3 and §5.5:
 * #SS(0) for the stack segment, else #GP(0).
 */
export function linearAddress(seg: u32, offset: u64, size: u32, write: u32): u64 {
  if (in64BitMode()) {
    const linear = seg >= SREG_FS ? segBase(seg) + offset : offset;
    if (isCanonical(linear) && isCanonical(linear + size - 1)) return linear;
    raise(seg == SREG_SS ? SS : GP, 0);
    return 0;
  }
  offset &= 0xffff_ffff;
  if (isAccessible(seg, offset, size, write)) return (segEffBase(seg) + offset) & 0xffff_ffff;
  raise(seg == SREG_SS ? SS : GP, 0);
  return 0;
}

function isAccessible(seg: u32, offset: u64, size: u32, write: u32): bool {
  const last = offset + size - 1;
  const limit = <u64>segLimit(seg);
  if (hasParagraphs()) return last <= limit;
  const attr = segAttr(seg);
  if ((attr & SEG_P) == 0) return false;
  if ((attr & SEG_CODE) != 0) {
    return write == 0 && (attr & SEG_WRITABLE) != 0 && last <= limit;
  }
  if (write != 0 && (attr & SEG_WRITABLE) == 0) return false;
  if ((attr & SEG_EXPAND_DOWN) == 0) return last <= limit;
  return offset > limit && last <= ((attr & SEG_DB) != 0 ? <u64>0xffff_ffff : <u64>0xffff);
}

/** Raises #UD and answers false in real-address and virtual-8086 mode. */
export function requireProtected(): bool {
  if (!hasParagraphs()) return true;
  raiseNoError(UD);
  return false;
}

/** Fills LDTR or TR from the system descriptor just fetched. */
export function writeSystemSegment(
  index: u32,
  selector: u32,
  lowWord: u32,
  highWord: u32,
  upper: u64,
): void {
  setSegSelector(index, selector);
  setSegAttr(index, attrOf(highWord));
  setSegLimit(index, limitOf(lowWord, highWord));
  setSegBase(index, <u64>baseOf(lowWord, highWord) | (upper << 32));
}

/** LLDT, [SDM] vol. 2A "LLDT—Load Local Descriptor Table Register". */
export function lldt(selector: u32): void {
  selector &= 0xffff;
  if (!requireProtected() || !requireSupervisor()) return;
  if (isNull(selector)) {
    writeNullSegment(SREG_LDTR, selector);
    return;
  }
  const error = selector & 0xfffc;
  if ((selector & 4) != 0) {
    raise(GP, error);
    return;
  }
  if (!fetchDescriptor(selector, GP, 0)) return;
  if (typeOf(high) != TYPE_LDT) {
    raise(GP, error);
    return;
  }
  const upper = systemBaseUpper(selector);
  if (faulted()) return;
  if (!isPresent(high)) {
    raise(NP, error);
    return;
  }
  writeSystemSegment(SREG_LDTR, selector, low, high, upper);
}

/** Bits 63:32 of the base of the system descriptor just found; #GP when they are wrong. */
function systemBaseUpper(selector: u32): u64 {
  if (!inLongMode()) return 0;
  const upper = findUpperHalf(selector);
  if (faulted()) return 0;
  if (upper >> 32 != 0 || !isCanonical((upper << 32) | <u64>baseOf(low, high))) {
    raise(GP, selector & 0xfffc);
    return 0;
  }
  return upper;
}

/** LTR, [SDM] vol. 2A "LTR—Load Task Register". */
export function ltr(selector: u32): void {
  selector &= 0xffff;
  if (!requireProtected() || !requireSupervisor()) return;
  const error = selector & 0xfffc;
  if (isNull(selector) || (selector & 4) != 0) {
    raise(GP, error);
    return;
  }
  if (!fetchDescriptor(selector, GP, 0)) return;
  const type = typeOf(high);
  if (type != TYPE_TSS && (type != TYPE_TSS16 || inLongMode())) {
    raise(GP, error);
    return;
  }
  const upper = systemBaseUpper(selector);
  if (faulted()) return;
  if (!isPresent(high)) {
    raise(NP, error);
    return;
  }
  sysWrite8(address + 5, ((high >> 8) & 0xff) | 2);
  if (faulted()) return;
  writeSystemSegment(SREG_TR, selector, low, high | 0x200, upper);
}

/** #GP(0) when CR4.UMIP keeps SGDT, SIDT, SLDT, SMSW and STR from CPL above 0. */
export function checkUmip(): void {
  if ((cr4() & CR4_UMIP) != 0 && cpl() > 0) raise(GP, 0);
}

export function sldt(): u32 {
  if (!requireProtected()) return 0;
  checkUmip();
  return segSelector(SREG_LDTR);
}

export function str(): u32 {
  if (!requireProtected()) return 0;
  checkUmip();
  return segSelector(SREG_TR);
}

export function setGdtr(limit: u32, base: u64): void {
  if (!checkTableBase(base)) return;
  setGdtrLimit(limit & 0xffff);
  setGdtrBase(base);
}

export function setIdtr(limit: u32, base: u64): void {
  if (!checkTableBase(base)) return;
  setIdtrLimit(limit & 0xffff);
  setIdtrBase(base);
}

function checkTableBase(base: u64): bool {
  if (!requireSupervisor()) return false;
  if (!in64BitMode() || isCanonical(base)) return true;
  raise(GP, 0);
  return false;
}

/** Whether LAR and LSL can see a system descriptor of this type, [SDM] vol. 2A tables 3-53, 3-54. */
function isSystemVisible(type: u32, gates: bool): bool {
  if (inLongMode()) {
    if (type == TYPE_CALL) return gates;
    return type == TYPE_LDT || type == TYPE_TSS || type == TYPE_TSS_BUSY;
  }
  switch (type) {
    case TYPE_TSS16:
    case TYPE_LDT:
    case TYPE_TSS16_BUSY:
    case TYPE_TSS:
    case TYPE_TSS_BUSY:
      return true;
    case TYPE_CALL16:
    case TYPE_TASK_GATE:
    case TYPE_CALL:
      return gates;
    default:
      return false;
  }
}

/** The part that LAR, LSL, VERR and VERW share: the descriptor exists and privilege allows it. */
function isVisible(selector: u32, gates: bool, system: bool): bool {
  if (isNull(selector) || !findDescriptor(selector)) return false;
  const attr = attrOf(high);
  if ((attr & SEG_S) == 0) {
    if (!system || !isSystemVisible(typeOf(high), gates)) return false;
    if (inLongMode() && findUpperHalf(selector) >> 32 != 0) return false;
  } else if (isCode(attr) && isConforming(attr)) {
    return true;
  }
  const dpl = dplOf(high);
  return dpl >= cpl() && dpl >= (selector & 3);
}

/** LAR: the access rights, or all ones when ZF is to be cleared. */
export function lar(selector: u32): u64 {
  if (!requireProtected() || !isVisible(selector & 0xffff, true, true)) return ~(<u64>0);
  return high & 0x00f0_ff00;
}

/** LSL: the limit in bytes, or all ones when ZF is to be cleared. */
export function lsl(selector: u32): u64 {
  if (!requireProtected() || !isVisible(selector & 0xffff, false, true)) return ~(<u64>0);
  return limitOf(low, high);
}

/** VERR: 1 when the segment can be read. */
export function verr(selector: u32): u32 {
  if (!requireProtected() || !isVisible(selector & 0xffff, false, false)) return 0;
  return isReadable(attrOf(high)) ? 1 : 0;
}

/** VERW: 1 when the segment can be written. */
export function verw(selector: u32): u32 {
  if (!requireProtected() || !isVisible(selector & 0xffff, false, false)) return 0;
  return isWritableData(attrOf(high)) ? 1 : 0;
}
