import { insn, table } from '../define.ts';
import type { Operand } from '../operand.ts';
import type { Semantics, Size, Value } from '../semantics.ts';
import {
  checkMmx,
  laneBytes,
  lanes,
  MMX,
  type Packed,
  pair,
  readMmx,
  repeated,
  SSE,
  shuffleBy,
  sse,
  writeMmxVector,
  zero,
} from './vector.ts';

/** Packed integer instructions in their MMX and SSE forms. [SDM] vol. 2B. */

export const PADDB = pair('paddb', lanes('i8x16.add'));
export const PADDW = pair('paddw', lanes('i16x8.add'));
export const PADDD = pair('paddd', lanes('i32x4.add'));
export const PADDQ = pair('paddq', lanes('i64x2.add'));
export const PADDSB = pair('paddsb', lanes('i8x16.add_sat_s'));
export const PADDSW = pair('paddsw', lanes('i16x8.add_sat_s'));
export const PADDUSB = pair('paddusb', lanes('i8x16.add_sat_u'));
export const PADDUSW = pair('paddusw', lanes('i16x8.add_sat_u'));
export const PSUBB = pair('psubb', lanes('i8x16.sub'));
export const PSUBW = pair('psubw', lanes('i16x8.sub'));
export const PSUBD = pair('psubd', lanes('i32x4.sub'));
export const PSUBQ = pair('psubq', lanes('i64x2.sub'));
export const PSUBSB = pair('psubsb', lanes('i8x16.sub_sat_s'));
export const PSUBSW = pair('psubsw', lanes('i16x8.sub_sat_s'));
export const PSUBUSB = pair('psubusb', lanes('i8x16.sub_sat_u'));
export const PSUBUSW = pair('psubusw', lanes('i16x8.sub_sat_u'));
export const PAND = pair('pand', lanes('v128.and'));
export const PANDN = pair('pandn', (s, a, b) => s.v128.binary('v128.andnot', b, a));
export const POR = pair('por', lanes('v128.or'));
export const PXOR = pair('pxor', lanes('v128.xor'));
export const PCMPEQB = pair('pcmpeqb', lanes('i8x16.eq'));
export const PCMPEQW = pair('pcmpeqw', lanes('i16x8.eq'));
export const PCMPEQD = pair('pcmpeqd', lanes('i32x4.eq'));
export const PCMPGTB = pair('pcmpgtb', lanes('i8x16.gt_s'));
export const PCMPGTW = pair('pcmpgtw', lanes('i16x8.gt_s'));
export const PCMPGTD = pair('pcmpgtd', lanes('i32x4.gt_s'));
export const PMINUB = pair('pminub', lanes('i8x16.min_u'));
export const PMAXUB = pair('pmaxub', lanes('i8x16.max_u'));
export const PMINSW = pair('pminsw', lanes('i16x8.min_s'));
export const PMAXSW = pair('pmaxsw', lanes('i16x8.max_s'));
export const PAVGB = pair('pavgb', lanes('i8x16.avgr_u'));
export const PAVGW = pair('pavgw', lanes('i16x8.avgr_u'));
export const PMULLW = pair('pmullw', lanes('i16x8.mul'));
export const PMADDWD = pair('pmaddwd', lanes('i32x4.dot_i16x8_s'));

/** High halves of 16-bit products. */
const highProducts =
  (sign: 's' | 'u'): Packed =>
  (s, a, b) =>
    s.v128.shuffle(
      s.v128.binary(`i32x4.extmul_low_i16x8_${sign}`, a, b),
      s.v128.binary(`i32x4.extmul_high_i16x8_${sign}`, a, b),
      laneBytes(2, [1, 3, 5, 7, 9, 11, 13, 15]),
    );
export const PMULHW = pair('pmulhw', highProducts('s'));
export const PMULHUW = pair('pmulhuw', highProducts('u'));

export const PMULUDQ = pair('pmuludq', (s, a, b) => {
  const low = s.let(repeated(s, [255, 255, 255, 255, 0, 0, 0, 0]));
  return s.v128.binary(
    'i64x2.mul',
    s.v128.binary('v128.and', a, low),
    s.v128.binary('v128.and', b, low),
  );
});

