import { type Instruction, insn, table } from '../define.ts';
import type { Operand } from '../operand.ts';
import type { Semantics, Value } from '../semantics.ts';
import { checkMmx, SSE, writeMmx } from './vector.ts';

/**
 * Arithmetic, comparisons and conversions of SSE, SSE2, SSE3 and SSE4.1. Each is a function of the
 * runtime, which works on MXCSR and may raise #XM before anything is written. [SDM] vol. 1 §11.5.
 */

const FLAGS = { ...SSE, setsFlags: true } as const;

/** The low 32 or 64 bits of a vector operand. */
const low = (s: Semantics, operand: Operand, bits: 32 | 64): Value =>
  s.let(s.v128.read(operand, bits));

/** dst := f(dst, src) on the low element, the rest of dst stays. */
const scalar = (name: string, bits: 32 | 64): Instruction =>
  insn(name, SSE, (s, [dst, src]) => {
    const b = low(s, src, bits);
    s.v128.write(dst, s.callFaulting(name, [s.v128.read(dst, bits), b], bits));
  });
const packed = (name: string): Instruction =>
  insn(name, SSE, (s, [dst, src]) => {
    const b = s.let(s.v128.readAligned(src));
    s.v128.write(dst, s.callFaulting(name, [s.v128.read(dst), b], 128));
  });
/** The four forms of an arithmetic instruction. */
const forms = (name: string) => ({
  ps: packed(`${name}ps`),
  pd: packed(`${name}pd`),
  ss: scalar(`${name}ss`, 32),
  sd: scalar(`${name}sd`, 64),
});
const ADD = forms('add');
const SUB = forms('sub');
const MUL = forms('mul');
const DIV = forms('div');
const MIN = forms('min');
const MAX = forms('max');
const ADDSUBPS = packed('addsubps');
const ADDSUBPD = packed('addsubpd');

/** dst := f(src). */
const scalarUnary = (name: string, bits: 32 | 64): Instruction =>
  insn(name, SSE, (s, [dst, src]) => {
    s.v128.write(dst, s.callFaulting(name, [low(s, src, bits)], bits));
  });
const packedUnary = (name: string): Instruction =>
  insn(name, SSE, (s, [dst, src]) => {
    s.v128.write(dst, s.callFaulting(name, [s.v128.readAligned(src)], 128));
  });
const SQRT = {
  ps: packedUnary('sqrtps'),
  pd: packedUnary('sqrtpd'),
  ss: scalarUnary('sqrtss', 32),
  sd: scalarUnary('sqrtsd', 64),
};
const RSQRTPS = packedUnary('rsqrtps');
const RSQRTSS = scalarUnary('rsqrtss', 32);
const RCPPS = packedUnary('rcpps');
const RCPSS = scalarUnary('rcpss', 32);

/** Neighbours of both operands, as operands of an element-wise instruction. */
const horizontal = (name: string, call: string, width: 4 | 8): Instruction =>
  insn(name, SSE, (s, [dst, src]) => {
    const b = s.let(s.v128.readAligned(src));
    const a = s.let(s.v128.read(dst));
    const pick = (odd: number) =>
      s.v128.shuffle(
        a,
        b,
        Array.from(
          { length: 16 },
          (_, i) => (Math.floor(i / width) * 2 + odd) * width + (i % width),
        ),
      );
    s.v128.write(dst, s.callFaulting(call, [pick(0), pick(1)], 128));
  });

const scalarImmediate = (name: string, bits: 32 | 64): Instruction =>
  insn(name, SSE, (s, [dst, src, immediate]) => {
    const b = low(s, src, bits);
    const by = s.zeroExtend(s.read(immediate), 32);
    s.v128.write(dst, s.callFaulting(name, [s.v128.read(dst, bits), b, by], bits));
  });
const packedImmediate = (name: string): Instruction =>
  insn(name, SSE, (s, [dst, src, immediate]) => {
    const b = s.let(s.v128.readAligned(src));
    const by = s.zeroExtend(s.read(immediate), 32);
    s.v128.write(dst, s.callFaulting(name, [s.v128.read(dst), b, by], 128));
  });
const roundScalar = (name: string, bits: 32 | 64): Instruction =>
  insn(name, SSE, (s, [dst, src, immediate]) => {
    const b = low(s, src, bits);
    s.v128.write(dst, s.callFaulting(name, [b, s.zeroExtend(s.read(immediate), 32)], bits));
  });
const roundPacked = (name: string): Instruction =>
  insn(name, SSE, (s, [dst, src, immediate]) => {
    const b = s.let(s.v128.readAligned(src));
    s.v128.write(dst, s.callFaulting(name, [b, s.zeroExtend(s.read(immediate), 32)], 128));
  });

/** COMISS and its kin: ZF PF CF, the other flags cleared. */
const order = (name: string, bits: 32 | 64): Instruction =>
  insn(name, FLAGS, (s, [first, second]) => {
    const b = low(s, second, bits);
    s.flagsReplace(0x8d5, s.callFaulting(name, [s.v128.read(first, bits), b], 32));
  });

