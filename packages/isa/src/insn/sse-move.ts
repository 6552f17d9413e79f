import { insn, table } from '../define.ts';
import { UNPCKHPD, UNPCKHPS, UNPCKLPD, UNPCKLPS } from './sse-integer.ts';
import { checkMmx, laneBytes, lanes, MMX, SSE, shuffleBy, sse, writeMmx, zero } from './vector.ts';

/** Moves, shuffles and logic of the SSE registers. [SDM] vol. 2B. */

const MOVA = insn('movaps', SSE, (s, [dst, src]) => {
  s.v128.writeAligned(dst, s.v128.readAligned(src));
});
const LDDQU = insn('lddqu', SSE, (s, [dst, src]) => s.v128.write(dst, s.v128.read(src)));
const MOVU = insn('movups', SSE, (s, [dst, src]) => s.v128.write(dst, s.v128.read(src)));

/** MOVSS and MOVSD: from memory the rest becomes zero, from a register it stays. */
const moveScalar = (mnemonic: string, bits: 32 | 64) => ({
  load: insn(mnemonic, SSE, (s, [dst, src]) => {
    const value = s.let(s.v128.read(src, bits));
    if (!s.isMemory(src)) s.v128.write(dst, value);
    else
      s.v128.write(
        dst,
        s.v128.replace(
          bits === 64 ? 'i64x2.replace_lane' : 'i32x4.replace_lane',
          zero(s),
          0,
          value,
        ),
      );
  }),
  store: insn(mnemonic, SSE, (s, [dst, src]) => s.v128.write(dst, s.v128.read(src, bits))),
});
const MOVSS = moveScalar('movss', 32);
const MOVSD = moveScalar('movsd', 64);

/** A move of 64 bits to the low or high half, the other half stays. */
const moveHalf = (mnemonic: string, half: 0 | 1) => ({
  load: insn(mnemonic, SSE, (s, [dst, src]) => {
    const value = s.let(s.v128.read(src, 64));
    s.v128.write(dst, s.v128.replace('i64x2.replace_lane', s.v128.read(dst), half, value));
  }),
  store: insn(mnemonic, SSE, (s, [dst, src]) => {
    s.v128.write(dst, s.v128.extract('i64x2.extract_lane', s.v128.read(src), half, 64));
  }),
});
const MOVLPS = moveHalf('movlps', 0);
const MOVHPS = moveHalf('movhps', 1);
const shuffled = (mnemonic: string, width: number, order: readonly number[]) =>
  sse(mnemonic, (s, a, b) => s.v128.shuffle(a, b, laneBytes(width, order)));
const MOVHLPS = shuffled('movhlps', 8, [3, 1]);
const MOVLHPS = shuffled('movlhps', 8, [0, 2]);
const MOVSLDUP = shuffled('movsldup', 4, [4, 4, 6, 6]);
const MOVSHDUP = shuffled('movshdup', 4, [5, 5, 7, 7]);
const MOVDDUP = insn('movddup', SSE, (s, [dst, src]) => {
  s.v128.write(dst, s.v128.splat('i64x2.splat', s.let(s.v128.read(src, 64))));
});

