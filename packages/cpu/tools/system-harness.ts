/** Drives the compiled system runtime for its tests: a processor's state and 4 MiB of RAM. */

import { instantiateRuntime, type RuntimeImports } from '../src/runtime.ts';
import { AREA, EXIT, FIELDS, type Field, type FieldName, SEG, SREG } from '../src/state-layout.ts';
import { runtimeBytes } from './build-runtime.ts';

const RAM_BYTES = 4 << 20;
const PAGE_BYTES = 65_536;
const TSC_DEADLINE = 0x6e0;
const FIELD = new Map(FIELDS.map((field) => [field.name, field]));

function fieldOf(name: FieldName): Field {
  const field = FIELD.get(name);
  if (!field) throw new Error(`no field ${name}`);
  return field;
}

export const VECTOR = {
  DE: 0,
  DB: 1,
  UD: 6,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  AC: 17,
} as const;
export const GPR = {
  RAX: 0,
  RCX: 1,
  RDX: 2,
  RBX: 3,
  RSP: 4,
  RBP: 5,
  RSI: 6,
  RDI: 7,
  R11: 11,
} as const;

/** Where the tests keep their tables in guest memory. */
export const PLACE = {
  GDT: 0x1000,
  LDT: 0x1800,
  IDT: 0x2000,
  TSS: 0x3000,
  TSS2: 0x3400,
  TSS16: 0x3800,
  STACK0: 0x8000,
  STACK3: 0x9000,
  IST1: 0xa008,
  PML4: 0x10000,
} as const;

type Call = (...args: (number | bigint)[]) => unknown;

const CACHE = decodeURIComponent(new URL('../../../.cache', import.meta.url).pathname);
const compiled = new WebAssembly.Module(runtimeBytes(CACHE));

/** A descriptor in two doublewords: `attr` as in SEG, the limit in units that its G bit says. */
export function descriptor(base: number, limit: number, attr: number): [number, number] {
  const low = (limit & 0xffff) | ((base & 0xffff) << 16);
  const high =
    ((base >>> 16) & 0xff) |
    ((attr & 0xff) << 8) |
    (limit & 0xf0000) |
    ((attr & 0xf000) << 8) |
    (base & 0xff000000);
  return [low >>> 0, high >>> 0];
}

/** A call, interrupt or task gate. */
export function gate(
  selector: number,
  offset: number,
  access: number,
  count = 0,
): [number, number] {
  const low = (offset & 0xffff) | (selector << 16);
  return [low >>> 0, ((offset & 0xffff0000) | (access << 8) | count) >>> 0];
}

function expectFault(name: string, found: number[], expected: number[]): void {
  if (found.join() === expected.join()) return;
  const text = (fault: number[]): string => (fault.length === 0 ? 'no fault' : `fault ${fault}`);
  throw new Error(`${name}: ${text(found)}, expected ${text(expected)}`);
}

export class SystemHarness {
  /** What devices were told, and what they answer. */
  readonly written: [port: number, size: number, value: number][] = [];
  portValue = 0;
  tsc = 1000n;
  /** IA32_TSC_DEADLINE, and how often it was written. */
  deadline = 0n;
  deadlineWrites = 0;
  readonly #view: DataView;
  readonly #exports: Record<string, Call>;

