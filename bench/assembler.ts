// A builder of machine code for the benchmark programs: the few instructions that they need, in the
// subset of encodings that means the same in 32-bit and 64-bit code. Operands are 32 bits wide
// (which clears the upper halves in 64-bit code) unless an instruction is asked to be `wide`, and
// all memory of a program lies below 4 GiB. [SDM] vol. 2A §2.1.

export type Bits = 32 | 64;
/** A register, by the number that encodes it. */
export type Register = number;
export const EAX = 0;
export const ECX = 1;
export const EDX = 2;
export const EBX = 3;
export const EBP = 5;
export const ESI = 6;
export const EDI = 7;

/** A place in the program; `address` is known once it was put somewhere. */
export interface Label {
  address: number | undefined;
}

/** What a system call or a push takes: a constant, or what is in a register. */
export type Operand = number | { readonly register: Register };

/** Number of the operation, as the opcodes of [SDM] vol. 2D table A-2 count them. */
const ALU = { add: 0, or: 1, and: 4, sub: 5, xor: 6, cmp: 7 } as const;
const SHIFT = { rol: 0, ror: 1, shl: 4, shr: 5 } as const;
const CONDITION = { below: 2, aboveOrEqual: 3, zero: 4, notZero: 5 } as const;

/** System calls by number; [LINUX] arch/x86/entry/syscalls. */
const CALLS = {
  32: {
    ...{ exit: 1, fork: 2, read: 3, write: 4, getpid: 20, pipe: 42, munmap: 91, wait4: 114 },
    ...{ mmap: 192, clockGettime: 265 },
  },
  64: {
    ...{ read: 0, write: 1, mmap: 9, munmap: 11, pipe: 22, getpid: 39, fork: 57, exit: 60 },
    ...{ wait4: 61, clockGettime: 228 },
  },
} as const;
/** Registers of the arguments: 8 and above are r8 and following. */
const ARGUMENTS = { 32: [EBX, ECX, EDX, ESI, EDI, EBP], 64: [EDI, ESI, EDX, 10, 8, 9] } as const;

/** Machine code that grows at its end. */
export class Assembler {
  readonly bits: Bits;
  readonly #origin: number;
  readonly #bytes: number[] = [];
  readonly #fixups: { at: number; label: Label; isRelative: boolean }[] = [];

  constructor(bits: Bits, origin: number) {
    this.bits = bits;
    this.#origin = origin;
  }

  label(): Label {
    return { address: undefined };
  }

  /** Puts `label` here. */
  place(label: Label): void {
    label.address = this.#origin + this.#bytes.length;
  }

  here(): Label {
    const label = this.label();
    this.place(label);
    return label;
  }

  text(text: string): void {
    this.#bytes.push(...Buffer.from(text));
  }

  move(to: Register, from: Register, wide = false): void {
    this.#emit(wide, 0x89, direct(from, to));
  }

  set(to: Register, value: number | Label): void {
    this.#emit(false, 0xb8 + to);
    if (typeof value === 'number') this.#u32(value);
    else this.#reference(value, false);
  }

  alu(name: keyof typeof ALU, to: Register, from: Register, wide = false): void {
    this.#emit(wide, ALU[name] * 8 + 1, direct(from, to));
  }

  aluConstant(name: keyof typeof ALU, to: Register, value: number, wide = false): void {
    this.#emit(wide, 0x81, direct(ALU[name], to));
    this.#u32(value);
  }

  shift(name: keyof typeof SHIFT, to: Register, count: number, wide = false): void {
    this.#emit(wide, 0xc1, direct(SHIFT[name], to), count);
  }

  /** Signed product of two registers, into the first. */
  multiply(to: Register, by: Register, wide = false): void {
    this.#emit(wide, 0x0f, 0xaf, direct(to, by));
  }

  /** EDX:EAX := EAX * `by`. */
  multiplyLong(by: Register): void {
    this.#emit(false, 0xf7, direct(4, by));
  }

  /** EAX, EDX := quotient and remainder of EDX:EAX by `by`. */
  divide(by: Register, wide = false): void {
    this.#emit(wide, 0xf7, direct(6, by));
  }

  addWithCarry(to: Register, from: Register): void {
    this.#emit(false, 0x11, direct(from, to));
  }

  subtractWithBorrow(to: Register, from: Register): void {
    this.#emit(false, 0x19, direct(from, to));
  }

