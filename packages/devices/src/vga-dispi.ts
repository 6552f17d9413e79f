import * as z from 'zod';
import { word } from './state.ts';

/** Registers of the Bochs display interface. [BOCHS-VBE] */
const INDEX = {
  ID: 0,
  XRES: 1,
  YRES: 2,
  BPP: 3,
  ENABLE: 4,
  BANK: 5,
  VIRT_WIDTH: 6,
  VIRT_HEIGHT: 7,
  X_OFFSET: 8,
  Y_OFFSET: 9,
  VIDEO_MEMORY_64K: 10,
} as const;
const REGISTER_COUNT = 11;
const ENABLE = {
  ENABLED: 1,
  GETCAPS: 2,
  DAC_8BIT: 0x20,
  NOCLEARMEM: 0x80,
  WRITABLE: 0xe3,
} as const;
const ID_FIRST = 0xb0c0;
const ID_LAST = 0xb0c5;
const LIMIT = { XRES: 2560, YRES: 1600, BPP: 32 } as const;
const DEPTHS: readonly number[] = [4, 8, 15, 16, 24, 32];

export const DispiState = z.strictObject({
  index: word,
  registers: z.array(word).length(REGISTER_COUNT),
});
export type DispiState = z.infer<typeof DispiState>;

/** The Bochs display interface: modes beyond VGA, chosen by 16-bit registers. [BOCHS-VBE] */
export class VgaDispi {
  readonly #memory: Uint8Array;
  #index = 0;
  readonly #registers = new Uint16Array(REGISTER_COUNT);

  constructor(memory: Uint8Array) {
    this.#memory = memory;
    this.reset();
  }

  get isEnabled(): boolean {
    return (this.#register(INDEX.ENABLE) & ENABLE.ENABLED) !== 0;
  }

  /** Whether colours have eight bits in the DAC. */
  get hasWideDac(): boolean {
    return (this.#register(INDEX.ENABLE) & ENABLE.DAC_8BIT) !== 0;
  }

  get bank(): number {
    return this.#register(INDEX.BANK);
  }

  get width(): number {
    return this.#register(INDEX.XRES);
  }

  get height(): number {
    return this.#register(INDEX.YRES);
  }

  get depth(): number {
    return this.#register(INDEX.BPP);
  }

  /** Bytes from one row to the next. */
  get pitchBytes(): number {
    return this.#rowBytes(this.#register(INDEX.VIRT_WIDTH));
  }

  /** Where the picture starts in memory. */
  get startBytes(): number {
    const start = this.#register(INDEX.Y_OFFSET) * this.pitchBytes;
    return start + this.#rowBytes(this.#register(INDEX.X_OFFSET));
  }

  /** A mode whose memory is pixels in a row, also through the window at A0000h. */
  isPacked(): boolean {
    return this.isEnabled && this.depth >= 8;
  }

  readIndex(): number {
    return this.#index;
  }

  writeIndex(value: number): void {
    this.#index = value;
  }

  read(): number {
    if ((this.#register(INDEX.ENABLE) & ENABLE.GETCAPS) !== 0) {
      if (this.#index === INDEX.XRES) return LIMIT.XRES;
      if (this.#index === INDEX.YRES) return LIMIT.YRES;
      if (this.#index === INDEX.BPP) return LIMIT.BPP;
    }
    if (this.#index === INDEX.VIRT_HEIGHT) return this.#virtualHeight();
    return this.#registers[this.#index] ?? 0;
  }

  write(value: number): void {
    switch (this.#index) {
      case INDEX.ID:
        if (value >= ID_FIRST && value <= ID_LAST) this.#registers[INDEX.ID] = value;
        break;
      case INDEX.XRES:
        if (!this.isEnabled && value > 0 && value <= LIMIT.XRES) {
          this.#registers[INDEX.XRES] = value & ~7;
        }
        break;
      case INDEX.YRES:
        if (!this.isEnabled && value > 0 && value <= LIMIT.YRES) {
          this.#registers[INDEX.YRES] = value;
        }
        break;
      case INDEX.BPP:
        // Zero is an old way to ask for eight.
        if (!this.isEnabled && (value === 0 || DEPTHS.includes(value))) {
          this.#registers[INDEX.BPP] = value === 0 ? 8 : value;
        }
        break;
      case INDEX.ENABLE:
        this.#enable(value & ENABLE.WRITABLE);
        break;
      case INDEX.BANK:
        if (value < this.#register(INDEX.VIDEO_MEMORY_64K)) this.#registers[INDEX.BANK] = value;
        break;
      case INDEX.VIRT_WIDTH:
        this.#setVirtualWidth(value & ~7);
        break;
      case INDEX.X_OFFSET:
      case INDEX.Y_OFFSET:
        this.#setOffset(value);
        break;
    }
  }

  reset(): void {
    this.#index = 0;
    this.#registers.fill(0);
    this.#registers[INDEX.ID] = ID_LAST;
    this.#registers[INDEX.BPP] = 8;
    this.#registers[INDEX.VIDEO_MEMORY_64K] = this.#memory.length >> 16;
  }

  save(): DispiState {
    return { index: this.#index, registers: [...this.#registers] };
  }

  restore(state: DispiState): void {
    this.#index = state.index;
    this.#registers.set(state.registers);
  }

  #register(index: number): number {
    return this.#registers[index] ?? 0;
  }

  #rowBytes(pixels: number): number {
    const { depth } = this;
    return depth === 4 ? pixels >> 1 : pixels * ((depth + 7) >> 3);
  }

  #virtualHeight(): number {
    const pitch = this.pitchBytes;
    return pitch === 0 ? 0 : Math.min(0xffff, Math.floor(this.#memory.length / pitch));
  }

  #enable(value: number): void {
    const wasEnabled = this.isEnabled;
    const wants = (value & ENABLE.ENABLED) !== 0;
    const { width, height } = this;
    const sizeBytes = this.#rowBytes(width) * height;
    if (wants && !wasEnabled) {
      // A mode that does not exist or does not fit is not entered.
      if (sizeBytes === 0 || sizeBytes > this.#memory.length) return;
      this.#registers[INDEX.VIRT_WIDTH] = width;
      this.#registers[INDEX.X_OFFSET] = 0;
      this.#registers[INDEX.Y_OFFSET] = 0;
      if ((value & ENABLE.NOCLEARMEM) === 0) this.#memory.fill(0, 0, sizeBytes);
    }
    if (!wants) this.#registers[INDEX.BANK] = 0;
    this.#registers[INDEX.ENABLE] = value;
  }

  #setVirtualWidth(value: number): void {
    const width = Math.max(value, this.width);
    if (this.#rowBytes(width) * this.height > this.#memory.length) return;
    this.#registers[INDEX.VIRT_WIDTH] = width;
    this.#registers[INDEX.X_OFFSET] = 0;
    this.#registers[INDEX.Y_OFFSET] = 0;
  }

  #setOffset(value: number): void {
    const old = this.#register(this.#index);
    this.#registers[this.#index] = value;
    const end = this.startBytes + this.pitchBytes * this.height;
    if (end > this.#memory.length) this.#registers[this.#index] = old;
  }
}
