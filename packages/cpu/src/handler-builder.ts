import { assert } from '@umbra/base';
import {
  BASE_RIP,
  type Decoded,
  INDEX_AL,
  type MemoryForm,
  type Operand,
  type OperandKind,
  type ResultSize,
  type Size,
  type Value,
} from '@umbra/isa';
import { Builder, type CodeTarget, type PendingFlags } from './builder.ts';
import type { Node } from './nodes.ts';
import * as nodes from './nodes.ts';
import { ACCESS_STACK, RECORD, SREG, STATUS } from './state-layout.ts';
import { OP, TYPE, type WasmType } from './wasm/code.ts';
import type { ModuleBuilder } from './wasm/module.ts';

/** What tells handlers of one row apart besides its number: part of the handler's key. */
export interface HandlerMode {
  /** 64-bit code. */
  readonly mode64: boolean;
  /** x87, MMX or SSE is not available: the handler only raises. */
  readonly unavailable: boolean;
}

const KINDS: readonly OperandKind[] = [
  'register',
  'memory',
  'immediate',
  'relative',
  'segment',
  'control',
  'debug',
  'vector',
  'mmx',
  'stack87',
];
const KIND_NUMBER = Object.fromEntries(KINDS.map((kind, index) => [kind, index + 1])) as Record<
  OperandKind,
  number
>;

/** What a handler is made for, apart from the forms of its operands: see operandForms(). */
export function handlerKey(decoded: Decoded, mode: HandlerMode): number {
  const sizes = (decoded.operandSize >> 3) | ((decoded.addressSize >> 4) << 4);
  const flags = (mode.mode64 ? 1 : 0) | (mode.unavailable ? 2 : 0) | (decoded.repeat << 2);
  return (decoded.id << 14) | (sizes << 7) | (flags << 3) | addressForm(decoded.memory);
}

/** Forms of the operands, where the row leaves a choice or a handler fixes them. */
export function operandForms(decoded: Decoded): number {
  let forms = 0;
  for (const operand of decoded.operands) {
    const { kind } = operand;
    const isFixed =
      operand.role === 'fixed' ||
      kind === 'segment' ||
      kind === 'control' ||
      kind === 'debug' ||
      kind === 'stack87';
    // At most three operands of 17 bits: exact in a number.
    const form = KIND_NUMBER[kind] * 32 + (isFixed ? operand.index + 1 : 0);
    forms = forms * 0x2_0000 + form * 256 + (operand.size & 0xff);
  }
  return forms;
}

function addressForm(memory: MemoryForm | undefined): number {
  if (memory === undefined) return 0;
  if (memory.absolute) return 1;
  if (memory.base === BASE_RIP) return 2;
  if (memory.index === INDEX_AL) return 3;
  return memory.index >= 0 ? 4 : 5;
}

/** Parameter 0 of a handler: the address of its record. */
const RECORD_LOCAL = 0;
/** Parameters before a handler's own locals. */
const PARAMETERS = 1;

/**
 * Builds a handler of the interpreter: a function that finds operands where its record says, and
 * works on the state block.
 */
export class HandlerBuilder extends Builder {
  readonly #mode: HandlerMode;
  #leave = -1;
  #ended = false;
  #isSystem = false;

  constructor(options: { module: ModuleBuilder; target: CodeTarget; mode: HandlerMode }) {
    super({ module: options.module, target: options.target, wide: true, firstLocal: PARAMETERS });
    this.#mode = options.mode;
  }

  /** Emits the whole body for one instruction. */
  build(decoded: Decoded): readonly WasmType[] {
    this.startInstruction(decoded);
    this.#leave = this.newLocal(TYPE.I32);
    const { instruction } = decoded.row;
    if (this.#mode.unavailable) {
      const unit = instruction.sse ? 1 : instruction.mmx ? 2 : 0;
      this.callNow('unitUnavailable', [nodes.constant32(unit)]);
      this.exitWithFault();
    } else {
      instruction.meaning(this, decoded.operands as never);
    }
    if (!this.#ended) {
      this.commit();
      this.emit(this.#isSystem ? nodes.constant32(STATUS.SYSTEM) : nodes.local(this.#leave, 32));
    }
    return this.localTypes;
  }

  #field(opcode: number, offset: number, size = 32): Node {
    return nodes.load(opcode, size, nodes.local(RECORD_LOCAL, 32), offset);
  }

