import { insn, type Meaning, table } from '../define.ts';
import type { Operand } from '../operand.ts';
import type { Semantics, Size, Value } from '../semantics.ts';

/** The count, masked to 5 or 6 bits, as a 32-bit value. */
function maskedCount(s: Semantics, operand: Operand, size: Size): Value {
  return s.let(s.and(s.zeroExtend(s.read(operand), 32), s.int(size === 64 ? 0x3f : 0x1f)));
}

/** CF and OF at their EFLAGS places, from truth values. */
function carryOverflow(s: Semantics, carry: Value, overflow: Value): Value {
  return s.or(s.zeroExtend(carry, 32), s.shl(s.zeroExtend(overflow, 32), s.int(11)));
}

function bit(s: Semantics, value: Value, position: number): Value {
  const moved = position === 0 ? value : s.shr(value, s.int(position));
  const low = value.size === 64 ? s.truncate(moved, 32) : s.zeroExtend(moved, 32);
  return s.and(low, s.int(1));
}

/** Shifts of values up to 32 bits are done in 64, where counts up to 31 lose nothing. */
function shift(kind: 'shl' | 'shr' | 'sar'): Meaning {
  return (s, [dst, by]) => {
    const size = dst.size as Size;
    const a = s.let(s.readForWrite(dst));
    const count = maskedCount(s, by, size);
    const any = s.let(s.ne(count, s.int(0)));
    let result: Value;
    let carry: Value;
    if (size === 64) {
      const before = s.sub(count, s.int(1));
      result = s.let(s[kind](a, count));
      const last =
        kind === 'shl' ? s.shr(a, s.sub(s.int(64), count)) : s[kind](a, s.and(before, s.int(63)));
      carry = s.let(s.and(s.truncate(last, 32), s.int(1)));
    } else {
      const wide = s.let(kind === 'sar' ? s.signExtend(a, 64) : s.zeroExtend(a, 64));
      if (kind === 'shl') {
        const moved = s.let(s.shl(wide, count));
        result = s.let(s.truncate(moved, size));
        carry = s.let(bit(s, moved, size));
      } else {
        // One bit more on the right keeps the last bit shifted out.
        const moved = s.let(s[kind](s.shl(wide, s.int(1)), count));
        result = s.let(s.truncate(s.shr(moved, s.int(1)), size));
        carry = s.let(bit(s, moved, 0));
      }
    }
    s.write(dst, result);
    const top = bit(s, result, size - 1);
    // For SHR by one OF is the operand's top bit, which is now the result's second.
    const overflow =
      kind === 'shl' ? s.xor(top, carry) : kind === 'shr' ? bit(s, result, size - 2) : s.int(0);
    s.flagsResultIf(any, result, carryOverflow(s, carry, overflow));
  };
}
const SHL = insn('shl', { shifts: true, noFault: true }, shift('shl'));
const SHR = insn('shr', { shifts: true, noFault: true }, shift('shr'));
const SAR = insn('sar', { shifts: true, noFault: true }, shift('sar'));

/** ROL and ROR change CF and OF only. */
function rotate(left: boolean): Meaning {
  return (s, [dst, by]) => {
    const size = dst.size as Size;
    const a = s.let(s.readForWrite(dst));
    const count = maskedCount(s, by, size);
    const any = s.let(s.ne(count, s.int(0)));
    const part = size >= 32 ? count : s.let(s.and(count, s.int(size - 1)));
    const back = s.and(s.sub(s.int(size), part), s.int(size === 64 ? 63 : 31));
    let result: Value;
    if (size >= 32) {
      result = left ? s.or(s.shl(a, part), s.shr(a, back)) : s.or(s.shr(a, part), s.shl(a, back));
      result = s.let(s.select(any, result, a));
    } else {
      const wide = s.let(s.zeroExtend(a, 32));
      const over = s.sub(s.int(size), part);
      const moved = left
        ? s.or(s.shl(wide, part), s.shr(wide, over))
        : s.or(s.shr(wide, part), s.shl(wide, over));
      result = s.let(s.truncate(moved, size));
    }
    s.write(dst, result);
    const top = s.let(bit(s, result, size - 1));
    const low = bit(s, result, 0);
    const carry = s.let(left ? low : top);
    const overflow = left ? s.xor(top, carry) : s.xor(top, bit(s, result, size - 2));
    s.flagsReplaceIf(any, 0x801, carryOverflow(s, carry, overflow));
  };
}
const ROL = insn('rol', { setsCarry: true, noFault: true }, rotate(true));
const ROR = insn('ror', { setsCarry: true, noFault: true }, rotate(false));

