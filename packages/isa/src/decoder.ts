import type { OpcodeRow } from './define.ts';
import type { MapEntry, OpcodeMap } from './opcode-map.ts';
import type { Operand, OperandCode } from './operand.ts';
import type { Size } from './semantics.ts';

/** Most bytes that an instruction may have. [SDM] vol. 2A §2.3.11. */
export const INSTRUCTION_LENGTH_MAX = 15;
/** Number that stands for RIP as a base register. */
export const BASE_RIP = 17;

/** Number that stands for AL, zero-extended, as an index register (XLAT). */
export const INDEX_AL = 18;

/** Segment register numbers. */
const DS = 3;
const SS = 2;

/** A memory operand's address form. */
export interface MemoryForm {
  /** 0 to 15, BASE_RIP, or -1. */
  readonly base: number;
  readonly index: number;
  /** Shift count of the index, 0 to 3. */
  readonly scale: number;
  /** Signed. */
  readonly displacement: number;
  readonly segment: number;
  /** 1: the address is the immediate (moffs). */
  readonly absolute: boolean;
}

/** One decoded instruction. */
export interface Decoded {
  readonly row: OpcodeRow;
  /** Identity of the row in the opcode map. */
  readonly id: number;
  readonly length: number;
  readonly operandSize: Size;
  readonly addressSize: 16 | 32 | 64;
  readonly lock: boolean;
  /** 0 = none, 1 = F3, 2 = F2. */
  readonly repeat: 0 | 1 | 2;
  /** The segment override, or -1. */
  readonly segment: number;
  readonly modrm: number;
  readonly memory: MemoryForm | undefined;
  readonly operands: readonly Operand[];
  /** Halves of the (first) immediate, sign-extended. */
  readonly immediateLow: number;
  readonly immediateHigh: number;
  readonly secondImmediate: number;
}

/** Why no instruction came out. */
export type DecodeFailure =
  | 'truncated' // more bytes are needed than were given
  | 'too long' // beyond 15 bytes: #GP(0)
  | 'invalid'; // #UD

/** Decodes one instruction at a time. Not re-entrant. */
export class Decoder {
  readonly #map: OpcodeMap;
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  #at = 0;
  #end = 0;
  #mode: 16 | 32 | 64 = 32;
  #rex = 0;
  #operand16 = false;
  #operandSize: Size = 32;
  #addressSize: 16 | 32 | 64 = 32;
  #segment = -1;
  #repeat: 0 | 1 | 2 = 0;
  #lock = false;
  #modrm = -1;
  #memory: MemoryForm | undefined;
  #low = 0;
  #high = 0;
  #second = 0;
  #overrun = false;

  constructor(map: OpcodeMap) {
    this.#map = map;
  }

  /** Decodes at `bytes[start]`, with the bytes before `end` at hand. */
  decode(
    bytes: Uint8Array,
    start: number,
    end: number,
    mode: 16 | 32 | 64,
  ): Decoded | DecodeFailure {
    this.#bytes = bytes;
    this.#start = start;
    this.#at = start;
    this.#end = Math.min(end, start + INSTRUCTION_LENGTH_MAX);
    this.#mode = mode;
    this.#overrun = false;
    this.#low = 0;
    this.#high = 0;
    this.#second = 0;
    this.#memory = undefined;
    this.#modrm = -1;
    const decoded = this.#decode();
    if (this.#overrun) return end - start >= INSTRUCTION_LENGTH_MAX ? 'too long' : 'truncated';
    return decoded;
  }

  #byte(): number {
    if (this.#at >= this.#end) {
      this.#overrun = true;
      return 0;
    }
    return this.#bytes[this.#at++] as number;
  }

