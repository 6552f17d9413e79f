import { assert } from '@umbra/base';
import type {
  Decoded,
  Operand,
  ResultSize,
  Semantics,
  Size,
  Value,
  VectorSemantics,
} from '@umbra/isa';
import type { Node } from './nodes.ts';
import * as nodes from './nodes.ts';
import { RUNTIME_FUNCTIONS } from './runtime-functions.ts';
import {
  AREA,
  FIELDS,
  type FieldName,
  type FieldType,
  FLAG_KIND,
  INHIBIT,
  SREG,
  STATE,
} from './state-layout.ts';
import { VectorBuilder } from './vector-builder.ts';
import { Code, OP, TYPE, VOID, type WasmType } from './wasm/code.ts';
import type { ModuleBuilder } from './wasm/module.ts';

const FIELD_BY_NAME = new Map(FIELDS.map((field) => [field.name as string, field]));
const FIELD_SIZE: Record<FieldType, number> = {
  u8: 8,
  u16: 16,
  u32: 32,
  i32: 32,
  u64: 64,
  v128: 128,
};

/** What generated code is made for. */
export interface CodeTarget {
  /** Address of the processor's block. */
  readonly cpuBase: number;
  /** Whether data entries of the shadow tables lead to guest-physical addresses. */
  readonly isTwoStage: boolean;
}

/** A label of structured control flow, counted from the function's body. */
export type Label = number;

/** A register write that waits for the end of its instruction. */
export interface PendingWrite {
  /** Static register number, or the operand that the record names. */
  readonly target: Operand | number;
  readonly value: Node;
}

/** Flags that wait for the end of their instruction. */
export interface PendingFlags {
  readonly operation: Node;
  readonly a: Node;
  readonly b: Node | undefined;
}

/** A memory operand whose address was worked out for this instruction. */
interface Place {
  offset: Node;
  linear: Node;
}

/**
 * What the interpreter's handlers and translated regions have in common: expressions, temporaries,
 * guest memory through the shadow tables, and the deferred commit of registers and flags.
 */
export abstract class Builder implements Semantics {
  readonly code = new Code();
  readonly module: ModuleBuilder;
  readonly cpuBase: number;
  /** Whether registers and addresses are handled in 64 bits. */
  readonly wide: boolean;
  size: Size = 32;
  repeat: 0 | 1 | 2 = 0;
  readonly v128: VectorSemantics = new VectorBuilder(this);
  protected decoded!: Decoded;
  protected writes: PendingWrite[] = [];
  protected flags: PendingFlags | undefined;
  protected depth = 0;
  readonly #isTwoStage: boolean;
  #firstLocal: number;
  #locals: WasmType[] = [];
  #free = new Map<WasmType, number[]>();
  #used: [WasmType, number][] = [];
  #places = new Map<Operand, Place>();
  #moved: Node | undefined;
  #stackMoved = 0;

  protected constructor(options: {
    module: ModuleBuilder;
    target: CodeTarget;
    wide: boolean;
    firstLocal: number;
  }) {
    this.module = options.module;
    this.cpuBase = options.target.cpuBase;
    this.#isTwoStage = options.target.isTwoStage;
    this.wide = options.wide;
    this.#firstLocal = options.firstLocal;
  }

  // What the engines do each in their way.
  protected abstract readOperand(operand: Operand): Node;
  protected abstract commitWrite(target: Operand | number, value: Node): void;
  protected abstract commitFlags(flags: PendingFlags): void;
  protected abstract effectiveAddress(operand: Operand): Node;
  protected abstract segmentedLinear(
    operand: Operand | 'ES' | 'SS',
    offset: Node,
    bytes: number,
    write: boolean,
  ): Node;
  protected abstract table(write: boolean): Node;
  /** Leaves the instruction when a fault is pending; code after it is not reached then. */
  abstract exitOnFault(): void;
  /** Leaves the instruction with the fault that was just raised. */
  protected abstract exitWithFault(): void;
  protected abstract slowStore(linear: Node, value: Node, access: Node): void;
  /** ACCESS_STACK when the access is to the stack segment of 64-bit code, else 0. */
  protected abstract stackAccess(operand: Operand | 'SS'): Node;
  abstract readRegister(index: number, size: Size): Node;
  abstract nextRip(): Node;
  abstract jump(target: Value): void;
  abstract jumpRelative(operand: Operand): void;
  abstract branchIf(condition: Value, operand: Operand): void;
  abstract callTarget(target: Value | Operand): void;
  abstract returnTo(target: Value): void;
  abstract carry(): Node;
  abstract condition(code: number): Node;
  abstract arithmeticFlags(): Node;
  abstract callWithState(name: string, args: readonly Value[], result?: ResultSize): Value;
  abstract system(name: string, args: readonly Value[], result?: ResultSize): Value;
  abstract stringCall(name: string, args: readonly Value[]): void;
  abstract addressMask(): Node;
  abstract segmentIndex(): Node;
  abstract addressMode64(): boolean;
  abstract stackMaskBits(): 16 | 32 | 64 | undefined;
  abstract registerOffset(operand: Operand): Node;
  abstract storeCall(name: string, args: readonly Value[]): void;
  /** RIP of the instruction itself, 64 bits. */
  protected abstract instructionRip(): Node;
  /** The ModRM byte, 32 bits. */
  protected abstract modrm(): Node;

