import type { u8, u32 } from '@umbra/base';
import type { VgaDispi } from './vga-dispi.ts';

/** Sequencer. [VGA] "Sequencer Registers". */
export const SR = { RESET: 0, CLOCKING: 1, MAP_MASK: 2, CHARACTER_MAP: 3, MEMORY_MODE: 4 } as const;
/** Graphics controller. [VGA] "Graphics Controller Registers". */
export const GR = {
  SET_RESET: 0,
  ENABLE_SET_RESET: 1,
  COLOUR_COMPARE: 2,
  DATA_ROTATE: 3,
  READ_MAP: 4,
  MODE: 5,
  MISC: 6,
  DONT_CARE: 7,
  BIT_MASK: 8,
} as const;
/** CRT controller. [VGA] "CRT Controller Registers". */
export const CR = {
  HORIZONTAL_DISPLAY_END: 0x01,
  OVERFLOW: 0x07,
  MAXIMUM_SCAN_LINE: 0x09,
  CURSOR_START: 0x0a,
  CURSOR_END: 0x0b,
  START_HIGH: 0x0c,
  START_LOW: 0x0d,
  CURSOR_HIGH: 0x0e,
  CURSOR_LOW: 0x0f,
  RETRACE_END: 0x11,
  VERTICAL_DISPLAY_END: 0x12,
  OFFSET: 0x13,
  MODE_CONTROL: 0x17,
  LINE_COMPARE: 0x18,
} as const;
/** Attribute controller. [VGA] "Attribute Controller Registers". */
export const AR = { MODE: 0x10, OVERSCAN: 0x11, PLANE_ENABLE: 0x12, COLOUR_SELECT: 0x14 } as const;
export const REGISTER_COUNTS = { sr: 5, gr: 9, cr: 25, ar: 21 } as const;
export const DAC_BYTES = 768;

/** The registers of a VGA as the ports leave them. */
export interface VgaRegisterState {
  misc: u8;
  feature: u8;
  srIndex: u8;
  grIndex: u8;
  crIndex: u8;
  arIndex: u8;
  /** The next write to 3C0h is data. */
  isArData: boolean;
  pelMask: u8;
  dacReadIndex: u8;
  dacWriteIndex: u8;
  /** Which of red, green, blue comes next. */
  dacComponent: number;
  isDacReading: boolean;
}

/** Register file of the VGA, read by memory and picture. */
export class VgaRegisters {
  state: VgaRegisterState = initialRegisters();
  readonly srs = new Uint8Array(REGISTER_COUNTS.sr);
  readonly grs = new Uint8Array(REGISTER_COUNTS.gr);
  readonly crs = new Uint8Array(REGISTER_COUNTS.cr);
  readonly ars = new Uint8Array(REGISTER_COUNTS.ar);
  readonly dac = new Uint8Array(DAC_BYTES);
  readonly dispi: VgaDispi;

  constructor(dispi: VgaDispi) {
    this.dispi = dispi;
  }

  readonly sr = (index: number): u8 => this.srs[index] ?? 0;
  readonly gr = (index: number): u8 => this.grs[index] ?? 0;
  readonly cr = (index: number): u8 => this.crs[index] ?? 0;
  readonly ar = (index: number): u8 => this.ars[index] ?? 0;

  /** Colour of a DAC entry as 0x00RRGGBB. */
  colour(index: number): u32 {
    const entry = 3 * (index & this.state.pelMask);
    const shift = this.dispi.hasWideDac ? 0 : 2;
    const component = (offset: number): number => {
      const value = (this.dac[entry + offset] ?? 0) << shift;
      // Six bits widen so that 63 becomes 255.
      return shift === 0 ? value : (value | (value >> 6)) & 0xff;
    };
    return (component(0) << 16) | (component(1) << 8) | component(2);
  }

  /** Colour of a four-bit pixel or text attribute. [VGA] "Internal Palette Registers". */
  paletteColour(attribute: number): u32 {
    const palette = this.ar(attribute & 15);
    const select = this.ar(AR.COLOUR_SELECT);
    const high = (select & 0x0c) << 4;
    const isSplit = (this.ar(AR.MODE) & 0x80) !== 0;
    const low = isSplit ? (palette & 0x0f) | ((select & 3) << 4) : palette & 0x3f;
    return this.colour(high | low);
  }

  /** Scan lines that are shown. */
  displayedLines(): number {
    const overflow = this.cr(CR.OVERFLOW);
    const high = ((overflow & 0x02) << 7) | ((overflow & 0x40) << 3);
    return (this.cr(CR.VERTICAL_DISPLAY_END) | high) + 1;
  }

  /** The scan line after which the picture starts again at address 0. */
  lineCompare(): number {
    const overflow = (this.cr(CR.OVERFLOW) & 0x10) << 4;
    const maximum = (this.cr(CR.MAXIMUM_SCAN_LINE) & 0x40) << 3;
    return this.cr(CR.LINE_COMPARE) | overflow | maximum;
  }

  reset(): void {
    this.state = initialRegisters();
    for (const file of [this.srs, this.grs, this.crs, this.ars, this.dac]) file.fill(0);
    this.dispi.reset();
  }
}

function initialRegisters(): VgaRegisterState {
  return {
    misc: 0,
    feature: 0,
    srIndex: 0,
    grIndex: 0,
    crIndex: 0,
    arIndex: 0,
    isArData: false,
    pelMask: 0xff,
    dacReadIndex: 0,
    dacWriteIndex: 0,
    dacComponent: 0,
    isDacReading: false,
  };
}