/** From general registers: CVTSI2SS, CVTSI2SD. */
const fromGeneral = (name: string, bits: 32 | 64): Instruction =>
  insn(name, SSE, (s, [dst, src]) => {
    const value = s.signExtend(s.read(src), 64);
    s.v128.write(dst, s.callFaulting(name, [value], bits));
  });
/** To general registers, rounded or truncated. */
const toGeneral = (name: string, call: string, bits: 32 | 64, truncates: 0 | 1): Instruction =>
  insn(name, SSE, (s, [dst, src]) => {
    const value = low(s, src, bits);
    const result = s.callFaulting(call, [value, s.int(truncates), s.int(dst.size)], 64);
    s.write(dst, dst.size === 64 ? result : s.truncate(result, 32));
  });

/** The low element in the other precision. */
const otherPrecision = (name: string, from: 32 | 64, to: 32 | 64): Instruction =>
  insn(name, SSE, (s, [dst, src]) => {
    s.v128.write(dst, s.callFaulting(name, [low(s, src, from)], to));
  });
/** The low half of the source, from memory 64 bits. */
const lowHalf = (name: string, call: string): Instruction =>
  insn(name, SSE, (s, [dst, src]) => {
    const half = s.v128.splat('i64x2.splat', low(s, src, 64));
    s.v128.write(dst, s.callFaulting(call, [half], 128));
  });
/** To packed integers, rounded or truncated. */
const toPacked = (name: string, call: string, truncates: 0 | 1): Instruction =>
  insn(name, SSE, (s, [dst, src]) => {
    s.v128.write(dst, s.callFaulting(call, [s.v128.readAligned(src), s.int(truncates)], 128));
  });

// --- Conversions with MMX registers --------------------------------------------------------------

const MIXED = { sse: true, mmx: true } as const;
const CVTPI2PS = insn('cvtpi2ps', MIXED, (s, [dst, src]) => {
  checkMmx(s);
  const value = low(s, src, 64);
  const result = s.callFaulting('cvtpi2ps', [value], 64);
  s.call('enterMmx', []);
  s.v128.write(dst, result);
});
/** Exact; from memory it leaves the x87 state alone. */
const CVTPI2PD = insn('cvtpi2pd', MIXED, (s, [dst, src]) => {
  const inRegister = !s.isMemory(src);
  if (inRegister) checkMmx(s);
  const half = s.v128.splat('i64x2.splat', low(s, src, 64));
  if (inRegister) s.call('enterMmx', []);
  s.v128.write(dst, s.call('cvtdq2pd', [half], 128));
});
const singleToMmx = (name: string, truncates: 0 | 1): Instruction =>
  insn(name, MIXED, (s, [dst, src]) => {
    checkMmx(s);
    const value = low(s, src, 64);
    writeMmx(s, dst, s.callFaulting('cvtps2pi', [value, s.int(truncates)], 64));
  });
const doubleToMmx = (name: string, truncates: 0 | 1): Instruction =>
  insn(name, MIXED, (s, [dst, src]) => {
    checkMmx(s);
    const value = s.let(s.v128.readAligned(src));
    const both = s.callFaulting('cvtpd2dq', [value, s.int(truncates)], 128);
    writeMmx(s, dst, s.v128.extract('i64x2.extract_lane', both, 0, 64));
  });

