import type { Processor } from '../src/index.ts';
import { SEG, SREG } from '../src/state-layout.ts';
import { Emitter, type Width, word32 } from './fuzz-assembler.ts';
import { INTERRUPT_VECTOR, INTERRUPT_VECTORS } from './fuzz-engines.ts';
import type { Chance } from './fuzz-random.ts';
import { EXIT_PORT } from './fuzz-start.ts';
import { descriptor, gate } from './system-harness.ts';

/**
 * What paged streams live in: two paging roots, descriptor tables, and handlers that let a stream
 * go on after faults. [SDM] vol. 3A ch. 4 and 6. Addresses below are offsets from `base`.
 */

export type Paging = '32-bit' | 'pae' | '4-level';

const PAGE = 0x1000;
// The system's pages, at the same offsets in physical memory.
const GDT = 0x8000;
const IDT = 0x9000;
const TSS = 0xa000;
const DOUBLE_FAULT_TSS = 0xa200;
const HANDLERS = 0xb000;
const HANDLER_STACK = 0xd000;
const DOUBLE_FAULT_STACK = 0xc800;
const VARIABLES = 0xe000;
const SAVED_ENTRIES = 0xf000;
const SYSTEM_END = 0x1_0000;
// Page tables, physical.
const ROOTS = [0x1_0000, 0x1_1000] as const;
const POINTERS = [0x1_2000, 0x1_3000] as const;
const DIRECTORIES = [0x1_4000, 0x1_5000] as const;
const SYSTEM_TABLE = 0x1_6000;
const LEAVES = [0x1_7000, 0x1_8000] as const;
/** Frames that are given out in no order. */
const FRAMES = 0x10_0000;
const FRAMES_COUNT = 0x80;
// What one page table maps, in pages from MAIN.
const MAIN = 0x40_0000;
const HOME = 0;
const CODE = 1;
const ALIAS = 0x10;
const DATA = 0x20;
const STACK = 0x30;
const STACK_PAGES = 3;
const WINDOWS = [0x38, 0x39] as const;
export const CODE_PAGES = 10;
export const DATA_PAGES = 12;
/** Entries that the fault handler puts back: all but the stack's and the windows'. */
const RESTORED = STACK;
/** Faults after which it does so: powers of two. */
const RESTORE_PERIODS = [8, 64] as const;

const SELECTOR = { CODE0: 8, DATA0: 0x10, CODE3: 0x1b, DATA3: 0x23, TSS: 0x28, FAULT_TSS: 0x38 };
const CODE_ATTR = SEG.P | SEG.S | SEG.CODE | SEG.WRITABLE | SEG.ACCESSED | SEG.G;
const DATA_ATTR = SEG.P | SEG.S | SEG.WRITABLE | SEG.ACCESSED | SEG.DB | SEG.G;
const DPL3 = 3 << SEG.DPL_SHIFT;
const TSS_BUSY = SEG.P | 0x0b;
const WITH_ERROR = [8, 10, 11, 12, 13, 14, 17];
const DOUBLE_FAULT = 8;
const DEBUG = 1;
export const TOGGLE_VECTOR = 0x80;
export const RELOAD_VECTOR = 0x81;
const CR0 = { PE: 1, MP: 2, ET: 16, NE: 32, WP: 1 << 16, PG: 0x8000_0000 };
const CR4 = { PSE: 1 << 4, PAE: 1 << 5, PGE: 1 << 7, OSFXSR: 1 << 9, OSXMMEXCPT: 1 << 10 };
const EFER = { LME: 1 << 8, LMA: 1 << 10, NXE: 1 << 11 };
const PRESENT = 1;
const WRITABLE = 2;
const USER = 4;
const ACCESSED = 0x20;
const DIRTY = 0x40;
const ALL = PRESENT | WRITABLE | USER;

/** A page table entry in two doublewords. */
export type PageEntry = readonly [low: number, high: number];

/** Offsets in the page of variables. */
const VARIABLE = {
  COUNTER: 0,
  FAULTS: 8,
  INTERRUPTS: 16,
  STEPS: 24,
  DEPTH: 32,
  SLOT: 40,
  /** Where the stream goes on after its next fault. */
  RESUME: 48,
  /** A sum of registers at many places, so that what differed once is seen at the end. */
  LOG: 56,
  REGISTERS: 64,
} as const;

