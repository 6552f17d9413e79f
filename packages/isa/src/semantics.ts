import type { Operand } from './operand.ts';

declare const valueBrand: unique symbol;

/** A value that an instruction computes: an expression or a temporary of the engine's. */
export interface Value {
  readonly [valueBrand]: true;
  /** Width in bits: 1 (a truth value), 8, 16, 32, 64 or 128. Unused upper bits are zero. */
  readonly size: number;
}

/** Widths of integer values. */
export type Size = 8 | 16 | 32 | 64;

/** Result types of runtime functions. */
export type ResultSize = 32 | 64 | 128;

/**
 * What the meaning of an instruction is written against. Each engine implements it once: the
 * interpreter with operands that it finds in the decoded record, the translator with operands that
 * are known when it runs.
 *
 * Memory is accessed where the definition says so, in that order, and may fault there. Registers
 * and flags change together at the end: a definition always sees the state before the instruction,
 * and a fault leaves that state.
 */
export interface Semantics {
  /** Operand size of the instruction in bits. */
  readonly size: Size;
  /** Repeat prefix: 0 = none, 1 = F3 (REP, REPE), 2 = F2 (REPNE). */
  readonly repeat: 0 | 1 | 2;

  read(operand: Operand): Value;
  write(operand: Operand, value: Value): void;
  /** Whether the operand is in memory (known in both engines). */
  isMemory(operand: Operand): boolean;
  /** Effective address (offset in its segment) of a memory operand. */
  address(operand: Operand): Value;
  /** Adds a 64-bit value to the address of the memory operand, before it is used (bit strings). */
  moveAddress(by: Value): void;
  /** Linear address of the `bytes` at a memory operand, after segment checks. */
  linear(operand: Operand, bytes: number, write?: boolean): Value;
  /** Reads `size` bits at `displacement` bytes beyond the operand's address. */
  readAt(operand: Operand, displacement: number, size: Size): Value;
  /** Checks that a later write of the operand will succeed, as a read-modify-write does. */
  readForWrite(operand: Operand): Value;
  readRegister(index: number, size: Size): Value;
  writeRegister(index: number, value: Value): void;
  /** The number, when the value is known while translating. */
  constantOf(value: Value): number | undefined;

  constant(value: number, size: Size): Value;
  constant64(high: number, low: number): Value;
  /** Keeps a value that is used more than once. */
  let(value: Value): Value;
  add(a: Value, b: Value): Value;
  sub(a: Value, b: Value): Value;
  mul(a: Value, b: Value): Value;
  and(a: Value, b: Value): Value;
  or(a: Value, b: Value): Value;
  xor(a: Value, b: Value): Value;
  not(a: Value): Value;
  neg(a: Value): Value;
  /** Shifts and rotations: `count` is below the width of `a`. */
  shl(a: Value, count: Value): Value;
  shr(a: Value, count: Value): Value;
  sar(a: Value, count: Value): Value;
  /** Count of one bits, of leading or trailing zeros of a 32- or 64-bit value, in its width. */
  popcnt(a: Value): Value;
  clz(a: Value): Value;
  ctz(a: Value): Value;
  eq(a: Value, b: Value): Value;
  ne(a: Value, b: Value): Value;
  ltU(a: Value, b: Value): Value;
  ltS(a: Value, b: Value): Value;
  isZero(a: Value): Value;
  /** `a` when the truth value holds, else `b`. */
  select(condition: Value, a: Value, b: Value): Value;
  /** Zero-extends, or drops upper bits when `size` is the smaller. */
  zeroExtend(a: Value, size: Size): Value;
  signExtend(a: Value, size: Size): Value;
  truncate(a: Value, size: Size): Value;

  /** CF as 0 or 1. */
  carry(): Value;
  /** A condition code of Jcc, SETcc and CMOVcc, as a truth value. */
  condition(code: number): Value;
  /** OF SF ZF AF PF CF at their EFLAGS places, 32 bits. */
  arithmeticFlags(): Value;
  /** Flags of result = x + b (+ carryIn). */
  flagsAdd(result: Value, b: Value, carryIn?: Value): void;
  /** Flags of a - b (- borrowIn). */
  flagsSub(a: Value, b: Value, borrowIn?: Value): void;
  flagsLogic(result: Value): void;
  /** SF ZF PF from the result, CF AF OF from `bits` at their EFLAGS places. */
  flagsResult(result: Value, bits: Value): void;
  /** As flagsResult, but only when the truth value holds. */
  flagsResultIf(condition: Value, result: Value, bits: Value): void;
  /** Replaces the flags under the constant `mask`, given at their EFLAGS places. */
  flagsReplace(mask: number, bits: Value): void;
  /** As flagsReplace, but only when the truth value holds. */
  flagsReplaceIf(condition: Value, mask: number, bits: Value): void;

