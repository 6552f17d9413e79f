/** Runs single MMX and SSE instructions on a processor in 64-bit mode, for tests. */

import type { OpcodeRow } from '@umbra/isa';
import { createMemory, type Engine, Processor } from '../src/processor.ts';
import { AREA, STATE } from '../src/state-layout.ts';
import { runtimeBytes } from './build-runtime.ts';

const RAM_BYTES = 8 << 20;
const PLACE = {
  PML4: 0x1000,
  PDPT: 0x2000,
  DIRECTORY: 0x3000,
  IDT: 0x6000,
  HANDLER: 0x7000,
  STACK: 0x9000,
  CODE: 0x10_0000,
} as const;
const CODE_END = 0x1f_0000;
const CODE_SLOT = 32;
const SELECTOR = { CODE: 0x10, DATA: 0x18 } as const;
const OUT_AND_LOOP = [0xe6, 0xf4, 0xeb, 0xfc];
const CR4_SSE = 0x600;
const RSI = 6;
const RDI = 7;
const CACHE = decodeURIComponent(new URL('../../../.cache', import.meta.url).pathname);

/** Where RSI and RDI point: a page that is there, with one behind it that is not. */
export const DATA = 0x3f_f000;

/** What goes in and comes out. Vectors and memory are 128-bit numbers, little-endian. */
export interface VectorState {
  xmm0: bigint;
  xmm1: bigint;
  mm0: bigint;
  mm1: bigint;
  rax: bigint;
  rcx: bigint;
  rdx: bigint;
  memory: bigint;
  mxcsr: number;
  /** OF SF ZF AF PF CF at their EFLAGS places. */
  flags: number;
  /** Vector of the exception, or -1. */
  fault: number;
}

/** An instruction of a row: register 0 is the first operand, register 1 or [RSI] the second. */
export interface Encoding {
  readonly row: OpcodeRow;
  readonly code: readonly number[];
  readonly isMemory: boolean;
  readonly isWide: boolean;
  readonly immediate: number;
}

/** All forms of a row, with one of the immediates each where it has one. */
export function encodings(row: OpcodeRow, immediates: readonly number[]): Encoding[] {
  const words = row.key.split(' ');
  const mandatory = words[0] === 'NP' ? [] : [Number.parseInt(words[0] ?? '', 16)];
  const maps: Record<string, number[]> = {
    '0F': [0x0f],
    '0F38': [0x0f, 0x38],
    '0F3A': [0x0f, 0x3a],
  };
  const map = maps[words[1] ?? ''] ?? [];
  const opcode = Number.parseInt(words[2] ?? '', 16);
  const extension = words[3] ?? '';
  const digit = extension.startsWith('/') ? Number(extension[1]) : -1;
  const letters = row.operands.map((operand) => operand.charAt(0));
  const inRm = row.operands.some((operand) => /^[WQEM]/.test(operand));
  const forms = [false, true].filter((isMemory) => {
    if (isMemory) return inRm && !extension.endsWith('r');
    return !extension.endsWith('m');
  });
  const widths =
    row.operands.includes('Ey') || row.operands.includes('Gy') ? [false, true] : [false];
  const list = row.operands.includes('Ib') ? immediates : [0];
  return forms.flatMap((isMemory) =>
    widths.flatMap((isWide) =>
      list.map((immediate) => {
        const inRmFirst = digit >= 0 || /[WQEM]/.test(letters[0] ?? '');
        const reg = digit >= 0 ? digit : inRmFirst ? 1 : 0;
        const modrm = (reg << 3) | (isMemory ? RSI : inRmFirst ? 0xc0 : 0xc1);
        const tail = row.operands.includes('Ib') ? [immediate] : [];
        const code = [...mandatory, ...(isWide ? [0x48] : []), ...map, opcode, modrm, ...tail];
        return { row, code, isMemory, isWide, immediate };
      }),
    ),
  );
}

/** A processor that runs one instruction at a time. */
export class VectorHarness {
  readonly processor: Processor;
  readonly #ram: DataView;
  readonly #xmm: DataView;
  readonly #places = new Map<string, number>();
  #next: number = PLACE.CODE;

  constructor(engine: Engine) {
    const memory = createMemory(RAM_BYTES, 1 << 20);
    const nothing = () => {};
    this.processor = Processor.create({
      ramBytes: RAM_BYTES,
      engine,
      mmu: 'shadow',
      memory,
      runtime: runtimeBytes(CACHE),
      host: {
        ioRead: () => 0,
        ioWrite: () => this.processor.requestStop(),
        mmioRead: () => 0,
        mmioWrite: nothing,
        acknowledgeInterrupt: () => -1,
        service: nothing,
        now: () => 0,
        readMsr: () => undefined,
        writeMsr: () => false,
        readCr8: () => 0,
        writeCr8: nothing,
        random: () => 0,
      },
    });
    this.#ram = new DataView(memory.buffer, AREA.RAM, RAM_BYTES);
    this.#xmm = new DataView(memory.buffer, AREA.CPU + STATE.xmm, 16 * 16);
    this.#writeTables();
    this.#start();
  }