  #return(status: number): void {
    this.emit(nodes.constant32(status));
    this.code.byte(OP.RETURN);
  }

  #registerField(operand: Operand): number {
    return operand.role === 'rm' ? RECORD.RM : RECORD.REG;
  }

  registerOffset(operand: Operand): Node {
    if (operand.role === 'fixed') {
      const name = operand.kind === 'vector' ? 'xmm' : 'gpr';
      return nodes.constant32(this.fieldOffset(name, operand.index) - this.cpuBase);
    }
    return this.#field(OP.I32_LOAD16_U, this.#registerField(operand));
  }

  protected readOperand(operand: Operand): Node {
    const size = operand.size as Size;
    switch (operand.kind) {
      case 'register':
        if (operand.role === 'fixed') return this.readRegister(operand.index, size);
        return nodes.load(loadOpcode(size), size, this.registerOffset(operand), this.cpuBase);
      case 'immediate':
        if (operand.role === 'fixed') return this.constant(operand.index, size);
        if (operand.index === 1) return this.#field(OP.I32_LOAD8_U, RECORD.EXTRA, 8);
        return this.#field(loadOpcode(size), RECORD.IMM, size);
      case 'segment':
        return nodes.resized(nodes.masked(this.readState('segSelector', operand.index), 16), 16);
      default:
        assert(false, `an operand of kind ${operand.kind} can be read`);
    }
  }

  protected commitWrite(target: Operand | number, value: Node): void {
    const at =
      typeof target === 'number'
        ? nodes.constant32(this.fieldOffset('gpr', target) - this.cpuBase)
        : this.registerOffset(target);
    this.emit(at);
    const size = value.size;
    // A 32-bit result clears the upper half. [SDM] vol. 1 §3.4.1.1.
    this.emit(size === 32 ? nodes.zeroExtended(value, 64) : value);
    this.code.byte(size === 8 ? OP.I32_STORE8 : size === 16 ? OP.I32_STORE16 : OP.I64_STORE);
    this.code.byte(0);
    this.code.unsigned(this.cpuBase);
  }

  protected commitFlags(flags: PendingFlags): void {
    const operation = this.let(flags.operation);
    const b = flags.b === undefined ? undefined : this.let(nodes.zeroExtended(flags.b, 64));
    this.writeState('flagA', nodes.zeroExtended(flags.a, 64));
    if (b !== undefined) this.writeState('flagB', b);
    this.writeState('flagOp', operation);
  }

  protected oldFlags(): { operation: Node; a: Node; b: Node } {
    return {
      operation: this.readState('flagOp'),
      a: this.readState('flagA'),
      b: this.readState('flagB'),
    };
  }

  protected effectiveAddress(): Node {
    const memory = this.decoded.memory;
    assert(memory !== undefined, 'a memory operand has an address form');
    if (memory.absolute) return this.#field(OP.I64_LOAD, RECORD.IMM, 64);
    const displacement = this.#field(OP.I64_LOAD32_S, RECORD.DISP, 64);
    const base = nodes.load(
      OP.I64_LOAD,
      64,
      this.#field(OP.I32_LOAD16_U, RECORD.BASE),
      this.cpuBase,
    );
    let sum = nodes.binary(OP.I32_ADD, base, displacement);
    if (memory.base === BASE_RIP) {
      sum = nodes.binary(OP.I32_ADD, this.nextRip(), displacement);
    } else if (memory.index === INDEX_AL) {
      sum = nodes.binary(OP.I32_ADD, base, nodes.zeroExtended(this.readRegister(0, 8), 64));
    } else if (memory.index >= 0) {
      const index = nodes.load(
        OP.I64_LOAD,
        64,
        this.#field(OP.I32_LOAD16_U, RECORD.INDEX),
        this.cpuBase,
      );
      const scale = this.#field(OP.I64_LOAD8_U, RECORD.SCALE, 64);
      sum = nodes.binary(OP.I32_ADD, sum, nodes.binary(OP.I32_SHL, index, scale));
    }
    return this.maskAddress(sum);
  }

  protected maskAddress(offset: Node): Node {
    return this.decoded.addressSize === 64
      ? offset
      : nodes.binary(OP.I32_AND, offset, this.addressMask());
  }

  addressMask(): Node {
    const bits = this.decoded.addressSize;
    return bits === 64 ? nodes.constant64(-1, -1) : nodes.constant64(0, bits === 32 ? -1 : 0xffff);
  }

  protected segmentedLinear(
    operand: Operand | 'ES' | 'SS',
    offset: Node,
    bytes: number,
    write: boolean,
  ): Node {
    const kept = this.let(offset);
    const segment = this.let(
      operand === 'SS'
        ? nodes.constant32(2)
        : operand === 'ES'
          ? nodes.constant32(0)
          : this.segmentIndex(),
    );
    const base = nodes.load(
      OP.I64_LOAD,
      64,
      nodes.binary(OP.I32_SHL, segment, nodes.constant32(3)),
      this.fieldOffset('segEffBase'),
    );
    const result = this.temporary(TYPE.I64);
    const sum = nodes.binary(OP.I32_ADD, base, kept);
    this.setLocal(
      result,
      this.#mode.mode64 ? sum : nodes.binary(OP.I32_AND, sum, nodes.constant64(0, -1)),
    );
    if (bytes !== 0 && !this.#mode.mode64) {
      const check = nodes.load(
        OP.I32_LOAD,
        32,
        nodes.binary(OP.I32_SHL, segment, nodes.constant32(2)),
        this.fieldOffset('segCheck'),
      );
      this.when(check, () => {
        const checked = this.invoke('linearAddress', [
          segment,
          kept,
          nodes.constant32(bytes),
          nodes.constant32(write ? 1 : 0),
        ]);
        this.setLocal(result, checked);
        this.exitOnFault();
      });
    }
    return nodes.local(result, 64);
  }

  segmentIndex(): Node {
    return this.#field(OP.I32_LOAD8_U, RECORD.SEG);
  }

  protected table(write: boolean): Node {
    return this.readState(write ? 'writeTable' : 'readTable');
  }

  exitOnFault(): void {
    this.when(this.readState('faultPending'), () => this.exitWithFault());
  }

  protected exitWithFault(): void {
    this.#return(STATUS.FAULT);
  }

  #afterStore(): void {
    this.exitOnFault();
    this.when(this.readState('codeChanged'), () =>
      this.setLocal(this.#leave, nodes.constant32(STATUS.LEAVE)),
    );
  }

  protected stackAccess(operand: Operand | 'SS'): Node {
    if (!this.#mode.mode64) return nodes.constant32(0);
    if (operand === 'SS') return nodes.constant32(ACCESS_STACK);
    const isStack = nodes.binary(OP.I32_EQ, this.segmentIndex(), nodes.constant32(SREG.SS), 32);
    return nodes.binary(OP.I32_MUL, isStack, nodes.constant32(ACCESS_STACK));
  }

  protected slowStore(linear: Node, value: Node, access: Node): void {
    this.callNow('slowWrite', [linear, access, nodes.zeroExtended(value, 64)]);
    this.#afterStore();
  }

  protected slowStore16(linear: Node, access: Node): void {
    this.callNow('slowWrite16', [linear, access]);
    this.#afterStore();
  }

  readRegister(index: number, size: Size): Node {
    return nodes.load(loadOpcode(size), size, nodes.constant32(0), this.fieldOffset('gpr', index));
  }

  stackMaskBits(): 16 | 32 | 64 | undefined {
    return this.#mode.mode64 ? 64 : undefined;
  }

  addressMode64(): boolean {
    return this.#mode.mode64;
  }

  // --- Control flow --------------------------------------------------------------------------

  #ripAt(offset: number): Node {
    const sum = nodes.binary(
      OP.I32_ADD,
      this.readState('blockRip'),
      this.#field(OP.I64_LOAD16_U, offset, 64),
    );
    return this.#mode.mode64 ? sum : nodes.binary(OP.I32_AND, sum, this.readState('ipMask'));
  }

  /** RIP of the following instruction, all 64 bits. */
  nextRip(): Node {
    const rip = this.#ripAt(RECORD.NEXT);
    return this.size === 64 || this.decoded.memory?.base === BASE_RIP
      ? rip
      : nodes.zeroExtended(rip, this.size);
  }

  jump(target: Value): void {
    const kept = this.let(nodes.zeroExtended(target as Node, 64));
    this.callNow('checkJump', [kept]);
    this.exitOnFault();
    this.commit();
    this.writeState('rip', kept);
    this.#return(STATUS.JUMP);
    this.emit(nodes.constant32(0));
    this.#ended = true;
  }

  #relativeTarget(): Node {
    const sum = nodes.binary(
      OP.I32_ADD,
      this.#ripAt(RECORD.NEXT),
      this.#field(OP.I64_LOAD, RECORD.IMM, 64),
    );
    if (this.size === 64) return sum;
    return nodes.zeroExtended(nodes.zeroExtended(sum, this.size), 64);
  }

  jumpRelative(): void {
    this.jump(this.#relativeTarget());
  }

  branchIf(condition: Value): void {
    const taken = this.let(nodes.resized(condition as Node, 32));
    const target = this.temporary(TYPE.I64);
    this.setLocal(target, this.#ripAt(RECORD.NEXT));
    this.when(taken, () => {
      this.setLocal(target, this.#relativeTarget());
      this.callNow('checkJump', [nodes.local(target, 64)]);
      this.exitOnFault();
    });
    this.commit();
    this.writeState('rip', nodes.local(target, 64));
    this.emit(nodes.constant32(STATUS.JUMP));
    this.#ended = true;
  }

  callTarget(target: Value | Operand): void {
    if ('role' in target) this.jumpRelative();
    else this.jump(target);
  }

  returnTo(target: Value): void {
    this.jump(target);
  }

  // --- Flags ---------------------------------------------------------------------------------

  #flagCall(name: string, ...before: Node[]): Node {
    const { operation, a, b } = this.oldFlags();
    return this.invoke(name, [...before, operation, a, b]);
  }

  carry(): Node {
    return nodes.resized(this.let(this.#flagCall('carryOf')), 1);
  }

  condition(code: number): Node {
    return nodes.resized(this.#flagCall('condition', nodes.constant32(code)), 1);
  }

  arithmeticFlags(): Node {
    return this.#flagCall('computeFlags');
  }

  // --- Runtime functions on the state --------------------------------------------------------

  callWithState(name: string, args: readonly Value[], result?: ResultSize): Value {
    const value = this.callNow(name, args, result);
    this.#afterStore();
    return value;
  }

  storeCall(name: string, args: readonly Value[]): void {
    this.callNow(name, [...args, nodes.constant32(0)]);
    this.#afterStore();
  }

  protected instructionRip(): Node {
    return this.#ripAt(RECORD.OFFSET);
  }

  protected modrm(): Node {
    const { memory, modrm } = this.decoded;
    return memory === undefined
      ? nodes.constant32(modrm)
      : this.#field(OP.I32_LOAD8_U, RECORD.EXTRA);
  }

  #setRips(): void {
    this.writeState('rip', this.#ripAt(RECORD.OFFSET));
    this.writeState('nextRip', this.#ripAt(RECORD.NEXT));
  }

  system(name: string, args: readonly Value[], result?: ResultSize): Value {
    const kept = args.map((argument) => this.let(argument));
    this.#setRips();
    const value = this.callNow(name, kept, result);
    this.exitOnFault();
    this.#isSystem = true;
    return value;
  }

  stringCall(name: string, args: readonly Value[]): void {
    this.#setRips();
    this.callNow(name, args);
    this.#afterStore();
    // Stopped between two elements: rip stays.
    const stopped = nodes.binary(OP.I32_EQ, this.readState('rip'), this.readState('nextRip'), 1);
    this.when(stopped, () => this.#return(STATUS.JUMP));
  }
}

function loadOpcode(size: Size): number {
  return { 8: OP.I32_LOAD8_U, 16: OP.I32_LOAD16_U, 32: OP.I32_LOAD, 64: OP.I64_LOAD }[size];
}