/** Sums of absolute differences of eight bytes each. */
export const PSADBW = pair('psadbw', (s, a, b) => {
  const difference = s.v128.binary(
    'i8x16.sub',
    s.v128.binary('i8x16.max_u', a, b),
    s.v128.binary('i8x16.min_u', a, b),
  );
  const words = s.v128.unary('i16x8.extadd_pairwise_i8x16_u', difference);
  const doubles = s.let(s.v128.unary('i32x4.extadd_pairwise_i16x8_u', words));
  const low = s.v128.binary('v128.and', doubles, repeated(s, [255, 255, 255, 255, 0, 0, 0, 0]));
  return s.v128.binary('i64x2.add', low, s.v128.shift('i64x2.shr_u', doubles, s.int(32)));
});

/** Joins the low halves, which is what MMX operands of packs and horizontal operations are. */
const joined = (s: Semantics, a: Value, b: Value): Value =>
  s.let(s.v128.shuffle(a, b, laneBytes(8, [0, 2])));
const pack =
  (op: string): Packed =>
  (s, a, b, bytes) => {
    if (bytes === 16) return s.v128.binary(op, a, b);
    const both = joined(s, a, b);
    return s.v128.binary(op, both, both);
  };
export const PACKSSWB = pair('packsswb', pack('i8x16.narrow_i16x8_s'));
export const PACKUSWB = pair('packuswb', pack('i8x16.narrow_i16x8_u'));
export const PACKSSDW = pair('packssdw', pack('i16x8.narrow_i32x4_s'));

/** Interleaves lanes of `width` bytes of the low or high halves. */
const unpack =
  (width: number, high: boolean): Packed =>
  (s, a, b, bytes) => {
    const count = bytes / width / 2;
    const first = high ? count : 0;
    const order = Array.from({ length: count }, (_, i) => [
      first + i,
      first + i + 16 / width,
    ]).flat();
    const filled = Array.from({ length: 16 / width }, (_, i) => order[i % order.length] ?? 0);
    return s.v128.shuffle(a, b, laneBytes(width, filled));
  };
export const PUNPCKLBW = pair('punpcklbw', unpack(1, false));
export const PUNPCKLWD = pair('punpcklwd', unpack(2, false));
export const PUNPCKLDQ = pair('punpckldq', unpack(4, false));
const PUNPCKLQDQ = sse('punpcklqdq', unpack(8, false));
export const PUNPCKHBW = pair('punpckhbw', unpack(1, true));
export const PUNPCKHWD = pair('punpckhwd', unpack(2, true));
export const PUNPCKHDQ = pair('punpckhdq', unpack(4, true));
const PUNPCKHQDQ = sse('punpckhqdq', unpack(8, true));
/** Shared with the floating-point forms, which move the same bits. */
export const UNPCKLPS = sse('unpcklps', unpack(4, false));
export const UNPCKHPS = sse('unpckhps', unpack(4, true));
export const UNPCKLPD = sse('unpcklpd', unpack(8, false));
export const UNPCKHPD = sse('unpckhpd', unpack(8, true));

type ShiftKind = 'shl' | 'shr_u' | 'shr_s';

