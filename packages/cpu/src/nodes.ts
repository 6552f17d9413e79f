import type { Size, Value } from '@umbra/isa';
import { type Code, OP, TYPE, type WasmType } from './wasm/code.ts';

/** Kinds of expression nodes. */
const KIND = { CONST: 0, LOCAL: 1, OPERATION: 2, LOAD: 3, CALL: 4, SIMD: 5 } as const;

/**
 * An expression over constants and locals. Nodes cost nothing until emitted, and are emitted where
 * their value is consumed; what is used twice is put into a local first (Emitter.let).
 */
export interface Node extends Value {
  readonly kind: number;
  readonly size: number;
  readonly type: WasmType;
  /** Opcode, local index, low half of a constant, or function index. */
  readonly n: number;
  /** High half of a 64-bit constant, or offset of a load. */
  readonly m: number;
  readonly args: readonly Node[];
}

function node(
  kind: number,
  size: number,
  type: WasmType,
  n: number,
  m: number,
  args: readonly Node[],
): Node {
  return { kind, size, type, n, m, args } as unknown as Node;
}

const NONE: readonly Node[] = [];

/** Type that holds values of a size. */
export function typeOf(size: number): WasmType {
  return size === 64 ? TYPE.I64 : size === 128 ? TYPE.V128 : TYPE.I32;
}

export const constant32 = (value: number, size = 32): Node =>
  node(KIND.CONST, size, TYPE.I32, value | 0, 0, NONE);
export const constant64 = (high: number, low: number): Node =>
  node(KIND.CONST, 64, TYPE.I64, low | 0, high | 0, NONE);
export const local = (index: number, size: number): Node =>
  node(KIND.LOCAL, size, typeOf(size), index, 0, NONE);
export const isConstant = (a: Node): boolean => a.kind === KIND.CONST;
export const isLocal = (a: Node): boolean => a.kind === KIND.LOCAL;

/** The same value, seen as another width that needs no code. */
export const resized = (a: Node, size: number): Node =>
  node(a.kind, size, a.type, a.n, a.m, a.args);

/** Any operation without immediates. */
export const operation = (opcode: number, size: number, args: readonly Node[]): Node =>
  node(KIND.OPERATION, size, typeOf(size), opcode, 0, args);

/** A load with an address operand and a constant offset. */
export const load = (opcode: number, size: number, address: Node, offset: number): Node =>
  node(KIND.LOAD, size, typeOf(size), opcode, offset, [address]);

export const call = (functionIndex: number, size: number, args: readonly Node[]): Node =>
  node(KIND.CALL, size, typeOf(size), functionIndex, 0, args);

/** An operation of the 0xfd prefix; `lane` below 0: none. */
export const simd = (opcode: number, size: number, lane: number, args: readonly Node[]): Node =>
  node(KIND.SIMD, size, typeOf(size), opcode, lane, args);

/** Appends the code that leaves a node's value on the stack. */
export function emitNode(code: Code, a: Node): void {
  switch (a.kind) {
    case KIND.CONST:
      if (a.type === TYPE.I64) {
        code.byte(OP.I64_CONST);
        code.signed64(a.m, a.n);
      } else {
        code.byte(OP.I32_CONST);
        code.signed(a.n);
      }
      return;
    case KIND.LOCAL:
      code.byte(OP.LOCAL_GET);
      code.unsigned(a.n);
      return;
  }
  for (const argument of a.args) emitNode(code, argument);
  switch (a.kind) {
    case KIND.OPERATION:
      code.byte(a.n);
      return;
    case KIND.LOAD:
      code.byte(a.n);
      code.byte(0);
      code.unsigned(a.m);
      return;
    case KIND.CALL:
      code.byte(OP.CALL);
      code.unsigned(a.n);
      return;
    default:
      code.byte(0xfd);
      code.unsigned(a.n);
      if (a.m >= 0) code.byte(a.m);
  }
}

