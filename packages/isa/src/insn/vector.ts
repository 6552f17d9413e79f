import { type Instruction, insn, type Traits } from '../define.ts';
import type { Operand } from '../operand.ts';
import type { Semantics, Value } from '../semantics.ts';

/** Traits of vector instructions. */
export const SSE: Traits = { sse: true };
export const MMX: Traits = { mmx: true };

/** What a packed operation computes; `bytes` is the width of the operands that counts, 8 or 16. */
export type Packed = (s: Semantics, a: Value, b: Value, bytes: 8 | 16) => Value;

/** Before an MMX instruction does anything: #MF when an x87 exception is pending. */
export function checkMmx(s: Semantics): void {
  s.callFaulting('checkMmx', []);
}

/** A 64-bit value twice: MMX operations work on the low half and do not care about the other. */
export function readMmx(s: Semantics, operand: Operand): Value {
  if (operand.kind === 'memory' && operand.size === 32)
    return s.let(s.v128.splat('i32x4.splat', s.v128.read(operand, 32)));
  return s.let(s.v128.splat('i64x2.splat', s.v128.read(operand, 64)));
}

/** Writes an MMX register from a 64-bit value; TOP becomes 0, all tags valid, the exponent ones. */
export function writeMmx(s: Semantics, operand: Operand, value: Value): void {
  s.call('writeMmx', [s.registerOffset(operand), value]);
}

export function writeMmxVector(s: Semantics, operand: Operand, value: Value): void {
  writeMmx(s, operand, s.v128.extract('i64x2.extract_lane', value, 0, 64));
}

/** An SSE instruction dst := f(dst, src) on 16 bytes, aligned in memory. */
export function sse(mnemonic: string, f: Packed): Instruction {
  return insn(mnemonic, SSE, (s, [dst, src]) => {
    const b = s.let(s.v128.readAligned(src));
    const a = s.let(s.v128.read(dst));
    s.v128.write(dst, f(s, a, b, 16));
  });
}

/** The same for MMX. */
export function mmx(mnemonic: string, f: Packed): Instruction {
  return insn(mnemonic, MMX, (s, [dst, src]) => {
    checkMmx(s);
    const b = readMmx(s, src);
    const a = readMmx(s, dst);
    writeMmxVector(s, dst, f(s, a, b, 8));
  });
}

/** Both forms of an instruction. */
export interface Pair {
  readonly sse: Instruction;
  readonly mmx: Instruction;
}

export function pair(mnemonic: string, f: Packed): Pair {
  return { sse: sse(mnemonic, f), mmx: mmx(mnemonic, f) };
}

/** A lane-wise operation that is one WebAssembly instruction. */
export const lanes =
  (op: string): Packed =>
  (s, a, b) =>
    s.v128.binary(op, a, b);

/** All zeros. */
export function zero(s: Semantics): Value {
  return s.v128.constant(new Array<number>(16).fill(0));
}

/** A pattern of bytes, repeated to 16. */
export function repeated(s: Semantics, pattern: readonly number[]): Value {
  return s.v128.constant(Array.from({ length: 16 }, (_, i) => pattern[i % pattern.length] ?? 0));
}

/** Byte indices of whole lanes of `width` bytes, for v128.shuffle. */
export function laneBytes(width: number, indices: readonly number[]): number[] {
  return indices.flatMap((lane) => Array.from({ length: width }, (_, i) => lane * width + i));
}

/**
 * A shuffle that an immediate chooses: constant lanes when it is known, else the runtime's function
 * of the operands and the immediate.
 */
export function shuffleBy(
  s: Semantics,
  a: Value,
  b: Value,
  immediate: Value,
  choose: (value: number) => readonly number[],
  call: string,
): Value {
  const known = s.constantOf(immediate);
  if (known !== undefined) return s.v128.shuffle(a, b, choose(known & 0xff));
  return s.call(call, [a, b, s.zeroExtend(immediate, 32)], 128);
}
