import { assert, UmbraError } from '@umbra/base';
import { buildOpcodeMap, Decoder, ROWS } from '@umbra/isa';
import {
  type LongModeState,
  type ProtectedModeState,
  setLongMode,
  setProtectedMode,
} from './boot-state.ts';
import { CodeCache } from './code-cache.ts';
import { cpuid, TSC_HZ } from './cpuid.ts';
import { dumpProcessor } from './dump.ts';
import { DEFAULT_CPU_MODEL, type HiddenFeatures, parseCpuModel } from './features.ts';
import { type FunctionPlacer, HandlerStore } from './handler-store.ts';
import { PhysicalMemory } from './physical-memory.ts';
import { FIRST_TABLE_SLOT, instantiateRuntime, type Runtime, TABLE_SLOTS } from './runtime.ts';
import { RUNTIME_FUNCTIONS } from './runtime-functions.ts';
import { StateView } from './state.ts';
import { AREA, BLOCK_MODE, EXIT, MODE, PENDING, SREG, STATE } from './state-layout.ts';
import { Translator } from './translator.ts';
import type { ModuleBuilder } from './wasm/module.ts';

export type Engine = 'interpreter' | 'translator' | 'forced';
export type MmuMode = 'shadow' | 'two-stage';

/** What the processor asks of the machine; all called on the processor's thread, never throwing. */
export interface ProcessorHost {
  ioRead(port: number, size: 1 | 2 | 4): number;
  ioWrite(port: number, size: 1 | 2 | 4, value: number): void;
  /** Guest-physical accesses that hit neither RAM nor mapped memory. */
  mmioRead(address: number, size: 1 | 2 | 4): number;
  mmioWrite(address: number, size: 1 | 2 | 4, value: number): void;
  /** INTA: the vector to deliver now, or -1 when the request went away. */
  acknowledgeInterrupt(): number;
  /** Called between two guest instructions after requestService(). */
  service(): void;
  /** Monotonic machine time in nanoseconds. */
  now(): number;
  /** A MSR of the local APIC; undefined: #GP(0). */
  readMsr(index: number): { lo: number; hi: number } | undefined;
  writeMsr(index: number, lo: number, hi: number): boolean;
  readCr8(): number;
  writeCr8(value: number): void;
  /** 32 random bits (RDRAND). */
  random(): number;
}

export interface ProcessorOptions {
  readonly ramBytes: number;
  readonly engine: Engine;
  readonly mmu: MmuMode;
  readonly host: ProcessorHost;
  /** Made by createMemory(). */
  readonly memory: WebAssembly.Memory;
  /** The compiled AssemblyScript runtime. */
  readonly runtime: Uint8Array;
  /** `MODEL[,-FEATURE...]`, see parseCpuModel(); DEFAULT_CPU_MODEL when there is none. */
  readonly cpu?: string;
  /** Executions of a block before it is translated. */
  readonly threshold?: number;
}

export type RunExit =
  | { readonly kind: 'halt' }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'failure'; readonly message: string };

/** Largest RAM in bytes. */
export const RAM_BYTES_MAX = 0xb800_0000;
const MEMORY_PAGES_MAX = 65_536;
const DEFAULT_THRESHOLD = 1000;
const RUN = { EXIT: 0, SERVICE: 1, DECODE: 2, TRANSLATE: 3 } as const;

/** The shared memory block of a machine with this much RAM and video memory (with ROMs). */
export function createMemory(ramBytes: number, videoBytes: number): WebAssembly.Memory {
  const bytes = AREA.RAM + ramBytes + videoBytes + 0x1_0000;
  if (bytes > MEMORY_PAGES_MAX * 0x1_0000) {
    throw new UmbraError(
      'MEMORY_TOO_LARGE',
      `Memory of ${ramBytes} bytes was asked for, expected at most ${RAM_BYTES_MAX}`,
      { ramBytes },
    );
  }
  return new WebAssembly.Memory({
    initial: Math.ceil(bytes / 0x1_0000),
    maximum: MEMORY_PAGES_MAX,
    shared: true,
  });
}

/** One virtual processor with its memory management, engines and caches. */
export class Processor {
  readonly guestMemory: PhysicalMemory;
  readonly state: StateView;
  /** The word that other threads set bits of PENDING in, with Atomics. */
  readonly pendingWord: { readonly buffer: SharedArrayBuffer; readonly byteOffset: number };
  readonly #host: ProcessorHost;
  readonly #runtime: Runtime;
  readonly #code: CodeCache;
  readonly #translator: Translator;
  readonly #pending: Int32Array;
  readonly #threshold: number;
  readonly #mmu: MmuMode;
  readonly #handlers: HandlerStore;
  readonly #hidden: HiddenFeatures;
  #halted = false;

