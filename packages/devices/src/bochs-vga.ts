import type { Clock, u8, u32 } from '@umbra/base';
import type { Device, Frame, GuestMemory, MmioBus, PioBus } from '@umbra/core';
import * as z from 'zod';
import { FW_CFG_SUBSYSTEM } from './i440fx.ts';
import type { PciBus } from './pci-bus.ts';
import { type PciFunction, PciFunctionState } from './pci-function.ts';
import { byte, dword, fromHex, hexBytes, stateSchema, toHex } from './state.ts';
import { DispiState, VgaDispi } from './vga-dispi.ts';
import { VgaMemory } from './vga-memory.ts';
import { VgaPicture } from './vga-picture.ts';
import { CR, DAC_BYTES, REGISTER_COUNTS, VgaRegisters } from './vga-registers.ts';

/** Display memory of the card: VGA planes and linear frame buffer are the same bytes. */
export const VGA_MEMORY_BYTES = 16 * 1024 * 1024;

const LEGACY = { ADDRESS: 0xa_0000, SIZE_BYTES: 0x2_0000 } as const;
const DISPI_PORT = 0x1ce;
/** Ports from 3B0h. [VGA] "I/O Port Addresses". */
const PORT = {
  MONOCHROME: 0x3b0,
  COLOUR: 0x3c0,
  AR: 0x3c0,
  AR_READ: 0x3c1,
  MISC_WRITE_STATUS_0: 0x3c2,
  SR_INDEX: 0x3c4,
  SR: 0x3c5,
  PEL_MASK: 0x3c6,
  DAC_READ_INDEX: 0x3c7,
  DAC_WRITE_INDEX: 0x3c8,
  DAC: 0x3c9,
  FEATURE_READ: 0x3ca,
  MISC_READ: 0x3cc,
  GR_INDEX: 0x3ce,
  GR: 0x3cf,
  CR_INDEX: 0x3d4,
  CR: 0x3d5,
  STATUS_1_FEATURE: 0x3da,
} as const;
const STATUS_1 = { DISPLAY_DISABLED: 1 << 0, VERTICAL_RETRACE: 1 << 3 } as const;
const STATUS_0_SENSE = 1 << 4;
const MISC_COLOUR = 1 << 0;
const CR_PROTECT = 1 << 7;
/** 70 Hz with 449 lines, as VGA text modes have it. */
const LINE_NS = 31_778;
const LINES_TOTAL = 449;
const LINES_SHOWN = 412;
const BLANK_NS = 6_350;
const CURSOR_BLINK_NS = 266_000_000;

const State = z.strictObject({
  pci: PciFunctionState,
  registers: z.strictObject({
    misc: byte,
    feature: byte,
    srIndex: byte,
    grIndex: byte,
    crIndex: byte,
    arIndex: byte,
    isArData: z.boolean(),
    pelMask: byte,
    dacReadIndex: byte,
    dacWriteIndex: byte,
    dacComponent: z.int().min(0).max(2),
    isDacReading: z.boolean(),
  }),
  sr: hexBytes(REGISTER_COUNTS.sr),
  gr: hexBytes(REGISTER_COUNTS.gr),
  cr: hexBytes(REGISTER_COUNTS.cr),
  ar: hexBytes(REGISTER_COUNTS.ar),
  dac: hexBytes(DAC_BYTES),
  latch: dword,
  dispi: DispiState,
});
type State = z.infer<typeof State>;

/**
 * VGA with the Bochs display interface, as a PCI card. Display memory belongs to the machine's
 * memory block and is kept with it, not in this state. [VGA] [BOCHS-VBE]
 */
export class BochsVga implements Device<State> {
  readonly name: string;
  readonly schema = stateSchema('bochs-vga', 1, State);
  readonly #clock: Clock;
  readonly #pci: PciFunction;
  readonly #registers: VgaRegisters;
  readonly #memory: VgaMemory;
  readonly #picture: VgaPicture;