  private constructor(memory: WebAssembly.Memory, module: WebAssembly.Module) {
    this.#view = new DataView(memory.buffer);
    const nothing = (): number => 0;
    const imports: RuntimeImports = {
      mmioRead: () => 0xffff_ffff,
      mmioWrite: nothing,
      ioRead: () => this.portValue,
      ioWrite: (port: number, size: number, value: number) => {
        this.written.push([port, size, value]);
      },
      acknowledgeInterrupt: () => -1,
      readTsc: () => this.set('msrValue', this.tsc),
      readApicMsr: (index: number) => {
        this.set('msrValue', index === TSC_DEADLINE ? this.deadline : 0xfee0_0900n);
        return index === TSC_DEADLINE || index === 0x1b ? 1 : 0;
      },
      writeApicMsr: (index: number) => {
        if (index !== TSC_DEADLINE) return index === 0x1b ? 1 : 0;
        this.deadline = this.get('msrValue');
        this.deadlineWrites++;
        return 1;
      },
      readCr8: () => 5,
      writeCr8: nothing,
      random32: nothing,
      cpuid: nothing,
      codeInvalidated: nothing,
    };
    const { environment } = instantiateRuntime({ module, memory, cpuBase: AREA.CPU, imports });
    this.#exports = environment as Record<string, Call>;
    for (let page = 0; page < RAM_BYTES >> 12; page++) {
      this.#view.setUint32(AREA.PHYS_MAP + page * 4, (AREA.RAM + (page << 12)) | 3, true);
    }
    this.call('resetProcessor');
  }