/** RCL and RCR: rare; the runtime rotates through CF and leaves the new CF and OF in scratch. */
function rotateCarry(name: 'rotateCarryLeft' | 'rotateCarryRight'): Meaning {
  return (s, [dst, by]) => {
    const size = dst.size as Size;
    const a = s.readForWrite(dst);
    const count = maskedCount(s, by, size);
    const carry = s.zeroExtend(s.carry(), 32);
    const result = s.let(s.call(name, [s.zeroExtend(a, 64), count, carry, s.int(size)], 64));
    const bits = s.let(s.truncate(s.readState('scratch'), 32));
    s.write(dst, s.truncate(result, size));
    s.flagsReplaceIf(s.ne(count, s.int(0)), 0x801, bits);
  };
}
const RCL = insn('rcl', { usesFlags: true }, rotateCarry('rotateCarryLeft'));
const RCR = insn('rcr', { usesFlags: true }, rotateCarry('rotateCarryRight'));

/** SHLD, SHRD. For 16 bits and counts above 16 the result is undefined; the runtime's is kept. */
function doubleShift(name: 'doubleShiftLeft' | 'doubleShiftRight'): Meaning {
  return (s, [dst, src, by]) => {
    const size = dst.size as Size;
    const a = s.let(s.readForWrite(dst));
    const count = maskedCount(s, by, size);
    const from = s.zeroExtend(s.read(src), 64);
    const result = s.let(
      s.truncate(s.call(name, [s.zeroExtend(a, 64), from, count, s.int(size)], 64), size),
    );
    const bits = s.let(s.truncate(s.readState('scratch'), 32));
    s.write(dst, result);
    s.flagsResultIf(s.ne(count, s.int(0)), result, bits);
  };
}
const SHLD = insn('shld', { usesFlags: true }, doubleShift('doubleShiftLeft'));
const SHRD = insn('shrd', { usesFlags: true }, doubleShift('doubleShiftRight'));

/** Bit number of BT and its kin: a register's bit string may reach beyond the operand. */
function bitTest(change: ((s: Semantics, a: Value, mask: Value) => Value) | undefined): Meaning {
  return (s, [dst, src]) => {
    const size = dst.size as Size;
    const shiftBy = size === 64 ? 6 : size === 32 ? 5 : 4;
    const index = s.let(s.read(src));
    const position = s.let(s.and(s.zeroExtend(index, 32), s.int(size - 1)));
    if (dst.kind === 'memory' && src.kind === 'register') {
      const far = s.shl(s.sar(s.signExtend(index, 64), s.int(shiftBy)), s.int(shiftBy - 3));
      s.moveAddress(far);
    }
    const a = s.let(change === undefined ? s.read(dst) : s.readForWrite(dst));
    const wide = size === 64 ? a : s.zeroExtend(a, 32);
    const moved = s.shr(wide, position);
    const carry = s.and(size === 64 ? s.truncate(moved, 32) : moved, s.int(1));
    if (change !== undefined) {
      const one = size === 64 ? s.constant(1, 64) : s.int(1);
      const mask = s.truncate(s.shl(one, position), size);
      s.write(dst, change(s, a, mask));
    }
    s.flagsReplace(1, carry);
  };
}
const BIT = { setsCarry: true, noFault: true } as const;
const BT = insn('bt', BIT, bitTest(undefined));
const BTS = insn(
  'bts',
  BIT,
  bitTest((s, a, mask) => s.or(a, mask)),
);
const BTR = insn(
  'btr',
  BIT,
  bitTest((s, a, mask) => s.and(a, s.not(mask))),
);
const BTC = insn(
  'btc',
  BIT,
  bitTest((s, a, mask) => s.xor(a, mask)),
);

/** BSF and BSR: a zero source leaves the destination as it was, as Intel's processors do. */
function scan(forward: boolean): Meaning {
  return (s, [dst, src]) => {
    const size = dst.size as Size;
    const value = s.let(s.read(src));
    const wide = size === 64 ? value : s.let(s.zeroExtend(value, 32));
    const zero = s.let(s.isZero(value));
    const found = forward
      ? s.ctz(wide)
      : s.sub(size === 64 ? s.constant(63, 64) : s.int(31), s.clz(wide));
    s.write(dst, s.select(zero, s.read(dst), size === 64 ? found : s.truncate(found, size)));
    s.flagsLogic(value);
  };
}
const SCAN = { setsFlags: true, noFault: true } as const;
const BSF = insn('bsf', SCAN, scan(true));
const BSR = insn('bsr', SCAN, scan(false));
/** POPCNT: ZF from the source, all other flags cleared. */
const POPCNT = insn('popcnt', SCAN, (s, [dst, src]) => {
  const size = dst.size as Size;
  const value = s.let(s.read(src));
  const count = s.popcnt(size === 64 ? value : s.zeroExtend(value, 32));
  s.write(dst, size === 64 ? count : s.truncate(count, size));
  s.flagsReplace(0x8d5, s.shl(s.zeroExtend(s.isZero(value), 32), s.int(6)));
});
const CRC32 = insn('crc32', { noFault: true }, (s, [dst, src]) => {
  const sum = s.truncate(s.zeroExtend(s.read(dst), 64), 32);
  const value = s.zeroExtend(s.read(src), 64);
  const result = s.call('crc32', [sum, value, s.int(src.size / 8)], 32);
  s.write(dst, s.zeroExtend(result, dst.size as Size));
});