  /** `rom` is the VGA BIOS, shown by the expansion ROM register. */
  constructor(options: {
    name: string;
    pci: PciBus;
    pio: PioBus;
    mmio: MmioBus;
    memory: GuestMemory;
    clock: Clock;
    rom?: Uint8Array | undefined;
    slot?: number;
  }) {
    this.name = options.name;
    this.#clock = options.clock;
    const hostOffset = options.memory.allocateVideo(VGA_MEMORY_BYTES);
    const bytes = options.memory.hostBytes().subarray(hostOffset, hostOffset + VGA_MEMORY_BYTES);
    this.#registers = new VgaRegisters(new VgaDispi(bytes));
    this.#memory = new VgaMemory(this.#registers, bytes);
    this.#picture = new VgaPicture(this.#registers, bytes);
    this.#pci = options.pci.addFunction({
      name: options.name,
      slot: options.slot ?? 2,
      identity: {
        vendorId: 0x1234,
        deviceId: 0x1111,
        classCode: 0x03_0000,
        revisionId: 2,
        ...FW_CFG_SUBSYSTEM,
      },
      bars: { 0: { kind: 'memory', sizeBytes: VGA_MEMORY_BYTES, hostOffset } },
      rom: options.rom,
    });
    this.#claim(options.pio, options.mmio);
  }

  /** The picture now; its pixels are valid until the next call. */
  render(): Frame {
    const isCursorOn = Math.floor(this.#clock.now() / CURSOR_BLINK_NS) % 2 === 0;
    return this.#picture.render(isCursorOn);
  }

  /** The characters of a text mode, row by row without trailing blanks; [] in other modes. */
  textScreen(): string[] {
    return this.#picture.textScreen();
  }

  reset(): void {
    this.#pci.reset();
    this.#registers.reset();
    this.#memory.latch = 0;
  }

  save(): State {
    const { state, srs, grs, crs, ars, dac, dispi } = this.#registers;
    return {
      pci: this.#pci.save(),
      registers: { ...state },
      sr: toHex(srs),
      gr: toHex(grs),
      cr: toHex(crs),
      ar: toHex(ars),
      dac: toHex(dac),
      latch: this.#memory.latch >>> 0,
      dispi: dispi.save(),
    };
  }

  restore(state: State): void {
    this.#pci.restore(state.pci);
    this.#registers.state = { ...state.registers };
    fromHex(state.sr, this.#registers.srs);
    fromHex(state.gr, this.#registers.grs);
    fromHex(state.cr, this.#registers.crs);
    fromHex(state.ar, this.#registers.ars);
    fromHex(state.dac, this.#registers.dac);
    this.#memory.latch = state.latch;
    this.#registers.dispi.restore(state.dispi);
  }

  #claim(pio: PioBus, mmio: MmioBus): void {
    // 3BCh to 3BFh stay free for a parallel port.
    const ports = [
      { first: PORT.MONOCHROME, count: 12 },
      { first: PORT.COLOUR, count: 32 },
    ];
    for (const { first, count } of ports) {
      pio.register(this.name, first, count, {
        in8: (offset) => this.#in(first + offset),
        out8: (offset, value) => this.#out(first + offset, value),
      });
    }
    this.#claimDispi(pio);
    mmio.register(`${this.name}-legacy`, LEGACY.ADDRESS, LEGACY.SIZE_BYTES, {
      read: (offset, size) => {
        let value = 0;
        for (let i = 0; i < size; i++) value += this.#memory.read(offset + i) * 2 ** (8 * i);
        return value;
      },
      write: (offset, size, value) => {
        for (let i = 0; i < size; i++) this.#memory.write(offset + i, (value >>> (8 * i)) & 0xff);
      },
    });
  }

  /** Index at 1CEh, data at 1CFh and, for those who want it aligned, at 1D0h. */
  #claimDispi(pio: PioBus): void {
    const { dispi } = this.#registers;
    const read = (offset: number): number => (offset === 0 ? dispi.readIndex() : dispi.read());
    pio.register(`${this.name}-dispi`, DISPI_PORT, 3, {
      in8: (offset) => read(offset) & 0xff,
      out8: () => {},
      in16: read,
      out16: (offset, value) => {
        if (offset === 0) dispi.writeIndex(value);
        else dispi.write(value);
      },
    });
  }

  /** Ports 3B0h-3BBh answer for 3D0h-3DBh while the card is monochrome. */
  #canonical(port: number): number | undefined {
    const isColour = (this.#registers.state.misc & MISC_COLOUR) !== 0;
    if (port < PORT.COLOUR) return isColour ? undefined : port + 0x20;
    return port >= 0x3d0 && !isColour ? undefined : port;
  }

  #in(rawPort: number): u8 {
    const { state, sr, gr, cr, ar } = this.#registers;
    switch (this.#canonical(rawPort)) {
      case PORT.AR:
        return state.arIndex;
      case PORT.AR_READ:
        return ar(state.arIndex & 0x1f);
      case PORT.MISC_WRITE_STATUS_0:
        return STATUS_0_SENSE;
      case PORT.SR_INDEX:
        return state.srIndex;
      case PORT.SR:
        return sr(state.srIndex);
      case PORT.PEL_MASK:
        return state.pelMask;
      case PORT.DAC_READ_INDEX:
        return state.isDacReading ? 3 : 0;
      case PORT.DAC_WRITE_INDEX:
        return state.dacWriteIndex;
      case PORT.DAC:
        return this.#readDac();
      case PORT.FEATURE_READ:
        return state.feature;
      case PORT.MISC_READ:
        return state.misc;
      case PORT.GR_INDEX:
        return state.grIndex;
      case PORT.GR:
        return gr(state.grIndex);
      case PORT.CR_INDEX:
        return state.crIndex;
      case PORT.CR:
        return cr(state.crIndex);
      case PORT.STATUS_1_FEATURE:
        state.isArData = false;
        return this.#retrace();
      default:
        return 0xff;
    }
  }

  #out(rawPort: number, value: u8): void {
    const registers = this.#registers;
    const { state } = registers;
    switch (this.#canonical(rawPort)) {
      case PORT.AR:
        this.#writeAr(value);
        break;
      case PORT.MISC_WRITE_STATUS_0:
        state.misc = value;
        break;
      case PORT.SR_INDEX:
        state.srIndex = value & 7;
        break;
      case PORT.SR:
        if (state.srIndex < REGISTER_COUNTS.sr) registers.srs[state.srIndex] = value;
        break;
      case PORT.PEL_MASK:
        state.pelMask = value;
        break;
      case PORT.DAC_READ_INDEX:
        Object.assign(state, { dacReadIndex: value, dacComponent: 0, isDacReading: true });
        break;
      case PORT.DAC_WRITE_INDEX:
        Object.assign(state, { dacWriteIndex: value, dacComponent: 0, isDacReading: false });
        break;
      case PORT.DAC:
        this.#writeDac(value);
        break;
      case PORT.GR_INDEX:
        state.grIndex = value & 15;
        break;
      case PORT.GR:
        if (state.grIndex < REGISTER_COUNTS.gr) registers.grs[state.grIndex] = value;
        break;
      case PORT.CR_INDEX:
        state.crIndex = value & 0x3f;
        break;
      case PORT.CR:
        this.#writeCr(value);
        break;
      case PORT.STATUS_1_FEATURE:
        state.feature = value & 3;
        break;
    }
  }

  #writeAr(value: u8): void {
    const { state, ars } = this.#registers;
    if (!state.isArData) {
      state.arIndex = value & 0x3f;
    } else {
      const index = state.arIndex & 0x1f;
      // The palette cannot be written while it is in use by the display.
      const isShown = (state.arIndex & 0x20) !== 0;
      if (index < REGISTER_COUNTS.ar && !(isShown && index < 16)) ars[index] = value;
    }
    state.isArData = !state.isArData;
  }

  #writeCr(value: u8): void {
    const { state, crs, cr } = this.#registers;
    const index = state.crIndex;
    if (index >= REGISTER_COUNTS.cr) return;
    const isProtected = index <= CR.OVERFLOW && (cr(CR.RETRACE_END) & CR_PROTECT) !== 0;
    if (!isProtected) crs[index] = value;
    // Of the protected registers only the line compare bit can be written.
    else if (index === CR.OVERFLOW) crs[index] = (cr(index) & ~0x10) | (value & 0x10);
  }

  #readDac(): u8 {
    const { state, dac } = this.#registers;
    const value = dac[3 * state.dacReadIndex + state.dacComponent] ?? 0;
    state.dacComponent = (state.dacComponent + 1) % 3;
    if (state.dacComponent === 0) state.dacReadIndex = (state.dacReadIndex + 1) & 0xff;
    return value;
  }

  #writeDac(value: u8): void {
    const { state, dac, dispi } = this.#registers;
    const component = dispi.hasWideDac ? value : value & 0x3f;
    dac[3 * state.dacWriteIndex + state.dacComponent] = component;
    state.dacComponent = (state.dacComponent + 1) % 3;
    if (state.dacComponent === 0) state.dacWriteIndex = (state.dacWriteIndex + 1) & 0xff;
  }

  #retrace(): u32 {
    const now = this.#clock.now();
    const line = Math.floor(now / LINE_NS) % LINES_TOTAL;
    if (line >= LINES_SHOWN) return STATUS_1.VERTICAL_RETRACE | STATUS_1.DISPLAY_DISABLED;
    return now % LINE_NS >= LINE_NS - BLANK_NS ? STATUS_1.DISPLAY_DISABLED : 0;
  }
}