  static create(): SystemHarness {
    const pages = (AREA.RAM + RAM_BYTES) / PAGE_BYTES;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: 65_536, shared: true });
    return new SystemHarness(memory, compiled);
  }

  /** Calls an export of the runtime; 64-bit arguments are bigints. */
  call(name: string, ...args: (number | bigint)[]): unknown {
    const target = this.#exports[name];
    if (!target) throw new Error(`no export ${name}`);
    return target(...args);
  }

  get(name: FieldName, index = 0): bigint {
    const field = fieldOf(name);
    const at = AREA.CPU + field.offset;
    if (field.type === 'u64') return this.#view.getBigUint64(at + index * 8, true);
    if (field.type === 'u16') return BigInt(this.#view.getUint16(at + index * 2, true));
    return BigInt(this.#view.getUint32(at + index * 4, true));
  }

  num(name: FieldName, index = 0): number {
    return Number(this.get(name, index));
  }

  set(name: FieldName, value: number | bigint, index = 0): void {
    const field = fieldOf(name);
    const at = AREA.CPU + field.offset;
    if (field.type === 'u64') this.#view.setBigUint64(at + index * 8, BigInt(value), true);
    else if (field.type === 'u16') this.#view.setUint16(at + index * 2, Number(value), true);
    else this.#view.setUint32(at + index * 4, Number(value), true);
  }

  gpr(index: number): bigint {
    return this.get('gpr', index);
  }

  read16(at: number): number {
    return this.#view.getUint16(AREA.RAM + at, true);
  }
  read32(at: number): number {
    return this.#view.getUint32(AREA.RAM + at, true);
  }
  read64(at: number): bigint {
    return this.#view.getBigUint64(AREA.RAM + at, true);
  }
  write8(at: number, value: number): void {
    this.#view.setUint8(AREA.RAM + at, value);
  }
  write16(at: number, ...values: number[]): void {
    values.forEach((value, index) => {
      this.#view.setUint16(AREA.RAM + at + index * 2, value, true);
    });
  }
  write32(at: number, ...values: number[]): void {
    values.forEach((value, index) => {
      this.#view.setUint32(AREA.RAM + at + index * 4, value, true);
    });
  }
  write64(at: number, ...values: bigint[]): void {
    values.forEach((value, index) => {
      this.#view.setBigUint64(AREA.RAM + at + index * 8, value, true);
    });
  }

  /** The doublewords at `at`, for comparing stack frames. */
  words(at: number, count: number): number[] {
    return Array.from({ length: count }, (_, index) => this.read32(at + index * 4));
  }

  /** Sets RIP and the address of the next instruction, as the run loop does before a helper. */
  at(rip: number | bigint, length = 2): void {
    this.set('rip', rip);
    this.set('nextRip', BigInt(rip) + BigInt(length));
  }

  /** Takes the pending fault: [vector, error code] or [vector]. */
  takeFault(): number[] {
    if (this.num('faultPending') === 0) return [];
    this.set('faultPending', 0);
    const vector = this.num('faultVector');
    return this.num('faultHasError') !== 0 ? [vector, this.num('faultError')] : [vector];
  }

  /** Makes a call that must not fault. */
  run(name: string, ...args: (number | bigint)[]): unknown {
    const result = this.call(name, ...args);
    expectFault(name, this.takeFault(), []);
    return result;
  }

  /** Makes a call that must raise the given fault. */
  faults(expected: number[], name: string, ...args: (number | bigint)[]): void {
    this.call(name, ...args);
    expectFault(name, this.takeFault(), expected);
  }

  flags(): number {
    this.set('scratch', 0);
    const arithmetic = this.num('flagOp') === 0 ? this.num('flagA') : 0;
    return (arithmetic | this.num('systemFlags') | 2) >>> 0;
  }

  selectors(): number[] {
    return Array.from({ length: 6 }, (_, index) => this.num('segSelector', index));
  }

  setDescriptor(selector: number, [low, high]: [number, number]): void {
    this.write32(PLACE.GDT + (selector & 0xfff8), low, high);
  }

  setGate(vector: number, [low, high]: [number, number]): void {
    this.write32(PLACE.IDT + vector * 8, low, high);
  }

  shutDown(): boolean {
    return this.num('exitReason') === EXIT.SHUTDOWN;
  }
}

const CODE32 = SEG.G | SEG.DB | SEG.P | SEG.S | SEG.CODE | SEG.WRITABLE;
const DATA32 = SEG.G | SEG.DB | SEG.P | SEG.S | SEG.WRITABLE;
const DPL3 = 3 << SEG.DPL_SHIFT;

/** Selectors of the tables that protectedMode() and longMode() make. */
export const SELECTOR = {
  CODE0: 0x08,
  DATA0: 0x10,
  CODE3: 0x18 | 3,
  DATA3: 0x20 | 3,
  TSS: 0x28,
  TSS2: 0x30,
  CONFORMING: 0x38,
  CODE64: 0x40,
  ABSENT: 0x48,
  READ_ONLY: 0x50,
  EXPAND_DOWN: 0x58,
  STACK16: 0x60 | 3,
  GATE: 0x68,
  LDT: 0x70,
  TSS16: 0x78,
  CODE64_3: 0x80 | 3,
  LONG_TSS: 0x90,
  LONG_GATE: 0xa0,
} as const;

function fillGdt(h: SystemHarness): void {
  h.write32(PLACE.GDT, 0, 0);
  h.setDescriptor(SELECTOR.CODE0, descriptor(0, 0xfffff, CODE32));
  h.setDescriptor(SELECTOR.DATA0, descriptor(0, 0xfffff, DATA32));
  h.setDescriptor(SELECTOR.CODE3, descriptor(0, 0xfffff, CODE32 | DPL3));
  h.setDescriptor(SELECTOR.DATA3, descriptor(0, 0xfffff, DATA32 | DPL3));
  h.setDescriptor(SELECTOR.TSS, descriptor(PLACE.TSS, 0x200, SEG.P | 9));
  h.setDescriptor(SELECTOR.TSS2, descriptor(PLACE.TSS2, 0x67, SEG.P | 9));
  h.setDescriptor(SELECTOR.TSS16, descriptor(PLACE.TSS16, 0x2b, SEG.P | 1));
  h.setDescriptor(SELECTOR.CONFORMING, descriptor(0, 0xfffff, CODE32 | SEG.EXPAND_DOWN));
  h.setDescriptor(SELECTOR.CODE64, descriptor(0, 0xfffff, (CODE32 & ~SEG.DB) | SEG.L));
  h.setDescriptor(SELECTOR.CODE64_3, descriptor(0, 0xfffff, (CODE32 & ~SEG.DB) | SEG.L | DPL3));
  h.setDescriptor(SELECTOR.ABSENT, descriptor(0, 0xfffff, DATA32 & ~SEG.P));
  h.setDescriptor(SELECTOR.READ_ONLY, descriptor(0x5000, 0xfff, SEG.P | SEG.S | SEG.DB));
  h.setDescriptor(SELECTOR.EXPAND_DOWN, descriptor(0, 0xf, DATA32 | SEG.EXPAND_DOWN));
  const stack16 = SEG.P | SEG.S | SEG.WRITABLE | DPL3;
  h.setDescriptor(SELECTOR.STACK16, descriptor(0, 0xffff, stack16));
  h.setDescriptor(SELECTOR.LDT, descriptor(PLACE.LDT, 0x1f, SEG.P | 2));
}

/** Enters 32-bit protected mode at CPL 0 with flat segments and a TSS that has a stack for it. */
export function protectedMode(h: SystemHarness): void {
  h.call('resetProcessor');
  fillGdt(h);
  h.run('setGdtr', 0xff, BigInt(PLACE.GDT));
  h.run('setIdtr', 0x3ff, BigInt(PLACE.IDT));
  h.run('writeCr', 0, 0x11n);
  h.run('farJump', SELECTOR.CODE0, 0x4000n, 4);
  for (const index of [SREG.SS, SREG.DS, SREG.ES]) {
    h.run('loadSegmentRegister', index, SELECTOR.DATA0);
  }
  h.set('gpr', PLACE.STACK0, GPR.RSP);
  h.write32(PLACE.TSS + 4, PLACE.STACK0, SELECTOR.DATA0);
  h.run('ltr', SELECTOR.TSS);
  h.at(0x4000);
}

/** Leaves for CPL 3 by IRETD, with `flags` and the given stack segment. */
export function enterUser(h: SystemHarness, flags = 0x202, stack: number = SELECTOR.DATA3): void {
  const frame = PLACE.STACK0 - 20;
  h.write32(frame, 0x6000, SELECTOR.CODE3, flags, PLACE.STACK3, stack);
  h.set('gpr', frame, GPR.RSP);
  h.run('interruptReturn', 4);
  h.at(h.get('nextRip'));
}

/** Enters IA-32e mode and a 64-bit code segment at CPL 0, memory mapped where it is. */
export function longMode(h: SystemHarness): void {
  protectedMode(h);
  const [pml4, pdpt, pd] = [PLACE.PML4, PLACE.PML4 + 0x1000, PLACE.PML4 + 0x2000];
  h.write64(pml4, BigInt(pdpt) | 7n);
  h.write64(pdpt, BigInt(pd) | 7n);
  h.write64(pd, 0x87n, 0x20_0087n);
  const [low, high] = descriptor(PLACE.TSS, 0x67, SEG.P | 9);
  h.write32(PLACE.GDT + SELECTOR.LONG_TSS, low, high, 0, 0);
  h.write32(PLACE.TSS + 4, PLACE.STACK0, 0);
  h.write32(PLACE.TSS + 36, PLACE.IST1, 0);
  h.run('writeCr', 4, 0x20n);
  h.run('writeCr', 3, BigInt(pml4));
  writeMsr(h, 0xc000_0080, 0x901n);
  h.run('writeCr', 0, 0x8000_0011n);
  h.run('farJump', SELECTOR.CODE64, 0x4000n, 4);
  h.run('ltr', SELECTOR.LONG_TSS);
  h.at(0x4000);
}

/** Makes a 16-byte interrupt gate. */
export function setLongGate(
  h: SystemHarness,
  vector: number,
  target: bigint,
  ist = 0,
  dpl = 0,
): void {
  const offset = Number(target & 0xffff_ffffn);
  const [low, high] = gate(SELECTOR.CODE64, offset, 0x8e | (dpl << 5), ist);
  h.write32(PLACE.IDT + vector * 16, low, high, Number(target >> 32n), 0);
}

export function writeMsr(
  h: SystemHarness,
  index: number,
  value: bigint,
  expected: number[] = [],
): void {
  h.set('gpr', index, GPR.RCX);
  h.set('gpr', value & 0xffff_ffffn, GPR.RAX);
  h.set('gpr', value >> 32n, GPR.RDX);
  h.faults(expected, 'wrmsr');
}

export function readMsr(h: SystemHarness, index: number): bigint {
  h.set('gpr', index, GPR.RCX);
  h.run('rdmsr');
  return (h.gpr(GPR.RDX) << 32n) | h.gpr(GPR.RAX);
}
