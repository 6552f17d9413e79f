import { assert } from '@umbra/base';
import {
  BASE_RIP,
  type Decoded,
  INDEX_AL,
  type Operand,
  type ResultSize,
  type Size,
  type Value,
} from '@umbra/isa';
import { Builder, type Label, type PendingFlags } from './builder.ts';
import { registerOffset } from './code-cache.ts';
import { flagCarry, flagCondition } from './flag-expressions.ts';
import type { Node } from './nodes.ts';
import * as nodes from './nodes.ts';
import type { RegionBlock, RegionGraph } from './region-graph.ts';
import {
  ACCESS_STACK,
  BLOCK,
  CPU_AREA,
  EFLAGS,
  JUMP_CACHE,
  MODE,
  SREG,
  STATE,
  STATUS,
} from './state-layout.ts';
import { Code, OP, TYPE, type WasmType } from './wasm/code.ts';
import type { ModuleBuilder } from './wasm/module.ts';

/** Local indices: parameter 0 is the block; registers follow, then the region's own. */
const LOCAL = {
  GPR: 1,
  FLAG_OP: 17,
  FLAG_A: 18,
  FLAG_B: 19,
  /** RIP of the entry: the region may be mapped anywhere. */
  RIP: 20,
  READ_TABLE: 21,
  WRITE_TABLE: 22,
  /** Offset from the entry of the instruction that an exit leaves at. */
  DELTA: 23,
  STATUS: 24,
  TARGET: 25,
  ENTRY: 26,
  COUNT: 27,
} as const;

/** Builds the wasm function of one region. */
export class RegionBuilder extends Builder {
  readonly #mode: number;
  readonly #graph: RegionGraph;
  readonly #entry: number;
  readonly #words: WasmType;
  /** Registers that the region reads or writes, as far as known: bit n = register n. */
  #used = 0;
  #written = 0;
  #stateMask: number;
  needsState = false;
  #at = 0;
  #afterSystem = false;
  #ended = false;
  #block!: RegionBlock;
  #blockIndex = 0;
  #live: LiveFlags = { carry: true, rest: true };
  /** The flag operation when it is known here; the local has it when `#opStored`. */
  #op: number | undefined;
  #opStored = true;
  #exit: Label = 0;
  #chain: Label = 0;
  #lookUp: Label = 0;
  readonly #loopLabels = new Map<number, Label>();
  readonly #mergeLabels = new Map<number, Label>();

  constructor(options: {
    module: ModuleBuilder;
    cpuBase: number;
    mode: number;
    graph: RegionGraph;
    entry: number;
    stateMask: number;
  }) {
    super({
      module: options.module,
      cpuBase: options.cpuBase,
      wide: (options.mode & MODE.CODE_SIZE) === 2,
      firstLocal: LOCAL.COUNT,
    });
    this.#mode = options.mode;
    this.#graph = options.graph;
    this.#entry = options.entry;
    this.#stateMask = options.stateMask;
    this.#words = this.wide ? TYPE.I64 : TYPE.I32;
  }

  get writtenRegisters(): number {
    return this.#written;
  }

  get usedRegisters(): number {
    return this.#used;
  }

  /** Types of all locals behind the parameter. */
  get allLocals(): readonly WasmType[] {
    const word = this.#words;
    const own: WasmType[] = new Array<WasmType>(16).fill(word);
    own.push(TYPE.I32, word, word, word, TYPE.I32, TYPE.I32, TYPE.I32, TYPE.I32, word, TYPE.I32);
    return [...own, ...this.localTypes];
  }

  /** The whole function body. */
  build(): Code {
    this.block((exit) => {
      this.#exit = exit;
      this.block((lookUp) => {
        this.#lookUp = lookUp;
        this.block((chain) => {
          this.#chain = chain;
          this.#tree(0);
          this.code.byte(OP.UNREACHABLE);
        });
        this.#emitLeave();
      });
      this.#emitChain();
    });
    this.#storeAll(this.#written | this.#stateMask);
    this.writeState('rip', this.#ripSum(nodes.local(LOCAL.DELTA, 32)));
    this.emit(nodes.local(LOCAL.STATUS, 32));
    const body = new Code();
    const rest = this.code.view().slice();
    this.code.clear();
    this.#emitPrologue();
    body.append(this.code);
    body.raw(rest);
    return body;
  }

  #word(index: number): Node {
    return nodes.local(index, this.wide ? 64 : 32);
  }

