import { assert } from '@umbra/base';
import {
  BASE_RIP,
  INDEX_AL,
  type Operand,
  type ResultSize,
  type Size,
  type Value,
} from '@umbra/isa';
import { Builder, type CodeTarget, type Label, type PendingFlags } from './builder.ts';
import { registerOffset } from './code-cache.ts';
import { flagCarry, flagCondition } from './flag-expressions.ts';
import { flagLiveness, type LiveFlags } from './flag-liveness.ts';
import type { Node } from './nodes.ts';
import * as nodes from './nodes.ts';
import { isCallNested, type RegionBlock, type RegionGraph } from './region-graph.ts';
import { LOCAL } from './region-locals.ts';
import { FLAGS_BIT, RegisterFlow, type TransferPoint } from './register-flow.ts';
import {
  ACCESS_STACK,
  CALL_DEPTH_MAX,
  CPU_AREA,
  EFLAGS,
  JUMP_CACHE,
  MODE,
  SREG,
  STATE,
  STATUS,
} from './state-layout.ts';
import { Code, OP, TYPE, type WasmType } from './wasm/code.ts';
import { type ModuleBuilder, REGION_SIGNATURE } from './wasm/module.ts';

/** A place in the body whose code is known only when the whole region is. */
type Gap =
  /** Stores to the state block, or loads from it. */
  | { readonly kind: 'transfer'; readonly position: number; readonly point: TransferPoint }
  /** The number that tells the shared exit what to store. */
  | { readonly kind: 'mask'; readonly position: number; readonly point: TransferPoint }
  /** The index of the region's own function. */
  | { readonly kind: 'self'; readonly position: number };