  load(to: Register, base: Register, offset = 0): void {
    this.#emit(false, 0x8b, 0x80 | (to << 3) | base);
    this.#u32(offset);
  }

  store(from: Register, base: Register, offset = 0): void {
    this.#emit(false, 0x89, 0x80 | (from << 3) | base);
    this.#u32(offset);
  }

  /** `to` := the 32 bits at `base` + 4 * `index`. */
  loadElement(to: Register, base: Register, index: Register): void {
    this.#emit(false, 0x8b, 0x44 | (to << 3), 0x80 | (index << 3) | base, 0);
  }

  storeElement(from: Register, base: Register, index: Register): void {
    this.#emit(false, 0x89, 0x44 | (from << 3), 0x80 | (index << 3) | base, 0);
  }

  /** `to` := the byte at `base` + `index`. */
  loadByte(to: Register, base: Register, index: Register): void {
    this.#emit(false, 0x0f, 0xb6, 0x44 | (to << 3), (index << 3) | base, 0);
  }

  /** Byte at `base` + `index` := the lowest byte of `from`, which is EAX, ECX, EDX or EBX. */
  storeByte(from: Register, base: Register, index: Register): void {
    this.#emit(false, 0x88, 0x44 | (from << 3), (index << 3) | base, 0);
  }

  /** Copies ECX times 32 bits from ESI to EDI. */
  repeatMove(): void {
    this.#emit(false, 0xf3, 0xa5);
  }

  push(value: Operand): void {
    if (typeof value === 'number') {
      this.#emit(false, 0x68);
      this.#u32(value);
    } else this.#emit(false, 0x50 + value.register);
  }

  pop(to: Register): void {
    if (to >= 8) this.#emit(false, 0x41);
    this.#emit(false, 0x58 + (to & 7));
  }

  jump(to: Label): void {
    this.#emit(false, 0xe9);
    this.#reference(to, true);
  }

  jumpIf(condition: keyof typeof CONDITION, to: Label): void {
    this.#emit(false, 0x0f, 0x80 + CONDITION[condition]);
    this.#reference(to, true);
  }

  /** Counts `register` down and jumps to `to` until it is 0. */
  countDown(register: Register, to: Label): void {
    this.aluConstant('sub', register, 1);
    this.jumpIf('notZero', to);
  }

  call(to: Label): void {
    this.#emit(false, 0xe8);
    this.#reference(to, true);
  }

  callRegister(register: Register): void {
    this.#emit(false, 0xff, direct(2, register));
  }

  return(): void {
    this.#emit(false, 0xc3);
  }

  /** Address of `label` as 32 bits of data. */
  addressOf(label: Label): void {
    this.#reference(label, false);
  }

  /** A system call; its result is in EAX. Of the other registers only EBP keeps its value. */
  systemCall(name: keyof (typeof CALLS)[32], ...values: readonly Operand[]): void {
    const registers = ARGUMENTS[this.bits].slice(0, values.length);
    this.push({ register: EBP });
    for (const value of values) this.push(value);
    for (const register of registers.reverse()) this.pop(register);
    this.set(EAX, CALLS[this.bits][name]);
    if (this.bits === 32) this.#emit(false, 0xcd, 0x80);
    else this.#emit(false, 0x0f, 0x05);
    this.pop(EBP);
  }

  /** The code, with all labels filled in. */
  finish(): Uint8Array {
    const bytes = Uint8Array.from(this.#bytes);
    const view = new DataView(bytes.buffer);
    for (const { at, label, isRelative } of this.#fixups) {
      if (label.address === undefined) throw new RangeError('A label was never placed');
      const origin = isRelative ? this.#origin + at + 4 : 0;
      view.setInt32(at, (label.address - origin) | 0, true);
    }
    return bytes;
  }

  #emit(wide: boolean, ...bytes: readonly number[]): void {
    if (wide && this.bits === 64) this.#bytes.push(0x48); // REX.W
    this.#bytes.push(...bytes);
  }

  #u32(value: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.#bytes.push((value >>> shift) & 0xff);
  }

  #reference(label: Label, isRelative: boolean): void {
    this.#fixups.push({ at: this.#bytes.length, label, isRelative });
    this.#u32(0);
  }
}

/** The ModR/M byte of two registers. */
function direct(reg: number, rm: number): number {
  return 0xc0 | (reg << 3) | rm;
}
