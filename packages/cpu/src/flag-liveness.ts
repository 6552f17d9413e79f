import type { Decoded } from '@umbra/isa';

/** Which flags may be seen after an instruction: CF, and the other five. */
export interface LiveFlags {
  readonly carry: boolean;
  readonly rest: boolean;
}

/** For each instruction of a block, the flags behind it that anything may see. */
export function flagLiveness(instructions: readonly Decoded[]): readonly LiveFlags[] {
  const live: LiveFlags[] = [];
  let needed: LiveFlags = { carry: true, rest: true };
  for (const decoded of instructions.toReversed()) {
    live.push(needed);
    needed = neededBefore(decoded, needed);
  }
  return live.reverse();
}

/** What must be true before an instruction, given what is needed after it. */
function neededBefore(decoded: Decoded, after: LiveFlags): LiveFlags {
  const { instruction } = decoded.row;
  const touchesMemory = decoded.memory !== undefined && instruction.mnemonic !== 'lea';
  // A fault shows the flags as they were before.
  if (instruction.usesFlags || !instruction.noFault || touchesMemory)
    return { carry: true, rest: true };
  if (instruction.setsFlags) return { carry: false, rest: false };
  if (instruction.keepsCarry) return { carry: after.carry, rest: false };
  if (instruction.setsCarry) {
    // A rotation by nothing, or by a register, may leave CF as it was.
    const isSure = instruction.mnemonic.startsWith('b') || isShiftSure(decoded);
    return { carry: !isSure && after.carry, rest: after.rest };
  }
  if (instruction.shifts && isShiftSure(decoded)) return { carry: false, rest: false };
  return after;
}

/** Whether a shift's count is a constant that no operand size masks to zero. */
function isShiftSure(decoded: Decoded): boolean {
  const count = decoded.operands[1];
  if (count?.kind !== 'immediate') return false;
  return ((count.role === 'fixed' ? count.index : decoded.immediateLow) & 0x1f) !== 0;
}