/** Builds the wasm function of one region. */
export class RegionBuilder extends Builder {
  readonly #mode: number;
  readonly #graph: RegionGraph;
  readonly #words: WasmType;
  readonly #flow: RegisterFlow;
  /** All registers that any block writes. */
  #written = 0;
  #usesKey = false;
  #usesReadTable = false;
  #usesWriteTable = false;
  #at = 0;
  #afterSystem = false;
  #ended = false;
  #block!: RegionBlock;
  #blockIndex = 0;
  readonly #gaps: Gap[] = [];
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
    target: CodeTarget;
    mode: number;
    graph: RegionGraph;
  }) {
    super({
      module: options.module,
      target: options.target,
      wide: (options.mode & MODE.CODE_SIZE) === 2,
      firstLocal: LOCAL.COUNT,
    });
    this.#mode = options.mode;
    this.#graph = options.graph;
    this.#flow = new RegisterFlow(options.graph.blocks.length);
    this.#words = this.wide ? TYPE.I64 : TYPE.I32;
  }

  /** Types of all locals behind the parameters. */
  get allLocals(): readonly WasmType[] {
    const word = this.#words;
    const { I32 } = TYPE;
    const registers = new Array<WasmType>(16).fill(word);
    const own = [I32, word, word, word, I32, I32, I32, I32, word, I32, I32, I32];
    return [...registers, ...own, ...this.localTypes];
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
    this.#storeMasked();
    this.writeState('rip', this.#ripSum(nodes.local(LOCAL.DELTA, 32)));
    this.emit(nodes.local(LOCAL.STATUS, 32));
    return this.#assemble();
  }

  /** Puts the prologue before the body and fills its gaps. */
  #assemble(): Code {
    const rest = this.code.view().slice();
    this.#flow.solve();
    const body = new Code();
    const emitInto = (emit: () => void) => {
      this.code.clear();
      emit();
      body.append(this.code);
    };
    emitInto(() => this.#emitPrologue());
    let from = 0;
    for (const gap of this.#gaps) {
      body.raw(rest.subarray(from, gap.position));
      from = gap.position;
      emitInto(() => this.#fill(gap));
    }
    body.raw(rest.subarray(from));
    return body;
  }

  #fill(gap: Gap): void {
    if (gap.kind === 'self') {
      this.code.unsigned(this.module.firstIndex);
      return;
    }
    const mask = this.#flow.maskAt(gap.point);
    if (gap.kind === 'mask') this.setLocal(LOCAL.MASK, nodes.constant32(mask));
    else if (gap.point.kind === 'store') this.#storeAll(mask);
    else this.#loadAll(mask);
  }

  /** Stores what differs from the state block. */
  #store(): void {
    const point = this.#flow.store();
    this.#gaps.push({ kind: 'transfer', position: this.code.length, point });
  }

  /** Loads what is needed of a state block that may have changed. */
  #load(): void {
    const point = this.#flow.load();
    this.#gaps.push({ kind: 'transfer', position: this.code.length, point });
    this.#forgetOp();
  }

  #word(index: number): Node {
    return nodes.local(index, this.wide ? 64 : 32);
  }

  #emitPrologue(): void {
    this.#loadAll(this.#flow.atEntry);
    this.setLocal(LOCAL.RIP, this.#loadWord('rip'));
    if (this.#usesReadTable) this.setLocal(LOCAL.READ_TABLE, this.readState('readTable'));
    if (this.#usesWriteTable) this.setLocal(LOCAL.WRITE_TABLE, this.readState('writeTable'));
    if (this.#usesKey) this.setLocal(LOCAL.KEY, this.readState('jumpKey'));
  }

  #loadAll(mask: number): void {
    for (let index = 0; index < 16; index++) {
      if (mask & (1 << index)) this.setLocal(LOCAL.GPR + index, this.#loadWord('gpr', index));
    }
    if (!(mask & FLAGS_BIT)) return;
    this.setLocal(LOCAL.FLAG_OP, this.readState('flagOp'));
    this.setLocal(LOCAL.FLAG_A, this.#loadWord('flagA'));
    this.setLocal(LOCAL.FLAG_B, this.#loadWord('flagB'));
  }

  /** Stores what MASK says: many rare ways out share this. */
  #storeMasked(): void {
    const mask = nodes.local(LOCAL.MASK, 32);
    for (let bit = 1; bit <= FLAGS_BIT; bit <<= 1) {
      if (!(this.#written & bit)) continue;
      this.when(nodes.binary(OP.I32_AND, mask, nodes.constant32(bit)), () => this.#storeAll(bit));
    }
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

  /** Stores registers, and the flags, under a mask to the state block. */
  #storeAll(mask: number): void {
    for (let index = 0; index < 16; index++) {
      if (mask & (1 << index)) this.writeState('gpr', this.#word(LOCAL.GPR + index), index);
    }
    if (!(mask & FLAGS_BIT)) return;
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
  #ripWord(at: number): Node {
    return nodes.zeroExtended(this.#ripSum(nodes.constant32(at)), this.wide ? 64 : 32);
  }

  /** TARGET, the RIP to go on at, becomes a linear address. */
  #emitLeave(): void {
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
    this.block((miss) => {
      this.#findFunction(miss, this.readState('jumpKey'));
      this.emit(nodes.local(LOCAL.CALL_DEPTH, 32));
      this.emit(nodes.local(LOCAL.STATUS, 32));
      this.code.byte(OP.RETURN_CALL_INDIRECT);
      this.code.unsigned(this.module.type(REGION_SIGNATURE));
      this.code.unsigned(0);
    });
    this.#return(STATUS.JUMP);
  }

  /** STATUS becomes the function at the linear address TARGET. */
  #findFunction(miss: Label, key: Node): void {
    const low = this.wide
      ? nodes.operation(OP.I32_WRAP_I64, 32, [this.#word(LOCAL.TARGET)])
      : this.#word(LOCAL.TARGET);
    const { I32_SHR_U, I32_XOR } = OP;
    const generation = nodes.binary(I32_SHR_U, key, nodes.constant32(14));
    const product = nodes.binary(OP.I32_MUL, generation, nodes.constant32(0x9e37_79b1));
    const spread = nodes.binary(I32_SHR_U, product, nodes.constant32(18));
    const folded = nodes.binary(I32_XOR, low, nodes.binary(I32_SHR_U, low, nodes.constant32(12)));
    const mixed = nodes.binary(I32_XOR, folded, spread);
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
    this.branchWhen(nodes.binary(OP.I32_NE, tag, this.#word(LOCAL.TARGET), 32), miss);
    const entryKey = nodes.load(OP.I32_LOAD, 32, entry, cache + 8);
    this.branchWhen(nodes.binary(OP.I32_NE, entryKey, key, 32), miss);
    this.setLocal(LOCAL.STATUS, nodes.load(OP.I32_LOAD, 32, entry, cache + 12));
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

  /** Goes to a place of the code from the current block: inside the region where that can be. */
  #edge(at: number): void {
    const to = this.#graph.order.get(at);
    if (to === undefined || this.#graph.cut.has(`${this.#blockIndex}:${to}`)) {
      this.#leaveTo(this.#ripWord(at));
      return;
    }
    this.#flow.edge(to);
    if (to <= this.#blockIndex) {
      this.#syncOp();
      const label = this.#loopLabels.get(to);
      assert(label !== undefined, 'a back edge goes to a loop that is open');
      this.when(this.readState('pending'), () => {
        this.setLocal(LOCAL.TARGET, this.#ripWord(at));
        this.#goChain();
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
    this.#keepingBlock(() => this.#tree(to));
  }

  /** Emits something that may contain other blocks, and is in the current block again. */
  #keepingBlock(emit: () => void): void {
    const before = {
      block: this.#block,
      index: this.#blockIndex,
      flow: this.#flow.position,
      decoded: this.decoded,
      at: this.#at,
      op: this.#op,
      stored: this.#opStored,
    };
    emit();
    this.#block = before.block;
    this.#blockIndex = before.index;
    this.#flow.resume(before.flow);
    this.decoded = before.decoded;
    this.#at = before.at;
    this.#op = before.op;
    this.#opStored = before.stored;
  }

  #leaveTo(target: Node): void {
    this.#syncOp();
    this.setLocal(LOCAL.TARGET, target);
    this.#goChain();
  }

  /** Leaves for TARGET. */
  #goChain(): void {
    this.#store();
    this.branch(this.#chain);
  }

  /** Leaves by the exit that DELTA and STATUS describe. */
  #goExit(): void {
    const point = this.#flow.store();
    this.#gaps.push({ kind: 'mask', position: this.code.length, point });
    this.branch(this.#exit);
  }

  /** Leaves at the current instruction, with everything as before it. */
  #leaveAt(at: number, status: number): void {
    if (!this.#opStored && this.#op !== undefined)
      this.setLocal(LOCAL.FLAG_OP, nodes.constant32(this.#op));
    this.setLocal(LOCAL.DELTA, nodes.constant32(at));
    this.setLocal(LOCAL.STATUS, nodes.constant32(status));
    this.#goExit();
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
    this.#flow.begin(index);
    const live = flagLiveness(block.instructions);
    this.#at = block.at;
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
    this.#flow.use(1 << index);
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
    if (value.size < 32) this.#flow.use(1 << index);
    this.#flow.write(1 << index);
    const place = LOCAL.GPR + index;
    if (value.size === 64 || (!this.wide && value.size === 32)) {
      this.setLocal(place, nodes.zeroExtended(value, this.wide ? 64 : 32));
      return;
    }
    if (value.size === 32) {
      this.setLocal(place, nodes.zeroExtended(value, 64));
      return;
    }
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
    this.#flow.use(FLAGS_BIT);
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
    this.#written |= FLAGS_BIT;
    this.#flow.write(FLAGS_BIT);
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
      const distance = this.#at + this.decoded.length + memory.displacement;
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
    if (write) this.#usesWriteTable = true;
    else this.#usesReadTable = true;
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
      this.setLocal(LOCAL.DELTA, nodes.constant32(this.#at));
      this.setLocal(LOCAL.STATUS, status);
      this.#goExit();
    });
  }

  // --- Control flow ----------------------------------------------------------------------------

  nextRip(): Node {
    return nodes.zeroExtended(
      this.#ripSum(nodes.constant32(this.#at + this.decoded.length)),
      this.size,
    );
  }

  jump(target: Value): void {
    this.#setTarget(target);
    this.#goChain();
    this.#ended = true;
  }

  /** Ends the instruction with TARGET checked and set, and the flags complete. */
  #setTarget(target: Value): void {
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
  }

  /** The place that a relative operand means, when operands are wide enough not to wrap. */
  #relativePlace(): number {
    return this.#at + this.decoded.length + this.decoded.immediateLow;
  }

  /** Whether a relative target may lie beyond the code segment, and so is checked when taken. */
  get #isTargetChecked(): boolean {
    return this.size === 16 || (!this.wide && !(this.#mode & MODE.FLAT_CODE));
  }

  /** The sum is taken in the operand size: a 32-bit one may lie beyond a 16-bit code segment. */
  #relativeTarget(): Node {
    const delta = this.#at + this.decoded.length;
    const next = nodes.zeroExtended(this.#ripSum(nodes.constant32(delta)), 32);
    const sum = nodes.binary(OP.I32_ADD, next, nodes.constant32(this.decoded.immediateLow));
    return nodes.zeroExtended(nodes.zeroExtended(sum, this.size), 32);
  }

  #goRelative(): void {
    if (this.#isTargetChecked) this.#checkedLeave(this.#relativeTarget());
    else this.#edge(this.#relativePlace());
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
    this.#keepingBlock(() => this.when(kept, () => this.#goRelative()));
    this.#edge(next);
    this.#ended = true;
  }

  callTarget(target: Value | Operand): void {
    const next = this.#at + this.decoded.length;
    const isNested = isCallNested(this.decoded, this.#mode) && this.#graph.order.has(next);
    if ('role' in target && this.#isTargetChecked) {
      this.jump(this.#relativeTarget());
    } else if (!isNested) {
      this.jump('role' in target ? this.#ripWord(this.#relativePlace()) : target);
    } else {
      this.#setTarget('role' in target ? this.#ripWord(this.#relativePlace()) : target);
      this.#callRegion(next, 'role' in target && this.#relativePlace() === 0);
      this.#edge(next);
    }
    this.#ended = true;
  }

  /**
   * Calls the function of the region at TARGET and goes on here when it comes back with a near
   * return to `next`, under the same mappings and mode. Whatever else happened, everything is in
   * the state block, and this region gives the status on to its caller.
   */
  #callRegion(next: number, isRecursive: boolean): void {
    this.#usesKey = true;
    const depth = nodes.local(LOCAL.CALL_DEPTH, 32);
    const isDeep = nodes.binary(OP.I32_EQ, depth, nodes.constant32(CALL_DEPTH_MAX));
    this.#store();
    // An endless recursion comes by here, where what is pending is seen.
    this.branchWhen(isDeep, this.#chain);
    this.writeState('rip', this.#word(LOCAL.TARGET));
    this.block((back) => {
      this.block((miss) => {
        if (!isRecursive) this.#findFunction(miss, nodes.local(LOCAL.KEY, 32));
        this.emit(nodes.binary(OP.I32_ADD, depth, nodes.constant32(1)));
        if (isRecursive) {
          this.code.byte(OP.CALL);
          this.#gaps.push({ kind: 'self', position: this.code.length });
        } else {
          this.emit(nodes.local(LOCAL.STATUS, 32));
          this.code.byte(OP.CALL_INDIRECT);
          this.code.unsigned(this.module.type(REGION_SIGNATURE));
          this.code.unsigned(0);
        }
        this.code.byte(OP.LOCAL_SET);
        this.code.unsigned(LOCAL.STATUS);
        const status = nodes.local(LOCAL.STATUS, 32);
        const differs = nodes.binary(OP.I32_XOR, status, nodes.constant32(STATUS.RETURN));
        const key = nodes.local(LOCAL.KEY, 32);
        const isOther = nodes.binary(OP.I32_XOR, this.readState('jumpKey'), key);
        const isElsewhere = nodes.binary(OP.I32_NE, this.#loadWord('rip'), this.#ripWord(next), 32);
        const wrong = [isOther, isElsewhere, this.readState('pending')].reduce(
          (sum, one) => nodes.binary(OP.I32_OR, sum, one),
          differs,
        );
        this.branchWhen(nodes.operation(OP.I32_EQZ, 32, [wrong]), back);
        this.emit(status);
        this.code.byte(OP.RETURN);
      });
      this.#return(STATUS.JUMP);
    });
    this.#load();
  }

  returnTo(target: Value): void {
    if (!this.wide && !(this.#mode & MODE.FLAT_CODE)) {
      this.jump(target);
      return;
    }
    this.#setTarget(target);
    this.when(nodes.local(LOCAL.CALL_DEPTH, 32), () => {
      this.#store();
      this.writeState('rip', this.#word(LOCAL.TARGET));
      this.#return(STATUS.RETURN);
    });
    this.#goChain();
    this.#ended = true;
  }

  // --- Runtime functions on the state ----------------------------------------------------------

  /** The state block holds everything. */
  #spill(): void {
    this.#syncOp();
    this.#store();
    this.#flow.noteClean();
  }

  callWithState(name: string, args: readonly Value[], result?: ResultSize): Value {
    const kept = args.map((argument) => this.let(argument));
    this.#spill();
    const value = this.callNow(name, kept, result);
    this.#load();
    this.exitOnFault();
    return value;
  }

  storeCall(name: string, args: readonly Value[]): void {
    this.#afterTranslatedWrite(this.invoke(name, [...args, nodes.constant32(1)]));
  }

  protected instructionRip(): Node {
    return this.#ripSum(nodes.constant32(this.#at));
  }

  protected modrm(): Node {
    return nodes.constant32(this.decoded.modrm);
  }

  #setRips(): void {
    this.writeState('rip', this.#ripSum(nodes.constant32(this.#at)));
    this.writeState('nextRip', this.#ripSum(nodes.constant32(this.#at + this.decoded.length)));
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
    this.#load();
  }
}