  private constructor(options: ProcessorOptions) {
    const cpuBase = AREA.CPU;
    this.#host = options.host;
    this.#mmu = options.mmu;
    this.guestMemory = new PhysicalMemory(options.memory, options.ramBytes);
    this.state = new StateView(options.memory.buffer, cpuBase);
    const pendingOffset = cpuBase + STATE.pending;
    this.pendingWord = { buffer: options.memory.buffer, byteOffset: pendingOffset };
    this.#pending = new Int32Array(options.memory.buffer, pendingOffset, 1);
    const instance = instantiateRuntime({
      module: new WebAssembly.Module(options.runtime),
      memory: options.memory,
      cpuBase,
      imports: this.#imports(),
    });
    this.#runtime = instance.runtime;
    for (const name of Object.keys(RUNTIME_FUNCTIONS)) {
      assert(typeof instance.environment[name] === 'function', `the runtime exports ${name}`);
    }
    this.#hidden = parseCpuModel(options.cpu ?? DEFAULT_CPU_MODEL);
    const decoder = new Decoder(buildOpcodeMap(ROWS.filter((row) => !this.#hidden.hides(row))));
    const slots = new TableSlots();
    const limits = { minimum: 1, maximum: MEMORY_PAGES_MAX };
    const placer: FunctionPlacer = {
      allocate: () => slots.allocate(),
      instantiate: (module: ModuleBuilder) => {
        const compiled = new WebAssembly.Module(module.encode(limits));
        new WebAssembly.Instance(compiled, { env: instance.environment });
      },
    };
    const release = (slot: number) => {
      instance.table.set(slot, null);
      slots.release(slot);
    };
    const target = { cpuBase, isTwoStage: options.mmu === 'two-stage' };
    this.#handlers = new HandlerStore(placer, target);
    this.#code = new CodeCache({
      memory: options.memory,
      decoder,
      handlers: this.#handlers,
      runtime: this.#runtime,
      release,
    });
    this.#translator = new Translator({
      memory: options.memory,
      decoder,
      placer,
      target,
      code: this.#code,
    });
    const threshold = options.threshold ?? DEFAULT_THRESHOLD;
    this.#threshold =
      options.engine === 'interpreter' ? 0 : options.engine === 'forced' ? 1 : threshold;
    this.guestMemory.watch({
      noteHostWrite: (host, size) => this.#runtime.noteHostWrite(host, size),
      notePageReplaced: (host) => this.#runtime.notePageReplaced(host),
      mapChanged: () => this.#mapChanged(),
    });
    this.reset();
  }

  static create(options: ProcessorOptions): Processor {
    return new Processor(options);
  }

  #imports() {
    const host = this.#host;
    const size = (value: number) => value as 1 | 2 | 4;
    const address = (low: number, high: number) => (high >>> 0) * 2 ** 32 + (low >>> 0);
    return {
      mmioRead: (low: number, high: number, bytes: number) =>
        host.mmioRead(address(low, high), size(bytes)) | 0,
      mmioWrite: (low: number, high: number, bytes: number, value: number) =>
        host.mmioWrite(address(low, high), size(bytes), value >>> 0),
      ioRead: (port: number, bytes: number) => host.ioRead(port, size(bytes)) | 0,
      ioWrite: (port: number, bytes: number, value: number) =>
        host.ioWrite(port, size(bytes), value >>> 0),
      acknowledgeInterrupt: () => host.acknowledgeInterrupt(),
      readTsc: () => this.state.set('msrValue', this.#ticks()),
      readApicMsr: (index: number) => this.#readApicMsr(index >>> 0),
      writeApicMsr: (index: number) => this.#writeApicMsr(index >>> 0),
      readCr8: () => host.readCr8(),
      writeCr8: (value: number) => host.writeCr8(value),
      random32: () => host.random() | 0,
      cpuid: () => this.#cpuid(),
      codeInvalidated: (page: number) => {
        this.#code.invalidatePage(page >>> 0);
        Atomics.or(this.#pending, 0, PENDING.UNWIND);
      },
    };
  }

  /** The counter before the guest's offset. */
  #ticks(): number {
    return Math.floor((this.#host.now() * TSC_HZ) / 1e9);
  }

  /** The time stamp counter as the guest reads it. */
  timeStamp(): bigint {
    return BigInt.asUintN(64, BigInt(this.#ticks()) + this.state.get64('tscOffset'));
  }

  #readApicMsr(index: number): number {
    const value = this.#host.readMsr(index);
    if (value === undefined) return 0;
    this.state.set64('msrValue', (BigInt(value.hi >>> 0) << 32n) | BigInt(value.lo >>> 0));
    return 1;
  }

  #writeApicMsr(index: number): number {
    const value = this.state.get64('msrValue');
    return this.#host.writeMsr(index, Number(value & 0xffff_ffffn), Number(value >> 32n)) ? 1 : 0;
  }

  #cpuid(): void {
    const { state } = this;
    const apicBase = this.#host.readMsr(0x1b);
    const miscEnable = state.get64('msrMiscEnable');
    const result = cpuid(state.get('gpr', 0), state.get('gpr', 1), {
      cr4: state.get('cr4'),
      code64: (state.get('modeKey') & MODE.CODE_SIZE) === 2,
      apicEnabled: ((apicBase?.lo ?? 0) & 0x800) !== 0,
      apicId: 0,
      processorCount: 1,
      miscEnableLow: Number(miscEnable & 0xffff_ffffn),
      miscEnableHigh: Number(miscEnable >> 32n),
      hidden: this.#hidden.masks,
    });
    state.set('gpr', result.eax >>> 0, 0);
    state.set('gpr', result.ebx >>> 0, 3);
    state.set('gpr', result.ecx >>> 0, 1);
    state.set('gpr', result.edx >>> 0, 2);
  }

  #mapChanged(): void {
    this.#runtime?.flushAll();
  }

  /** Power-on state: CS:IP = F000:FFF0, base FFFF0000. */
  reset(): void {
    this.#halted = false;
    this.#code.clear();
    this.state.set('engine', this.#threshold);
    this.state.set('mmuTwoStage', this.#mmu === 'two-stage' ? 1 : 0);
    this.state.set64('a20Mask', 0xffff_ffff_ffff_ffffn);
    this.#runtime.resetProcessor();
    this.state.set('cr4Hidden', this.#hidden.cr4);
    this.state.set('eferHidden', this.#hidden.efer);
    this.#runtime.resetPaging();
    this.#runtime.updateMode();
    this.state.set('exitReason', EXIT.NONE);
  }

  /** Runs until there is something to report. */
  run(): RunExit {
    for (;;) {
      if (this.#halted && !this.#wakes()) {
        const early = this.#serve();
        if (early !== undefined) return early;
        if (!this.#wakes()) return { kind: 'halt' };
      }
      this.#halted = false;
      const exit = this.#step();
      if (exit !== undefined) return exit;
    }
  }

  /** Whether something ends a HLT. */
  #wakes(): boolean {
    const pending = Atomics.load(this.#pending, 0);
    if (pending & (PENDING.NMI | PENDING.INIT) || this.state.get('nmiLatched') !== 0) return true;
    return this.state.get('interruptLine') !== 0 && (this.state.get('systemFlags') & 0x200) !== 0;
  }

  #step(): RunExit | undefined {
    const runtime = this.#runtime;
    switch (runtime.run()) {
      case RUN.SERVICE:
        return this.#serve();
      case RUN.DECODE:
        return this.#decode();
      case RUN.TRANSLATE:
        this.#translate(runtime.hotBlock() >>> 0);
        return undefined;
      default:
        return this.#exit();
    }
  }

  #translate(block: number): void {
    const { state } = this;
    const mode = state.get('modeKey');
    const linear = state.get64('segEffBase', SREG.CS) + state.get64('rip');
    const user = mode & MODE.USER ? 1 : 0;
    // A block whose pages keep being mapped otherwise is translated from its own page alone.
    const isAlone = this.#runtime.isMisfit(block) !== 0;
    const isWide = (mode & MODE.CODE_SIZE) === 2;
    const hasNeighbours = !isAlone && (isWide || (mode & MODE.FLAT_CODE) !== 0);
    this.#translator.translate(block, {
      takesUnknown: this.#threshold === 1,
      hostPage: (index) => {
        if (!hasNeighbours) return 0;
        const page = BigInt.asIntN(64, (linear & ~0xfffn) + BigInt(index) * 0x1000n);
        const isOutside = isWide
          ? page !== BigInt.asIntN(48, page)
          : page !== BigInt.asUintN(32, page);
        return isOutside ? 0 : this.#runtime.probeFetch(BigInt.asUintN(64, page), user) >>> 12;
      },
    });
  }

  #serve(): RunExit | undefined {
    const pending = Atomics.and(this.#pending, 0, ~(PENDING.SERVICE | PENDING.STOP | PENDING.INIT));
    if (pending & PENDING.SERVICE) this.#host.service();
    if (pending & PENDING.INIT) this.#runtime.initProcessor();
    return pending & PENDING.STOP ? { kind: 'stopped' } : undefined;
  }

  #decode(): RunExit | undefined {
    const host = this.#runtime.missHost() >>> 0;
    if (host === 0) {
      return {
        kind: 'failure',
        message: 'The guest jumped to an address where there is no memory',
      };
    }
    const { state } = this;
    const bail = this.#runtime.takeBail();
    const decoded = this.#code.decode(host, state.get('modeKey') & BLOCK_MODE, () => {
      const linear = (state.get64('segEffBase', 1) + state.get64('rip')) & ~0xfffn;
      const next = BigInt.asUintN(64, linear + 0x1000n);
      return this.#runtime.fetchHost(next, state.get('modeKey') & MODE.USER ? 1 : 0) >>> 0;
    });
    if (decoded && bail !== 0) this.#runtime.interpretOne();
    if (!decoded && state.get('faultPending') === 0) {
      return {
        kind: 'failure',
        message: 'An instruction runs into a page where there is no memory',
      };
    }
    return undefined;
  }

  #exit(): RunExit | undefined {
    const reason = this.state.get('exitReason');
    this.state.set('exitReason', EXIT.NONE);
    switch (reason) {
      case EXIT.HALT:
        this.#halted = true;
        return this.#wakes() ? undefined : { kind: 'halt' };
      case EXIT.SHUTDOWN:
        return { kind: 'shutdown' };
      default:
        return {
          kind: 'failure',
          message: `The processor cannot go on (detail ${this.state.get('exitDetail')})`,
        };
    }
  }

  /** INTR, as the local APIC or the 8259 drives it. */
  setInterruptLine(asserted: boolean): void {
    this.state.set('interruptLine', asserted ? 1 : 0);
    if (asserted) Atomics.or(this.#pending, 0, PENDING.INTERRUPT);
  }
  raiseNmi(): void {
    Atomics.or(this.#pending, 0, PENDING.NMI);
  }
  /** INIT: registers start anew, memory and caches stay. */
  requestInit(): void {
    Atomics.or(this.#pending, 0, PENDING.INIT);
  }
  requestStop(): void {
    Atomics.or(this.#pending, 0, PENDING.STOP);
  }
  requestService(): void {
    Atomics.or(this.#pending, 0, PENDING.SERVICE);
  }

  /** Sleeps until something is pending or `timeoutMs` passed. */
  waitForWork(timeoutMs: number): void {
    // A request for an interrupt that is masked does not end a HLT.
    Atomics.and(this.#pending, 0, ~PENDING.INTERRUPT);
    if (timeoutMs > 0 && Atomics.load(this.#pending, 0) === 0)
      Atomics.wait(this.#pending, 0, 0, timeoutMs);
  }

  setA20(enabled: boolean): void {
    this.state.set64('a20Mask', enabled ? 0xffff_ffff_ffff_ffffn : 0xffff_ffff_ffef_ffffn);
    this.#runtime.flushAll();
  }

  setProtectedMode(start: ProtectedModeState): void {
    setProtectedMode(this, start);
  }
  setLongMode(start: LongModeState): void {
    setLongMode(this, start);
  }
  /** Registers and the code at CS:RIP, for people. */
  dump(): string {
    return dumpProcessor(this);
  }

  save(): Record<string, string> {
    return this.state.save();
  }
  restore(saved: Readonly<Record<string, string>>): void {
    this.#code.clear();
    this.state.restore(saved);
    this.#runtime.resetPaging();
    this.#runtime.updateMode();
  }

  /** Called by boot.ts and others after they changed registers: mode, shadow and caches follow. */
  stateChanged(): void {
    this.#halted = false;
    this.#runtime.updateMode();
    this.#runtime.switchSpace();
    this.#runtime.updateMode();
  }

  get runtime(): Runtime {
    return this.#runtime;
  }

  stats(): Record<string, number> {
    const { state } = this;
    const count = (name: Parameters<StateView['get64']>[0]) => Number(state.get64(name));
    return {
      fills: count('statFills'),
      slowReads: count('statSlowReads'),
      slowWrites: count('statSlowWrites'),
      faults: count('statFaults'),
      interrupts: count('statInterrupts'),
      blocks: count('statBlocks'),
      interpreted: count('statInterpreted'),
      jumpMisses: count('statJumpMisses'),
      spaceSwitches: count('statSpaceSwitches'),
      handlers: this.#handlers.size,
      decodedBlocks: this.#code.decodedBlocks,
      codeInvalidations: this.#code.invalidations,
      codeFlushes: this.#code.flushes,
      codeBytes: this.#code.usedBytes,
      ...this.#translator.stats(),
    };
  }
}

/** Free slots of the function table behind those of the runtime. */
class TableSlots {
  readonly #free: number[] = [];
  #next = FIRST_TABLE_SLOT;

  allocate(): number {
    const slot = this.#free.pop() ?? this.#next++;
    assert(slot < TABLE_SLOTS, 'the function table has room');
    return slot;
  }
  release(slot: number): void {
    this.#free.push(slot);
  }
}