  #emitPrologue(): void {
    for (let index = 0; index < 16; index++) {
      if ((this.#used | this.#written | this.#stateMask) & (1 << index)) this.#loadRegister(index);
    }
    this.#loadFlags();
    this.setLocal(LOCAL.RIP, this.#loadWord('rip'));
    this.setLocal(LOCAL.READ_TABLE, this.readState('readTable'));
    this.setLocal(LOCAL.WRITE_TABLE, this.readState('writeTable'));
  }

  #loadWord(field: string, index = 0): Node {
    const offset = this.fieldOffset(field, index);
    return nodes.load(
      this.wide ? OP.I64_LOAD : OP.I32_LOAD,
      this.wide ? 64 : 32,
      nodes.constant32(0),
      offset,
    );
  }

  #loadRegister(index: number): void {
    this.setLocal(LOCAL.GPR + index, this.#loadWord('gpr', index));
  }

  #loadFlags(): void {
    this.setLocal(LOCAL.FLAG_OP, this.readState('flagOp'));
    this.setLocal(LOCAL.FLAG_A, this.#loadWord('flagA'));
    this.setLocal(LOCAL.FLAG_B, this.#loadWord('flagB'));
  }

  /** Stores registers under a mask, and the flags, to the state block. */
  #storeAll(mask: number): void {
    for (let index = 0; index < 16; index++) {
      if (mask & (1 << index)) this.writeState('gpr', this.#word(LOCAL.GPR + index), index);
    }
    this.writeState('flagOp', nodes.local(LOCAL.FLAG_OP, 32));
    this.writeState('flagA', this.#word(LOCAL.FLAG_A));
    this.writeState('flagB', this.#word(LOCAL.FLAG_B));
  }

  /** RIP at a distance from the entry, wrapped as the code size says, in 64 bits. */
  #ripSum(delta: Node): Node {
    if (this.wide) {
      const extended = nodes.isConstant(delta)
        ? nodes.constant64(delta.n >> 31, delta.n)
        : nodes.signExtended(delta, 64);
      return nodes.binary(OP.I32_ADD, this.#word(LOCAL.RIP), extended);
    }
    const sum = nodes.binary(OP.I32_ADD, this.#word(LOCAL.RIP), delta);
    const code16 = (this.#mode & MODE.CODE_SIZE) === 0;
    return nodes.zeroExtended(
      code16 ? nodes.binary(OP.I32_AND, sum, nodes.constant32(0xffff)) : sum,
      64,
    );
  }

  /** The same in the width of the region's words. */
  #ripWord(host: number): Node {
    return nodes.zeroExtended(
      this.#ripSum(nodes.constant32(host - this.#entry)),
      this.wide ? 64 : 32,
    );
  }

  /** Stores everything; TARGET, the RIP to go on at, becomes a linear address. */
  #emitLeave(): void {
    this.#storeAll(this.#written | this.#stateMask);
    this.writeState('rip', this.#word(LOCAL.TARGET));
    this.when(this.readState('pending'), () => this.#return(STATUS.JUMP));
    if (!this.wide && !(this.#mode & MODE.FLAT_CODE)) this.#addCodeBase();
  }

  #addCodeBase(): void {
    const base = this.#loadWord('segEffBase', 1);
    this.setLocal(LOCAL.TARGET, nodes.binary(OP.I32_ADD, this.#word(LOCAL.TARGET), base));
  }

  /**
   * After a system function that went well: on at nextRip, unless there is something for the run
   * loop to look at. The function may have changed the mode, but not from or to long mode's width
   * unless the code is 64-bit, whose addresses hold all others.
   */
  #leaveAfterSystem(): void {
    if (!this.wide && this.#mode & MODE.LONG) {
      this.#return(STATUS.SYSTEM);
      return;
    }
    this.setLocal(LOCAL.TARGET, this.#loadWord('nextRip'));
    this.writeState('rip', this.#word(LOCAL.TARGET));
    this.when(this.invoke('needsAttention', []), () => this.#return(STATUS.JUMP));
    this.#addCodeBase();
    this.branch(this.#lookUp);
  }

  /** Goes on at the linear address TARGET: in its region when the jump cache knows one. */
  #emitChain(): void {
    const low = this.wide
      ? nodes.operation(OP.I32_WRAP_I64, 32, [this.#word(LOCAL.TARGET)])
      : this.#word(LOCAL.TARGET);
    const key = this.readState('jumpKey');
    const mixed = nodes.binary(
      OP.I32_XOR,
      nodes.binary(OP.I32_XOR, low, nodes.binary(OP.I32_SHR_U, low, nodes.constant32(12))),
      nodes.binary(OP.I32_SHR_U, key, nodes.constant32(11)),
    );
    const index = nodes.binary(OP.I32_AND, mixed, nodes.constant32(JUMP_CACHE.COUNT - 1));
    this.setLocal(LOCAL.ENTRY, nodes.binary(OP.I32_SHL, index, nodes.constant32(4)));
    const cache = this.cpuBase + CPU_AREA.JUMP_CACHE;
    const entry = nodes.local(LOCAL.ENTRY, 32);
    const tag = nodes.load(
      this.wide ? OP.I64_LOAD : OP.I32_LOAD,
      this.wide ? 64 : 32,
      entry,
      cache,
    );
    const hit = nodes.binary(
      OP.I32_AND,
      nodes.binary(OP.I32_EQ, tag, this.#word(LOCAL.TARGET), 32),
      nodes.binary(OP.I32_EQ, nodes.load(OP.I32_LOAD, 32, entry, cache + 8), key, 32),
    );
    this.when(hit, () => {
      this.setLocal(LOCAL.ENTRY, nodes.load(OP.I32_LOAD, 32, entry, cache + 12));
      this.setLocal(LOCAL.STATUS, nodes.load(OP.I32_LOAD, 32, entry, BLOCK.FUNCTION));
      this.when(nodes.local(LOCAL.STATUS, 32), () => {
        this.emit(entry);
        this.emit(nodes.local(LOCAL.STATUS, 32));
        this.code.byte(OP.RETURN_CALL_INDIRECT);
        this.code.unsigned(this.module.type({ params: [TYPE.I32], result: TYPE.I32 }));
        this.code.unsigned(0);
      });
    });
    this.#return(STATUS.JUMP);
  }

  #return(status: number): void {
    this.emit(nodes.constant32(status));
    this.code.byte(OP.RETURN);
  }

  // --- Structure: dominator tree to nested blocks and loops -------------------------------------

  #tree(index: number): void {
    const merges: number[] = [];
    this.#graph.dominators.forEach((dominator, node) => {
      if (node !== 0 && dominator === index && this.#graph.isMerge[node]) merges.push(node);
    });
    merges.sort((a, b) => b - a);
    if (this.#graph.isLoopHeader[index]) {
      this.#syncOp();
      this.block(
        (label) => {
          this.#loopLabels.set(index, label);
          this.#forgetOp();
          this.#within(index, merges, 0);
        },
        undefined,
        OP.LOOP,
      );
    } else {
      this.#within(index, merges, 0);
    }
  }

  #within(index: number, merges: readonly number[], position: number): void {
    const merge = merges[position];
    if (merge === undefined) {
      this.#emitBlock(index);
      return;
    }
    this.block((label) => {
      this.#mergeLabels.set(merge, label);
      this.#within(index, merges, position + 1);
    });
    this.#forgetOp();
    this.#tree(merge);
  }

  /** Goes to a host address from the current block: inside the region where that can be. */
  #edge(host: number): void {
    const to = this.#graph.order.get(host);
    if (to === undefined || this.#graph.cut.has(`${this.#blockIndex}:${to}`)) {
      this.#leaveTo(this.#ripWord(host));
      return;
    }
    if (to <= this.#blockIndex) {
      this.#syncOp();
      const label = this.#loopLabels.get(to);
      assert(label !== undefined, 'a back edge goes to a loop that is open');
      this.when(this.readState('pending'), () => {
        this.setLocal(LOCAL.TARGET, this.#ripWord(host));
        this.branch(this.#chain);
      });
      this.branch(label);
      return;
    }
    if (this.#graph.isMerge[to]) {
      this.#syncOp();
      const label = this.#mergeLabels.get(to);
      assert(label !== undefined, 'a forward edge goes to a block that is open');
      this.branch(label);
      return;
    }
    const from = this.#blockIndex;
    const block = this.#block;
    this.#tree(to);
    this.#blockIndex = from;
    this.#block = block;
  }

  #leaveTo(target: Node): void {
    this.#syncOp();
    this.setLocal(LOCAL.TARGET, target);
    this.branch(this.#chain);
  }

  /** Leaves at the current instruction, with everything as before it. */
  #leaveAt(host: number, status: number): void {
    if (!this.#opStored && this.#op !== undefined)
      this.setLocal(LOCAL.FLAG_OP, nodes.constant32(this.#op));
    this.setLocal(LOCAL.DELTA, nodes.constant32(host - this.#entry));
    this.setLocal(LOCAL.STATUS, nodes.constant32(status));
    this.branch(this.#exit);
  }

  #syncOp(): void {
    if (!this.#opStored && this.#op !== undefined)
      this.setLocal(LOCAL.FLAG_OP, nodes.constant32(this.#op));
    this.#opStored = true;
  }

  #forgetOp(): void {
    this.#op = undefined;
    this.#opStored = true;
  }

  #emitBlock(index: number): void {
    const block = this.#graph.blocks[index] as RegionBlock;
    this.#block = block;
    this.#blockIndex = index;
    const live = flagLiveness(block.instructions);
    this.#at = block.host;
    for (const [position, decoded] of block.instructions.entries()) {
      this.startInstruction(decoded);
      this.#ended = false;
      this.#afterSystem = false;
      this.#live = live[position] ?? { carry: true, rest: true };
      decoded.row.instruction.meaning(this, decoded.operands as never);
      if (this.#ended) return;
      this.commit();
      if (this.#afterSystem) {
        this.#leaveAfterSystem();
        return;
      }
      this.#at += decoded.length;
    }
    // What ends a block without leaving by itself is for the run loop to go on from.
    if (!block.fallsThrough) this.#leaveTo(this.#ripWord(block.end));
    else if (block.bails) this.#leaveAt(block.end, STATUS.BAIL);
    else this.#edge(block.end);
  }

  // --- Registers -------------------------------------------------------------------------------

  readRegister(index: number, size: Size): Node {
    if (this.#afterSystem) {
      const opcode = { 8: OP.I32_LOAD8_U, 16: OP.I32_LOAD16_U, 32: OP.I32_LOAD, 64: OP.I64_LOAD }[
        size
      ];
      return nodes.load(opcode, size, nodes.constant32(0), this.fieldOffset('gpr', index));
    }
    this.#used |= 1 << index;
    return nodes.zeroExtended(this.#word(LOCAL.GPR + index), size);
  }

  protected readOperand(operand: Operand): Node {
    const size = operand.size as Size;
    switch (operand.kind) {
      case 'register':
        if (!operand.isHigh) return this.readRegister(operand.index, size);
        return nodes.zeroExtended(
          nodes.binary(OP.I32_SHR_U, this.readRegister(operand.index, 32), nodes.constant32(8)),
          8,
        );
      case 'immediate':
        if (operand.role === 'fixed') return this.constant(operand.index, size);
        if (operand.index === 1) return nodes.constant32(this.decoded.secondImmediate, 8);
        if (size === 64)
          return nodes.constant64(this.decoded.immediateHigh, this.decoded.immediateLow);
        return this.constant(this.decoded.immediateLow, size);
      case 'segment':
        return nodes.masked(this.readState('segSelector', operand.index), 16);
      default:
        assert(false, `an operand of kind ${operand.kind} can be read`);
    }
  }

  protected commitWrite(target: Operand | number, value: Node): void {
    const index = typeof target === 'number' ? target : target.index;
    const isHigh = typeof target !== 'number' && target.isHigh;
    if (this.#afterSystem) {
      this.#storeRegister(index, isHigh, value);
      return;
    }
    this.#written |= 1 << index;
    const place = LOCAL.GPR + index;
    if (value.size === 64 || (!this.wide && value.size === 32)) {
      this.setLocal(place, nodes.zeroExtended(value, this.wide ? 64 : 32));
      return;
    }
    if (value.size === 32) {
      this.setLocal(place, nodes.zeroExtended(value, 64));
      return;
    }
    this.#used |= 1 << index;
    const shift = isHigh ? 8 : 0;
    const mask = (value.size === 8 ? 0xff : 0xffff) << shift;
    const keep = this.wide ? nodes.constant64(-1, ~mask) : nodes.constant32(~mask);
    const part = nodes.zeroExtended(nodes.resized(value, 32), this.wide ? 64 : 32);
    const moved = nodes.binary(OP.I32_SHL, part, this.addressConstant(shift));
    const old = nodes.binary(OP.I32_AND, this.#word(place), keep);
    this.setLocal(place, nodes.binary(OP.I32_OR, old, moved));
  }

  #storeRegister(index: number, isHigh: boolean, value: Node): void {
    const { size } = value;
    this.emit(nodes.constant32(0));
    this.emit(size === 32 ? nodes.zeroExtended(value, 64) : value);
    this.code.byte(size === 8 ? OP.I32_STORE8 : size === 16 ? OP.I32_STORE16 : OP.I64_STORE);
    this.code.byte(0);
    this.code.unsigned(this.fieldOffset('gpr', index) + (isHigh ? 1 : 0));
  }

  registerOffset(operand: Operand): Node {
    return nodes.constant32(
      operand.kind === 'vector' ? STATE.xmm + operand.index * 16 : registerOffset(operand),
    );
  }

  // --- Flags -----------------------------------------------------------------------------------

  protected oldFlags(): { operation: Node; a: Node; b: Node } {
    if (this.#afterSystem) {
      return {
        operation: this.readState('flagOp'),
        a: this.readState('flagA'),
        b: this.readState('flagB'),
      };
    }
    const operation =
      this.#op === undefined ? nodes.local(LOCAL.FLAG_OP, 32) : nodes.constant32(this.#op);
    return { operation, a: this.#word(LOCAL.FLAG_A), b: this.#word(LOCAL.FLAG_B) };
  }

  protected commitFlags(flags: PendingFlags): void {
    const size = this.wide ? 64 : 32;
    if (this.#afterSystem) {
      this.writeState('flagOp', flags.operation);
      this.writeState('flagA', nodes.zeroExtended(flags.a, 64));
      if (flags.b !== undefined) this.writeState('flagB', nodes.zeroExtended(flags.b, 64));
      return;
    }
    if (!this.#live.carry && !this.#live.rest) return;
    if (flags.b !== undefined) this.emit(nodes.zeroExtended(flags.b, size));
    this.emit(nodes.zeroExtended(flags.a, size));
    if (!nodes.isConstant(flags.operation)) {
      this.setLocal(LOCAL.FLAG_OP, flags.operation);
      this.#forgetOp();
    } else if (this.#op !== flags.operation.n || !this.#opStored) {
      this.#op = flags.operation.n;
      this.#opStored = false;
    }
    this.code.byte(OP.LOCAL_SET);
    this.code.unsigned(LOCAL.FLAG_A);
    if (flags.b !== undefined) {
      this.code.byte(OP.LOCAL_SET);
      this.code.unsigned(LOCAL.FLAG_B);
    }
  }

  /** A rotation whose other flags nobody sees need not look at what they were. */
  override flagsReplace(mask: number, bits: Value): void {
    if (this.#afterSystem || this.#live.rest || !(mask & EFLAGS.CF)) {
      super.flagsReplace(mask, bits);
      return;
    }
    if (!this.#live.carry) return;
    const value = nodes.binary(
      OP.I32_AND,
      nodes.zeroExtended(bits as Node, 32),
      nodes.constant32(mask),
    );
    this.flags = { operation: nodes.constant32(0), a: this.let(value), b: undefined };
  }

  carry(): Node {
    const { operation, a, b } = this.oldFlags();
    const known = nodes.isConstant(operation) ? flagCarry(operation.n, a, b) : undefined;
    return nodes.resized(known ?? this.let(this.invoke('carryOf', [operation, a, b])), 1);
  }

  condition(code: number): Node {
    const { operation, a, b } = this.oldFlags();
    const known = nodes.isConstant(operation) ? flagCondition(code, operation.n, a, b) : undefined;
    return nodes.resized(
      known ?? this.invoke('condition', [nodes.constant32(code), operation, a, b]),
      1,
    );
  }

  arithmeticFlags(): Node {
    const { operation, a, b } = this.oldFlags();
    return this.invoke('computeFlags', [operation, a, b]);
  }

  // --- Addresses -------------------------------------------------------------------------------

  protected effectiveAddress(): Node {
    const memory = this.decoded.memory;
    assert(memory !== undefined, 'a memory operand has an address form');
    if (memory.absolute) {
      return this.wide
        ? nodes.constant64(this.decoded.immediateHigh, this.decoded.immediateLow)
        : nodes.constant32(this.decoded.immediateLow);
    }
    const wordSize = this.wide ? 64 : 32;
    const displacement = this.addressConstant(memory.displacement);
    let sum: Node;
    if (memory.base === BASE_RIP) {
      const distance = this.#at + this.decoded.length - this.#entry + memory.displacement;
      sum = nodes.binary(OP.I32_ADD, this.#word(LOCAL.RIP), this.addressConstant(distance));
    } else {
      const base = memory.base >= 0 ? this.readRegister(memory.base, wordSize) : undefined;
      const index = this.#index(memory.index, memory.scale);
      const registers =
        base !== undefined && index !== undefined
          ? nodes.binary(OP.I32_ADD, base, index)
          : (base ?? index);
      sum =
        registers === undefined ? displacement : nodes.binary(OP.I32_ADD, registers, displacement);
    }
    return this.maskAddress(sum);
  }

  #index(index: number, scale: number): Node | undefined {
    const wordSize = this.wide ? 64 : 32;
    if (index === INDEX_AL) return nodes.zeroExtended(this.readRegister(0, 8), wordSize);
    if (index < 0) return undefined;
    return nodes.binary(
      OP.I32_SHL,
      this.readRegister(index, wordSize),
      this.addressConstant(scale),
    );
  }

  protected maskAddress(offset: Node): Node {
    const bits = this.decoded.addressSize;
    if (bits === 64 || (bits === 32 && !this.wide)) return offset;
    const mask = bits === 32 ? -1 : 0xffff;
    return nodes.binary(
      OP.I32_AND,
      offset,
      this.wide ? nodes.constant64(0, mask) : nodes.constant32(mask),
    );
  }

  addressMask(): Node {
    const bits = this.decoded.addressSize;
    return bits === 64 ? nodes.constant64(-1, -1) : nodes.constant64(0, bits === 32 ? -1 : 0xffff);
  }

  segmentIndex(): Node {
    const { memory, segment } = this.decoded;
    return nodes.constant32(memory?.segment ?? (segment >= 0 ? segment : 3));
  }

  protected segmentedLinear(
    operand: Operand | 'ES' | 'SS',
    offset: Node,
    bytes: number,
    write: boolean,
  ): Node {
    const segment = operand === 'SS' ? 2 : operand === 'ES' ? 0 : this.segmentIndex().n;
    if (this.wide) {
      return segment < 4
        ? offset
        : nodes.binary(OP.I32_ADD, this.readState('segEffBase', segment), offset);
    }
    const flat = segment === 1 ? MODE.FLAT_CODE : segment < 4 ? MODE.FLAT_DATA : 0;
    if (this.#mode & flat && !(segment === 1 && write)) return offset;
    const kept = this.let(offset);
    const base = nodes.load(
      OP.I32_LOAD,
      32,
      nodes.constant32(0),
      this.fieldOffset('segEffBase', segment),
    );
    const result = this.temporary(TYPE.I32);
    this.setLocal(result, nodes.binary(OP.I32_ADD, base, kept));
    if (bytes !== 0) {
      this.when(this.readState('segCheck', segment), () => {
        const checked = this.invoke('linearAddress', [
          nodes.constant32(segment),
          kept,
          nodes.constant32(bytes),
          nodes.constant32(write ? 1 : 0),
        ]);
        this.setLocal(result, nodes.zeroExtended(checked, 32));
        this.exitOnFault();
      });
    }
    return nodes.local(result, 32);
  }

  protected table(write: boolean): Node {
    return nodes.local(write ? LOCAL.WRITE_TABLE : LOCAL.READ_TABLE, 32);
  }

  stackMaskBits(): 16 | 32 | 64 | undefined {
    if (this.wide) return 64;
    return this.#mode & MODE.STACK32 ? 32 : 16;
  }

  addressMode64(): boolean {
    return this.wide;
  }

  // --- Faults and stores -----------------------------------------------------------------------

  exitOnFault(): void {
    this.when(this.readState('faultPending'), () => this.exitWithFault());
  }

  protected exitWithFault(): void {
    if (this.#afterSystem) this.#return(STATUS.FAULT);
    else this.#leaveAt(this.#at, STATUS.FAULT);
  }

  protected stackAccess(operand: Operand | 'SS'): Node {
    const isStack = operand === 'SS' || this.segmentIndex().n === SREG.SS;
    return nodes.constant32(this.wide && isStack ? ACCESS_STACK : 0);
  }

  protected slowStore(linear: Node, value: Node, access: Node): void {
    if (this.#afterSystem) {
      this.callNow('slowWrite', [linear, access, nodes.zeroExtended(value, 64)]);
      this.exitOnFault();
      return;
    }
    const extended = nodes.zeroExtended(value, 64);
    const result = this.invoke('translatedWrite', [linear, access, extended]);
    this.#afterTranslatedWrite(result);
  }

  protected slowStore16(linear: Node, access: Node): void {
    this.#afterTranslatedWrite(this.invoke('translatedWrite16', [linear, access]));
  }

  /** 1: a fault; 2: the store would change code, the interpreter must do this instruction. */
  #afterTranslatedWrite(result: Node): void {
    const kept = this.let(result);
    this.when(kept, () => {
      const status = nodes.binary(OP.I32_SHL, kept, nodes.constant32(1));
      if (!this.#opStored && this.#op !== undefined)
        this.setLocal(LOCAL.FLAG_OP, nodes.constant32(this.#op));
      this.setLocal(LOCAL.DELTA, nodes.constant32(this.#at - this.#entry));
      this.setLocal(LOCAL.STATUS, status);
      this.branch(this.#exit);
    });
  }

  // --- Control flow ----------------------------------------------------------------------------

  nextRip(): Node {
    return nodes.zeroExtended(
      this.#ripSum(nodes.constant32(this.#at + this.decoded.length - this.#entry)),
      this.size,
    );
  }

  jump(target: Value): void {
    const word = this.let(nodes.zeroExtended(target as Node, this.wide ? 64 : 32));
    if (this.wide) {
      const sixteen = nodes.constant64(0, 16);
      const extended = nodes.binary(OP.I32_SHR_S, nodes.binary(OP.I32_SHL, word, sixteen), sixteen);
      this.when(nodes.binary(OP.I32_NE, extended, word, 32), () => {
        this.callNow('checkJump', [word]);
        this.exitWithFault();
      });
    } else if (!(this.#mode & MODE.FLAT_CODE)) {
      this.callNow('checkJump', [word]);
      this.exitOnFault();
    }
    this.setLocal(LOCAL.TARGET, word);
    this.commit();
    this.#syncOp();
    this.branch(this.#chain);
    this.#ended = true;
  }

  /** Host address that a relative operand means, when operands are wide enough not to wrap. */
  #relativeHost(): number {
    return this.#at + this.decoded.length + this.decoded.immediateLow;
  }

  /** Whether a relative target may lie beyond the code segment, and so is checked when taken. */
  get #isTargetChecked(): boolean {
    return this.size === 16 || (!this.wide && !(this.#mode & MODE.FLAT_CODE));
  }

  /** The sum is taken in the operand size: a 32-bit one may lie beyond a 16-bit code segment. */
  #relativeTarget(): Node {
    const delta = this.#at + this.decoded.length - this.#entry;
    const next = nodes.zeroExtended(this.#ripSum(nodes.constant32(delta)), 32);
    const sum = nodes.binary(OP.I32_ADD, next, nodes.constant32(this.decoded.immediateLow));
    return nodes.zeroExtended(nodes.zeroExtended(sum, this.size), 32);
  }

  #goRelative(): void {
    if (this.#isTargetChecked) this.#checkedLeave(this.#relativeTarget());
    else this.#edge(this.#relativeHost());
  }

  #checkedLeave(target: Node): void {
    const kept = this.let(nodes.zeroExtended(target, this.wide ? 64 : 32));
    this.callNow('checkJump', [kept]);
    this.exitOnFault();
    this.#leaveTo(kept);
  }

  jumpRelative(): void {
    this.commit();
    this.#goRelative();
    this.#ended = true;
  }

  branchIf(condition: Value): void {
    const node = nodes.resized(condition as Node, 32);
    const kept = this.writes.length > 0 || this.#isTargetChecked ? this.let(node) : node;
    if (this.#isTargetChecked) {
      // A fault at the target comes before the counter of LOOP changes.
      this.when(kept, () => {
        this.callNow('checkJump', [this.#relativeTarget()]);
        this.exitOnFault();
      });
    }
    this.commit();
    const next = this.#at + this.decoded.length;
    const op = this.#op;
    const stored = this.#opStored;
    const block = this.#block;
    const index = this.#blockIndex;
    const { decoded } = this;
    const at = this.#at;
    this.when(kept, () => this.#goRelative());
    this.#op = op;
    this.#opStored = stored;
    this.#block = block;
    this.#blockIndex = index;
    this.decoded = decoded;
    this.#at = at;
    this.#edge(next);
    this.#ended = true;
  }

  callTarget(target: Value | Operand): void {
    if (!('role' in target)) {
      this.jump(target);
    } else if (this.#isTargetChecked) {
      this.jump(this.#relativeTarget());
    } else {
      this.commit();
      this.#leaveTo(this.#ripWord(this.#relativeHost()));
      this.#ended = true;
    }
  }

  returnTo(target: Value): void {
    this.jump(target);
  }

  // --- Runtime functions on the state ----------------------------------------------------------

  #spill(): void {
    this.needsState = true;
    this.#syncOp();
    this.#storeAll(this.#stateMask);
  }

  #reload(): void {
    for (let index = 0; index < 16; index++) {
      if (this.#stateMask & (1 << index)) this.#loadRegister(index);
    }
    this.#loadFlags();
    this.#forgetOp();
  }

  callWithState(name: string, args: readonly Value[], result?: ResultSize): Value {
    const kept = args.map((argument) => this.let(argument));
    this.#spill();
    const value = this.callNow(name, kept, result);
    this.#reload();
    this.exitOnFault();
    return value;
  }

  storeCall(name: string, args: readonly Value[]): void {
    this.#afterTranslatedWrite(this.invoke(name, [...args, nodes.constant32(1)]));
  }

  protected instructionRip(): Node {
    return this.#ripSum(nodes.constant32(this.#at - this.#entry));
  }

  protected modrm(): Node {
    return nodes.constant32(this.decoded.modrm);
  }

  #setRips(): void {
    this.writeState('rip', this.#ripSum(nodes.constant32(this.#at - this.#entry)));
    this.writeState(
      'nextRip',
      this.#ripSum(nodes.constant32(this.#at + this.decoded.length - this.#entry)),
    );
  }

  system(name: string, args: readonly Value[], result?: ResultSize): Value {
    const kept = args.map((argument) => this.let(argument));
    if (!this.#afterSystem) this.#spill();
    this.#afterSystem = true;
    this.#setRips();
    const value = this.callNow(name, kept, result);
    this.exitOnFault();
    return value;
  }

  stringCall(name: string, args: readonly Value[]): void {
    const kept = args.map((argument) => this.let(argument));
    this.#spill();
    this.#setRips();
    this.callNow(name, kept);
    this.when(this.readState('faultPending'), () => this.#return(STATUS.FAULT));
    // Stopped between two elements, or code changed: the run loop goes on from the state.
    const stopped = nodes.binary(OP.I32_EQ, this.readState('rip'), this.readState('nextRip'), 32);
    this.when(nodes.binary(OP.I32_OR, stopped, this.readState('codeChanged')), () =>
      this.#return(STATUS.SYSTEM),
    );
    this.#reload();
  }
}

/** Which flags may be seen after an instruction: CF, and the other five. */
interface LiveFlags {
  readonly carry: boolean;
  readonly rest: boolean;
}

/** For each instruction of a block, the flags behind it that anything may see. */
function flagLiveness(instructions: readonly Decoded[]): readonly LiveFlags[] {
  const live: LiveFlags[] = [];
  let needed: LiveFlags = { carry: true, rest: true };
  for (const decoded of instructions.toReversed()) {
    live.push(needed);
    needed = neededBefore(decoded, needed);
  }
  return live.reverse();
}

/** What must be true before an instruction, given what is needed after it. */
function neededBefore(decoded: Decoded, after: LiveFlags): LiveFlags {
  const { instruction } = decoded.row;
  const touchesMemory = decoded.memory !== undefined && instruction.mnemonic !== 'lea';
  // A fault shows the flags as they were before.
  if (instruction.usesFlags || !instruction.noFault || touchesMemory)
    return { carry: true, rest: true };
  if (instruction.setsFlags) return { carry: false, rest: false };
  if (instruction.keepsCarry) return { carry: after.carry, rest: false };
  if (instruction.setsCarry) {
    // A rotation by nothing, or by a register, may leave CF as it was.
    const isSure = instruction.mnemonic.startsWith('b') || isShiftSure(decoded);
    return { carry: !isSure && after.carry, rest: after.rest };
  }
  if (instruction.shifts && isShiftSure(decoded)) return { carry: false, rest: false };
  return after;
}

/** Whether a shift's count is a constant that no operand size masks to zero. */
function isShiftSure(decoded: Decoded): boolean {
  const count = decoded.operands[1];
  if (count?.kind !== 'immediate') return false;
  return ((count.role === 'fixed' ? count.index : decoded.immediateLow) & 0x1f) !== 0;
}