export const sseFloat = table({
  'NP 0F 2A': [CVTPI2PS, 'Vx,Qq'],
  '66 0F 2A': [CVTPI2PD, 'Vx,Qq'],
  'F3 0F 2A': [fromGeneral('cvtsi2ss', 32), 'Vx,Ey'],
  'F2 0F 2A': [fromGeneral('cvtsi2sd', 64), 'Vx,Ey'],
  'NP 0F 2C': [singleToMmx('cvttps2pi', 1), 'Pq,Wq'],
  '66 0F 2C': [doubleToMmx('cvttpd2pi', 1), 'Pq,Wx'],
  'F3 0F 2C': [toGeneral('cvttss2si', 'cvtss2si', 32, 1), 'Gy,Wd'],
  'F2 0F 2C': [toGeneral('cvttsd2si', 'cvtsd2si', 64, 1), 'Gy,Wq'],
  'NP 0F 2D': [singleToMmx('cvtps2pi', 0), 'Pq,Wq'],
  '66 0F 2D': [doubleToMmx('cvtpd2pi', 0), 'Pq,Wx'],
  'F3 0F 2D': [toGeneral('cvtss2si', 'cvtss2si', 32, 0), 'Gy,Wd'],
  'F2 0F 2D': [toGeneral('cvtsd2si', 'cvtsd2si', 64, 0), 'Gy,Wq'],
  'NP 0F 2E': [order('ucomiss', 32), 'Vx,Wd'],
  '66 0F 2E': [order('ucomisd', 64), 'Vx,Wq'],
  'NP 0F 2F': [order('comiss', 32), 'Vx,Wd'],
  '66 0F 2F': [order('comisd', 64), 'Vx,Wq'],
  'NP 0F 51': [SQRT.ps, 'Vx,Wx'],
  '66 0F 51': [SQRT.pd, 'Vx,Wx'],
  'F3 0F 51': [SQRT.ss, 'Vx,Wd'],
  'F2 0F 51': [SQRT.sd, 'Vx,Wq'],
  'NP 0F 52': [RSQRTPS, 'Vx,Wx'],
  'F3 0F 52': [RSQRTSS, 'Vx,Wd'],
  'NP 0F 53': [RCPPS, 'Vx,Wx'],
  'F3 0F 53': [RCPSS, 'Vx,Wd'],
  'NP 0F 58': [ADD.ps, 'Vx,Wx'],
  '66 0F 58': [ADD.pd, 'Vx,Wx'],
  'F3 0F 58': [ADD.ss, 'Vx,Wd'],
  'F2 0F 58': [ADD.sd, 'Vx,Wq'],
  'NP 0F 59': [MUL.ps, 'Vx,Wx'],
  '66 0F 59': [MUL.pd, 'Vx,Wx'],
  'F3 0F 59': [MUL.ss, 'Vx,Wd'],
  'F2 0F 59': [MUL.sd, 'Vx,Wq'],
  'NP 0F 5A': [lowHalf('cvtps2pd', 'cvtps2pd'), 'Vx,Wq'],
  '66 0F 5A': [packedUnary('cvtpd2ps'), 'Vx,Wx'],
  'F3 0F 5A': [otherPrecision('cvtss2sd', 32, 64), 'Vx,Wd'],
  'F2 0F 5A': [otherPrecision('cvtsd2ss', 64, 32), 'Vx,Wq'],
  'NP 0F 5B': [packedUnary('cvtdq2ps'), 'Vx,Wx'],
  '66 0F 5B': [toPacked('cvtps2dq', 'cvtps2dq', 0), 'Vx,Wx'],
  'F3 0F 5B': [toPacked('cvttps2dq', 'cvtps2dq', 1), 'Vx,Wx'],
  'NP 0F 5C': [SUB.ps, 'Vx,Wx'],
  '66 0F 5C': [SUB.pd, 'Vx,Wx'],
  'F3 0F 5C': [SUB.ss, 'Vx,Wd'],
  'F2 0F 5C': [SUB.sd, 'Vx,Wq'],
  'NP 0F 5D': [MIN.ps, 'Vx,Wx'],
  '66 0F 5D': [MIN.pd, 'Vx,Wx'],
  'F3 0F 5D': [MIN.ss, 'Vx,Wd'],
  'F2 0F 5D': [MIN.sd, 'Vx,Wq'],
  'NP 0F 5E': [DIV.ps, 'Vx,Wx'],
  '66 0F 5E': [DIV.pd, 'Vx,Wx'],
  'F3 0F 5E': [DIV.ss, 'Vx,Wd'],
  'F2 0F 5E': [DIV.sd, 'Vx,Wq'],
  'NP 0F 5F': [MAX.ps, 'Vx,Wx'],
  '66 0F 5F': [MAX.pd, 'Vx,Wx'],
  'F3 0F 5F': [MAX.ss, 'Vx,Wd'],
  'F2 0F 5F': [MAX.sd, 'Vx,Wq'],
  '66 0F 7C': [horizontal('haddpd', 'addpd', 8), 'Vx,Wx'],
  'F2 0F 7C': [horizontal('haddps', 'addps', 4), 'Vx,Wx'],
  '66 0F 7D': [horizontal('hsubpd', 'subpd', 8), 'Vx,Wx'],
  'F2 0F 7D': [horizontal('hsubps', 'subps', 4), 'Vx,Wx'],
  'NP 0F C2': [packedImmediate('cmpps'), 'Vx,Wx,Ib'],
  '66 0F C2': [packedImmediate('cmppd'), 'Vx,Wx,Ib'],
  'F3 0F C2': [scalarImmediate('cmpss', 32), 'Vx,Wd,Ib'],
  'F2 0F C2': [scalarImmediate('cmpsd', 64), 'Vx,Wq,Ib'],
  '66 0F D0': [ADDSUBPD, 'Vx,Wx'],
  'F2 0F D0': [ADDSUBPS, 'Vx,Wx'],
  '66 0F E6': [toPacked('cvttpd2dq', 'cvtpd2dq', 1), 'Vx,Wx'],
  'F3 0F E6': [lowHalf('cvtdq2pd', 'cvtdq2pd'), 'Vx,Wq'],
  'F2 0F E6': [toPacked('cvtpd2dq', 'cvtpd2dq', 0), 'Vx,Wx'],
  '66 0F3A 08': [roundPacked('roundps'), 'Vx,Wx,Ib'],
  '66 0F3A 09': [roundPacked('roundpd'), 'Vx,Wx,Ib'],
  '66 0F3A 0A': [roundScalar('roundss', 32), 'Vx,Wd,Ib'],
  '66 0F3A 0B': [roundScalar('roundsd', 64), 'Vx,Wq,Ib'],
  '66 0F3A 40': [packedImmediate('dpps'), 'Vx,Wx,Ib'],
  '66 0F3A 41': [packedImmediate('dppd'), 'Vx,Wx,Ib'],
});
