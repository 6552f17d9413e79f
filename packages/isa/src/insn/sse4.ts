import { insn, table } from '../define.ts';
import type { Semantics, Size, Value } from '../semantics.ts';
import { extractLane, insertLane } from './sse-integer.ts';
import { laneBytes, lanes, SSE, shuffleBy, sse } from './vector.ts';

/** SSE4.1 and SSE4.2 but for arithmetic on floating-point numbers. [SDM] vol. 2B. */

/** Blends under the top bits of XMM0's lanes. */
const blendVariable = (mnemonic: string, bits: number) =>
  insn(mnemonic, SSE, (s, [dst, src, selector]) => {
    const b = s.let(s.v128.readAligned(src));
    const a = s.let(s.v128.read(dst));
    const op = `i${bits}x${128 / bits}.shr_s`;
    const mask = s.v128.shift(op, s.v128.read(selector), s.int(bits - 1));
    s.v128.write(dst, s.v128.bitselect(b, a, mask));
  });
const blend = (mnemonic: string, width: number, call: string) =>
  insn(mnemonic, SSE, (s, [dst, src, immediate]) => {
    const count = 16 / width;
    const b = s.let(s.v128.readAligned(src));
    const a = s.let(s.v128.read(dst));
    const choose = (bits: number) =>
      laneBytes(
        width,
        Array.from({ length: count }, (_, lane) => (bits & (1 << lane) ? lane + count : lane)),
      );
    s.v128.write(dst, shuffleBy(s, a, b, s.read(immediate), choose, call));
  });

/** ZF: no bit in common; CF: no bit of the source outside the destination. */
const PTEST = insn('ptest', { ...SSE, setsFlags: true }, (s, [dst, src]) => {
  const b = s.let(s.v128.readAligned(src));
  const a = s.let(s.v128.read(dst));
  const none = (op: string) =>
    s.zeroExtend(s.isZero(s.v128.unary('v128.any_true', s.v128.binary(op, b, a))), 32);
  s.flagsReplace(0x8d5, s.or(s.shl(none('v128.and'), s.int(6)), none('v128.andnot')));
});

/** Widens the low lanes of a register or of so many bytes of memory. */
const widen = (mnemonic: string, steps: readonly string[]) =>
  insn(mnemonic, SSE, (s, [dst, src]) => {
    let value: Value;
    if (!s.isMemory(src)) value = s.v128.read(src);
    else {
      const wide = s.let(s.zeroExtend(s.readAt(src, 0, src.size as Size), 64));
      value = s.v128.splat('i64x2.splat', wide);
    }
    for (const step of steps) value = s.v128.unary(step, value);
    s.v128.write(dst, value);
  });
const widening = (sign: 's' | 'u') => ({
  bw: [`i16x8.extend_low_i8x16_${sign}`],
  bd: [`i16x8.extend_low_i8x16_${sign}`, `i32x4.extend_low_i16x8_${sign}`],
  bq: [
    `i16x8.extend_low_i8x16_${sign}`,
    `i32x4.extend_low_i16x8_${sign}`,
    `i64x2.extend_low_i32x4_${sign}`,
  ],
  wd: [`i32x4.extend_low_i16x8_${sign}`],
  wq: [`i32x4.extend_low_i16x8_${sign}`, `i64x2.extend_low_i32x4_${sign}`],
  dq: [`i64x2.extend_low_i32x4_${sign}`],
});
const SIGNED = widening('s');
const UNSIGNED = widening('u');

const evenLanes = (s: Semantics, a: Value): Value =>
  s.v128.shuffle(a, a, laneBytes(4, [0, 2, 0, 2]));
const PMULDQ = sse('pmuldq', (s, a, b) =>
  s.v128.binary('i64x2.extmul_low_i32x4_s', evenLanes(s, a), evenLanes(s, b)),
);
const PHMINPOSUW = sse('phminposuw', (s, _a, b) => s.call('phminposuw', [b], 128));
const MPSADBW = insn('mpsadbw', SSE, (s, [dst, src, immediate]) => {
  const b = s.let(s.v128.readAligned(src));
  const by = s.zeroExtend(s.read(immediate), 32);
  s.v128.write(dst, s.call('mpsadbw', [s.v128.read(dst), b, by], 128));
});
const MOVNTDQA = insn('movntdqa', SSE, (s, [dst, src]) =>
  s.v128.write(dst, s.v128.readAligned(src)),
);