/** A shift of lanes whose count may be beyond the lane's width: zeros, or copies of the sign. */
function shiftLanes(s: Semantics, width: number, kind: ShiftKind, a: Value, count: Value): Value {
  const op = `i${width}x${128 / width}.${kind}`;
  const known = s.constantOf(count);
  if (known !== undefined) {
    if (known < width && known >= 0) return s.v128.shift(op, a, s.int(known));
    return kind === 'shr_s' ? s.v128.shift(op, a, s.int(width - 1)) : zero(s);
  }
  const wide = s.let(s.zeroExtend(count, 64));
  const inside = s.let(s.ltU(wide, s.constant(width, 64)));
  const by = s.truncate(wide, 32);
  if (kind === 'shr_s') return s.v128.shift(op, a, s.let(s.select(inside, by, s.int(width - 1))));
  return s.select(inside, s.let(s.v128.shift(op, a, by)), zero(s));
}
const shift = (mnemonic: string, width: number, kind: ShiftKind) => {
  const byVector: Packed = (s, a, b) =>
    shiftLanes(s, width, kind, a, s.let(s.v128.extract('i64x2.extract_lane', b, 0, 64)));
  return {
    ...pair(mnemonic, byVector),
    sseByte: insn(mnemonic, SSE, (s, [dst, count]) => {
      s.v128.write(dst, shiftLanes(s, width, kind, s.v128.read(dst), s.read(count)));
    }),
    mmxByte: insn(mnemonic, MMX, (s, [dst, count]) => {
      checkMmx(s);
      writeMmxVector(s, dst, shiftLanes(s, width, kind, readMmx(s, dst), s.read(count)));
    }),
  };
};
export const PSRLW = shift('psrlw', 16, 'shr_u');
export const PSRLD = shift('psrld', 32, 'shr_u');
export const PSRLQ = shift('psrlq', 64, 'shr_u');
export const PSRAW = shift('psraw', 16, 'shr_s');
export const PSRAD = shift('psrad', 32, 'shr_s');
export const PSLLW = shift('psllw', 16, 'shl');
export const PSLLD = shift('pslld', 32, 'shl');
export const PSLLQ = shift('psllq', 64, 'shl');

const byteIndices = (f: (index: number) => number): number[] =>
  Array.from({ length: 16 }, (_, i) => f(i));
const PSRLDQ = insn('psrldq', SSE, (s, [dst, count]) => {
  const a = s.let(s.v128.read(dst));
  const choose = (by: number) => byteIndices((i) => Math.min(i + by, 16));
  s.v128.write(dst, shuffleBy(s, a, zero(s), s.read(count), choose, 'shiftBytesRight'));
});
const PSLLDQ = insn('pslldq', SSE, (s, [dst, count]) => {
  const a = s.let(s.v128.read(dst));
  const choose = (by: number) => byteIndices((i) => (i >= by ? i - by : 16));
  s.v128.write(dst, shuffleBy(s, a, zero(s), s.read(count), choose, 'shiftBytesLeft'));
});

/** Four selectors of two bits each. */
const selectors = (immediate: number): number[] =>
  [0, 2, 4, 6].map((position) => (immediate >> position) & 3);

const shuffleImmediate = (
  mnemonic: string,
  choose: (immediate: number) => readonly number[],
  call: string,
) =>
  insn(mnemonic, SSE, (s, [dst, src, immediate]) => {
    const b = s.let(s.v128.readAligned(src));
    s.v128.write(dst, shuffleBy(s, b, b, s.read(immediate), choose, call));
  });
const PSHUFD = shuffleImmediate('pshufd', (i) => laneBytes(4, selectors(i)), 'pshufd');
const lowWords = (i: number) => laneBytes(2, [...selectors(i), 4, 5, 6, 7]);
const PSHUFLW = shuffleImmediate('pshuflw', lowWords, 'pshuflw');
const highWords = (i: number) =>
  laneBytes(2, [0, 1, 2, 3, ...selectors(i).map((lane) => lane + 4)]);
const PSHUFHW = shuffleImmediate('pshufhw', highWords, 'pshufhw');
export const PSHUFW = insn('pshufw', MMX, (s, [dst, src, immediate]) => {
  checkMmx(s);
  const b = readMmx(s, src);
  writeMmxVector(s, dst, shuffleBy(s, b, b, s.read(immediate), lowWords, 'pshuflw'));
});

/** A lane that the immediate names, in 32 bits (64 for quadwords). */
export function extractLane(
  s: Semantics,
  vector: Value,
  immediate: Value,
  bits: Size,
  count: number,
): Value {
  const op =
    bits < 32 ? `i${bits}x${128 / bits}.extract_lane_u` : `i${bits}x${128 / bits}.extract_lane`;
  const known = s.constantOf(immediate);
  const size = bits === 64 ? 64 : 32;
  if (known !== undefined) return s.v128.extract(op, vector, known & (count - 1), size);
  const lane = s.and(s.zeroExtend(immediate, 32), s.int(count - 1));
  const value = s.call('extractLane', [vector, lane, s.int(bits / 8)], 64);
  return size === 64 ? value : s.truncate(value, 32);
}