export const shifts = table({
  'C0 /0': [ROL, 'Eb,Ib'],
  'C0 /1': [ROR, 'Eb,Ib'],
  'C0 /2': [RCL, 'Eb,Ib'],
  'C0 /3': [RCR, 'Eb,Ib'],
  'C0 /4': [SHL, 'Eb,Ib'],
  'C0 /5': [SHR, 'Eb,Ib'],
  'C0 /6': [SHL, 'Eb,Ib'],
  'C0 /7': [SAR, 'Eb,Ib'],
  'C1 /0': [ROL, 'Ev,Ib'],
  'C1 /1': [ROR, 'Ev,Ib'],
  'C1 /2': [RCL, 'Ev,Ib'],
  'C1 /3': [RCR, 'Ev,Ib'],
  'C1 /4': [SHL, 'Ev,Ib'],
  'C1 /5': [SHR, 'Ev,Ib'],
  'C1 /6': [SHL, 'Ev,Ib'],
  'C1 /7': [SAR, 'Ev,Ib'],
  'D0 /0': [ROL, 'Eb,1'],
  'D0 /1': [ROR, 'Eb,1'],
  'D0 /2': [RCL, 'Eb,1'],
  'D0 /3': [RCR, 'Eb,1'],
  'D0 /4': [SHL, 'Eb,1'],
  'D0 /5': [SHR, 'Eb,1'],
  'D0 /6': [SHL, 'Eb,1'],
  'D0 /7': [SAR, 'Eb,1'],
  'D1 /0': [ROL, 'Ev,1'],
  'D1 /1': [ROR, 'Ev,1'],
  'D1 /2': [RCL, 'Ev,1'],
  'D1 /3': [RCR, 'Ev,1'],
  'D1 /4': [SHL, 'Ev,1'],
  'D1 /5': [SHR, 'Ev,1'],
  'D1 /6': [SHL, 'Ev,1'],
  'D1 /7': [SAR, 'Ev,1'],
  'D2 /0': [ROL, 'Eb,CL'],
  'D2 /1': [ROR, 'Eb,CL'],
  'D2 /2': [RCL, 'Eb,CL'],
  'D2 /3': [RCR, 'Eb,CL'],
  'D2 /4': [SHL, 'Eb,CL'],
  'D2 /5': [SHR, 'Eb,CL'],
  'D2 /6': [SHL, 'Eb,CL'],
  'D2 /7': [SAR, 'Eb,CL'],
  'D3 /0': [ROL, 'Ev,CL'],
  'D3 /1': [ROR, 'Ev,CL'],
  'D3 /2': [RCL, 'Ev,CL'],
  'D3 /3': [RCR, 'Ev,CL'],
  'D3 /4': [SHL, 'Ev,CL'],
  'D3 /5': [SHR, 'Ev,CL'],
  'D3 /6': [SHL, 'Ev,CL'],
  'D3 /7': [SAR, 'Ev,CL'],
  '0F A3': [BT, 'Ev,Gv'],
  '0F A4': [SHLD, 'Ev,Gv,Ib'],
  '0F A5': [SHLD, 'Ev,Gv,CL'],
  '0F AB': [BTS, 'Ev,Gv', 'lock'],
  '0F AC': [SHRD, 'Ev,Gv,Ib'],
  '0F AD': [SHRD, 'Ev,Gv,CL'],
  '0F B3': [BTR, 'Ev,Gv', 'lock'],
  '0F BA /4': [BT, 'Ev,Ib'],
  '0F BA /5': [BTS, 'Ev,Ib', 'lock'],
  '0F BA /6': [BTR, 'Ev,Ib', 'lock'],
  '0F BA /7': [BTC, 'Ev,Ib', 'lock'],
  '0F BB': [BTC, 'Ev,Gv', 'lock'],
  '0F BC': [BSF, 'Gv,Ev'],
  '0F BD': [BSR, 'Gv,Ev'],
  'F3 0F B8': [POPCNT, 'Gv,Ev'],
  'F2 0F38 F0': [CRC32, 'Gy,Eb'],
  'F2 0F38 F1': [CRC32, 'Gy,Ev'],
});
