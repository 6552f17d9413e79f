/** Runs single x87 instructions on a processor, for tests: state passes by FRSTOR and FNSAVE. */

import { createMemory, type Engine, Processor } from '../src/processor.ts';
import { AREA } from '../src/state-layout.ts';
import { runtimeBytes } from './build-runtime.ts';

const RAM_BYTES = 8 << 20;
const CACHE = decodeURIComponent(new URL('../../../.cache', import.meta.url).pathname);
const PLACE = {
  GDT: 0x800,
  PML4: 0x1000,
  PDPT: 0x2000,
  DIRECTORY: 0x3000,
  IDT: 0x4000,
  HANDLER: 0x5000,
  STACK: 0x7000,
  CODE: 0x10_0000,
} as const;
const CODE_END = 0x1f_0000;
const CODE_SLOT = 64;
const OUT_AND_LOOP = [0xe6, 0xf4, 0xeb, 0xfc];
const CR4_SSE_XSAVE = 0x4_0600;
const ESI = 6;
const EDI = 7;

/** Where EDI points: the image of FNSAVE. */
export const IMAGE = 0x8000;
/** Where ESI points: the instruction's memory operand. */
export const OPERAND = 0x8100;

/** An 80-bit number: significand, then sign and exponent. */
export type Extended = readonly [significand: bigint, exponent: number];

export interface X87State {
  readonly control: number;
  readonly status: number;
  /** Tag word with two bits a physical register; only "empty" matters on the way in. */
  readonly tags: number;
  /** From ST(0). */
  readonly registers: readonly Extended[];
  readonly operand: Uint8Array;
}

export interface X87Result extends X87State {
  /** Arithmetic flags at their EFLAGS places. */
  readonly flags: number;
  /** Vector of the exception raised, or -1. */
  readonly fault: number;
}

/** Registers in use from R7 down, as after that many loads; everything else as after FNINIT. */
export function loaded(registers: readonly Extended[], control = 0x37f): X87State {
  const count = registers.length;
  const top = (8 - count) & 7;
  const used = ((1 << (2 * count)) - 1) << (16 - 2 * count);
  return {
    control,
    status: top << 11,
    tags: ~used & 0xffff,
    registers,
    operand: new Uint8Array(16),
  };
}

export class X87Harness {
  readonly processor: Processor;
  readonly ram: DataView;
  readonly #mode: 32 | 64;
  readonly #places = new Map<string, number>();
  #next: number = PLACE.CODE;

  constructor(engine: Engine, mode: 32 | 64 = 32) {
    const memory = createMemory(RAM_BYTES, 1 << 20);
    const nothing = () => {};
    this.#mode = mode;
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
    this.ram = new DataView(memory.buffer, AREA.RAM, RAM_BYTES);
    this.#writeTables();
    this.#start();
  }

