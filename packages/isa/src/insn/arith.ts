import { insn, type Meaning, table } from '../define.ts';
import type { Semantics, Size, Value } from '../semantics.ts';

const FLAGS = { setsFlags: true, noFault: true } as const;
const CARRY_FLAGS = { setsFlags: true, usesFlags: true } as const;

/** ADD: DEST := DEST + SRC. [SDM] vol. 2A, "ADD—Add". */
export const ADD = insn('add', FLAGS, (s, [dst, src]) => {
  const a = s.readForWrite(dst);
  const b = s.let(s.read(src));
  const sum = s.let(s.add(a, b));
  s.write(dst, sum);
  s.flagsAdd(sum, b);
});

/** ADC: DEST := DEST + SRC + CF. [SDM] vol. 2A, "ADC—Add With Carry". */
export const ADC = insn('adc', CARRY_FLAGS, (s, [dst, src]) => {
  const a = s.readForWrite(dst);
  const b = s.let(s.read(src));
  const carry = s.let(s.carry());
  const sum = s.let(s.add(s.add(a, b), s.zeroExtend(carry, dst.size as Size)));
  s.write(dst, sum);
  s.flagsAdd(sum, b, carry);
});

/** SUB: DEST := DEST - SRC. [SDM] vol. 2B, "SUB—Subtract". */
export const SUB = insn('sub', FLAGS, (s, [dst, src]) => {
  const a = s.let(s.readForWrite(dst));
  const b = s.let(s.read(src));
  s.write(dst, s.sub(a, b));
  s.flagsSub(a, b);
});

/** SBB: DEST := DEST - (SRC + CF). [SDM] vol. 2B, "SBB—Integer Subtraction With Borrow". */
export const SBB = insn('sbb', CARRY_FLAGS, (s, [dst, src]) => {
  const a = s.let(s.readForWrite(dst));
  const b = s.let(s.read(src));
  const borrow = s.let(s.carry());
  s.write(dst, s.sub(s.sub(a, b), s.zeroExtend(borrow, dst.size as Size)));
  s.flagsSub(a, b, borrow);
});

/** CMP: SUB that discards its result. [SDM] vol. 2A, "CMP—Compare Two Operands". */
export const CMP = insn('cmp', FLAGS, (s, [left, right]) => {
  const a = s.let(s.read(left));
  s.flagsSub(a, s.let(s.read(right)));
});

function logic(operation: (s: Semantics, a: Value, b: Value) => Value): Meaning {
  return (s, [dst, src]) => {
    const a = s.readForWrite(dst);
    const result = s.let(operation(s, a, s.read(src)));
    s.write(dst, result);
    s.flagsLogic(result);
  };
}

export const AND = insn(
  'and',
  FLAGS,
  logic((s, a, b) => s.and(a, b)),
);
export const OR = insn(
  'or',
  FLAGS,
  logic((s, a, b) => s.or(a, b)),
);
export const XOR = insn(
  'xor',
  FLAGS,
  logic((s, a, b) => s.xor(a, b)),
);
export const TEST = insn('test', FLAGS, (s, [a, b]) => {
  s.flagsLogic(s.let(s.and(s.read(a), s.read(b))));
});

/** CF stays as it was: INC and DEC leave it alone. */
function step(by: 1 | -1): Meaning {
  return (s, [dst]) => {
    const size = dst.size as Size;
    const a = s.let(s.readForWrite(dst));
    const one = s.constant(1, size);
    const result = s.let(by === 1 ? s.add(a, one) : s.sub(a, one));
    const nibble = s.truncate(s.and(by === 1 ? result : a, s.constant(0xf, size)), 8);
    const adjust = s.shl(s.zeroExtend(s.isZero(nibble), 32), s.int(4));
    // Overflow: the result (INC) or the operand (DEC) is the most negative number.
    const edge = by === 1 ? result : a;
    const lowest = size === 64 ? s.constant64(0x8000_0000, 0) : s.constant(2 ** (size - 1), size);
    const overflow = s.shl(s.zeroExtend(s.eq(edge, lowest), 32), s.int(11));
    s.write(dst, result);
    s.flagsResult(result, s.or(s.or(s.zeroExtend(s.carry(), 32), adjust), overflow));
  };
}
export const INC = insn('inc', { keepsCarry: true, noFault: true }, step(1));
export const DEC = insn('dec', { keepsCarry: true, noFault: true }, step(-1));