  #writeTables(): void {
    const ram = this.#ram;
    ram.setUint32(PLACE.PML4, PLACE.PDPT | 3, true);
    ram.setUint32(PLACE.PDPT, PLACE.DIRECTORY | 3, true);
    // Two large pages; the page after DATA is not there.
    for (let page = 0; page < 2; page++)
      ram.setUint32(PLACE.DIRECTORY + page * 8, (page << 21) | 0x83, true);
    for (let vector = 0; vector < 32; vector++) {
      ram.setUint32(PLACE.IDT + vector * 16, (SELECTOR.CODE << 16) | PLACE.HANDLER, true);
      ram.setUint32(PLACE.IDT + vector * 16 + 4, 0x8e00, true);
    }
    const gdt = 0x5000;
    ram.setUint32(gdt + SELECTOR.CODE, 0xffff, true);
    ram.setUint32(gdt + SELECTOR.CODE + 4, 0x00af_9b00, true);
    ram.setUint32(gdt + SELECTOR.DATA, 0xffff, true);
    ram.setUint32(gdt + SELECTOR.DATA + 4, 0x00cf_9300, true);
    this.#writeBytes(PLACE.HANDLER, OUT_AND_LOOP);
  }

  #writeBytes(at: number, bytes: readonly number[]): void {
    for (const [index, byte] of bytes.entries()) this.#ram.setUint8(at + index, byte);
  }

  #start(): void {
    const { processor } = this;
    processor.setLongMode({
      rip: PLACE.CODE,
      rsi: DATA,
      rsp: PLACE.STACK,
      cr3: PLACE.PML4,
      gdtBase: 0x5000,
      gdtLimit: 0xff,
      codeSelector: SELECTOR.CODE,
      dataSelector: SELECTOR.DATA,
    });
    processor.state.set('idtrBase', PLACE.IDT);
    processor.state.set('idtrLimit', 0x1ff);
    this.control('cr4', processor.state.get('cr4') | CR4_SSE);
  }

  /** Sets a control register and what depends on it. */
  control(register: 'cr0' | 'cr4', value: number): void {
    this.processor.state.set(register, value >>> 0);
    this.processor.stateChanged();
  }

  #place(code: readonly number[]): number {
    const key = code.join();
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const at = this.#next;
    this.#next += CODE_SLOT;
    if (this.#next > CODE_END) throw new Error('The harness has no room for more code');
    this.#writeBytes(at, [...code, ...OUT_AND_LOOP]);
    this.#places.set(key, at);
    return at;
  }

  xmm(index: number): bigint {
    const low = this.#xmm.getBigUint64(index * 16, true);
    return low | (this.#xmm.getBigUint64(index * 16 + 8, true) << 64n);
  }
  setXmm(index: number, value: bigint): void {
    this.#xmm.setBigUint64(index * 16, BigInt.asUintN(64, value), true);
    this.#xmm.setBigUint64(index * 16 + 8, value >> 64n, true);
  }

  /** Runs one instruction on a state; RSI and RDI hold DATA + `offset`. */
  run(code: readonly number[], input: VectorState, offset = 0): VectorState {
    const { state, runtime } = this.processor;
    this.setXmm(0, input.xmm0);
    this.setXmm(1, input.xmm1);
    state.set64('fpuSignificand', input.mm0, 0);
    state.set64('fpuSignificand', input.mm1, 1);
    state.set64('gpr', input.rax, 0);
    state.set64('gpr', input.rcx, 1);
    state.set64('gpr', input.rdx, 2);
    state.set('gpr', PLACE.STACK, 4);
    state.set('gpr', DATA + offset, RSI);
    state.set('gpr', DATA + offset, RDI);
    state.set('mxcsr', input.mxcsr);
    state.set('flagOp', 0);
    state.set('flagA', input.flags);
    this.#ram.setBigUint64(DATA, BigInt.asUintN(64, input.memory), true);
    this.#ram.setBigUint64(DATA + 8, input.memory >> 64n, true);
    const at = this.#place(code);
    state.set('rip', at);
    const exit = this.processor.run();
    if (exit.kind !== 'stopped') throw new Error(`The instruction ended in ${exit.kind}`);
    const isFault = state.get('rip') === PLACE.HANDLER + 2;
    return {
      xmm0: this.xmm(0),
      xmm1: this.xmm(1),
      mm0: state.get64('fpuSignificand', 0),
      mm1: state.get64('fpuSignificand', 1),
      rax: state.get64('gpr', 0),
      rcx: state.get64('gpr', 1),
      rdx: state.get64('gpr', 2),
      memory: this.#ram.getBigUint64(DATA, true) | (this.#ram.getBigUint64(DATA + 8, true) << 64n),
      mxcsr: state.get('mxcsr'),
      flags: isFault ? input.flags : runtime.readArithmeticFlags(),
      fault: isFault ? state.get('faultVector') : -1,
    };
  }
}