  #writeTables(): void {
    const { ram } = this;
    const is64 = this.#mode === 64;
    ram.setUint32(PLACE.PML4, PLACE.PDPT | 3, true);
    ram.setUint32(PLACE.PDPT, PLACE.DIRECTORY | 3, true);
    ram.setUint32(PLACE.DIRECTORY, 0x83, true);
    for (let vector = 0; vector < 32; vector++) {
      const at = PLACE.IDT + vector * (is64 ? 16 : 8);
      ram.setUint32(at, (8 << 16) | PLACE.HANDLER, true);
      ram.setUint32(at + 4, 0x8e00, true);
    }
    ram.setUint32(PLACE.GDT + 8, 0xffff, true);
    ram.setUint32(PLACE.GDT + 12, is64 ? 0x00af_9b00 : 0x00cf_9b00, true);
    ram.setUint32(PLACE.GDT + 16, 0xffff, true);
    ram.setUint32(PLACE.GDT + 20, 0x00cf_9300, true);
    this.#write(PLACE.HANDLER, OUT_AND_LOOP);
  }

  #start(): void {
    const { processor } = this;
    const tables = { gdtBase: PLACE.GDT, gdtLimit: 23, codeSelector: 8, dataSelector: 16 };
    if (this.#mode === 64) {
      const start = { rip: PLACE.CODE, rsi: OPERAND, rsp: PLACE.STACK, cr3: PLACE.PML4 };
      processor.setLongMode({ ...start, ...tables });
    } else {
      processor.setProtectedMode({ eip: PLACE.CODE, esp: PLACE.STACK, ...tables });
    }
    processor.state.set('idtrBase', PLACE.IDT);
    processor.state.set('idtrLimit', 0x1ff);
    processor.state.set('xcr0', 3);
    this.control('cr4', processor.state.get('cr4') | CR4_SSE_XSAVE);
  }

  /** Sets a control register and what depends on it. */
  control(register: 'cr0' | 'cr4', value: number): void {
    this.processor.state.set(register, value >>> 0);
    this.processor.stateChanged();
  }

  #write(at: number, code: readonly number[]): void {
    for (const [index, byte] of code.entries()) this.ram.setUint8(at + index, byte);
  }

  #place(code: readonly number[]): number {
    const key = code.join();
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const at = this.#next;
    this.#next += CODE_SLOT;
    if (this.#next > CODE_END) throw new Error('The harness has no room for more code');
    this.#write(at, [...code, ...OUT_AND_LOOP]);
    this.#places.set(key, at);
    return at;
  }

  /** Runs code until it is through or faults; the vector of the fault, or -1. */
  execute(code: readonly number[], flags = 0): number {
    const { state } = this.processor;
    state.set('gpr', OPERAND, ESI);
    state.set('gpr', IMAGE, EDI);
    state.set('gpr', PLACE.STACK, 4);
    state.set('flagOp', 0);
    state.set('flagA', flags);
    state.set('rip', this.#place(code));
    const exit = this.processor.run();
    if (exit.kind !== 'stopped') throw new Error(`The instruction ended in ${exit.kind}`);
    return state.get('rip') === PLACE.HANDLER + 2 ? state.get('faultVector') : -1;
  }

  /** FNINIT and FRSTOR, the code (memory operands are [ESI]), FNSAVE. */
  run(code: readonly number[], input: X87State, flags = 0): X87Result {
    this.#writeImage(input);
    const fault = this.execute([0xdb, 0xe3, 0xdd, 0x27, ...code, 0xdd, 0x37], flags);
    const after = this.processor.runtime.readArithmeticFlags();
    return { ...this.#readImage(), flags: after, fault };
  }

  #writeImage(input: X87State): void {
    const { ram } = this;
    ram.setUint32(IMAGE, input.control, true);
    ram.setUint32(IMAGE + 4, input.status, true);
    ram.setUint32(IMAGE + 8, input.tags, true);
    for (let at = 12; at < 28; at += 4) ram.setUint32(IMAGE + at, 0, true);
    for (let index = 0; index < 8; index++) {
      const [significand, exponent] = input.registers[index] ?? [0n, 0];
      ram.setBigUint64(IMAGE + 28 + index * 10, significand, true);
      ram.setUint16(IMAGE + 36 + index * 10, exponent, true);
    }
    for (let index = 0; index < 16; index++)
      ram.setUint8(OPERAND + index, input.operand[index] ?? 0);
  }

  #readImage(): X87State {
    const { ram } = this;
    const registers = Array.from({ length: 8 }, (_, index): Extended => {
      const at = IMAGE + 28 + index * 10;
      return [ram.getBigUint64(at, true), ram.getUint16(at + 8, true)];
    });
    const operand = Uint8Array.from({ length: 16 }, (_, index) => ram.getUint8(OPERAND + index));
    return {
      control: ram.getUint16(IMAGE, true),
      status: ram.getUint16(IMAGE + 4, true),
      tags: ram.getUint16(IMAGE + 8, true),
      registers,
      operand,
    };
  }
}