const extract = (mnemonic: string, bits: Size) =>
  insn(mnemonic, SSE, (s, [dst, src, immediate]) => {
    const value = extractLane(s, s.v128.read(src), s.read(immediate), bits, 128 / bits);
    s.write(dst, s.zeroExtend(value, dst.size as Size));
  });
/** PEXTRD or PEXTRQ, PINSRD or PINSRQ by REX.W. */
const EXTRACT_WORD = insn('pextrd', SSE, (s, [dst, src, immediate]) => {
  const bits = dst.size as Size;
  s.write(dst, extractLane(s, s.v128.read(src), s.read(immediate), bits, 128 / bits));
});
const INSERT_WORD = insn('pinsrd', SSE, (s, [dst, src, immediate]) => {
  const bits = src.size as Size;
  const value = s.let(s.read(src));
  s.v128.write(dst, insertLane(s, s.v128.read(dst), s.read(immediate), value, 128 / bits, bits));
});
const PINSRB = insn('pinsrb', SSE, (s, [dst, src, immediate]) => {
  const value = s.let(s.zeroExtend(s.truncate(s.read(src), 8), 32));
  s.v128.write(dst, insertLane(s, s.v128.read(dst), s.read(immediate), value, 16, 8));
});
/** From memory the source is one doubleword, whatever the immediate's source lane. */
const INSERTPS = insn('insertps', SSE, (s, [dst, src, immediate]) => {
  const by = s.zeroExtend(s.read(immediate), 32);
  let value: Value;
  if (s.isMemory(src)) value = s.let(s.v128.read(src, 32));
  else {
    const lane = s.shr(by, s.int(6));
    value = s.let(s.truncate(s.call('extractLane', [s.v128.read(src), lane, s.int(4)], 64), 32));
  }
  s.v128.write(dst, s.call('insertps', [s.v128.read(dst), value, by], 128));
});

/** PCMPESTRx and PCMPISTRx: the index goes to ECX, the mask to XMM0; flags tell of both. */
const compareStrings = (mnemonic: string, explicit: boolean, mask: boolean) =>
  insn(mnemonic, { ...SSE, setsFlags: true }, (s, [first, second, immediate]) => {
    const b = s.let(s.v128.read(second));
    const a = s.let(s.v128.read(first));
    const by = s.let(s.zeroExtend(s.read(immediate), 32));
    const wide = explicit && s.size === 64;
    const length = (index: number) =>
      wide ? s.readRegister(index, 64) : s.signExtend(s.readRegister(index, 32), 64);
    const result = s.let(
      explicit
        ? s.call('compareExplicit', [a, b, by, length(0), length(2)], 64)
        : s.call('compareImplicit', [a, b, by], 64),
    );
    const flags = s.truncate(s.shr(result, s.int(32)), 32);
    if (mask) {
      s.flagsReplace(0x8d5, flags);
      const chosen = s.and(s.truncate(result, 32), s.int(0xffff));
      s.v128.write(XMM0, s.call('stringMask', [chosen, by], 128));
    } else {
      s.flagsReplace(0x8d5, flags);
      s.writeRegister(
        1,
        s.call('stringIndex', [s.and(s.truncate(result, 32), s.int(0xffff)), by], 32),
      );
    }
  });
const XMM0 = { kind: 'vector', role: 'fixed', size: 128, index: 0, isHigh: false } as const;

const PCMPEQQ = sse('pcmpeqq', lanes('i64x2.eq'));
const PCMPGTQ = sse('pcmpgtq', lanes('i64x2.gt_s'));
const PACKUSDW = sse('packusdw', lanes('i16x8.narrow_i32x4_u'));