export const NEG = insn('neg', FLAGS, (s, [dst]) => {
  const b = s.let(s.readForWrite(dst));
  const zero = s.constant(0, dst.size as Size);
  s.write(dst, s.sub(zero, b));
  s.flagsSub(zero, b);
});
export const NOT = insn('not', { noFault: true }, (s, [dst]) =>
  s.write(dst, s.not(s.readForWrite(dst))),
);

/** CF = OF = `overflow`. */
function multiplyFlags(s: Semantics, low: Value, overflow: Value): void {
  s.flagsResult(low, s.mul(s.zeroExtend(overflow, 32), s.int((1 << 11) | 1)));
}

/** Product of two values of up to 32 bits, in 64. */
function wideProduct(s: Semantics, a: Value, b: Value, signed: boolean): Value {
  return signed
    ? s.mul(s.signExtend(a, 64), s.signExtend(b, 64))
    : s.mul(s.zeroExtend(a, 64), s.zeroExtend(b, 64));
}

/** MUL and one-operand IMUL. [SDM] vol. 2B, "MUL—Unsigned Multiply". */
function multiply(signed: boolean): Meaning {
  return (s, [src]) => {
    const size = src.size as Size;
    const a = s.let(s.readRegister(0, size));
    const b = s.let(s.read(src));
    if (size === 64) {
      const low = s.let(s.mul(a, b));
      const high = s.let(
        s.call(signed ? 'multiplyHighSigned' : 'multiplyHighUnsigned', [a, b], 64),
      );
      s.writeRegister(0, low);
      s.writeRegister(2, high);
      const expected = signed ? s.sar(low, s.int(63)) : s.constant(0, 64);
      multiplyFlags(s, low, s.ne(high, expected));
      return;
    }
    const product = s.let(wideProduct(s, a, b, signed));
    const low = s.let(s.truncate(product, size));
    if (size === 8) {
      s.writeRegister(0, s.truncate(product, 16));
    } else {
      s.writeRegister(0, low);
      s.writeRegister(2, s.truncate(s.shr(product, s.int(size)), size));
    }
    const fits = signed ? s.signExtend(low, 64) : s.zeroExtend(low, 64);
    multiplyFlags(s, low, s.ne(product, fits));
  };
}
export const MUL = insn('mul', FLAGS, multiply(false));
const IMUL1 = insn('imul', FLAGS, multiply(true));

function multiplyInto(s: Semantics, size: Size, a: Value, b: Value): Value {
  if (size === 64) {
    const low = s.let(s.mul(a, b));
    const high = s.pure('multiplyHighSigned', [a, b], 64);
    multiplyFlags(s, low, s.ne(high, s.sar(low, s.int(63))));
    return low;
  }
  const product = s.let(wideProduct(s, a, b, true));
  const low = s.let(s.truncate(product, size));
  multiplyFlags(s, low, s.ne(product, s.signExtend(low, 64)));
  return low;
}
const IMUL2 = insn('imul', FLAGS, (s, [dst, src]) => {
  const b = s.let(s.read(src));
  s.write(dst, multiplyInto(s, dst.size as Size, s.let(s.read(dst)), b));
});
const IMUL3 = insn('imul', FLAGS, (s, [dst, src, imm]) => {
  const a = s.let(s.read(src));
  s.write(dst, multiplyInto(s, dst.size as Size, a, s.let(s.read(imm))));
});

