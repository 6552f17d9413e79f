import type { u8, u32 } from '@umbra/base';
import type { VgaRegisters } from './vga-registers.ts';
import { GR, SR } from './vga-registers.ts';

/** Memory map select, bits 3:2 of the miscellaneous register of the graphics controller. */
const WINDOWS = [
  { first: 0x0_0000, sizeBytes: 0x2_0000 },
  { first: 0x0_0000, sizeBytes: 0x1_0000 },
  { first: 0x1_0000, sizeBytes: 0x0_8000 },
  { first: 0x1_8000, sizeBytes: 0x0_8000 },
] as const;
const PLANE_BYTES = 0x1_0000;
const MISC_RAM_ENABLE = 1 << 1;

/**
 * The 256 KiB behind A0000h, four planes interleaved bytewise (byte `offset * 4 + plane`), with
 * latches and write modes. [VGA] "Graphics Controller"
 */
export class VgaMemory {
  readonly #registers: VgaRegisters;
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  latch: u32 = 0;

  /** `bytes` starts at a multiple of four in its buffer. */
  constructor(registers: VgaRegisters, bytes: Uint8Array) {
    this.#registers = registers;
    this.#bytes = bytes;
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, PLANE_BYTES);
  }

  /** `offset` counts from A0000h; 0xff where nothing answers. */
  read(offset: number): u8 {
    const { dispi, gr } = this.#registers;
    if (dispi.isPacked()) return this.#bytes[this.#bankAddress(offset)] ?? 0xff;
    const address = this.#windowOffset(offset);
    if (address < 0) return 0xff;
    if (this.#isChained()) return this.#bytes[address & 0xffff] ?? 0xff;
    if (this.#isOddEven()) return this.#bytes[oddEven(address)] ?? 0xff;
    this.latch = this.#words[address & 0xffff] ?? 0;
    if ((gr(GR.MODE) & 8) === 0) return (this.latch >>> (8 * (gr(GR.READ_MAP) & 3))) & 0xff;
    const differing = (this.latch ^ expand(gr(GR.COLOUR_COMPARE))) & expand(gr(GR.DONT_CARE));
    return ~(differing | (differing >>> 8) | (differing >>> 16) | (differing >>> 24)) & 0xff;
  }

  write(offset: number, value: u8): void {
    const { dispi, sr } = this.#registers;
    if (dispi.isPacked()) {
      const address = this.#bankAddress(offset);
      if (address >= 0) this.#bytes[address] = value;
      return;
    }
    const address = this.#windowOffset(offset);
    if (address < 0) return;
    const mapMask = sr(SR.MAP_MASK);
    if (this.#isChained()) {
      if ((mapMask & (1 << (address & 3))) !== 0) this.#bytes[address & 0xffff] = value;
    } else if (this.#isOddEven()) {
      const target = oddEven(address);
      if ((mapMask & (1 << (target & 3))) !== 0) this.#bytes[target] = value;
    } else {
      this.#writePlanes(address & 0xffff, value, expand(mapMask));
    }
  }

  #isChained(): boolean {
    return (this.#registers.sr(SR.MEMORY_MODE) & 8) !== 0;
  }

  #isOddEven(): boolean {
    return (this.#registers.sr(SR.MEMORY_MODE) & 4) === 0;
  }

  #bankAddress(offset: number): number {
    const address = this.#registers.dispi.bank * 0x1_0000 + offset;
    return offset < 0x1_0000 && address < this.#bytes.length ? address : -1;
  }

  #windowOffset(offset: number): number {
    const { gr, state } = this.#registers;
    const window = WINDOWS[(gr(GR.MISC) >> 2) & 3];
    if (window === undefined || (state.misc & MISC_RAM_ENABLE) === 0) return -1;
    const inside = offset - window.first;
    return inside >= 0 && inside < window.sizeBytes ? inside : -1;
  }

  #writePlanes(address: number, value: u8, mapMask: u32): void {
    const { gr } = this.#registers;
    const old = this.#words[address] ?? 0;
    const result = this.#combine(gr(GR.MODE) & 3, value);
    this.#words[address] = (old & ~mapMask) | (result & mapMask);
  }

  /** The four bytes that a write mode makes of the processor's one. */
  #combine(mode: number, value: u8): u32 {
    const { gr } = this.#registers;
    const setReset = expand(gr(GR.SET_RESET));
    const enabled = expand(gr(GR.ENABLE_SET_RESET));
    let bitMask = gr(GR.BIT_MASK);
    let data: number;
    switch (mode) {
      case 0:
        data = (repeat(this.#rotate(value)) & ~enabled) | (setReset & enabled);
        break;
      case 1:
        return this.latch;
      case 2:
        data = expand(value);
        break;
      default:
        bitMask &= this.#rotate(value);
        data = setReset;
    }
    const mask = repeat(bitMask);
    return (this.#logic(data) & mask) | (this.latch & ~mask);
  }

  #rotate(value: u8): u8 {
    const count = this.#registers.gr(GR.DATA_ROTATE) & 7;
    return ((value >> count) | (value << (8 - count))) & 0xff;
  }

  #logic(data: u32): u32 {
    switch ((this.#registers.gr(GR.DATA_ROTATE) >> 3) & 3) {
      case 1:
        return data & this.latch;
      case 2:
        return data | this.latch;
      case 3:
        return data ^ this.latch;
      default:
        return data;
    }
  }
}

/** Even addresses are plane 0, odd ones plane 1; the plane address is half the processor's. */
function oddEven(address: number): number {
  return ((address & 0xfffe) << 1) | (address & 1);
}

/** Four bits, one per plane, as four bytes of zeroes or ones. */
function expand(planes: number): u32 {
  let value = 0;
  for (let plane = 0; plane < 4; plane++) {
    if ((planes & (1 << plane)) !== 0) value |= 0xff << (8 * plane);
  }
  return value;
}

function repeat(value: u8): u32 {
  return value * 0x0101_0101;
}