/** The world of one stream, drawn from its seed. */
export class World {
  readonly width: Width;
  readonly paging: Paging;
  readonly isUser: boolean;
  readonly base: number;
  /** Frames of the code's pages, their other versions and the data's pages. */
  readonly codeFrames: readonly number[];
  readonly otherFrames: readonly number[];
  readonly dataFrames: readonly number[];
  readonly #stackFrames: readonly number[];
  readonly #homeFrame: number;
  readonly #sharesLeaves: boolean;
  readonly #writeProtects: boolean;
  readonly #restorePeriod: number;

  constructor(random: Chance) {
    this.width = random.chance(50) ? 64 : 32;
    this.paging = this.width === 64 ? '4-level' : random.chance(50) ? 'pae' : '32-bit';
    this.isUser = random.chance(30);
    const high = this.width === 64 ? -0x8000_0000 : 0xc000_0000;
    this.base = random.chance(40) ? high : 0;
    const frames = Array.from({ length: FRAMES_COUNT }, (_, i) => FRAMES + i * PAGE);
    const take = () => frames.splice(random.below(frames.length), 1)[0] as number;
    const takeMany = (length: number) => Array.from({ length }, take);
    this.codeFrames = takeMany(CODE_PAGES);
    this.otherFrames = takeMany(CODE_PAGES);
    this.dataFrames = takeMany(DATA_PAGES);
    this.#stackFrames = takeMany(STACK_PAGES);
    this.#homeFrame = take();
    this.#sharesLeaves = random.chance(30);
    this.#writeProtects = random.chance(60);
    this.#restorePeriod = RESTORE_PERIODS[random.below(2)] as number;
  }