/** The vector with one lane replaced by a value of at least 32 bits. */
export function insertLane(
  s: Semantics,
  vector: Value,
  immediate: Value,
  value: Value,
  count: number,
  bits: Size,
): Value {
  const known = s.constantOf(immediate);
  if (known !== undefined) {
    const op = `i${bits}x${128 / bits}.replace_lane`;
    return s.v128.replace(op, vector, known & (count - 1), value);
  }
  const lane = s.and(s.zeroExtend(immediate, 32), s.int(count - 1));
  return s.call('insertLane', [vector, s.zeroExtend(value, 64), lane, s.int(bits / 8)], 128);
}

export const PINSRW = {
  sse: insn('pinsrw', SSE, (s, [dst, src, immediate]) => {
    const value = s.let(s.zeroExtend(s.truncate(s.read(src), 16), 32));
    s.v128.write(dst, insertLane(s, s.v128.read(dst), s.read(immediate), value, 8, 16));
  }),
  mmx: insn('pinsrw', MMX, (s, [dst, src, immediate]) => {
    checkMmx(s);
    const value = s.let(s.zeroExtend(s.truncate(s.read(src), 16), 32));
    writeMmxVector(s, dst, insertLane(s, readMmx(s, dst), s.read(immediate), value, 4, 16));
  }),
};
export const PEXTRW = {
  sse: insn('pextrw', SSE, (s, [dst, src, immediate]) => {
    s.write(dst, extractLane(s, s.v128.read(src), s.read(immediate), 16, 8));
  }),
  mmx: insn('pextrw', MMX, (s, [dst, src, immediate]) => {
    checkMmx(s);
    const value = s.let(extractLane(s, readMmx(s, src), s.read(immediate), 16, 4));
    s.call('enterMmx', []);
    s.write(dst, value);
  }),
};
export const PMOVMSKB = {
  sse: insn('pmovmskb', SSE, (s, [dst, src]) => {
    s.write(dst, s.v128.unary('i8x16.bitmask', s.v128.read(src)));
  }),
  mmx: insn('pmovmskb', MMX, (s, [dst, src]) => {
    checkMmx(s);
    s.call('enterMmx', []);
    s.write(dst, s.and(s.v128.unary('i8x16.bitmask', readMmx(s, src)), s.int(0xff)));
  }),
};

// --- SSSE3 -------------------------------------------------------------------------------------

export const PSHUFB = pair('pshufb', (s, a, b, bytes) => {
  // Bit 7 gives zero; of the rest only bits that index a byte count. Swizzle gives zero from 16 on.
  const mask = repeated(s, [bytes === 16 ? 0x8f : 0x87]);
  return s.v128.binary('i8x16.swizzle', a, s.v128.binary('v128.and', b, mask));
});

/** Adds or subtracts neighbours: pairs of the first operand, then of the second. */
const horizontal =
  (width: 2 | 4, op: string): Packed =>
  (s, a, b, bytes) => {
    const first = bytes === 16 ? a : joined(s, a, b);
    const second = bytes === 16 ? b : first;
    const count = 16 / width;
    const pick = (odd: number) =>
      s.v128.shuffle(
        first,
        second,
        laneBytes(
          width,
          Array.from({ length: count }, (_, i) => 2 * i + odd),
        ),
      );
    return s.v128.binary(op, pick(0), pick(1));
  };
export const PHADDW = pair('phaddw', horizontal(2, 'i16x8.add'));
export const PHADDD = pair('phaddd', horizontal(4, 'i32x4.add'));
export const PHADDSW = pair('phaddsw', horizontal(2, 'i16x8.add_sat_s'));
export const PHSUBW = pair('phsubw', horizontal(2, 'i16x8.sub'));
export const PHSUBD = pair('phsubd', horizontal(4, 'i32x4.sub'));
export const PHSUBSW = pair('phsubsw', horizontal(2, 'i16x8.sub_sat_s'));