  /** Pushes a value whose width is the operand size. */
  push(value: Value): void;
  /** Reads the top of the stack, `size` bits, and moves RSP past it (at the end). */
  pop(size: Size): Value;
  /** Reads at RSP + `bytes` without moving it. */
  readStack(bytes: number, size: Size): Value;
  /** RSP (or ESP, SP) moves by `bytes` at the end. */
  adjustStack(bytes: Value): void;
  stackPointer(): Value;
  /** Memory operands with RSP as base see RSP moved by `bytes` already (POP m). */
  assumeStackMoved(bytes: number): void;
  /** LEAVE: the stack pointer takes the frame pointer's value, then the frame pointer is popped. */
  leave(): void;

  /** RIP of the following instruction, in operand-size bits. */
  nextRip(): Value;
  /** Near transfer to an offset in CS, given in operand-size bits. Ends the instruction. */
  jump(target: Value): void;
  /** Near transfer relative to the next instruction. */
  jumpRelative(operand: Operand): void;
  /** The same when the truth value holds. */
  branchIf(condition: Value, operand: Operand): void;
  /** A call's transfer (its return address was pushed): engines may pair it with returns. */
  callTarget(target: Value | Operand): void;
  returnTo(target: Value): void;
  /** RCX, ECX or CX by address size. */
  counter(): Value;
  writeCounter(value: Value): void;

  raise(vector: number, errorCode?: number): void;
  raiseIf(condition: Value, vector: number, errorCode?: number): void;

  /** Calls a function of the runtime that touches neither general registers nor flags. */
  call(name: string, args: readonly Value[], result?: ResultSize): Value;
  /** The same of a function of its arguments alone: not called when nobody looks at the result. */
  pure(name: string, args: readonly Value[], result: ResultSize): Value;
  /** The same for one that may raise a fault. */
  callFaulting(name: string, args: readonly Value[], result?: ResultSize): Value;
  /** Calls a function that reads and writes registers and flags in the state block. */
  callWithState(name: string, args: readonly Value[], result?: ResultSize): Value;
  /** Runs a system function: may fault, transfer control, change the mode. Ends the block. */
  system(name: string, args: readonly Value[], result?: ResultSize): Value;
  /** A 32-bit constant argument. */
  int(value: number): Value;
  /** Byte offset in the state block of a vector or x87 register operand, as a 32-bit argument. */
  registerOffset(operand: Operand): Value;
  /** Address in the state block, as a 32-bit argument. */
  stateAddress(field: string, index?: number): Value;
  /** Reads or writes a field of the state block. */
  readState(field: string, index?: number): Value;
  writeState(field: string, value: Value, index?: number): void;
  /** Address size of the instruction as a mask, 64 bits. */
  addressMask(): Value;
  /** Index of the segment register of a memory operand or string source, 32 bits. */
  segmentIndex(operand?: Operand): Value;
  /** Index of a segment, control or debug register operand, 32 bits. */
  specialIndex(operand: Operand): Value;
  /** Loads a segment register; with `pop` the stack pointer then moves by the operand size. */
  loadSegment(index: Value, selector: Value, pop: boolean): void;
  /** A string instruction's runtime function: may fault or stop between two elements. */
  stringCall(name: string, args: readonly Value[]): void;
  /**
   * Calls a function that stores to guest memory and does all else only when that went well. Its
   * last parameter, added here, is 1 in translated code; its result is 0 = done, 1 = a fault is
   * pending, 2 = nothing done: the interpreter must run the instruction, which changes code.
   */
  storeCall(name: string, args: readonly Value[]): void;
  /** Keeps this x87 instruction, and its memory operand, as the last one: FOP, FIP, FDP. */
  noteX87(operand?: Operand): void;
  /** Writes at `displacement` bytes beyond a memory operand's address. */
  writeAt(operand: Operand, displacement: number, value: Value): void;
  /** Whether the code is 64-bit code. */
  addressMode64(): boolean;
  /** Base that DS (or an override) adds, 64 bits. */
  segmentBase(): Value;

  /** 128-bit values. */
  v128: VectorSemantics;
}

/** Operations on 128-bit values; `op` names a WebAssembly SIMD instruction such as `i8x16.add`. */
export interface VectorSemantics {
  read(operand: Operand, bits?: 32 | 64 | 128): Value;
  /** Reads 16 bytes that must be aligned (#GP(0) otherwise). */
  readAligned(operand: Operand): Value;
  write(operand: Operand, value: Value): void;
  writeAligned(operand: Operand, value: Value): void;
  unary(op: string, a: Value): Value;
  binary(op: string, a: Value, b: Value): Value;
  /** Shift of lanes by a 32-bit count below the lane's width. */
  shift(op: string, a: Value, count: Value): Value;
  shuffle(a: Value, b: Value, lanes: readonly number[]): Value;
  bitselect(a: Value, b: Value, mask: Value): Value;
  extract(op: string, a: Value, lane: number, size: Size): Value;
  replace(op: string, a: Value, lane: number, value: Value): Value;
  splat(op: string, value: Value): Value;
  constant(bytes: readonly number[]): Value;
}