  // --- Temporaries and structure -------------------------------------------------------------

  /** Types of the locals made so far. */
  get localTypes(): readonly WasmType[] {
    return this.#locals;
  }

  newLocal(type: WasmType): number {
    this.#locals.push(type);
    return this.#firstLocal + this.#locals.length - 1;
  }

  /** A local that is free again after the instruction. */
  temporary(type: WasmType): number {
    const index = this.#free.get(type)?.pop() ?? this.newLocal(type);
    this.#used.push([type, index]);
    return index;
  }

  protected startInstruction(decoded: Decoded): void {
    this.decoded = decoded;
    this.size = decoded.operandSize;
    this.repeat = decoded.repeat;
    this.#places.clear();
    this.#moved = undefined;
    this.#stackMoved = 0;
    this.writes = [];
    this.flags = undefined;
    for (const [type, index] of this.#used) {
      const list = this.#free.get(type);
      if (list === undefined) this.#free.set(type, [index]);
      else list.push(index);
    }
    this.#used = [];
  }

  emit(value: Node): void {
    nodes.emitNode(this.code, value);
  }

  setLocal(index: number, value: Node): void {
    this.emit(value);
    this.code.byte(OP.LOCAL_SET);
    this.code.unsigned(index);
  }

  block(body: (label: Label) => void, type: number = VOID, opcode: number = OP.BLOCK): void {
    this.code.byte(opcode);
    this.code.byte(type);
    const label = ++this.depth;
    body(label);
    this.depth--;
    this.code.byte(OP.END);
  }

  branch(label: Label): void {
    this.code.byte(OP.BR);
    this.code.unsigned(this.depth - label);
  }

  branchWhen(condition: Node, label: Label): void {
    this.emit(condition);
    this.code.byte(OP.BR_IF);
    this.code.unsigned(this.depth - label);
  }

  when(condition: Node, body: () => void, otherwise?: () => void): void {
    this.emit(condition);
    this.code.byte(OP.IF);
    this.code.byte(VOID);
    this.depth++;
    body();
    if (otherwise !== undefined) {
      this.code.byte(OP.ELSE);
      otherwise();
    }
    this.depth--;
    this.code.byte(OP.END);
  }

  let(value: Value): Node {
    const a = value as Node;
    if (nodes.isConstant(a) || nodes.isLocal(a)) return a;
    const index = this.temporary(a.type);
    this.setLocal(index, a);
    return nodes.local(index, a.size);
  }

  /** Applies the pending flags and register writes: the instruction is done. */
  commit(): void {
    if (this.flags !== undefined) this.commitFlags(this.flags);
    this.flags = undefined;
    const writes = this.writes;
    this.writes = [];
    const last = writes[0];
    if (writes.length === 1 && last !== undefined) {
      this.commitWrite(last.target, last.value);
      return;
    }
    // All values are worked out before the first register changes.
    const values = writes.map(({ value }) => this.#copy(value));
    for (const [index, { target }] of writes.entries()) {
      this.commitWrite(target, values[index] as Node);
    }
  }

  /** A private copy: a register's local would change under the value. */
  #copy(value: Node): Node {
    if (nodes.isConstant(value)) return value;
    const index = this.temporary(value.type);
    this.setLocal(index, value);
    return nodes.local(index, value.size);
  }

  // --- Runtime functions and state -----------------------------------------------------------