/** Unsigned bytes of the first operand times signed ones of the second, pairs added. */
export const PMADDUBSW = pair('pmaddubsw', (s, a, b) => {
  const product = (half: 'low' | 'high') =>
    s.let(
      s.v128.binary(
        'i16x8.mul',
        s.v128.unary(`i16x8.extend_${half}_i8x16_u`, a),
        s.v128.unary(`i16x8.extend_${half}_i8x16_s`, b),
      ),
    );
  const low = product('low');
  const high = product('high');
  const pick = (odd: number) =>
    s.v128.shuffle(
      low,
      high,
      laneBytes(
        2,
        Array.from({ length: 8 }, (_, i) => 2 * i + odd),
      ),
    );
  return s.v128.binary('i16x8.add_sat_s', pick(0), pick(1));
});

/** As Q15 multiplication, but -1 times -1 wraps to -1 here. */
export const PMULHRSW = pair('pmulhrsw', (s, a, b) => {
  const least = s.let(repeated(s, [0, 0x80]));
  const both = s.v128.binary(
    'v128.and',
    s.v128.binary('i16x8.eq', a, least),
    s.v128.binary('i16x8.eq', b, least),
  );
  return s.v128.binary('v128.xor', s.v128.binary('i16x8.q15mulr_sat_s', a, b), both);
});

const sign =
  (bits: number): Packed =>
  (s, a, b) => {
    const shape = `i${bits}x${128 / bits}`;
    const negative = s.let(s.v128.shift(`${shape}.shr_s`, b, s.int(bits - 1)));
    const flipped = s.v128.binary(`${shape}.sub`, s.v128.binary('v128.xor', a, negative), negative);
    return s.v128.binary('v128.andnot', flipped, s.v128.binary(`${shape}.eq`, b, zero(s)));
  };
export const PSIGNB = pair('psignb', sign(8));
export const PSIGNW = pair('psignw', sign(16));
export const PSIGND = pair('psignd', sign(32));
const absolute =
  (op: string): Packed =>
  (s, _a, b) =>
    s.v128.unary(op, b);
export const PABSB = pair('pabsb', absolute('i8x16.abs'));
export const PABSW = pair('pabsw', absolute('i16x8.abs'));
export const PABSD = pair('pabsd', absolute('i32x4.abs'));

export const PALIGNR = {
  sse: insn('palignr', SSE, (s, [dst, src, immediate]) => {
    const b = s.let(s.v128.readAligned(src));
    const a = s.let(s.v128.read(dst));
    const by = s.read(immediate);
    const known = s.constantOf(by);
    if (known === undefined)
      s.v128.write(dst, s.call('alignRight', [a, b, s.zeroExtend(by, 32)], 128));
    else if (known >= 32) s.v128.write(dst, zero(s));
    else if (known >= 16)
      s.v128.write(
        dst,
        s.v128.shuffle(
          a,
          zero(s),
          byteIndices((i) => Math.min(i + known - 16, 16)),
        ),
      );
    else
      s.v128.write(
        dst,
        s.v128.shuffle(
          b,
          a,
          byteIndices((i) => i + known),
        ),
      );
  }),
  mmx: insn('palignr', MMX, (s, [dst, src, immediate]) => {
    checkMmx(s);
    const b = readMmx(s, src);
    const both = s.v128.shuffle(b, readMmx(s, dst), laneBytes(8, [0, 2]));
    const choose = (by: number) => byteIndices((i) => Math.min(i + by, 16));
    writeMmxVector(
      s,
      dst,
      shuffleBy(s, both, zero(s), s.read(immediate), choose, 'shiftBytesRight'),
    );
  }),
};