export const sse4 = table({
  '66 0F38 10': [blendVariable('pblendvb', 8), 'Vx,Wx,XMM0'],
  '66 0F38 14': [blendVariable('blendvps', 32), 'Vx,Wx,XMM0'],
  '66 0F38 15': [blendVariable('blendvpd', 64), 'Vx,Wx,XMM0'],
  '66 0F38 17': [PTEST, 'Vx,Wx'],
  '66 0F38 20': [widen('pmovsxbw', SIGNED.bw), 'Vx,Wq'],
  '66 0F38 21': [widen('pmovsxbd', SIGNED.bd), 'Vx,Wd'],
  '66 0F38 22': [widen('pmovsxbq', SIGNED.bq), 'Vx,Ww'],
  '66 0F38 23': [widen('pmovsxwd', SIGNED.wd), 'Vx,Wq'],
  '66 0F38 24': [widen('pmovsxwq', SIGNED.wq), 'Vx,Wd'],
  '66 0F38 25': [widen('pmovsxdq', SIGNED.dq), 'Vx,Wq'],
  '66 0F38 28': [PMULDQ, 'Vx,Wx'],
  '66 0F38 29': [PCMPEQQ, 'Vx,Wx'],
  '66 0F38 2A m': [MOVNTDQA, 'Vx,Wx'],
  '66 0F38 2B': [PACKUSDW, 'Vx,Wx'],
  '66 0F38 30': [widen('pmovzxbw', UNSIGNED.bw), 'Vx,Wq'],
  '66 0F38 31': [widen('pmovzxbd', UNSIGNED.bd), 'Vx,Wd'],
  '66 0F38 32': [widen('pmovzxbq', UNSIGNED.bq), 'Vx,Ww'],
  '66 0F38 33': [widen('pmovzxwd', UNSIGNED.wd), 'Vx,Wq'],
  '66 0F38 34': [widen('pmovzxwq', UNSIGNED.wq), 'Vx,Wd'],
  '66 0F38 35': [widen('pmovzxdq', UNSIGNED.dq), 'Vx,Wq'],
  '66 0F38 37': [PCMPGTQ, 'Vx,Wx'],
  '66 0F38 38': [sse('pminsb', lanes('i8x16.min_s')), 'Vx,Wx'],
  '66 0F38 39': [sse('pminsd', lanes('i32x4.min_s')), 'Vx,Wx'],
  '66 0F38 3A': [sse('pminuw', lanes('i16x8.min_u')), 'Vx,Wx'],
  '66 0F38 3B': [sse('pminud', lanes('i32x4.min_u')), 'Vx,Wx'],
  '66 0F38 3C': [sse('pmaxsb', lanes('i8x16.max_s')), 'Vx,Wx'],
  '66 0F38 3D': [sse('pmaxsd', lanes('i32x4.max_s')), 'Vx,Wx'],
  '66 0F38 3E': [sse('pmaxuw', lanes('i16x8.max_u')), 'Vx,Wx'],
  '66 0F38 3F': [sse('pmaxud', lanes('i32x4.max_u')), 'Vx,Wx'],
  '66 0F38 40': [sse('pmulld', lanes('i32x4.mul')), 'Vx,Wx'],
  '66 0F38 41': [PHMINPOSUW, 'Vx,Wx'],
  '66 0F3A 0C': [blend('blendps', 4, 'blendps'), 'Vx,Wx,Ib'],
  '66 0F3A 0D': [blend('blendpd', 8, 'blendpd'), 'Vx,Wx,Ib'],
  '66 0F3A 0E': [blend('pblendw', 2, 'pblendw'), 'Vx,Wx,Ib'],
  '66 0F3A 14': [extract('pextrb', 8), 'Mb/Rv,Vx,Ib'],
  '66 0F3A 15': [extract('pextrw', 16), 'Mw/Rv,Vx,Ib'],
  '66 0F3A 16': [EXTRACT_WORD, 'Ey,Vx,Ib'],
  '66 0F3A 17': [extract('extractps', 32), 'Ed,Vx,Ib'],
  '66 0F3A 20': [PINSRB, 'Vx,Mb/Rv,Ib'],
  '66 0F3A 21': [INSERTPS, 'Vx,Wd,Ib'],
  '66 0F3A 22': [INSERT_WORD, 'Vx,Ey,Ib'],
  '66 0F3A 42': [MPSADBW, 'Vx,Wx,Ib'],
  '66 0F3A 60': [compareStrings('pcmpestrm', true, true), 'Vx,Wx,Ib'],
  '66 0F3A 61': [compareStrings('pcmpestri', true, false), 'Vx,Wx,Ib'],
  '66 0F3A 62': [compareStrings('pcmpistrm', false, true), 'Vx,Wx,Ib'],
  '66 0F3A 63': [compareStrings('pcmpistri', false, false), 'Vx,Wx,Ib'],
});