  invoke(name: string, args: readonly Value[], size = 32): Node {
    const signature = RUNTIME_FUNCTIONS[name];
    assert(signature !== undefined, `${name} is a function of the runtime`);
    assert(
      signature.params.length === args.length,
      `${name} takes ${signature.params.length} arguments`,
    );
    const fitted = args.map((value, index) => {
      const argument = value as Node;
      return nodes.zeroExtended(
        argument,
        signature.params[index] === TYPE.I64
          ? 64
          : argument.type === TYPE.I64
            ? 32
            : (argument.size as Size),
      );
    });
    return nodes.call(
      this.module.import(name, signature),
      signature.result === TYPE.I64 ? 64 : signature.result === TYPE.V128 ? 128 : size,
      fitted,
    );
  }

  /** Emits a call whose result, if any, comes back in a temporary. */
  callNow(name: string, args: readonly Value[], result?: ResultSize): Node {
    const value = this.invoke(name, args, result ?? 32);
    const signature = RUNTIME_FUNCTIONS[name];
    if (signature?.result === undefined) {
      this.emit(value);
      return nodes.constant32(0);
    }
    if (result === undefined) {
      this.emit(value);
      this.code.byte(OP.DROP);
      return nodes.constant32(0);
    }
    const index = this.temporary(value.type);
    this.setLocal(index, value);
    return nodes.local(index, value.size);
  }

  pure(name: string, args: readonly Value[], result: ResultSize): Value {
    return this.invoke(name, args, result);
  }

  call(name: string, args: readonly Value[], result?: ResultSize): Value {
    return this.callNow(name, args, result);
  }

  callFaulting(name: string, args: readonly Value[], result?: ResultSize): Value {
    const value = this.callNow(name, args, result);
    this.exitOnFault();
    return value;
  }

  fieldOffset(name: string, index = 0): number {
    const field = FIELD_BY_NAME.get(name);
    assert(field !== undefined, `${name} is a field of the state`);
    return this.cpuBase + field.offset + index * ((FIELD_SIZE[field.type] ?? 0) / 8);
  }

  readState(name: string, index = 0): Node {
    const size = FIELD_SIZE[(FIELD_BY_NAME.get(name) ?? { type: 'u32' as const }).type];
    const opcode = size === 64 ? OP.I64_LOAD : size === 16 ? OP.I32_LOAD16_U : OP.I32_LOAD;
    return nodes.load(opcode, size, nodes.constant32(0), this.fieldOffset(name, index));
  }

  writeState(name: string, value: Value, index = 0): void {
    const size = FIELD_SIZE[(FIELD_BY_NAME.get(name) ?? { type: 'u32' as const }).type];
    this.emit(nodes.constant32(0));
    this.emit(nodes.zeroExtended(value as Node, size === 64 ? 64 : 32));
    this.code.byte(size === 64 ? OP.I64_STORE : size === 16 ? OP.I32_STORE16 : OP.I32_STORE);
    this.code.byte(0);
    this.code.unsigned(this.fieldOffset(name, index));
  }

  stateAddress(field: string, index = 0): Node {
    return nodes.constant32(this.fieldOffset(field, index));
  }

  raise(vector: number, errorCode?: number): void {
    if (errorCode === undefined) this.callNow('raiseNoError', [nodes.constant32(vector)]);
    else this.callNow('raise', [nodes.constant32(vector), nodes.constant32(errorCode)]);
    this.exitWithFault();
  }

  raiseIf(condition: Value, vector: number, errorCode?: number): void {
    this.when(condition as Node, () => this.raise(vector, errorCode));
  }

  // --- Operands ------------------------------------------------------------------------------

  isMemory(operand: Operand): boolean {
    return operand.kind === 'memory';
  }

  read(operand: Operand): Node {
    if (operand.kind === 'memory') return this.readAt(operand, 0, operand.size as Size);
    return this.readOperand(operand);
  }

  write(operand: Operand, value: Value): void {
    const fitted = nodes.zeroExtended(value as Node, operand.size as Size);
    if (operand.kind === 'memory') {
      const place = this.#place(operand, operand.size / 8, true);
      this.storeLinear(place.linear, fitted, operand);
    } else {
      this.writes.push({ target: operand, value: fitted });
    }
  }

  readForWrite(operand: Operand): Node {
    if (operand.kind !== 'memory') return this.readOperand(operand);
    const { linear } = this.#place(operand, operand.size / 8, true);
    return this.loadLinear(linear, operand.size as Size, operand);
  }