/** MASKMOVQ, MASKMOVDQU: bytes whose mask has bit 7 go to DS:rDI. */
const maskedStore = (vector: boolean) =>
  insn(
    vector ? 'maskmovdqu' : 'maskmovq',
    vector ? { ...SSE, endsBlock: true } : { ...MMX, endsBlock: true },
    (s, [data, mask]) => {
      if (!vector) checkMmx(s);
      const value = (operand: Operand) => (vector ? s.v128.read(operand) : readMmx(s, operand));
      const bits = s.v128.unary('i8x16.bitmask', value(mask));
      const chosen = s.let(vector ? bits : s.and(bits, s.int(0xff)));
      const bytes = s.let(value(data));
      const offset = s.and(s.readRegister(7, 64), s.addressMask());
      s.system('maskedStore', [bytes, chosen, offset, s.segmentIndex(), s.int(vector ? 16 : 8)]);
    },
  );
export const MASKMOVQ = maskedStore(false);
const MASKMOVDQU = maskedStore(true);

export const sseInteger = table({
  '66 0F 60': [PUNPCKLBW.sse, 'Vx,Wx'],
  '66 0F 61': [PUNPCKLWD.sse, 'Vx,Wx'],
  '66 0F 62': [PUNPCKLDQ.sse, 'Vx,Wx'],
  '66 0F 63': [PACKSSWB.sse, 'Vx,Wx'],
  '66 0F 64': [PCMPGTB.sse, 'Vx,Wx'],
  '66 0F 65': [PCMPGTW.sse, 'Vx,Wx'],
  '66 0F 66': [PCMPGTD.sse, 'Vx,Wx'],
  '66 0F 67': [PACKUSWB.sse, 'Vx,Wx'],
  '66 0F 68': [PUNPCKHBW.sse, 'Vx,Wx'],
  '66 0F 69': [PUNPCKHWD.sse, 'Vx,Wx'],
  '66 0F 6A': [PUNPCKHDQ.sse, 'Vx,Wx'],
  '66 0F 6B': [PACKSSDW.sse, 'Vx,Wx'],
  '66 0F 6C': [PUNPCKLQDQ, 'Vx,Wx'],
  '66 0F 6D': [PUNPCKHQDQ, 'Vx,Wx'],
  '66 0F 70': [PSHUFD, 'Vx,Wx,Ib'],
  'F3 0F 70': [PSHUFHW, 'Vx,Wx,Ib'],
  'F2 0F 70': [PSHUFLW, 'Vx,Wx,Ib'],
  '66 0F 71 /2r': [PSRLW.sseByte, 'Ux,Ib'],
  '66 0F 71 /4r': [PSRAW.sseByte, 'Ux,Ib'],
  '66 0F 71 /6r': [PSLLW.sseByte, 'Ux,Ib'],
  '66 0F 72 /2r': [PSRLD.sseByte, 'Ux,Ib'],
  '66 0F 72 /4r': [PSRAD.sseByte, 'Ux,Ib'],
  '66 0F 72 /6r': [PSLLD.sseByte, 'Ux,Ib'],
  '66 0F 73 /2r': [PSRLQ.sseByte, 'Ux,Ib'],
  '66 0F 73 /3r': [PSRLDQ, 'Ux,Ib'],
  '66 0F 73 /6r': [PSLLQ.sseByte, 'Ux,Ib'],
  '66 0F 73 /7r': [PSLLDQ, 'Ux,Ib'],
  '66 0F 74': [PCMPEQB.sse, 'Vx,Wx'],
  '66 0F 75': [PCMPEQW.sse, 'Vx,Wx'],
  '66 0F 76': [PCMPEQD.sse, 'Vx,Wx'],
  '66 0F C4': [PINSRW.sse, 'Vx,Mw/Rv,Ib'],
  '66 0F C5 r': [PEXTRW.sse, 'Gd,Ux,Ib'],
  '66 0F D1': [PSRLW.sse, 'Vx,Wx'],
  '66 0F D2': [PSRLD.sse, 'Vx,Wx'],
  '66 0F D3': [PSRLQ.sse, 'Vx,Wx'],
  '66 0F D4': [PADDQ.sse, 'Vx,Wx'],
  '66 0F D5': [PMULLW.sse, 'Vx,Wx'],
  '66 0F D7 r': [PMOVMSKB.sse, 'Gd,Ux'],
  '66 0F D8': [PSUBUSB.sse, 'Vx,Wx'],
  '66 0F D9': [PSUBUSW.sse, 'Vx,Wx'],
  '66 0F DA': [PMINUB.sse, 'Vx,Wx'],
  '66 0F DB': [PAND.sse, 'Vx,Wx'],
  '66 0F DC': [PADDUSB.sse, 'Vx,Wx'],
  '66 0F DD': [PADDUSW.sse, 'Vx,Wx'],
  '66 0F DE': [PMAXUB.sse, 'Vx,Wx'],
  '66 0F DF': [PANDN.sse, 'Vx,Wx'],
  '66 0F E0': [PAVGB.sse, 'Vx,Wx'],
  '66 0F E1': [PSRAW.sse, 'Vx,Wx'],
  '66 0F E2': [PSRAD.sse, 'Vx,Wx'],
  '66 0F E3': [PAVGW.sse, 'Vx,Wx'],
  '66 0F E4': [PMULHUW.sse, 'Vx,Wx'],
  '66 0F E5': [PMULHW.sse, 'Vx,Wx'],
  '66 0F E8': [PSUBSB.sse, 'Vx,Wx'],
  '66 0F E9': [PSUBSW.sse, 'Vx,Wx'],
  '66 0F EA': [PMINSW.sse, 'Vx,Wx'],
  '66 0F EB': [POR.sse, 'Vx,Wx'],
  '66 0F EC': [PADDSB.sse, 'Vx,Wx'],
  '66 0F ED': [PADDSW.sse, 'Vx,Wx'],
  '66 0F EE': [PMAXSW.sse, 'Vx,Wx'],
  '66 0F EF': [PXOR.sse, 'Vx,Wx'],
  '66 0F F1': [PSLLW.sse, 'Vx,Wx'],
  '66 0F F2': [PSLLD.sse, 'Vx,Wx'],
  '66 0F F3': [PSLLQ.sse, 'Vx,Wx'],
  '66 0F F4': [PMULUDQ.sse, 'Vx,Wx'],
  '66 0F F5': [PMADDWD.sse, 'Vx,Wx'],
  '66 0F F6': [PSADBW.sse, 'Vx,Wx'],
  '66 0F F7 r': [MASKMOVDQU, 'Vx,Ux'],
  '66 0F F8': [PSUBB.sse, 'Vx,Wx'],
  '66 0F F9': [PSUBW.sse, 'Vx,Wx'],
  '66 0F FA': [PSUBD.sse, 'Vx,Wx'],
  '66 0F FB': [PSUBQ.sse, 'Vx,Wx'],
  '66 0F FC': [PADDB.sse, 'Vx,Wx'],
  '66 0F FD': [PADDW.sse, 'Vx,Wx'],
  '66 0F FE': [PADDD.sse, 'Vx,Wx'],
  '66 0F38 00': [PSHUFB.sse, 'Vx,Wx'],
  '66 0F38 01': [PHADDW.sse, 'Vx,Wx'],
  '66 0F38 02': [PHADDD.sse, 'Vx,Wx'],
  '66 0F38 03': [PHADDSW.sse, 'Vx,Wx'],
  '66 0F38 04': [PMADDUBSW.sse, 'Vx,Wx'],
  '66 0F38 05': [PHSUBW.sse, 'Vx,Wx'],
  '66 0F38 06': [PHSUBD.sse, 'Vx,Wx'],
  '66 0F38 07': [PHSUBSW.sse, 'Vx,Wx'],
  '66 0F38 08': [PSIGNB.sse, 'Vx,Wx'],
  '66 0F38 09': [PSIGNW.sse, 'Vx,Wx'],
  '66 0F38 0A': [PSIGND.sse, 'Vx,Wx'],
  '66 0F38 0B': [PMULHRSW.sse, 'Vx,Wx'],
  '66 0F38 1C': [PABSB.sse, 'Vx,Wx'],
  '66 0F38 1D': [PABSW.sse, 'Vx,Wx'],
  '66 0F38 1E': [PABSD.sse, 'Vx,Wx'],
  '66 0F3A 0F': [PALIGNR.sse, 'Vx,Wx,Ib'],
});
