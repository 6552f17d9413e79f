import type { u32 } from '@umbra/base';
import type { Frame } from '@umbra/core';
import { codePage437 } from './code-page-437.ts';
import { AR, CR, GR, SR, type VgaRegisters } from './vga-registers.ts';

/** Where the eight fonts of plane 2 start, by map select value. */
const FONT_OFFSETS = [0x0000, 0x4000, 0x8000, 0xc000, 0x2000, 0x6000, 0xa000, 0xe000] as const;
const FONT_STRIDE = 32;
const BLANK = { width: 640, height: 480 } as const;
const ATTRIBUTE = { BLINK_ENABLE: 1 << 3, LINE_GRAPHICS: 1 << 2, PIXEL_DOUBLE: 1 << 6 } as const;
const PALETTE_ADDRESS_SOURCE = 1 << 5;
const SCREEN_OFF = 1 << 5;
const CURSOR_OFF = 1 << 5;

/** Makes pictures of display memory. */
export class VgaPicture {
  readonly #registers: VgaRegisters;
  readonly #memory: Uint8Array;
  #pixels = new Uint32Array(0);
  #width = 0;
  #height = 0;

  constructor(registers: VgaRegisters, memory: Uint8Array) {
    this.#registers = registers;
    this.#memory = memory;
  }

  /** The picture now; its buffer is used again by the next call. */
  render(isCursorOn: boolean): Frame {
    const { dispi, gr, sr, state } = this.#registers;
    if (dispi.isPacked()) {
      this.#renderPacked();
    } else if (
      (state.arIndex & PALETTE_ADDRESS_SOURCE) === 0 ||
      (sr(SR.CLOCKING) & SCREEN_OFF) !== 0
    ) {
      this.#resize(this.#width || BLANK.width, this.#height || BLANK.height);
      this.#pixels.fill(0);
    } else if ((gr(GR.MISC) & 1) === 0) {
      this.#renderText(isCursorOn);
    } else {
      this.#renderGraphics((gr(GR.MODE) >> 5) & 3);
    }
    return { width: this.#width, height: this.#height, pixels: this.#pixels };
  }

  /** The characters of a text mode, row by row without trailing blanks; [] in other modes. */
  textScreen(): string[] {
    const { dispi, gr, cr } = this.#registers;
    if (dispi.isEnabled || (gr(GR.MISC) & 1) !== 0) return [];
    const { columns, rows, pitch, start } = this.#textLayout();
    if (cr(CR.OFFSET) === 0) return [];
    return Array.from({ length: rows }, (_, row) => {
      let line = '';
      for (let column = 0; column < columns; column++) {
        line += codePage437(this.#byte(4 * (start + row * pitch + column)));
      }
      return line.trimEnd();
    });
  }

  #byte(address: number): number {
    return this.#memory[address & 0x3_ffff] ?? 0;
  }

  #resize(width: number, height: number): void {
    if (width === this.#width && height === this.#height) return;
    this.#width = width;
    this.#height = height;
    this.#pixels = new Uint32Array(width * height);
  }

  #start(): number {
    return (this.#registers.cr(CR.START_HIGH) << 8) | this.#registers.cr(CR.START_LOW);
  }

  #textLayout(): { columns: number; rows: number; pitch: number; start: number; height: number } {
    const { cr } = this.#registers;
    const height = (cr(CR.MAXIMUM_SCAN_LINE) & 0x1f) + 1;
    return {
      columns: cr(CR.HORIZONTAL_DISPLAY_END) + 1,
      rows: Math.max(1, Math.floor(this.#registers.displayedLines() / height)),
      pitch: 2 * cr(CR.OFFSET),
      start: this.#start(),
      height,
    };
  }

  #renderText(isCursorOn: boolean): void {
    const { cr, sr } = this.#registers;
    const { columns, rows, pitch, start, height } = this.#textLayout();
    const cellWidth = (sr(SR.CLOCKING) & 1) !== 0 ? 8 : 9;
    this.#resize(columns * cellWidth, rows * height);
    const colours = Array.from({ length: 16 }, (_, i) => this.#registers.paletteColour(i));
    const cursor = (cr(CR.CURSOR_HIGH) << 8) | cr(CR.CURSOR_LOW);
    const hasCursor = isCursorOn && (cr(CR.CURSOR_START) & CURSOR_OFF) === 0;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const cell = start + row * pitch + column;
        const origin = row * height * this.#width + column * cellWidth;
        this.#renderCell(cell, origin, cellWidth, height, colours);
        if (hasCursor && cell === cursor)
          this.#renderCursor(cell, origin, cellWidth, height, colours);
      }
    }
  }