/** DIV and IDIV; the runtime raises #DE. Flags are undefined and stay as they were. */
function divide(signed: boolean): Meaning {
  return (s, [src]) => {
    const size = src.size as Size;
    const divisor = s.read(src);
    if (size === 64) {
      const name = signed ? 'divideSigned128' : 'divideUnsigned128';
      const quotient = s.callFaulting(
        name,
        [s.readRegister(2, 64), s.readRegister(0, 64), divisor],
        64,
      );
      s.writeRegister(0, quotient);
      s.writeRegister(2, s.readState('scratch'));
      return;
    }
    const low = size === 8 ? s.readRegister(0, 16) : s.zeroExtend(s.readRegister(0, size), 64);
    const dividend =
      size === 8
        ? signed
          ? s.signExtend(low, 64)
          : s.zeroExtend(low, 64)
        : s.or(s.shl(s.zeroExtend(s.readRegister(2, size), 64), s.int(size)), low);
    const wide = signed && size === 16 ? s.signExtend(s.truncate(dividend, 32), 64) : dividend;
    const by = signed ? s.signExtend(divisor, 64) : s.zeroExtend(divisor, 64);
    const name = signed ? 'divideSigned' : 'divideUnsigned';
    const quotient = s.let(s.callFaulting(name, [wide, by, s.int(size)], 64));
    const remainder = s.readState('scratch');
    if (size === 8) {
      const packed = s.or(
        s.and(quotient, s.constant(0xff, 64)),
        s.shl(s.and(remainder, s.constant(0xff, 64)), s.int(8)),
      );
      s.writeRegister(0, s.truncate(packed, 16));
    } else {
      s.writeRegister(0, s.truncate(quotient, size));
      s.writeRegister(2, s.truncate(remainder, size));
    }
  };
}
export const DIV = insn('div', {}, divide(false));
export const IDIV = insn('idiv', {}, divide(true));

/** CBW, CWDE, CDQE. */
const CBW = insn('cbw', { noFault: true }, (s) => {
  const half = (s.size / 2) as Size;
  s.writeRegister(0, s.signExtend(s.readRegister(0, half), s.size));
});
/** CWD, CDQ, CQO. */
const CWD = insn('cwd', { noFault: true }, (s) => {
  s.writeRegister(2, s.sar(s.readRegister(0, s.size), s.int(s.size - 1)));
});

/** The decimal adjustments: rare, so one runtime function each, on AX and flags in the state. */
function decimal(name: string): Meaning {
  return (s) => {
    s.callWithState(name, []);
  };
}
const DECIMAL = { setsFlags: true, usesFlags: true } as const;
const DAA = insn('daa', DECIMAL, decimal('daa'));
const DAS = insn('das', DECIMAL, decimal('das'));
const AAA = insn('aaa', DECIMAL, decimal('aaa'));
const AAS = insn('aas', DECIMAL, decimal('aas'));
const AAM = insn('aam', { setsFlags: true }, (s, [base]) => {
  const by = s.let(s.zeroExtend(s.read(base), 32));
  s.raiseIf(s.isZero(by), 0);
  s.callWithState('aam', [by]);
});
const AAD = insn('aad', FLAGS, (s, [base]) => {
  s.callWithState('aad', [s.zeroExtend(s.read(base), 32)]);
});

/** XADD: exchange, then add. [SDM] vol. 2C, "XADD—Exchange and Add". */
const XADD = insn('xadd', FLAGS, (s, [dst, src]) => {
  const a = s.let(s.readForWrite(dst));
  const b = s.let(s.read(src));
  const sum = s.let(s.add(a, b));
  s.write(src, a);
  s.write(dst, sum);
  s.flagsAdd(sum, b);
});

/** CMPXCHG: the destination is always written. [SDM] vol. 2A, "CMPXCHG—Compare and Exchange". */
const CMPXCHG = insn('cmpxchg', FLAGS, (s, [dst, src]) => {
  const size = dst.size as Size;
  const old = s.let(s.readForWrite(dst));
  const accumulator = s.let(s.readRegister(0, size));
  const equal = s.let(s.eq(accumulator, old));
  // A 32-bit accumulator that compares equal keeps its upper half: write back what it was.
  if (size === 32) {
    s.writeRegister(0, s.select(equal, s.readRegister(0, 64), s.zeroExtend(old, 64)));
  } else {
    s.writeRegister(0, s.select(equal, accumulator, old));
  }
  s.write(dst, s.select(equal, s.read(src), old));
  s.flagsSub(accumulator, old);
});

