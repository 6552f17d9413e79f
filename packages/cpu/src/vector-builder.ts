import type { Operand, Size, Value, VectorSemantics } from '@umbra/isa';
import type { Builder } from './builder.ts';
import type { Node } from './nodes.ts';
import * as nodes from './nodes.ts';
import { OP } from './wasm/code.ts';
import { SIMD_OPCODES } from './wasm/simd.ts';

/**
 * 128-bit operations. XMM registers stay in the state block; MMX registers are the significands of
 * the x87 registers. Writes happen at once: a definition writes its vector result last.
 */
export class VectorBuilder implements VectorSemantics {
  readonly #builder: Builder;

  constructor(builder: Builder) {
    this.#builder = builder;
  }

  read(operand: Operand, bits: 32 | 64 | 128 = 128): Value {
    const b = this.#builder;
    if (operand.kind === 'memory') {
      if (bits === 128) return b.loadLinear16(b.linear(operand, 16), operand);
      return b.readAt(operand, 0, bits);
    }
    const at = b.registerOffset(operand);
    if (bits === 128) return this.#loadState(at);
    return nodes.load(bits === 64 ? OP.I64_LOAD : OP.I32_LOAD, bits, at, b.cpuBase);
  }

  #loadState(at: Node): Node {
    const b = this.#builder;
    const result = b.temporary(nodes.typeOf(128));
    b.emit(at);
    b.code.byte(0xfd);
    b.code.unsigned(0);
    b.code.byte(0);
    b.code.unsigned(b.cpuBase);
    b.code.byte(OP.LOCAL_SET);
    b.code.unsigned(result);
    return nodes.local(result, 128);
  }

  readAligned(operand: Operand): Value {
    if (operand.kind !== 'memory') return this.read(operand);
    this.#checkAligned(operand, false);
    return this.#builder.loadLinear16(this.#builder.linear(operand, 16), operand);
  }

  #checkAligned(operand: Operand, write: boolean): void {
    const b = this.#builder;
    const linear = nodes.zeroExtended(b.linear(operand, 16, write), 32);
    b.raiseIf(nodes.binary(OP.I32_AND, linear, nodes.constant32(15)), 13, 0);
  }

  write(operand: Operand, value: Value): void {
    const b = this.#builder;
    const node = value as Node;
    if (operand.kind === 'memory') {
      if (node.size === 128) b.storeLinear16(b.linear(operand, 16, true), node, operand);
      else b.storeLinear(b.linear(operand, node.size / 8, true), node, operand);
      return;
    }
    const kept = b.let(node);
    b.emit(b.registerOffset(operand));
    b.emit(kept);
    if (node.size === 128) {
      b.code.byte(0xfd);
      b.code.unsigned(11);
    } else {
      b.code.byte(node.size === 64 ? OP.I64_STORE : OP.I32_STORE);
    }
    b.code.byte(0);
    b.code.unsigned(b.cpuBase);
  }

  writeAligned(operand: Operand, value: Value): void {
    if (operand.kind === 'memory') this.#checkAligned(operand, true);
    this.write(operand, value);
  }

  unary(op: string, a: Value): Value {
    return nodes.simd(opcode(op), resultSize(op), -1, [a as Node]);
  }
  binary(op: string, a: Value, b: Value): Value {
    return nodes.simd(opcode(op), 128, -1, [a as Node, b as Node]);
  }
  shift(op: string, a: Value, count: Value): Value {
    return nodes.simd(opcode(op), 128, -1, [a as Node, nodes.zeroExtended(count as Node, 32)]);
  }
  shuffle(a: Value, b: Value, lanes: readonly number[]): Value {
    const builder = this.#builder;
    const result = builder.temporary(nodes.typeOf(128));
    builder.emit(a as Node);
    builder.emit(b as Node);
    builder.code.byte(0xfd);
    builder.code.unsigned(opcode('i8x16.shuffle'));
    for (const lane of lanes) builder.code.byte(lane);
    builder.code.byte(OP.LOCAL_SET);
    builder.code.unsigned(result);
    return nodes.local(result, 128);
  }
  bitselect(a: Value, b: Value, mask: Value): Value {
    return nodes.simd(opcode('v128.bitselect'), 128, -1, [a as Node, b as Node, mask as Node]);
  }
  extract(op: string, a: Value, lane: number, size: Size): Value {
    return nodes.simd(opcode(op), size, lane, [a as Node]);
  }
  replace(op: string, a: Value, lane: number, value: Value): Value {
    return nodes.simd(opcode(op), 128, lane, [a as Node, value as Node]);
  }
  splat(op: string, value: Value): Value {
    return nodes.simd(opcode(op), 128, -1, [value as Node]);
  }
  constant(bytes: readonly number[]): Value {
    const builder = this.#builder;
    const result = builder.temporary(nodes.typeOf(128));
    builder.code.byte(0xfd);
    builder.code.unsigned(opcode('v128.const'));
    for (const byte of bytes) builder.code.byte(byte);
    builder.code.byte(OP.LOCAL_SET);
    builder.code.unsigned(result);
    return nodes.local(result, 128);
  }
}

function opcode(name: string): number {
  const found = SIMD_OPCODES[name];
  if (found === undefined) throw new Error(`Not a SIMD instruction: ${name}`);
  return found;
}

/** Bit masks and truth values come out as 32-bit numbers, everything else as vectors. */
function resultSize(op: string): number {
  return op.endsWith('bitmask') || op.endsWith('_true') ? 32 : 128;
}
