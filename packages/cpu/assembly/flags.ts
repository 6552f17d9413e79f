// Lazy arithmetic flags: what the last instruction computed is kept, and turned into OF SF ZF AF
// PF CF when something asks. [SDM] vol. 1 §3.4.3.1.

import {
  EFLAGS_AF,
  EFLAGS_ARITHMETIC,
  EFLAGS_CF,
  EFLAGS_OF,
  EFLAGS_PF,
  EFLAGS_SF,
  EFLAGS_ZF,
  FLAG_KIND_ADD,
  FLAG_KIND_EFLAGS,
  FLAG_KIND_LOGIC,
  FLAG_KIND_SUB,
  flagA,
  flagB,
  flagOp,
  setFlagA,
  setFlagB,
  setFlagOp,
  setSystemFlags,
  systemFlags,
} from './generated/layout';

/** SF, ZF and PF of `result`, whose width is 8 << `size`. */
// @ts-ignore: decorator
@inline
function resultFlags(result: u64, size: u32): u32 {
  const shift: u64 = 64 - (8 << size);
  const top = result << shift;
  let flags: u32 = top == 0 ? EFLAGS_ZF : 0;
  flags |= <u32>(top >> 63) * EFLAGS_SF;
  flags |= (popcnt<u32>(<u32>result & 0xff) & 1) == 0 ? EFLAGS_PF : 0;
  return flags;
}

/** The arithmetic flags of a lazy state given in pieces, at their EFLAGS places. */
export function computeFlags(op: u32, a: u64, b: u64): u32 {
  const kind = op >> 4;
  if (kind == FLAG_KIND_EFLAGS) return <u32>a & EFLAGS_ARITHMETIC;
  const size = (op >> 1) & 3;
  if (kind == FLAG_KIND_LOGIC) return resultFlags(a, size);
  const shift: u64 = 64 - (8 << size);
  const carryIn = <u64>(op & 1);
  let flags: u32;
  if (kind == FLAG_KIND_ADD) {
    const first = a - b - carryIn;
    flags = resultFlags(a, size);
    const carries = (first & b) | ((first | b) & ~a);
    flags |= <u32>((carries << shift) >> 63);
    flags |= <u32>(carries & 8) << 1;
    flags |= <u32>((((first ^ a) & (b ^ a)) << shift) >> 63) * EFLAGS_OF;
    return flags;
  }
  if (kind == FLAG_KIND_SUB) {
    const result = a - b - carryIn;
    flags = resultFlags(result, size);
    const borrows = (~a & b) | ((~a | b) & result);
    flags |= <u32>((borrows << shift) >> 63);
    flags |= <u32>(borrows & 8) << 1;
    flags |= <u32>((((a ^ b) & (a ^ result)) << shift) >> 63) * EFLAGS_OF;
    return flags;
  }
  return resultFlags(a, size) | (<u32>b & (EFLAGS_CF | EFLAGS_AF | EFLAGS_OF));
}

/** OF SF ZF AF PF CF at their EFLAGS places. */
export function readArithmeticFlags(): u32 {
  return computeFlags(flagOp(), flagA(), flagB());
}

/** The whole EFLAGS image; bit 1 reads as 1. */
export function readFlags(): u32 {
  return readArithmeticFlags() | systemFlags() | 2;
}

/** Replaces the six arithmetic flags. */
export function writeArithmeticFlags(value: u32): void {
  setFlagOp(0);
  setFlagA(<u64>(value & EFLAGS_ARITHMETIC));
}

/** Replaces the flags under `mask`, arithmetic and system, and keeps the others. */
export function writeFlags(value: u32, mask: u32): void {
  if (mask & EFLAGS_ARITHMETIC) {
    writeArithmeticFlags((readArithmeticFlags() & ~mask) | (value & mask));
  }
  const system = mask & 0x003f_7700;
  setSystemFlags((systemFlags() & ~system) | (value & system));
}

/**
 * Condition `code` (the low four bits of Jcc, SETcc, CMOVcc) of a lazy state given in pieces.
 * [SDM] vol. 1 appendix B.
 */
export function condition(code: u32, op: u32, a: u64, b: u64): u32 {
  const flags = computeFlags(op, a, b);
  let holds: bool;
  const sf = (flags & EFLAGS_SF) != 0;
  const ofSet = (flags & EFLAGS_OF) != 0;
  switch (code >> 1) {
    case 0:
      holds = ofSet;
      break;
    case 1:
      holds = (flags & EFLAGS_CF) != 0;
      break;
    case 2:
      holds = (flags & EFLAGS_ZF) != 0;
      break;
    case 3:
      holds = (flags & (EFLAGS_CF | EFLAGS_ZF)) != 0;
      break;
    case 4:
      holds = sf;
      break;
    case 5:
      holds = (flags & EFLAGS_PF) != 0;
      break;
    case 6:
      holds = sf != ofSet;
      break;
    default:
      holds = (flags & EFLAGS_ZF) != 0 || sf != ofSet;
  }
  return (holds ? 1 : 0) ^ (code & 1);
}
