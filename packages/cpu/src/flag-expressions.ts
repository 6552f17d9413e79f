import type { Node } from './nodes.ts';
import * as nodes from './nodes.ts';
import { EFLAGS, FLAG_KIND } from './state-layout.ts';
import { OP } from './wasm/code.ts';

/** A lazy flag state whose operation is known while translating. */
interface Known {
  readonly kind: number;
  readonly size: 8 | 16 | 32 | 64;
  readonly carryIn: number;
  readonly a: Node;
  readonly b: Node;
}

function known(operation: number, a: Node, b: Node): Known {
  const size = (8 << ((operation >> 1) & 3)) as Known['size'];
  return {
    kind: operation >> 4,
    size,
    carryIn: operation & 1,
    a: narrow(a, size),
    b: narrow(b, size),
  };
}

/** Flag operands are kept zero-extended in words: seen again in their own width. */
function narrow(a: Node, size: Known['size']): Node {
  if (size === 64 || a.size === size) return a;
  if (a.size === 64) return nodes.resized(nodes.operation(OP.I32_WRAP_I64, 32, [a]), size);
  return nodes.resized(a, size);
}

const zero = (size: Known['size']) =>
  size === 64 ? nodes.constant64(0, 0) : nodes.constant32(0, size);
const not = (a: Node) => nodes.unary(OP.I32_EQZ, a, 1);
const bit = (a: Node, mask: number) =>
  nodes.binary(
    OP.I32_NE,
    nodes.binary(OP.I32_AND, nodes.zeroExtended(a, 32), nodes.constant32(mask)),
    nodes.constant32(0),
    1,
  );
const both = (opcode: number, a: Node, b: Node) =>
  nodes.binary(opcode, nodes.resized(a, 32), nodes.resized(b, 32), 1);

function lessSigned(a: Node, b: Node): Node {
  const size = a.size < 32 ? 32 : (a.size as 32 | 64);
  return nodes.binary(OP.I32_LT_S, nodes.signExtended(a, size), nodes.signExtended(b, size), 1);
}

/** CF as a truth value, or undefined when only the runtime can tell. */
export function flagCarry(operation: number, first: Node, second: Node): Node | undefined {
  const { kind, carryIn, a, b } = known(operation, first, second);
  switch (kind) {
    case FLAG_KIND.EFLAGS:
      return bit(nodes.zeroExtended(first, 32), EFLAGS.CF);
    case FLAG_KIND.LOGIC:
      return nodes.constant32(0, 1);
    case FLAG_KIND.RESULT:
      return bit(nodes.zeroExtended(second, 32), EFLAGS.CF);
    default:
      return carryIn === 0 ? nodes.binary(OP.I32_LT_U, a, b, 1) : undefined;
  }
}

/** A condition code's truth value, or undefined when only the runtime can tell. */
export function flagCondition(
  code: number,
  operation: number,
  first: Node,
  second: Node,
): Node | undefined {
  const base = positive(code >> 1, operation, first, second);
  if (base === undefined) return undefined;
  return code & 1 ? not(base) : base;
}

function positive(pair: number, operation: number, first: Node, second: Node): Node | undefined {
  const state = known(operation, first, second);
  if (state.kind === FLAG_KIND.EFLAGS) return fromEflags(pair, nodes.zeroExtended(first, 32));
  if (state.carryIn !== 0) return undefined;
  if (state.kind === FLAG_KIND.SUB) return fromSubtraction(pair, state);
  return fromResult(pair, state, operation, first, second);
}

function fromEflags(pair: number, flags: Node): Node | undefined {
  switch (pair) {
    case 0:
      return bit(flags, EFLAGS.OF);
    case 1:
      return bit(flags, EFLAGS.CF);
    case 2:
      return bit(flags, EFLAGS.ZF);
    case 3:
      return bit(flags, EFLAGS.CF | EFLAGS.ZF);
    case 4:
      return bit(flags, EFLAGS.SF);
    case 5:
      return bit(flags, EFLAGS.PF);
    default:
      return undefined;
  }
}

function fromSubtraction(pair: number, { size, a, b }: Known): Node | undefined {
  switch (pair) {
    case 1:
      return nodes.binary(OP.I32_LT_U, a, b, 1);
    case 2:
      return nodes.binary(OP.I32_EQ, a, b, 1);
    case 3:
      return not(nodes.binary(OP.I32_LT_U, b, a, 1));
    case 4:
      return lessSigned(nodes.masked(nodes.binary(OP.I32_SUB, a, b), size), zero(size));
    case 6:
      return lessSigned(a, b);
    case 7:
      return not(lessSigned(b, a));
    default:
      return undefined;
  }
}

/** ADD, LOGIC and RESULT: SF and ZF come from the result in `a`. */
function fromResult(
  pair: number,
  state: Known,
  operation: number,
  first: Node,
  second: Node,
): Node | undefined {
  const { kind, size, a } = state;
  const isZero = nodes.binary(OP.I32_EQ, a, zero(size), 1);
  const isNegative = lessSigned(a, zero(size));
  const carry = flagCarry(operation, first, second);
  const overflow =
    kind === FLAG_KIND.LOGIC
      ? nodes.constant32(0, 1)
      : kind === FLAG_KIND.RESULT
        ? bit(nodes.zeroExtended(second, 32), EFLAGS.OF)
        : undefined;
  switch (pair) {
    case 0:
      return overflow;
    case 1:
      return carry;
    case 2:
      return isZero;
    case 3:
      return carry === undefined ? undefined : both(OP.I32_OR, carry, isZero);
    case 4:
      return isNegative;
    case 6:
      return overflow === undefined ? undefined : both(OP.I32_XOR, isNegative, overflow);
    case 7:
      return overflow === undefined
        ? undefined
        : both(OP.I32_OR, isZero, both(OP.I32_XOR, isNegative, overflow));
    default:
      return undefined;
  }
}