  #renderCell(
    cell: number,
    origin: number,
    width: number,
    height: number,
    colours: readonly u32[],
  ): void {
    const { ar } = this.#registers;
    const character = this.#byte(4 * cell);
    const attribute = this.#byte(4 * cell + 1);
    const font = this.#fontOffset((attribute & 8) !== 0) + character * FONT_STRIDE;
    const canBlink = (ar(AR.MODE) & ATTRIBUTE.BLINK_ENABLE) !== 0;
    const foreground = colours[attribute & 15] ?? 0;
    const background = colours[canBlink ? (attribute >> 4) & 7 : attribute >> 4] ?? 0;
    // The ninth column of box drawing characters repeats the eighth.
    const isLine = character >= 0xc0 && character <= 0xdf;
    const repeatsLast = isLine && (ar(AR.MODE) & ATTRIBUTE.LINE_GRAPHICS) !== 0;
    for (let y = 0; y < height; y++) {
      const bits = this.#byte(4 * (font + y) + 2);
      const wide = (bits << 1) | (repeatsLast ? bits & 1 : 0);
      for (let x = 0; x < width; x++) {
        this.#pixels[origin + y * this.#width + x] =
          (wide & (0x100 >> x)) !== 0 ? foreground : background;
      }
    }
  }

  #renderCursor(
    cell: number,
    origin: number,
    width: number,
    height: number,
    colours: readonly u32[],
  ): void {
    const first = this.#registers.cr(CR.CURSOR_START) & 0x1f;
    const last = Math.min(this.#registers.cr(CR.CURSOR_END) & 0x1f, height - 1);
    const colour = colours[this.#byte(4 * cell + 1) & 15] ?? 0;
    for (let y = first; y <= last; y++) {
      const from = origin + y * this.#width;
      this.#pixels.fill(colour, from, from + width);
    }
  }

  #fontOffset(isSecond: boolean): number {
    const select = this.#registers.sr(SR.CHARACTER_MAP);
    const map = isSecond
      ? ((select >> 2) & 3) | ((select >> 3) & 4)
      : (select & 3) | ((select >> 2) & 4);
    return FONT_OFFSETS[map] ?? 0;
  }

  /** Graphics modes of the VGA itself. `shift`: 0 planes, 1 CGA's two-bit pixels, else 256. */
  #renderGraphics(shift: number): void {
    const { cr, ar, sr } = this.#registers;
    const isDoubleScanned = (cr(CR.MAXIMUM_SCAN_LINE) & 0x80) !== 0;
    const rowScans = (cr(CR.MAXIMUM_SCAN_LINE) & 0x1f) + 1;
    // With this bit off, the row scan counter is an address bit: CGA's two banks of lines.
    const isBanked = (cr(CR.MODE_CONTROL) & 1) === 0;
    const scale = (isDoubleScanned ? 2 : 1) * (isBanked ? 1 : rowScans);
    const height = Math.max(1, Math.floor(this.#registers.displayedLines() / scale));
    const characters = cr(CR.HORIZONTAL_DISPLAY_END) + 1;
    const isHalved = shift >= 2 && (ar(AR.MODE) & ATTRIBUTE.PIXEL_DOUBLE) !== 0;
    this.#resize(characters * (isHalved ? 4 : 8), height);
    const pitch = 2 * cr(CR.OFFSET);
    const split = Math.floor((this.#registers.lineCompare() + 1) / scale);
    const bank = shift === 1 || (sr(SR.MEMORY_MODE) & 4) === 0 ? 0x1000 : 0x2000;
    const colours = this.#graphicsColours(shift);
    for (let y = 0; y < height; y++) {
      const base = y < split ? this.#start() : 0;
      const line = y < split ? y : y - split;
      const row = isBanked ? Math.floor(line / rowScans) : line;
      const odd = isBanked && (line % rowScans) & 1 ? bank : 0;
      const address = base + row * pitch + odd;
      if (shift === 0) this.#renderPlanes(y, address, colours);
      else if (shift === 1) this.#renderPairs(y, address, colours);
      else this.#renderBytes(y, address, colours);
    }
  }

  #graphicsColours(shift: number): Uint32Array {
    const colours = new Uint32Array(shift >= 2 ? 256 : 16);
    for (let i = 0; i < colours.length; i++) {
      colours[i] = shift >= 2 ? this.#registers.colour(i) : this.#registers.paletteColour(i);
    }
    return colours;
  }

  #renderPlanes(y: number, address: number, colours: Uint32Array): void {
    const enabled = this.#registers.ar(AR.PLANE_ENABLE) & 15;
    for (let x = 0; x < this.#width; x++) {
      const at = 4 * (address + (x >> 3));
      const bit = 7 - (x & 7);
      let pixel = 0;
      for (let plane = 0; plane < 4; plane++) {
        pixel |= ((this.#byte(at + plane) >> bit) & 1) << plane;
      }
      this.#pixels[y * this.#width + x] = colours[pixel & enabled] ?? 0;
    }
  }

  #renderPairs(y: number, address: number, colours: Uint32Array): void {
    for (let x = 0; x < this.#width; x++) {
      const byte = this.#byte(4 * (address + (x >> 3)) + ((x >> 2) & 1));
      const pixel = (byte >> (6 - 2 * (x & 3))) & 3;
      this.#pixels[y * this.#width + x] = colours[pixel] ?? 0;
    }
  }

  #renderBytes(y: number, address: number, colours: Uint32Array): void {
    for (let x = 0; x < this.#width; x++) {
      this.#pixels[y * this.#width + x] = colours[this.#byte(4 * address + x)] ?? 0;
    }
  }

  /** Modes of the Bochs interface: 8 bits by palette, 15 to 32 bits direct. */
  #renderPacked(): void {
    const { dispi } = this.#registers;
    const { width, height, depth, pitchBytes, startBytes } = dispi;
    this.#resize(width, height);
    const bytes = (depth + 7) >> 3;
    const colours = depth === 8 ? this.#graphicsColours(2) : undefined;
    const view = new DataView(this.#memory.buffer, this.#memory.byteOffset, this.#memory.length);
    for (let y = 0; y < height; y++) {
      const row = startBytes + y * pitchBytes;
      for (let x = 0; x < width; x++) {
        const at = row + x * bytes;
        this.#pixels[y * width + x] =
          at + bytes > view.byteLength
            ? 0
            : colours !== undefined
              ? (colours[view.getUint8(at)] ?? 0)
              : directColour(view, at, depth);
      }
    }
  }
}

function directColour(view: DataView, at: number, depth: number): u32 {
  if (depth === 32) return view.getUint32(at, true) & 0xff_ffff;
  const low = view.getUint16(at, true);
  if (depth === 24) return (view.getUint8(at + 2) << 16) | low;
  const greenBits = depth === 16 ? 6 : 5;
  const blue = widen(low & 31, 5);
  const green = widen((low >> 5) & (2 ** greenBits - 1), greenBits);
  const red = widen((low >> (5 + greenBits)) & 31, 5);
  return (red << 16) | (green << 8) | blue;
}

function widen(value: number, bits: number): number {
  return (value << (8 - bits)) | (value >> (2 * bits - 8));
}