/** MOVD and MOVQ between general and vector registers. */
const FROM_GENERAL = insn('movd', SSE, (s, [dst, src]) => {
  const value = s.let(s.zeroExtend(s.read(src), 64));
  s.v128.write(dst, s.v128.replace('i64x2.replace_lane', zero(s), 0, value));
});
const TO_GENERAL = insn('movd', SSE, (s, [dst, src]) => {
  s.write(dst, s.v128.read(src, dst.size as 32 | 64));
});
const MMX_FROM_GENERAL = insn('movd', MMX, (s, [dst, src]) => {
  checkMmx(s);
  writeMmx(s, dst, s.let(s.zeroExtend(s.read(src), 64)));
});
const MMX_TO_GENERAL = insn('movd', MMX, (s, [dst, src]) => {
  checkMmx(s);
  s.write(dst, s.let(s.v128.read(src, dst.size as 32 | 64)));
  s.call('enterMmx', []);
});
const MOVQ_LOAD = insn('movq', SSE, (s, [dst, src]) => {
  const value = s.let(s.v128.read(src, 64));
  s.v128.write(dst, s.v128.replace('i64x2.replace_lane', zero(s), 0, value));
});
const MOVQ_STORE = insn('movq', SSE, (s, [dst, src]) => {
  const value = s.let(s.v128.read(src, 64));
  if (s.isMemory(dst)) s.v128.write(dst, value);
  else s.v128.write(dst, s.v128.replace('i64x2.replace_lane', zero(s), 0, value));
});
const MMX_LOAD = insn('movq', MMX, (s, [dst, src]) => {
  checkMmx(s);
  writeMmx(s, dst, s.let(s.v128.read(src, 64)));
});
const MMX_STORE = insn('movq', MMX, (s, [dst, src]) => {
  checkMmx(s);
  const value = s.let(s.v128.read(src, 64));
  if (dst.kind === 'mmx') writeMmx(s, dst, value);
  else {
    s.v128.write(dst, value);
    s.call('enterMmx', []);
  }
});
const MOVQ2DQ = insn('movq2dq', { sse: true, mmx: true }, (s, [dst, src]) => {
  checkMmx(s);
  const value = s.let(s.v128.read(src, 64));
  s.call('enterMmx', []);
  s.v128.write(dst, s.v128.replace('i64x2.replace_lane', zero(s), 0, value));
});
const MOVDQ2Q = insn('movdq2q', { sse: true, mmx: true }, (s, [dst, src]) => {
  checkMmx(s);
  writeMmx(s, dst, s.let(s.v128.read(src, 64)));
});

const bitmask = (mnemonic: string, op: string) =>
  insn(mnemonic, SSE, (s, [dst, src]) => s.write(dst, s.v128.unary(op, s.v128.read(src))));
const MOVMSKPS = bitmask('movmskps', 'i32x4.bitmask');
const MOVMSKPD = bitmask('movmskpd', 'i64x2.bitmask');

const shufflePacked = (
  mnemonic: string,
  choose: (immediate: number) => readonly number[],
  call: string,
) =>
  insn(mnemonic, SSE, (s, [dst, src, immediate]) => {
    const b = s.let(s.v128.readAligned(src));
    const a = s.let(s.v128.read(dst));
    s.v128.write(dst, shuffleBy(s, a, b, s.read(immediate), choose, call));
  });
const SHUFPS = shufflePacked(
  'shufps',
  (i) => laneBytes(4, [i & 3, (i >> 2) & 3, 4 + ((i >> 4) & 3), 4 + ((i >> 6) & 3)]),
  'shufps',
);
const SHUFPD = shufflePacked('shufpd', (i) => laneBytes(8, [i & 1, 2 + ((i >> 1) & 1)]), 'shufpd');

const ANDPS = sse('andps', lanes('v128.and'));
const ANDNPS = sse('andnps', (s, a, b) => s.v128.binary('v128.andnot', b, a));
const ORPS = sse('orps', lanes('v128.or'));
const XORPS = sse('xorps', lanes('v128.xor'));