  #decode(): Decoded | DecodeFailure {
    const opcode = this.#prefixes();
    if (this.#overrun) return 'truncated';
    let map = 0;
    let code = opcode;
    if (code === 0x0f) {
      map = 1;
      code = this.#byte();
      if (code === 0x38 || code === 0x3a) {
        map = code === 0x38 ? 2 : 3;
        code = this.#byte();
      }
    }
    if (this.#overrun) return 'truncated';
    const candidates = this.#map[(map << 8) | code] as readonly MapEntry[];
    if (candidates.length === 0) return 'invalid';
    const next = this.#at < this.#end ? (this.#bytes[this.#at] as number) : -1;
    const entry = this.#choose(candidates, next);
    if (entry === undefined) {
      if (next < 0 && candidates.some((candidate) => candidate.hasModrm)) this.#overrun = true;
      return 'invalid';
    }
    return this.#finish(entry, code);
  }

  #prefixes(): number {
    this.#rex = 0;
    this.#operand16 = false;
    this.#segment = -1;
    this.#repeat = 0;
    this.#lock = false;
    let address = false;
    let byte: number;
    for (;;) {
      byte = this.#byte();
      if (this.#overrun) return 0;
      const prefix = this.#prefix(byte);
      if (prefix === 'address') address = true;
      else if (prefix === 'rex') {
        this.#rex = byte;
        continue;
      } else if (prefix === undefined) break;
      this.#rex = 0; // Only the last byte before the opcode counts. [SDM] vol. 2A §2.2.1.
    }
    const wide = this.#mode === 64;
    this.#addressSize = wide ? (address ? 32 : 64) : (this.#mode === 32) !== address ? 32 : 16;
    if (this.#rex & 8) this.#operandSize = 64;
    else if (this.#mode === 16) this.#operandSize = this.#operand16 ? 32 : 16;
    else this.#operandSize = this.#operand16 ? 16 : 32;
    return byte;
  }

  #prefix(byte: number): 'plain' | 'address' | 'rex' | undefined {
    switch (byte) {
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
        // ES, CS, SS and DS overrides mean nothing in 64-bit mode.
        if (this.#mode !== 64) this.#segment = (byte >> 3) & 3;
        return 'plain';
      case 0x64:
      case 0x65:
        this.#segment = byte & 7;
        return 'plain';
      case 0x66:
        this.#operand16 = true;
        return 'plain';
      case 0x67:
        return 'address';
      case 0xf0:
        this.#lock = true;
        return 'plain';
      case 0xf2:
        this.#repeat = 2;
        return 'plain';
      case 0xf3:
        this.#repeat = 1;
        return 'plain';
      default:
        return this.#mode === 64 && (byte & 0xf0) === 0x40 ? 'rex' : undefined;
    }
  }

  #choose(candidates: readonly MapEntry[], modrm: number): MapEntry | undefined {
    for (const entry of candidates) {
      const { attributes } = entry.row;
      if (this.#mode === 64 ? attributes.has('i64') : attributes.has('o64')) continue;
      if (attributes.has('wq') && !(this.#rex & 8)) continue;
      if (attributes.has('w0') && this.#rex & 8) continue;
      if (attributes.has('b1') && !(this.#rex & 1)) continue;
      if (attributes.has('b0') && this.#rex & 1) continue;
      if (entry.hasModrm) {
        if (modrm < 0) continue;
        if (entry.modrm >= 0 && entry.modrm !== modrm) continue;
        if (entry.digit >= 0 && entry.digit !== ((modrm >> 3) & 7)) continue;
        if (entry.form === 'm' && modrm >= 0xc0) continue;
        if (entry.form === 'r' && modrm < 0xc0) continue;
      }
      if (!this.#prefixFits(entry.mandatory)) continue;
      return entry;
    }
    return undefined;
  }

  #prefixFits(mandatory: MapEntry['mandatory']): boolean {
    switch (mandatory) {
      case undefined:
        return true;
      case 'NP':
        return this.#repeat === 0 && !this.#operand16;
      case '66':
        return this.#repeat === 0 && this.#operand16;
      case 'F3':
        return this.#repeat === 1;
      case 'F2':
        return this.#repeat === 2;
      case '66F2':
        return this.#repeat === 2 && this.#operand16;
    }
  }

  #finish(entry: MapEntry, code: number): Decoded | DecodeFailure {
    const { row } = entry;
    const { attributes } = row;
    if (this.#mode === 64) {
      if (attributes.has('f64')) this.#operandSize = 64;
      else if (attributes.has('d64'))
        this.#operandSize = this.#operand16 && !(this.#rex & 8) ? 16 : 64;
    }
    if (entry.mandatory === '66' && this.#operandSize === 16) this.#operandSize = 32;
    if (entry.hasModrm) {
      this.#modrm = this.#byte();
      const moves = row.operands.some((operand) => operand === 'Cd' || operand === 'Dd');
      // MOV to and from control and debug registers: mod is ignored, always a register.
      if (this.#modrm < 0xc0 && !moves) this.#memory = this.#address();
      if (moves) this.#operandSize = this.#mode === 64 ? 64 : 32;
    }
    const operands: Operand[] = [];
    for (const operandCode of row.operands) {
      const operand = this.#operand(operandCode, code);
      if (operand === undefined) return 'invalid';
      operands.push(operand);
    }
    const first = operands[0];
    if (this.#lock && !(attributes.has('lock') && first?.kind === 'memory')) return 'invalid';
    return {
      row,
      id: entry.id,
      length: this.#at - this.#start,
      operandSize: this.#operandSize,
      addressSize: this.#addressSize,
      lock: this.#lock,
      repeat: this.#repeat,
      segment: this.#segment,
      modrm: this.#modrm,
      memory: this.#memory,
      operands,
      immediateLow: this.#low,
      immediateHigh: this.#high,
      secondImmediate: this.#second,
    };
  }

  /** The address form of ModRM and SIB. [SDM] vol. 2A tables 2-1 to 2-3. */
  #address(): MemoryForm {
    const mod = this.#modrm >> 6;
    const rm = this.#modrm & 7;
    if (this.#addressSize === 16) return this.#address16(mod, rm);
    let base = rm | ((this.#rex & 1) << 3);
    let index = -1;
    let scale = 0;
    if (rm === 4) {
      const sib = this.#byte();
      scale = sib >> 6;
      index = ((sib >> 3) & 7) | ((this.#rex & 2) << 2);
      if (index === 4) index = -1;
      base = (sib & 7) | ((this.#rex & 1) << 3);
      if ((sib & 7) === 5 && mod === 0) base = -1;
    } else if (rm === 5 && mod === 0) {
      base = this.#mode === 64 ? BASE_RIP : -1;
    }
    let displacement = 0;
    if (mod === 1) displacement = this.#signed(1);
    else if (mod === 2 || base === -1 || base === BASE_RIP) displacement = this.#signed(4);
    const segment = this.#segment >= 0 ? this.#segment : base === 4 || base === 5 ? SS : DS;
    return { base, index, scale, displacement, segment, absolute: false };
  }

  #address16(mod: number, rm: number): MemoryForm {
    const BASES = [3, 3, 5, 5, 6, 7, 5, 3];
    const INDICES = [6, 7, 6, 7, -1, -1, -1, -1];
    const direct = mod === 0 && rm === 6;
    const base = direct ? -1 : (BASES[rm] as number);
    const displacement = direct || mod === 2 ? this.#signed(2) : mod === 1 ? this.#signed(1) : 0;
    const segment = this.#segment >= 0 ? this.#segment : base === 5 ? SS : DS;
    return { base, index: INDICES[rm] as number, scale: 0, displacement, segment, absolute: false };
  }

  /** A little-endian signed number of 1, 2 or 4 bytes. */
  #signed(bytes: 1 | 2 | 4): number {
    const b0 = this.#byte();
    if (bytes === 1) return (b0 << 24) >> 24;
    const b1 = this.#byte();
    if (bytes === 2) return ((b0 | (b1 << 8)) << 16) >> 16;
    return b0 | (b1 << 8) | (this.#byte() << 16) | (this.#byte() << 24);
  }

  #immediate(bytes: 1 | 2 | 4 | 8, signed: boolean): void {
    const low = this.#signed(bytes === 8 ? 4 : bytes);
    this.#low = signed || bytes >= 4 ? low : low & (bytes === 1 ? 0xff : 0xffff);
    this.#high = bytes === 8 ? this.#signed(4) : this.#low >> 31;
  }

  #width(type: string): number {
    switch (type) {
      case 'b':
        return 8;
      case 'w':
        return 16;
      case 'd':
      case 'ss':
        return 32;
      case 'q':
      case 'sd':
        return 64;
      case 'v':
        return this.#operandSize;
      case 'z':
        return this.#operandSize === 16 ? 16 : 32;
      case 'y':
        return this.#rex & 8 ? 64 : 32;
      case 'x':
        return 128;
      default:
        return 0;
    }
  }

  #operand(code: OperandCode, opcode: number): Operand | undefined {
    const fixed = FIXED[code];
    if (fixed !== undefined) return this.#fixed(fixed);
    const size = this.#width(code.slice(1));
    switch (code.charAt(0)) {
      case 'E':
        if (this.#memory) return memoryOperand(code === 'Ew/d' ? 16 : size);
        return this.#general('rm', (this.#modrm & 7) | ((this.#rex & 1) << 3), size);
      case 'M':
        if (code === 'Mw/Rv' || code === 'Mb/Rv') {
          if (this.#memory) return memoryOperand(code === 'Mb/Rv' ? 8 : 16);
          return this.#general('rm', (this.#modrm & 7) | ((this.#rex & 1) << 3), this.#operandSize);
        }
        return this.#memory ? memoryOperand(size) : undefined;
      case 'R':
        if (this.#memory) return undefined;
        return this.#general(
          'rm',
          (this.#modrm & 7) | ((this.#rex & 1) << 3),
          size || this.#operandSize,
        );
      case 'G':
        return this.#general('reg', ((this.#modrm >> 3) & 7) | ((this.#rex & 4) << 1), size);
      case 'Z':
        return this.#general('opcode', (opcode & 7) | ((this.#rex & 1) << 3), size);
      case 'I':
        return this.#immediateOperand(code);
      case 'J':
        this.#immediate(code === 'Jb' ? 1 : this.#operandSize === 16 ? 2 : 4, true);
        return {
          kind: 'relative',
          role: 'immediate',
          size: this.#operandSize,
          index: 0,
          isHigh: false,
        };
      case 'O':
        return this.#offset(size);
      case 'A':
        return this.#farPointer();
      case 'X': // XLAT: [rBX + AL], made up here from what the address form can say.
        this.#memory = {
          base: 3,
          index: INDEX_AL,
          scale: 0,
          displacement: 0,
          segment: this.#segment >= 0 ? this.#segment : DS,
          absolute: false,
        };
        return memoryOperand(8);
      default:
        return this.#specialOperand(code, size);
    }
  }

  #fixed(fixed: {
    kind: 'register' | 'segment' | 'immediate' | 'vector' | 'stack87';
    index: number;
    type: string;
  }): Operand {
    if (fixed.kind === 'immediate') this.#low = fixed.index;
    return {
      kind: fixed.kind,
      role: 'fixed',
      size: fixed.kind === 'segment' ? 16 : this.#width(fixed.type),
      index: fixed.index,
      isHigh: false,
    };
  }

  #general(role: 'reg' | 'rm' | 'opcode', index: number, size: number): Operand {
    const isHigh = size === 8 && this.#rex === 0 && index >= 4 && index < 8;
    return { kind: 'register', role, size, index: isHigh ? index - 4 : index, isHigh };
  }

  #immediateOperand(code: OperandCode): Operand {
    const operand = (size: number, index: number): Operand => ({
      kind: 'immediate',
      role: 'immediate',
      size,
      index,
      isHigh: false,
    });
    switch (code) {
      case 'Ib2':
        this.#second = this.#byte();
        return operand(8, 1);
      case 'Ibs':
        this.#immediate(1, true);
        return operand(this.#operandSize, 0);
      case 'Ib':
        this.#immediate(1, false);
        return operand(8, 0);
      case 'Iw':
        this.#immediate(2, false);
        return operand(16, 0);
      case 'Iv':
        this.#immediate(this.#operandSize === 64 ? 8 : this.#operandSize === 32 ? 4 : 2, true);
        return operand(this.#operandSize, 0);
      default:
        this.#immediate(this.#operandSize === 16 ? 2 : 4, true);
        return operand(this.#operandSize, 0);
    }
  }

  #offset(size: number): Operand {
    if (this.#addressSize === 64) this.#immediate(8, false);
    else {
      this.#immediate(this.#addressSize === 32 ? 4 : 2, false);
      this.#high = 0;
    }
    const segment = this.#segment >= 0 ? this.#segment : DS;
    this.#memory = { base: -1, index: -1, scale: 0, displacement: 0, segment, absolute: true };
    return memoryOperand(size);
  }

  #farPointer(): Operand {
    this.#immediate(this.#operandSize === 16 ? 2 : 4, false);
    const b0 = this.#byte();
    this.#high = b0 | (this.#byte() << 8);
    return { kind: 'immediate', role: 'immediate', size: 64, index: 0, isHigh: false };
  }

  #specialOperand(code: OperandCode, size: number): Operand | undefined {
    const reg = ((this.#modrm >> 3) & 7) | ((this.#rex & 4) << 1);
    const rm = (this.#modrm & 7) | ((this.#rex & 1) << 3);
    const make = (kind: Operand['kind'], role: 'reg' | 'rm', index: number): Operand => ({
      kind,
      role,
      size,
      index,
      isHigh: false,
    });
    switch (code.charAt(0)) {
      case 'S': // Sw, STi
        if (code === 'STi')
          return { kind: 'stack87', role: 'rm', size: 80, index: this.#modrm & 7, isHigh: false };
        if ((reg & 7) > 5) return undefined;
        return { kind: 'segment', role: 'reg', size: 16, index: reg & 7, isHigh: false };
      case 'C':
        // LOCK MOV CR0 is AMD's other name of CR8; Intel has REX.R only.
        return [0, 2, 3, 4, 8].includes(reg) ? make('control', 'reg', reg) : undefined;
      case 'D':
        return reg > 7 ? undefined : make('debug', 'reg', reg);
      case 'V':
        return make('vector', 'reg', reg);
      case 'W':
        return this.#memory ? memoryOperand(size) : make('vector', 'rm', rm);
      case 'U':
        return this.#memory ? undefined : make('vector', 'rm', rm);
      case 'P':
        return make('mmx', 'reg', reg & 7);
      case 'Q':
        return this.#memory ? memoryOperand(size) : make('mmx', 'rm', rm & 7);
      case 'N':
        return this.#memory ? undefined : make('mmx', 'rm', rm & 7);
      default:
        return undefined;
    }
  }
}

const FIXED: Partial<
  Record<
    string,
    {
      kind: 'register' | 'segment' | 'immediate' | 'vector' | 'stack87';
      index: number;
      type: string;
    }
  >
> = {
  AL: { kind: 'register', index: 0, type: 'b' },
  CL: { kind: 'register', index: 1, type: 'b' },
  AX: { kind: 'register', index: 0, type: 'w' },
  DX: { kind: 'register', index: 2, type: 'w' },
  rAX: { kind: 'register', index: 0, type: 'v' },
  eAX: { kind: 'register', index: 0, type: 'z' },
  rCX: { kind: 'register', index: 1, type: 'v' },
  rDX: { kind: 'register', index: 2, type: 'v' },
  rSP: { kind: 'register', index: 4, type: 'v' },
  rBP: { kind: 'register', index: 5, type: 'v' },
  ES: { kind: 'segment', index: 0, type: 'w' },
  CS: { kind: 'segment', index: 1, type: 'w' },
  SS: { kind: 'segment', index: 2, type: 'w' },
  DS: { kind: 'segment', index: 3, type: 'w' },
  FS: { kind: 'segment', index: 4, type: 'w' },
  GS: { kind: 'segment', index: 5, type: 'w' },
  '1': { kind: 'immediate', index: 1, type: 'b' },
  XMM0: { kind: 'vector', index: 0, type: 'x' },
  ST0: { kind: 'stack87', index: 0, type: '' },
};

function memoryOperand(size: number): Operand {
  return { kind: 'memory', role: 'rm', size, index: 0, isHigh: false };
}