  readAt(operand: Operand, displacement: number, size: Size): Node {
    if (displacement === 0)
      return this.loadLinear(this.#place(operand, size / 8, false).linear, size, operand);
    const linear = this.#linearAt(operand, displacement, size / 8, false);
    return this.loadLinear(linear, size, operand);
  }

  writeAt(operand: Operand, displacement: number, value: Value): void {
    const node = value as Node;
    this.storeLinear(this.#linearAt(operand, displacement, node.size / 8, true), node, operand);
  }

  #linearAt(operand: Operand, displacement: number, bytes: number, write: boolean): Node {
    const offset = this.address(operand) as Node;
    const by = this.addressConstant(displacement);
    return this.let(
      this.segmentedLinear(
        operand,
        this.maskAddress(nodes.binary(OP.I32_ADD, offset, by)),
        bytes,
        write,
      ),
    );
  }

  address(operand: Operand): Node {
    let offset = this.#places.get(operand)?.offset;
    if (offset === undefined) {
      offset = this.effectiveAddress(operand);
      const memory = this.decoded.memory;
      if (this.#stackMoved !== 0 && memory?.base === 4) {
        offset = nodes.binary(OP.I32_ADD, offset, this.addressConstant(this.#stackMoved));
      }
      if (this.#moved !== undefined) {
        offset = nodes.binary(
          OP.I32_ADD,
          offset,
          nodes.zeroExtended(this.#moved, offset.size as Size),
        );
      }
      if (this.#stackMoved !== 0 || this.#moved !== undefined) offset = this.maskAddress(offset);
    }
    return this.let(offset);
  }

  /** A number in the width of addresses. */
  addressConstant(value: number): Node {
    return this.wide ? nodes.constant64(value < 0 ? -1 : 0, value) : nodes.constant32(value);
  }

  /** Wraps an address to the instruction's address size. */
  protected abstract maskAddress(offset: Node): Node;

  linear(operand: Operand, bytes: number, write = false): Node {
    if (bytes === 0) {
      return this.let(this.segmentedLinear(operand, this.address(operand), 0, false));
    }
    return this.#place(operand, bytes, write).linear;
  }

  moveAddress(by: Value): void {
    this.#moved = this.let(by);
  }

  assumeStackMoved(bytes: number): void {
    this.#stackMoved = bytes;
  }

  #place(operand: Operand, bytes: number, write: boolean): Place {
    let place = this.#places.get(operand);
    if (place === undefined) {
      const offset = this.address(operand);
      place = { offset, linear: this.let(this.segmentedLinear(operand, offset, bytes, write)) };
      this.#places.set(operand, place);
    }
    return place;
  }

  writeRegister(index: number, value: Value): void {
    this.writes.push({ target: index, value: value as Node });
  }

  specialIndex(operand: Operand): Node {
    return nodes.constant32(operand.index);
  }

  constantOf(value: Value): number | undefined {
    const a = value as Node;
    return nodes.isConstant(a) ? a.n : undefined;
  }

  segmentBase(): Node {
    const table = this.fieldOffset('segEffBase');
    const at = nodes.binary(OP.I32_SHL, this.segmentIndex(), nodes.constant32(3));
    return nodes.load(OP.I64_LOAD, 64, at, table);
  }

  noteX87(operand?: Operand): void {
    const escapeBits = (Number.parseInt(this.decoded.row.key, 16) & 7) << 8;
    const opcode = nodes.binary(OP.I32_OR, this.modrm(), nodes.constant32(escapeBits));
    this.writeState('fpuLastOpcode', opcode);
    this.writeState('fpuLastIp', this.instructionRip());
    this.writeState('fpuLastCs', this.readState('segSelector', SREG.CS));
    if (operand === undefined) return;
    this.writeState('fpuLastDp', nodes.zeroExtended(this.address(operand), 64));
    const at = nodes.binary(OP.I32_SHL, this.segmentIndex(), nodes.constant32(2));
    const selector = nodes.load(OP.I32_LOAD, 32, at, this.fieldOffset('segSelector'));
    this.writeState('fpuLastDs', selector);
  }

  loadSegment(index: Value, selector: Value, pop: boolean): void {
    this.system('loadSegmentRegister', [index, selector]);
    if (pop) this.adjustStack(this.constant(this.size / 8, 64));
    if (this.constantOf(index) === 2)
      this.writeState('inhibitInterrupts', nodes.constant32(INHIBIT.ALL));
  }

  // --- Guest memory --------------------------------------------------------------------------

  /** What the slow paths take of an access: its size in bytes, and ACCESS_STACK. */
  #access(bytes: number, operand: Operand | 'SS'): Node {
    return nodes.binary(OP.I32_OR, nodes.constant32(bytes), this.stackAccess(operand));
  }

  /** Reads through the shadow table; the result is in a temporary. */
  loadLinear(linear: Node, size: Size, operand: Operand | 'SS'): Node {
    const bytes = size / 8;
    const result = this.temporary(nodes.typeOf(size));
    this.#lookUp(
      linear,
      bytes,
      false,
      (address) => {
        const opcode = { 8: OP.I32_LOAD8_U, 16: OP.I32_LOAD16_U, 32: OP.I32_LOAD, 64: OP.I64_LOAD }[
          size
        ];
        this.setLocal(result, nodes.load(opcode, size, address, 0));
      },
      () => {
        const value = this.invoke('slowRead', [linear, this.#access(bytes, operand)]);
        this.setLocal(result, nodes.zeroExtended(value, size));
        this.exitOnFault();
      },
    );
    return nodes.local(result, size);
  }

  storeLinear(linear: Node, value: Node, operand: Operand | 'SS'): void {
    const kept = this.let(value);
    const bytes = value.size / 8;
    this.#lookUp(
      linear,
      bytes,
      true,
      (address) => {
        this.emit(address);
        this.emit(kept);
        this.code.byte(
          bytes === 8
            ? OP.I64_STORE
            : bytes === 4
              ? OP.I32_STORE
              : bytes === 2
                ? OP.I32_STORE16
                : OP.I32_STORE8,
        );
        this.code.byte(0);
        this.code.byte(0);
      },
      () => this.slowStore(linear, kept, this.#access(bytes, operand)),
    );
  }

  /** Reads 16 bytes; the result is in a temporary. */
  loadLinear16(linear: Node, operand: Operand): Node {
    const result = this.temporary(TYPE.V128);
    this.#lookUp(
      linear,
      16,
      false,
      (address) => {
        this.emit(address);
        this.code.byte(0xfd);
        this.code.unsigned(0);
        this.code.byte(0);
        this.code.byte(0);
        this.code.byte(OP.LOCAL_SET);
        this.code.unsigned(result);
      },
      () => {
        this.callNow('slowRead16', [linear, this.#access(16, operand)]);
        this.exitOnFault();
        this.emit(nodes.constant32(0));
        this.code.byte(0xfd);
        this.code.unsigned(0);
        this.code.byte(0);
        this.code.unsigned(this.fieldOffset('xmmScratch', 0));
        this.code.byte(OP.LOCAL_SET);
        this.code.unsigned(result);
      },
    );
    return nodes.local(result, 128);
  }

  storeLinear16(linear: Node, value: Node, operand: Operand): void {
    const kept = this.let(value);
    this.#lookUp(
      linear,
      16,
      true,
      (address) => {
        this.emit(address);
        this.emit(kept);
        this.code.byte(0xfd);
        this.code.unsigned(11);
        this.code.byte(0);
        this.code.byte(0);
      },
      () => {
        this.emit(nodes.constant32(0));
        this.emit(kept);
        this.code.byte(0xfd);
        this.code.unsigned(11);
        this.code.byte(0);
        this.code.unsigned(this.fieldOffset('xmmScratch', 0));
        this.slowStore16(linear, this.#access(16, operand));
      },
    );
  }

  /** Stores xmmScratch[0] when the look-up missed. */
  protected abstract slowStore16(linear: Node, access: Node): void;

  /**
   * Looks `linear` up in the shadow table: the tag must be the page of the access's last byte, so
   * one comparison finds misses and page crossings. Code for a hit gets the host address.
   */
  #lookUp(
    linear: Node,
    bytes: number,
    write: boolean,
    hit: (address: Node) => void,
    miss: () => void,
  ): void {
    const entry = this.temporary(TYPE.I32);
    const low = this.wide ? nodes.operation(OP.I32_WRAP_I64, 32, [linear]) : linear;
    // Bits 23:12 of the address times 16; the address's bits above 31 do not matter for it.
    const index = nodes.binary(
      OP.I32_AND,
      this.wide
        ? nodes.operation(OP.I32_WRAP_I64, 32, [
            nodes.binary(OP.I32_SHR_U, linear, nodes.constant64(0, 8)),
          ])
        : nodes.binary(OP.I32_SHR_U, linear, nodes.constant32(8)),
      nodes.constant32(0xfff0),
    );
    this.block((done) => {
      this.block((missed) => {
        this.setLocal(entry, nodes.binary(OP.I32_ADD, index, this.table(write)));
        const last = nodes.binary(OP.I32_ADD, linear, this.addressConstant(bytes - 1));
        const page = nodes.binary(OP.I32_AND, last, this.addressConstant(-4096));
        const tag = nodes.load(
          this.wide ? OP.I64_LOAD : OP.I32_LOAD,
          this.wide ? 64 : 32,
          nodes.local(entry, 32),
          0,
        );
        this.branchWhen(nodes.binary(OP.I32_NE, tag, page, 1), missed);
        const addend = nodes.load(OP.I32_LOAD, 32, nodes.local(entry, 32), 8);
        const reached = nodes.binary(OP.I32_ADD, low, addend);
        hit(this.#isTwoStage ? this.#secondStage(reached) : reached);
        this.branch(done);
      });
      miss();
    });
  }

  /** Host address of a guest-physical one that the first look-up found. */
  #secondStage(physical: Node): Node {
    const kept = this.let(physical);
    const page = nodes.binary(OP.I32_SHR_U, kept, nodes.constant32(12));
    const at = nodes.binary(OP.I32_SHL, page, nodes.constant32(2));
    const entry = nodes.load(OP.I32_LOAD, 32, at, AREA.PHYS_MAP);
    const host = nodes.binary(OP.I32_AND, entry, nodes.constant32(-4096));
    const offset = nodes.binary(OP.I32_AND, kept, nodes.constant32(0xfff));
    return this.let(nodes.binary(OP.I32_OR, host, offset));
  }

  // --- The stack -----------------------------------------------------------------------------

  /** RSP, ESP or SP in the width of addresses. */
  stackPointer(): Node {
    const bits = this.stackMaskBits();
    if (bits === 64) return this.readRegister(4, 64);
    if (bits === undefined) {
      return nodes.binary(OP.I32_AND, this.readRegister(4, 64), this.readState('stackMask'));
    }
    const low = this.readRegister(4, bits);
    return this.wide ? nodes.zeroExtended(low, 64) : nodes.resized(low, 32);
  }

  #maskStack(offset: Node): Node {
    const bits = this.stackMaskBits();
    if (bits === 64) return offset;
    if (bits === undefined) return nodes.binary(OP.I32_AND, offset, this.readState('stackMask'));
    if (bits === 32)
      return this.wide ? nodes.binary(OP.I32_AND, offset, nodes.constant64(0, -1)) : offset;
    return nodes.binary(
      OP.I32_AND,
      offset,
      this.wide ? nodes.constant64(0, 0xffff) : nodes.constant32(0xffff),
    );
  }

  /** Sets the stack pointer at the end of the instruction; `offset` is already wrapped. */
  protected setStackPointer(offset: Node): void {
    const bits = this.stackMaskBits();
    if (bits === undefined) {
      const mask = this.readState('stackMask');
      const keep = nodes.binary(
        OP.I32_AND,
        this.readRegister(4, 64),
        nodes.binary(OP.I32_XOR, mask, nodes.constant64(-1, -1)),
      );
      this.writes.push({ target: 4, value: nodes.binary(OP.I32_OR, keep, offset) });
      return;
    }
    const value =
      bits === 16
        ? nodes.zeroExtended(nodes.resized(nodes.zeroExtended(offset, 32), 32), 16)
        : nodes.zeroExtended(offset, bits);
    this.writes.push({ target: 4, value });
  }

  push(value: Value): void {
    const node = this.let(value);
    const bytes = node.size / 8;
    const offset = this.let(
      this.#maskStack(nodes.binary(OP.I32_ADD, this.stackPointer(), this.addressConstant(-bytes))),
    );
    const linear = this.let(this.segmentedLinear('SS', offset, bytes, true));
    this.storeLinear(linear, node, 'SS');
    this.setStackPointer(offset);
  }

  pop(size: Size): Value {
    const value = this.readStack(0, size);
    this.adjustStack(this.constant(size / 8, 64));
    return value;
  }

  readStack(bytes: number, size: Size): Value {
    let offset = this.stackPointer();
    if (bytes !== 0)
      offset = this.#maskStack(nodes.binary(OP.I32_ADD, offset, this.addressConstant(bytes)));
    const linear = this.let(this.segmentedLinear('SS', this.let(offset), size / 8, false));
    return this.loadLinear(linear, size, 'SS');
  }

  adjustStack(bytes: Value): void {
    const by = nodes.zeroExtended(bytes as Node, this.wide ? 64 : 32);
    this.setStackPointer(
      this.let(this.#maskStack(nodes.binary(OP.I32_ADD, this.stackPointer(), by))),
    );
  }

  leave(): void {
    const bits = this.stackMaskBits();
    const full = bits === undefined ? this.readRegister(5, 64) : this.readRegister(5, bits);
    const frame = this.let(this.#maskStack(nodes.zeroExtended(full, this.wide ? 64 : 32)));
    const linear = this.let(this.segmentedLinear('SS', frame, this.size / 8, false));
    const value = this.loadLinear(linear, this.size, 'SS');
    this.setStackPointer(
      this.let(
        this.#maskStack(nodes.binary(OP.I32_ADD, frame, this.addressConstant(this.size / 8))),
      ),
    );
    this.writes.push({ target: 5, value });
  }

  // --- Counter of LOOP and JCXZ --------------------------------------------------------------

  counter(): Value {
    return this.readRegister(1, this.decoded.addressSize);
  }

  writeCounter(value: Value): void {
    this.writes.push({ target: 1, value: value as Node });
  }

  // --- Expressions ---------------------------------------------------------------------------

  constant(value: number, size: Size): Node {
    if (size === 64)
      return nodes.constant64(value < 0 ? -1 : Math.floor(value / 0x1_0000_0000), value | 0);
    return nodes.constant32(size === 32 ? value : value & (size === 8 ? 0xff : 0xffff), size);
  }

  constant64(high: number, low: number): Node {
    return nodes.constant64(high, low);
  }

  int(value: number): Node {
    return nodes.constant32(value);
  }

  #binary(opcode: number, a: Value, b: Value, mask: boolean): Node {
    const first = a as Node;
    const second = b as Node;
    const size = Math.max(first.size, second.size);
    const left = nodes.zeroExtended(first, size as Size);
    const right = nodes.zeroExtended(second, size as Size);
    const result = nodes.binary(opcode, left, right, size);
    return mask ? nodes.masked(result, size) : result;
  }

  add(a: Value, b: Value): Value {
    return this.#binary(OP.I32_ADD, a, b, true);
  }
  sub(a: Value, b: Value): Value {
    return this.#binary(OP.I32_SUB, a, b, true);
  }
  mul(a: Value, b: Value): Value {
    return this.#binary(OP.I32_MUL, a, b, true);
  }
  and(a: Value, b: Value): Value {
    return this.#binary(OP.I32_AND, a, b, false);
  }
  or(a: Value, b: Value): Value {
    return this.#binary(OP.I32_OR, a, b, false);
  }
  xor(a: Value, b: Value): Value {
    return this.#binary(OP.I32_XOR, a, b, false);
  }
  not(a: Value): Value {
    const ones = this.constant(-1, a.size as Size);
    return this.#binary(OP.I32_XOR, a, ones, true);
  }
  neg(a: Value): Value {
    return this.#binary(OP.I32_SUB, this.constant(0, a.size as Size), a, true);
  }

  #count(a: Node, count: Value): Node {
    const by = count as Node;
    if (a.type === TYPE.I64) return nodes.zeroExtended(by, 64);
    return by.type === TYPE.I64 ? nodes.zeroExtended(by, 32) : nodes.resized(by, 32);
  }

  shl(a: Value, count: Value): Value {
    const node = a as Node;
    return nodes.masked(nodes.binary(OP.I32_SHL, node, this.#count(node, count)), node.size);
  }
  shr(a: Value, count: Value): Value {
    const node = a as Node;
    return nodes.binary(OP.I32_SHR_U, node, this.#count(node, count));
  }
  sar(a: Value, count: Value): Value {
    const node = a as Node;
    const extended = node.size < 32 ? nodes.signExtended(node, 32) : node;
    return nodes.masked(nodes.binary(OP.I32_SHR_S, extended, this.#count(node, count)), node.size);
  }
  popcnt(a: Value): Value {
    return nodes.unary(OP.I32_POPCNT, a as Node);
  }
  clz(a: Value): Value {
    return nodes.unary(OP.I32_CLZ, a as Node);
  }
  ctz(a: Value): Value {
    return nodes.unary(OP.I32_CTZ, a as Node);
  }
  eq(a: Value, b: Value): Value {
    return nodes.resized(nodes.binary(OP.I32_EQ, a as Node, b as Node, 1), 1);
  }
  ne(a: Value, b: Value): Value {
    return nodes.binary(OP.I32_NE, a as Node, b as Node, 1);
  }
  ltU(a: Value, b: Value): Value {
    return nodes.binary(OP.I32_LT_U, a as Node, b as Node, 1);
  }
  ltS(a: Value, b: Value): Value {
    const first = a as Node;
    const second = b as Node;
    if (first.size >= 32) return nodes.binary(OP.I32_LT_S, first, second, 1);
    return nodes.binary(
      OP.I32_LT_S,
      nodes.signExtended(first, 32),
      nodes.signExtended(second, 32),
      1,
    );
  }
  isZero(a: Value): Value {
    return nodes.unary(OP.I32_EQZ, a as Node, 1);
  }
  select(condition: Value, a: Value, b: Value): Value {
    const first = a as Node;
    return nodes.operation(OP.SELECT, first.size, [
      first,
      b as Node,
      nodes.resized(condition as Node, 32),
    ]);
  }
  zeroExtend(a: Value, size: Size): Value {
    return nodes.zeroExtended(a as Node, size);
  }
  signExtend(a: Value, size: Size): Value {
    return nodes.signExtended(a as Node, size);
  }
  truncate(a: Value, size: Size): Value {
    return nodes.zeroExtended(a as Node, size);
  }

  // --- Flags ---------------------------------------------------------------------------------

  #flagOperation(kind: number, size: number, carry?: Value): Node {
    const base = nodes.constant32((kind << 4) | (Math.log2(size / 8) << 1));
    if (carry === undefined) return base;
    return nodes.binary(OP.I32_OR, base, nodes.resized(carry as Node, 32));
  }

  flagsAdd(result: Value, b: Value, carryIn?: Value): void {
    this.flags = {
      operation: this.#flagOperation(FLAG_KIND.ADD, result.size, carryIn),
      a: result as Node,
      b: b as Node,
    };
  }

  flagsSub(a: Value, b: Value, borrowIn?: Value): void {
    this.flags = {
      operation: this.#flagOperation(FLAG_KIND.SUB, a.size, borrowIn),
      a: a as Node,
      b: b as Node,
    };
  }

  flagsLogic(result: Value): void {
    this.flags = {
      operation: this.#flagOperation(FLAG_KIND.LOGIC, result.size),
      a: result as Node,
      b: undefined,
    };
  }

  flagsResult(result: Value, bits: Value): void {
    this.flags = {
      operation: this.#flagOperation(FLAG_KIND.RESULT, result.size),
      a: result as Node,
      b: nodes.zeroExtended(bits as Node, 32),
    };
  }

  flagsResultIf(condition: Value, result: Value, bits: Value): void {
    if (this.constantOf(condition) === 1) this.flagsResult(result, bits);
    else if (this.constantOf(condition) === undefined) {
      this.#flagsIf(
        condition,
        this.#flagOperation(FLAG_KIND.RESULT, result.size),
        result as Node,
        bits as Node,
      );
    }
  }

  /** The lazy state as it was, in 64-bit pieces. */
  protected abstract oldFlags(): { operation: Node; a: Node; b: Node };

  #flagsIf(condition: Value, operation: Node, a: Node, b: Node): void {
    const kept = this.let(nodes.resized(condition as Node, 32));
    const old = this.oldFlags();
    const wide = this.wide ? 64 : 32;
    this.flags = {
      operation: this.let(this.select(kept, operation, old.operation)),
      a: this.let(this.select(kept, nodes.zeroExtended(a, wide), nodes.zeroExtended(old.a, wide))),
      b: this.let(this.select(kept, nodes.zeroExtended(b, wide), nodes.zeroExtended(old.b, wide))),
    };
  }

  flagsReplace(mask: number, bits: Value): void {
    const all = 0x8d5;
    let value = nodes.binary(
      OP.I32_AND,
      nodes.zeroExtended(bits as Node, 32),
      nodes.constant32(mask),
    );
    if ((mask & all) !== all) {
      const old = nodes.binary(OP.I32_AND, this.arithmeticFlags(), nodes.constant32(all & ~mask));
      value = nodes.binary(OP.I32_OR, old, value);
    }
    this.flags = { operation: nodes.constant32(0), a: this.let(value), b: undefined };
  }

  flagsReplaceIf(condition: Value, mask: number, bits: Value): void {
    const known = this.constantOf(condition);
    if (known === 0) return;
    if (known !== undefined) {
      this.flagsReplace(mask, bits);
      return;
    }
    const old = this.let(this.arithmeticFlags());
    const replaced = nodes.binary(
      OP.I32_OR,
      nodes.binary(OP.I32_AND, old, nodes.constant32(~mask)),
      nodes.binary(OP.I32_AND, nodes.zeroExtended(bits as Node, 32), nodes.constant32(mask)),
    );
    const value = this.select(condition, replaced, old);
    this.flags = { operation: nodes.constant32(0), a: this.let(value), b: undefined };
  }

  /** Field offsets by name, for engines. */
  protected state(name: FieldName): number {
    return this.cpuBase + STATE[name];
  }
}