export const sseMove = table({
  'NP 0F 10': [MOVU, 'Vx,Wx'],
  '66 0F 10': [MOVU, 'Vx,Wx'],
  'F3 0F 10': [MOVSS.load, 'Vx,Wd'],
  'F2 0F 10': [MOVSD.load, 'Vx,Wq'],
  'NP 0F 11': [MOVU, 'Wx,Vx'],
  '66 0F 11': [MOVU, 'Wx,Vx'],
  'F3 0F 11': [MOVSS.store, 'Wd,Vx'],
  'F2 0F 11': [MOVSD.store, 'Wq,Vx'],
  'NP 0F 12 m': [MOVLPS.load, 'Vx,Wq'],
  'NP 0F 12 r': [MOVHLPS, 'Vx,Ux'],
  '66 0F 12 m': [MOVLPS.load, 'Vx,Wq'],
  'F3 0F 12': [MOVSLDUP, 'Vx,Wx'],
  'F2 0F 12': [MOVDDUP, 'Vx,Wq'],
  'NP 0F 13 m': [MOVLPS.store, 'Wq,Vx'],
  '66 0F 13 m': [MOVLPS.store, 'Wq,Vx'],
  'NP 0F 14': [UNPCKLPS, 'Vx,Wx'],
  '66 0F 14': [UNPCKLPD, 'Vx,Wx'],
  'NP 0F 15': [UNPCKHPS, 'Vx,Wx'],
  '66 0F 15': [UNPCKHPD, 'Vx,Wx'],
  'NP 0F 16 m': [MOVHPS.load, 'Vx,Wq'],
  'NP 0F 16 r': [MOVLHPS, 'Vx,Ux'],
  '66 0F 16 m': [MOVHPS.load, 'Vx,Wq'],
  'F3 0F 16': [MOVSHDUP, 'Vx,Wx'],
  'NP 0F 17 m': [MOVHPS.store, 'Wq,Vx'],
  '66 0F 17 m': [MOVHPS.store, 'Wq,Vx'],
  'NP 0F 28': [MOVA, 'Vx,Wx'],
  '66 0F 28': [MOVA, 'Vx,Wx'],
  'NP 0F 29': [MOVA, 'Wx,Vx'],
  '66 0F 29': [MOVA, 'Wx,Vx'],
  'NP 0F 2B m': [MOVA, 'Wx,Vx'],
  '66 0F 2B m': [MOVA, 'Wx,Vx'],
  'NP 0F 50 r': [MOVMSKPS, 'Gd,Ux'],
  '66 0F 50 r': [MOVMSKPD, 'Gd,Ux'],
  'NP 0F 54': [ANDPS, 'Vx,Wx'],
  '66 0F 54': [ANDPS, 'Vx,Wx'],
  'NP 0F 55': [ANDNPS, 'Vx,Wx'],
  '66 0F 55': [ANDNPS, 'Vx,Wx'],
  'NP 0F 56': [ORPS, 'Vx,Wx'],
  '66 0F 56': [ORPS, 'Vx,Wx'],
  'NP 0F 57': [XORPS, 'Vx,Wx'],
  '66 0F 57': [XORPS, 'Vx,Wx'],
  'NP 0F 6E': [MMX_FROM_GENERAL, 'Pq,Ey'],
  '66 0F 6E': [FROM_GENERAL, 'Vx,Ey'],
  'NP 0F 6F': [MMX_LOAD, 'Pq,Qq'],
  '66 0F 6F': [MOVA, 'Vx,Wx'],
  'F3 0F 6F': [MOVU, 'Vx,Wx'],
  'NP 0F 7E': [MMX_TO_GENERAL, 'Ey,Pq'],
  '66 0F 7E': [TO_GENERAL, 'Ey,Vx'],
  'F3 0F 7E': [MOVQ_LOAD, 'Vx,Wq'],
  'NP 0F 7F': [MMX_STORE, 'Qq,Pq'],
  '66 0F 7F': [MOVA, 'Wx,Vx'],
  'F3 0F 7F': [MOVU, 'Wx,Vx'],
  'NP 0F C6': [SHUFPS, 'Vx,Wx,Ib'],
  '66 0F C6': [SHUFPD, 'Vx,Wx,Ib'],
  '66 0F D6': [MOVQ_STORE, 'Wq,Vx'],
  'F3 0F D6 r': [MOVQ2DQ, 'Vx,Nq'],
  'F2 0F D6 r': [MOVDQ2Q, 'Pq,Ux'],
  'NP 0F E7 m': [MMX_STORE, 'Qq,Pq'],
  '66 0F E7 m': [MOVA, 'Wx,Vx'],
  'F2 0F F0 m': [LDDQU, 'Vx,Wx'],
});