/** CMPXCHG8B: EDX:EAX against m64. */
const CMPXCHG8B = insn('cmpxchg8b', { usesFlags: true }, (s, [dst]) => {
  const old = s.let(s.readForWrite(dst));
  const join = (high: number, low: number) =>
    s.or(
      s.shl(s.zeroExtend(s.readRegister(high, 32), 64), s.int(32)),
      s.zeroExtend(s.readRegister(low, 32), 64),
    );
  const equal = s.let(s.eq(old, join(2, 0)));
  s.write(dst, s.select(equal, join(1, 3), old));
  const zf = s.shl(s.zeroExtend(equal, 32), s.int(6));
  s.flagsReplace(0x40, zf);
  s.writeRegister(0, s.select(equal, s.readRegister(0, 32), s.truncate(old, 32)));
  s.writeRegister(2, s.select(equal, s.readRegister(2, 32), s.truncate(s.shr(old, s.int(32)), 32)));
});

/** CMPXCHG16B: RDX:RAX against m128, which must be aligned. */
const CMPXCHG16B = insn('cmpxchg16b', { usesFlags: true }, (s, [dst]) => {
  s.callWithState('compareExchange16', [s.linear(dst, 16, true)]);
});

export const arith = table({
  '00': [ADD, 'Eb,Gb', 'lock'],
  '01': [ADD, 'Ev,Gv', 'lock'],
  '02': [ADD, 'Gb,Eb'],
  '03': [ADD, 'Gv,Ev'],
  '04': [ADD, 'AL,Ib'],
  '05': [ADD, 'rAX,Iz'],
  '08': [OR, 'Eb,Gb', 'lock'],
  '09': [OR, 'Ev,Gv', 'lock'],
  '0A': [OR, 'Gb,Eb'],
  '0B': [OR, 'Gv,Ev'],
  '0C': [OR, 'AL,Ib'],
  '0D': [OR, 'rAX,Iz'],
  '10': [ADC, 'Eb,Gb', 'lock'],
  '11': [ADC, 'Ev,Gv', 'lock'],
  '12': [ADC, 'Gb,Eb'],
  '13': [ADC, 'Gv,Ev'],
  '14': [ADC, 'AL,Ib'],
  '15': [ADC, 'rAX,Iz'],
  '18': [SBB, 'Eb,Gb', 'lock'],
  '19': [SBB, 'Ev,Gv', 'lock'],
  '1A': [SBB, 'Gb,Eb'],
  '1B': [SBB, 'Gv,Ev'],
  '1C': [SBB, 'AL,Ib'],
  '1D': [SBB, 'rAX,Iz'],
  '20': [AND, 'Eb,Gb', 'lock'],
  '21': [AND, 'Ev,Gv', 'lock'],
  '22': [AND, 'Gb,Eb'],
  '23': [AND, 'Gv,Ev'],
  '24': [AND, 'AL,Ib'],
  '25': [AND, 'rAX,Iz'],
  '27': [DAA, '', 'i64'],
  '28': [SUB, 'Eb,Gb', 'lock'],
  '29': [SUB, 'Ev,Gv', 'lock'],
  '2A': [SUB, 'Gb,Eb'],
  '2B': [SUB, 'Gv,Ev'],
  '2C': [SUB, 'AL,Ib'],
  '2D': [SUB, 'rAX,Iz'],
  '2F': [DAS, '', 'i64'],
  '30': [XOR, 'Eb,Gb', 'lock'],
  '31': [XOR, 'Ev,Gv', 'lock'],
  '32': [XOR, 'Gb,Eb'],
  '33': [XOR, 'Gv,Ev'],
  '34': [XOR, 'AL,Ib'],
  '35': [XOR, 'rAX,Iz'],
  '37': [AAA, '', 'i64'],
  '38': [CMP, 'Eb,Gb'],
  '39': [CMP, 'Ev,Gv'],
  '3A': [CMP, 'Gb,Eb'],
  '3B': [CMP, 'Gv,Ev'],
  '3C': [CMP, 'AL,Ib'],
  '3D': [CMP, 'rAX,Iz'],
  '3F': [AAS, '', 'i64'],
  '40+': [INC, 'Zv', 'i64'],
  '48+': [DEC, 'Zv', 'i64'],
  '69': [IMUL3, 'Gv,Ev,Iz'],
  '6B': [IMUL3, 'Gv,Ev,Ibs'],
  '80 /0': [ADD, 'Eb,Ib', 'lock'],
  '80 /1': [OR, 'Eb,Ib', 'lock'],
  '80 /2': [ADC, 'Eb,Ib', 'lock'],
  '80 /3': [SBB, 'Eb,Ib', 'lock'],
  '80 /4': [AND, 'Eb,Ib', 'lock'],
  '80 /5': [SUB, 'Eb,Ib', 'lock'],
  '80 /6': [XOR, 'Eb,Ib', 'lock'],
  '80 /7': [CMP, 'Eb,Ib'],
  '81 /0': [ADD, 'Ev,Iz', 'lock'],
  '81 /1': [OR, 'Ev,Iz', 'lock'],
  '81 /2': [ADC, 'Ev,Iz', 'lock'],
  '81 /3': [SBB, 'Ev,Iz', 'lock'],
  '81 /4': [AND, 'Ev,Iz', 'lock'],
  '81 /5': [SUB, 'Ev,Iz', 'lock'],
  '81 /6': [XOR, 'Ev,Iz', 'lock'],
  '81 /7': [CMP, 'Ev,Iz'],
  '82 /0': [ADD, 'Eb,Ib', 'lock', 'i64'],
  '82 /1': [OR, 'Eb,Ib', 'lock', 'i64'],
  '82 /2': [ADC, 'Eb,Ib', 'lock', 'i64'],
  '82 /3': [SBB, 'Eb,Ib', 'lock', 'i64'],
  '82 /4': [AND, 'Eb,Ib', 'lock', 'i64'],
  '82 /5': [SUB, 'Eb,Ib', 'lock', 'i64'],
  '82 /6': [XOR, 'Eb,Ib', 'lock', 'i64'],
  '82 /7': [CMP, 'Eb,Ib', 'i64'],
  '83 /0': [ADD, 'Ev,Ibs', 'lock'],
  '83 /1': [OR, 'Ev,Ibs', 'lock'],
  '83 /2': [ADC, 'Ev,Ibs', 'lock'],
  '83 /3': [SBB, 'Ev,Ibs', 'lock'],
  '83 /4': [AND, 'Ev,Ibs', 'lock'],
  '83 /5': [SUB, 'Ev,Ibs', 'lock'],
  '83 /6': [XOR, 'Ev,Ibs', 'lock'],
  '83 /7': [CMP, 'Ev,Ibs'],
  '84': [TEST, 'Eb,Gb'],
  '85': [TEST, 'Ev,Gv'],
  '98': [CBW, ''],
  '99': [CWD, ''],
  A8: [TEST, 'AL,Ib'],
  A9: [TEST, 'rAX,Iz'],
  D4: [AAM, 'Ib', 'i64'],
  D5: [AAD, 'Ib', 'i64'],
  'F6 /0': [TEST, 'Eb,Ib'],
  'F6 /1': [TEST, 'Eb,Ib'],
  'F6 /2': [NOT, 'Eb', 'lock'],
  'F6 /3': [NEG, 'Eb', 'lock'],
  'F6 /4': [MUL, 'Eb'],
  'F6 /5': [IMUL1, 'Eb'],
  'F6 /6': [DIV, 'Eb'],
  'F6 /7': [IDIV, 'Eb'],
  'F7 /0': [TEST, 'Ev,Iz'],
  'F7 /1': [TEST, 'Ev,Iz'],
  'F7 /2': [NOT, 'Ev', 'lock'],
  'F7 /3': [NEG, 'Ev', 'lock'],
  'F7 /4': [MUL, 'Ev'],
  'F7 /5': [IMUL1, 'Ev'],
  'F7 /6': [DIV, 'Ev'],
  'F7 /7': [IDIV, 'Ev'],
  'FE /0': [INC, 'Eb', 'lock'],
  'FE /1': [DEC, 'Eb', 'lock'],
  'FF /0': [INC, 'Ev', 'lock'],
  'FF /1': [DEC, 'Ev', 'lock'],
  '0F AF': [IMUL2, 'Gv,Ev'],
  '0F B0': [CMPXCHG, 'Eb,Gb', 'lock'],
  '0F B1': [CMPXCHG, 'Ev,Gv', 'lock'],
  '0F C0': [XADD, 'Eb,Gb', 'lock'],
  '0F C1': [XADD, 'Ev,Gv', 'lock'],
  '0F C7 /1m': [CMPXCHG8B, 'Mq', 'lock', 'w0'],
});

export const arithWide = table({
  '0F C7 /1m': [CMPXCHG16B, 'Mq', 'lock', 'wq'],
});