const I32_TO_I64: Readonly<Record<number, number>> = {
  [OP.I32_ADD]: OP.I64_ADD,
  [OP.I32_SUB]: OP.I64_SUB,
  [OP.I32_MUL]: OP.I64_MUL,
  [OP.I32_AND]: OP.I64_AND,
  [OP.I32_OR]: OP.I64_OR,
  [OP.I32_XOR]: OP.I64_XOR,
  [OP.I32_SHL]: OP.I64_SHL,
  [OP.I32_SHR_S]: OP.I64_SHR_S,
  [OP.I32_SHR_U]: OP.I64_SHR_U,
  [OP.I32_EQ]: OP.I64_EQ,
  [OP.I32_NE]: OP.I64_NE,
  [OP.I32_LT_S]: OP.I64_LT_S,
  [OP.I32_LT_U]: OP.I64_LT_U,
  [OP.I32_EQZ]: OP.I64_EQZ,
  [OP.I32_CLZ]: OP.I64_CLZ,
  [OP.I32_CTZ]: OP.I64_CTZ,
  [OP.I32_POPCNT]: OP.I64_POPCNT,
};

function foldable(opcode: number, a: Node, b: Node): number | undefined {
  if (a.type !== TYPE.I32 || !isConstant(a) || !isConstant(b)) return undefined;
  switch (opcode) {
    case OP.I32_ADD:
      return (a.n + b.n) | 0;
    case OP.I32_SUB:
      return (a.n - b.n) | 0;
    case OP.I32_AND:
      return a.n & b.n;
    case OP.I32_OR:
      return a.n | b.n;
    case OP.I32_XOR:
      return a.n ^ b.n;
    case OP.I32_SHL:
      return a.n << b.n;
    case OP.I32_SHR_U:
      return a.n >>> b.n;
    case OP.I32_NE:
      return a.n !== b.n ? 1 : 0;
    case OP.I32_EQ:
      return a.n === b.n ? 1 : 0;
    default:
      return undefined;
  }
}

/** A binary operation named by its i32 opcode, in the width of its operands; result of `size`. */
export function binary(opcode: number, a: Node, b: Node, size = a.size): Node {
  const folded = foldable(opcode, a, b);
  if (folded !== undefined) return constant32(folded, size);
  const isZero = isConstant(b) && b.n === 0 && b.m === 0;
  const keeps =
    opcode === OP.I32_ADD ||
    opcode === OP.I32_OR ||
    opcode === OP.I32_XOR ||
    opcode === OP.I32_SUB ||
    opcode === OP.I32_SHL ||
    opcode === OP.I32_SHR_U;
  if (isZero && keeps) return resized(a, size);
  const wide = a.type === TYPE.I64;
  return node(
    KIND.OPERATION,
    size,
    typeOf(size),
    wide ? (I32_TO_I64[opcode] as number) : opcode,
    0,
    [a, b],
  );
}

/** A unary operation named by its i32 opcode. */
export function unary(opcode: number, a: Node, size = a.size): Node {
  const wide = a.type === TYPE.I64;
  return node(
    KIND.OPERATION,
    size,
    typeOf(size),
    wide ? (I32_TO_I64[opcode] as number) : opcode,
    0,
    [a],
  );
}

/** Clears what an operation left above an 8- or 16-bit value's width. */
export function masked(a: Node, size: number): Node {
  if (size >= 32) return resized(a, size);
  return binary(OP.I32_AND, resized(a, 32), constant32(size === 8 ? 0xff : 0xffff), size);
}

/** Zero-extends or truncates. */
export function zeroExtended(a: Node, size: Size): Node {
  if (a.size === size) return a;
  if (size === 64) {
    if (isConstant(a)) return constant64(0, a.n);
    return operation(OP.I64_EXTEND_I32_U, 64, [a]);
  }
  if (a.size === 64) {
    if (isConstant(a)) return masked(constant32(a.n), size);
    return masked(operation(OP.I32_WRAP_I64, 32, [a]), size);
  }
  return a.size > size ? masked(a, size) : resized(a, size);
}

/** Sign-extends. */
export function signExtended(a: Node, size: Size): Node {
  if (a.size >= size) return zeroExtended(a, size);
  let wide = a;
  if (a.size < 32) {
    if (isConstant(a)) {
      const shift = 32 - a.size;
      wide = constant32((a.n << shift) >> shift);
    } else {
      wide = operation(a.size === 8 ? OP.I32_EXTEND8_S : OP.I32_EXTEND16_S, 32, [a]);
    }
  }
  if (size === 64) {
    if (isConstant(wide)) return constant64(wide.n >> 31, wide.n);
    return operation(OP.I64_EXTEND_I32_S, 64, [wide]);
  }
  return masked(wide, size);
}