  get code(): number {
    return this.#main(CODE);
  }
  get data(): number {
    return this.#main(DATA);
  }
  /** The code's pages once more, for stores. */
  get alias(): number {
    return this.#main(ALIAS);
  }
  get roots(): readonly [number, number] {
    return this.paging === '4-level' ? ROOTS : this.paging === 'pae' ? POINTERS : DIRECTORIES;
  }
  variable(name: keyof typeof VARIABLE): number {
    return this.base + VARIABLES + VARIABLE[name];
  }
  /** Where a root's page table entry for a page of the code or the data can be changed. */
  codeEntry(root: 0 | 1, page: number): number {
    return this.#main(WINDOWS[root]) + (CODE + page) * this.entrySize;
  }
  dataEntry(root: 0 | 1, page: number): number {
    return this.#main(WINDOWS[root]) + (DATA + page) * this.entrySize;
  }
  get entrySize(): 4 | 8 {
    return this.paging === '32-bit' ? 4 : 8;
  }
  get hasNoExecute(): boolean {
    return this.paging !== '32-bit';
  }
  #main(page: number): number {
    return this.base + MAIN + page * PAGE;
  }

  /** Rights of a data page, most of them good. */
  dataEntryFor(random: Chance, frame: number): PageEntry {
    const low =
      frame |
      (random.chance(90) ? PRESENT : 0) |
      (random.chance(75) ? WRITABLE : 0) |
      (random.chance(85) ? USER : 0) |
      (random.chance(30) ? ACCESSED : 0) |
      (random.chance(30) ? DIRTY : 0);
    return [low, this.hasNoExecute && random.chance(30) ? 0x8000_0000 : 0];
  }
  /** An entry of a code page: now and then it cannot be fetched from. */
  codeEntryFor(random: Chance, frame: number): PageEntry {
    const low =
      frame |
      (random.chance(90) ? PRESENT : 0) |
      (random.chance(85) ? WRITABLE : 0) |
      (random.chance(95) ? USER : 0) |
      (random.chance(60) ? ACCESSED : 0) |
      (random.chance(30) ? DIRTY : 0);
    return [low, this.hasNoExecute && random.chance(12) ? 0x8000_0000 : 0];
  }

  /** Where the body's end, and the fault handler, go on. */
  get loopEnd(): number {
    return this.#main(HOME) + this.#home(0, 0).end;
  }

  /** Tables, handlers, code, and the processor's registers; `entry` is where the body begins. */
  install(
    processor: Processor,
    program: {
      readonly code: Uint8Array;
      readonly otherCode: Uint8Array;
      readonly entry: number;
      readonly loops: number;
      readonly reloadMask: number;
      readonly random: Chance;
    },
  ): void {
    const memory = processor.guestMemory;
    const { random } = program;
    this.#installPages(processor, random);
    const split = (image: Uint8Array, frames: readonly number[]) => {
      for (const [page, frame] of frames.entries())
        memory.writeFrom(frame, image.subarray(page * PAGE, (page + 1) * PAGE));
    };
    split(program.code, this.codeFrames);
    split(program.otherCode, this.otherFrames);
    for (const frame of [...this.dataFrames, ...this.#stackFrames]) {
      const page = new Uint8Array(PAGE);
      const view = new DataView(page.buffer);
      for (let i = 0; i < PAGE; i += 4) view.setUint32(i, random.word(), true);
      memory.writeFrom(frame, page);
    }
    const home = this.#home(program.entry, program.reloadMask);
    memory.writeFrom(this.#homeFrame, new Uint8Array(home.bytes));
    this.#installHandlers(processor, this.loopEnd);
    memory.write32(VARIABLES + VARIABLE.COUNTER, program.loops);
    const pointers = [this.#main(STACK + STACK_PAGES) - 0x100];
    for (let i = 0; i < 4; i++)
      pointers.push(this.#main(DATA) + 0x1000 + random.below((DATA_PAGES - 2) * PAGE));
    for (const [index, pointer] of pointers.entries()) {
      memory.write32(VARIABLES + VARIABLE.REGISTERS + index * 8, pointer >>> 0);
      memory.write32(VARIABLES + VARIABLE.REGISTERS + index * 8 + 4, pointer < 0 ? 0xffff_ffff : 0);
    }
    this.#setRegisters(processor, random);
  }

  #installPages(processor: Processor, random: Chance): void {
    const memory = processor.guestMemory;
    const size = this.entrySize;
    const set = (table: number, index: number, [low, high]: PageEntry) => {
      memory.write32(table + index * size, low);
      if (size === 8) memory.write32(table + index * size + 4, high);
    };
    const linear = this.base >>> 0;
    const perTable = size === 8 ? 512 : 1024;
    const directory = Math.floor(linear / (perTable * PAGE)) % perTable;
    const main = directory + MAIN / (perTable * PAGE);
    const leaves = this.#sharesLeaves ? ([LEAVES[0], LEAVES[0]] as const) : LEAVES;
    for (const root of [0, 1] as const) {
      if (this.paging !== '32-bit') {
        const flags = this.paging === 'pae' ? PRESENT : ALL;
        const index = this.paging === 'pae' ? linear >>> 30 : linear === 0 ? 0 : 510;
        set(POINTERS[root], index, [DIRECTORIES[root] | flags, 0]);
        set(ROOTS[root], linear === 0 ? 0 : 511, [POINTERS[root] | ALL, 0]);
      }
      set(DIRECTORIES[root], directory, [SYSTEM_TABLE | ALL, 0]);
      set(DIRECTORIES[root], main, [leaves[root] | ALL, 0]);
      const leaf = leaves[root];
      const frameOf = (page: number) =>
        root === 1 && random.chance(60)
          ? (this.otherFrames[page] as number)
          : (this.codeFrames[page] as number);
      set(leaf, HOME, [this.#homeFrame | ALL, 0]);
      for (let page = 0; page < CODE_PAGES; page++) {
        const isPlain = random.chance(90);
        const frame = frameOf(page);
        set(leaf, CODE + page, isPlain ? [frame | ALL, 0] : this.codeEntryFor(random, frame));
        set(leaf, ALIAS + page, [frame | ALL, 0]);
      }
      for (const [page, frame] of this.dataFrames.entries()) {
        const isPlain = random.chance(60);
        set(leaf, DATA + page, isPlain ? [frame | ALL, 0] : this.dataEntryFor(random, frame));
      }
      for (const [page, frame] of this.#stackFrames.entries())
        set(leaf, STACK + page, [frame | ALL, 0]);
      for (const other of [0, 1] as const) set(leaf, WINDOWS[other], [leaves[other] | ALL, 0]);
      const copy = new Uint8Array(RESTORED * size);
      memory.readInto(leaf, copy);
      memory.writeFrom(SAVED_ENTRIES + root * RESTORED * size, copy);
    }
    for (let at = GDT; at < SYSTEM_END; at += PAGE)
      set(SYSTEM_TABLE, at / PAGE, [at | PRESENT | WRITABLE | (at === VARIABLES ? USER : 0), 0]);
  }

  /** The loop around the body, on a page that stays as it is; its end is where faults lead. */
  #home(entry: number, reloadMask: number): { bytes: readonly number[]; end: number } {
    const e = new Emitter(this.width);
    if (this.width === 32) {
      const data = this.isUser ? SELECTOR.DATA3 : SELECTOR.DATA0;
      e.raw(0xb8, ...word32(data), 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0);
    }
    const registers = this.variable('REGISTERS');
    const reload = new Emitter(this.width);
    for (const [index, register] of [4, 3, 6, 7, 5].entries())
      reload.wide().absolute([0x8b], register, registers + index * 8);
    e.absolute([0xf6], 0, this.variable('COUNTER')).raw(reloadMask);
    e.raw(0x75, reload.bytes.length).raw(...reload.bytes);
    const start = this.#main(HOME);
    e.raw(0xe9, ...word32(entry - (start + e.bytes.length + 5)));
    const end = e.bytes.length;
    // lahf
    this.#log(e, [1, 2, 3, 4, 5, 6, 7]);
    e.raw(0x9f);
    this.#log(e, [0]);
    e.wide().absolute([0xc7], 0, this.variable('RESUME'));
    e.raw(...word32(start + end));
    e.absolute([0xff], 1, this.variable('COUNTER'));
    e.raw(0x0f, 0x85, ...word32(-(e.bytes.length + 6)));
    e.raw(0xe6, EXIT_PORT, 0xf4);
    return { bytes: e.bytes, end };
  }

  /** Adds registers to the sum, through SS, which is good wherever there is a stack. */
  #log(e: Emitter, registers: readonly number[]): void {
    for (const register of registers) {
      e.raw(0x36).absolute([0x01], register, this.variable('LOG'));
      e.raw(0x36).absolute([0xc1], 0, this.variable('LOG')).raw(5);
    }
  }

  /** Adds the return address and the flags of an exception's frame, `depth` words up. */
  #logFrame(e: Emitter, depth: number): void {
    const word = this.width / 8;
    for (const place of [depth, depth + 2]) {
      e.raw(0x8b, 0x44, 0x24, place * word);
      this.#log(e, [0]);
    }
  }

  #installHandlers(processor: Processor, loopEnd: number): void {
    const memory = processor.guestMemory;
    const e = new Emitter(this.width);
    const word = this.width / 8;
    const isWide = this.width === 64;
    const places = new Map<string, number>();
    const here = (name: string) => places.set(name, this.base + HANDLERS + e.bytes.length);
    const interruptReturn = () => e.wide().raw(0xcf);
    const takeSegments = () => {
      if (!isWide) e.raw(0xb8, ...word32(SELECTOR.DATA3), 0x8e, 0xd8, 0x8e, 0xc0);
    };
    here('error');
    // add rsp, word
    e.wide().raw(0x83, 0xc4, word);
    here('fault');
    for (const register of [0, 1, 6, 7]) e.raw(0x50 | register);
    takeSegments();
    this.#log(e, [1, 2, 3, 5, 6, 7]);
    this.#logFrame(e, 4);
    // mov eax, cr2
    e.raw(0x0f, 0x20, 0xd0);
    this.#log(e, [0]);
    e.absolute([0xff], 0, this.variable('FAULTS'));
    const restore = new Emitter(this.width).raw(0xfc);
    const leaves = this.#sharesLeaves ? ([0, 0] as const) : ([0, 1] as const);
    for (const root of [0, 1] as const) {
      const bytes = RESTORED * this.entrySize;
      restore.loadAddress(6, this.base + SAVED_ENTRIES + root * bytes);
      restore.loadAddress(7, this.#main(WINDOWS[leaves[root]]));
      restore.raw(0xb9, ...word32(bytes / 4), 0xf3, 0xa5);
    }
    // mov rax, cr3; mov cr3, rax
    restore.raw(0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8);
    e.absolute([0xf6], 0, this.variable('FAULTS')).raw(this.#restorePeriod - 1);
    e.raw(0x75, restore.bytes.length).raw(...restore.bytes);
    // Once only, so that what faults there as well does not go on for ever.
    e.wide().absolute([0x8b], 0, this.variable('RESUME'));
    e.wide().raw(0x89, 0x44, 0x24, 4 * word);
    e.wide()
      .absolute([0xc7], 0, this.variable('RESUME'))
      .raw(...word32(loopEnd));
    for (const register of [7, 6, 1, 0]) e.raw(0x58 | register);
    interruptReturn();
    const logTrap = () => {
      e.raw(0x50);
      this.#log(e, [0, 1, 2, 3, 5, 6, 7]);
      this.#logFrame(e, 1);
      e.raw(0x58);
    };
    here('debug');
    logTrap();
    e.raw(0x36).absolute([0xff], 1, this.variable('STEPS'));
    const clear = [...(isWide ? [0x48] : []), 0x81, 0x64, 0x24, 2 * word, ...word32(~0x100)];
    e.raw(0x7f, clear.length).raw(...clear);
    interruptReturn();
    here('interrupt');
    logTrap();
    e.raw(0x36).absolute([0xff], 0, this.variable('INTERRUPTS'));
    interruptReturn();
    for (const name of ['toggle', 'reload'] as const) {
      here(name);
      const [first, second] = this.roots;
      e.raw(0x50, 0x0f, 0x20, 0xd8);
      if (name === 'toggle') e.raw(0x35, ...word32(first ^ second));
      e.raw(0x0f, 0x22, 0xd8, 0x58);
      interruptReturn();
    }
    here('doubleFault');
    // The task returns to the interrupted one, which goes on at the loop's end.
    e.raw(0x0f, 0x06).raw(0x83, 0xc4, 4);
    e.absolute([0xff], 0, this.variable('FAULTS'));
    e.store32(this.base + TSS + 0x20, loopEnd);
    e.store32(this.base + TSS + 0x38, this.#main(STACK + STACK_PAGES) - 0x200);
    e.raw(0xcf);
    const back = this.base + HANDLERS + e.bytes.length + 5;
    e.raw(0xe9, ...word32((places.get('doubleFault') as number) - back));
    memory.writeFrom(HANDLERS, new Uint8Array(e.bytes));
    for (let vector = 0; vector <= RELOAD_VECTOR; vector++) {
      const device = vector - INTERRUPT_VECTOR;
      const isDevice = device >= 0 && device < INTERRUPT_VECTORS;
      const isService = vector === TOGGLE_VECTOR || vector === RELOAD_VECTOR;
      if (vector >= 0x20 && !isDevice && !isService) continue;
      const name = isDevice
        ? 'interrupt'
        : vector === TOGGLE_VECTOR
          ? 'toggle'
          : vector === RELOAD_VECTOR
            ? 'reload'
            : vector === DEBUG
              ? 'debug'
              : WITH_ERROR.includes(vector)
                ? 'error'
                : 'fault';
      // Half of the device's vectors are delivered on the stream's own stack.
      const ownStack = isWide && !(isDevice && (device & 1) === 0);
      const access = 0x8e | (isService || vector === 3 || vector === 4 ? 0x60 : 0);
      this.#setGate(processor, vector, places.get(name) as number, access, ownStack);
    }
    this.#installTasks(processor, places.get('doubleFault') as number);
  }

  #setGate(
    processor: Processor,
    vector: number,
    handler: number,
    access: number,
    hasOwnStack: boolean,
  ): void {
    const memory = processor.guestMemory;
    const at = IDT + vector * (this.width / 4);
    const isTask = vector === DOUBLE_FAULT && this.width === 32;
    const [low, high] = isTask
      ? gate(SELECTOR.FAULT_TSS, 0, 0x85)
      : gate(SELECTOR.CODE0, handler, access, hasOwnStack ? 1 : 0);
    memory.write32(at, low);
    memory.write32(at + 4, high);
    if (this.width === 64) memory.write32(at + 8, handler < 0 ? 0xffff_ffff : 0);
  }

  #installTasks(processor: Processor, doubleFault: number): void {
    const memory = processor.guestMemory;
    const isWide = this.width === 64;
    const put = (selector: number, [low, high]: readonly [number, number]) => {
      memory.write32(GDT + (selector & ~7), low);
      memory.write32(GDT + (selector & ~7) + 4, high);
    };
    const codeAttr = CODE_ATTR | (isWide ? SEG.L : SEG.DB);
    put(SELECTOR.CODE0, descriptor(0, 0xf_ffff, codeAttr));
    put(SELECTOR.DATA0, descriptor(0, 0xf_ffff, DATA_ATTR));
    put(SELECTOR.CODE3, descriptor(0, 0xf_ffff, codeAttr | DPL3));
    put(SELECTOR.DATA3, descriptor(0, 0xf_ffff, DATA_ATTR | DPL3));
    put(SELECTOR.TSS, descriptor(this.base + TSS, 0x67, TSS_BUSY));
    const stack = this.base + HANDLER_STACK;
    if (isWide) {
      for (const offset of [4, 0x24]) {
        memory.write32(TSS + offset, stack >>> 0);
        memory.write32(TSS + offset + 4, stack < 0 ? 0xffff_ffff : 0);
      }
      memory.write32(GDT + SELECTOR.TSS + 8, stack < 0 ? 0xffff_ffff : 0);
      return;
    }
    put(SELECTOR.FAULT_TSS, descriptor(this.base + DOUBLE_FAULT_TSS, 0x67, SEG.P | 9));
    memory.write32(TSS + 4, stack);
    memory.write32(TSS + 8, SELECTOR.DATA0);
    memory.write32(TSS + 0x1c, this.roots[0]);
    const words: [number, number][] = [
      [0x1c, this.roots[0]],
      [0x20, doubleFault],
      [0x24, 2],
      [0x38, this.base + DOUBLE_FAULT_STACK],
      [0x4c, SELECTOR.CODE0],
    ];
    for (const offset of [0x48, 0x50, 0x54, 0x58, 0x5c]) words.push([offset, SELECTOR.DATA0]);
    for (const [offset, value] of words) memory.write32(DOUBLE_FAULT_TSS + offset, value);
  }

  #setRegisters(processor: Processor, random: Chance): void {
    const { state } = processor;
    const isWide = this.width === 64;
    const codeAttr = CODE_ATTR | (isWide ? SEG.L : SEG.DB) | (this.isUser ? DPL3 : 0);
    for (let index = 0; index < 6; index++) {
      const isCode = index === SREG.CS;
      const code = this.isUser ? SELECTOR.CODE3 : SELECTOR.CODE0;
      const data = this.isUser ? SELECTOR.DATA3 : SELECTOR.DATA0;
      state.set('segSelector', isCode ? code : data, index);
      state.set('segAttr', isCode ? codeAttr : DATA_ATTR | (this.isUser ? DPL3 : 0), index);
      state.set('segLimit', 0xffff_ffff, index);
      state.set('segBase', 0, index);
    }
    state.set('segSelector', SELECTOR.TSS, SREG.TR);
    state.set('segAttr', TSS_BUSY, SREG.TR);
    state.set('segLimit', 0x67, SREG.TR);
    state.set('segBase', this.base + TSS, SREG.TR);
    state.set('gdtrBase', this.base + GDT);
    state.set('gdtrLimit', SELECTOR.FAULT_TSS + 7);
    state.set('idtrBase', this.base + IDT);
    state.set('idtrLimit', (RELOAD_VECTOR + 1) * (this.width / 4) - 1);
    state.set('cpl', this.isUser ? 3 : 0);
    const ioPrivilege = this.isUser ? 0x3000 : 0;
    state.set('systemFlags', ioPrivilege | (random.chance(50) ? 0x200 : 0));
    const protects = this.#writeProtects ? CR0.WP : 0;
    state.set('cr0', CR0.PG + CR0.PE + CR0.MP + CR0.ET + CR0.NE + protects);
    state.set('cr3', this.roots[0]);
    const paging = this.paging === '32-bit' ? CR4.PSE : CR4.PAE;
    state.set('cr4', paging | CR4.OSFXSR | CR4.OSXMMEXCPT | (random.chance(50) ? CR4.PGE : 0));
    const noExecute = this.hasNoExecute ? EFER.NXE : 0;
    state.set('efer', noExecute | (isWide ? EFER.LME | EFER.LMA : 0));
    for (let i = 0; i < 4; i++) {
      const entry = processor.guestMemory.read32(POINTERS[0] + i * 8);
      state.set('pdpte', this.paging === 'pae' ? entry : 0, i);
    }
    for (let index = 0; index < 16; index++)
      state.set('gpr', random.chance(50) ? random.below(64) : random.word(), index);
    state.set('gpr', random.below(40), 1);
    state.set('rip', this.#main(HOME));
  }
}
