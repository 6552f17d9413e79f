import type { u32 } from '@umbra/base';
import type { MmioHandlers, PioHandlers } from '@umbra/core';
import * as z from 'zod';
import { fromHex, hexBytes, toHex } from './state.ts';

const CONFIG_BYTES = 256;
const BAR_COUNT = 6;
const ROM_INDEX = 6;
/** Type 0 header. [PCI] §6.1. */
export const CONFIG = {
  VENDOR_ID: 0x00,
  DEVICE_ID: 0x02,
  COMMAND: 0x04,
  STATUS: 0x06,
  REVISION_ID: 0x08,
  CLASS_CODE: 0x09,
  CACHE_LINE_SIZE: 0x0c,
  LATENCY_TIMER: 0x0d,
  HEADER_TYPE: 0x0e,
  BAR_0: 0x10,
  SUBSYSTEM_VENDOR_ID: 0x2c,
  SUBSYSTEM_ID: 0x2e,
  EXPANSION_ROM: 0x30,
  INTERRUPT_LINE: 0x3c,
  INTERRUPT_PIN: 0x3d,
} as const;
const COMMAND = { IO: 1 << 0, MEMORY: 1 << 1, MASTER: 1 << 2, INTX_DISABLE: 1 << 10 } as const;
const COMMAND_WRITABLE = 0x0547;
const STATUS_INTERRUPT = 1 << 3;
/** Error bits of the status register, cleared by writing ones. */
const STATUS_CLEARABLE = 0xf900;
const BAR = { IO: 1 << 0, PREFETCHABLE: 1 << 3, ROM_ENABLE: 1 << 0 } as const;

/** What a base address register opens; sizes are powers of two, memory at least 4 KiB. */
export type PciBar =
  | { readonly kind: 'io'; readonly sizeBytes: number; readonly handlers: PioHandlers }
  | { readonly kind: 'registers'; readonly sizeBytes: number; readonly handlers: MmioHandlers }
  | { readonly kind: 'memory'; readonly sizeBytes: number; readonly hostOffset: number };

export interface PciIdentity {
  readonly vendorId: number;
  readonly deviceId: number;
  /** 24 bits: base class, subclass, programming interface. */
  readonly classCode: number;
  readonly revisionId?: number;
  readonly subsystemVendorId?: number;
  readonly subsystemId?: number;
  /** 1 = INTA# to 4 = INTD#; 0 or absent: none. */
  readonly interruptPin?: number;
  readonly isMultifunction?: boolean;
}

/** What the chip behind a function tells about its configuration space. */
export interface PciFunctionOptions {
  readonly name: string;
  readonly slot: number;
  readonly function?: number;
  readonly identity: PciIdentity;
  /** BARs by number, 0 to 5. */
  readonly bars?: Readonly<Record<number, PciBar>>;
  /** Contents of the expansion ROM. */
  readonly rom?: Uint8Array | undefined;
  /** Power-on values beyond the standard header. */
  readonly initial?: readonly { readonly offset: number; readonly bytes: readonly number[] }[];
  /** Ranges beyond the standard header that the guest may write. */
  readonly writable?: readonly { readonly offset: number; readonly masks: readonly number[] }[];
  /** The guest is about to read: the chip may bring its registers up to date. */
  readonly onConfigRead?: (offset: number, size: number) => void;
  /** Some writable byte of `offset` to `offset + size - 1` changed or was written. */
  readonly onConfigWrite?: (offset: number, size: number) => void;
}

/** What the bus needs to know when something of a function changed. */
export interface PciFunctionOwner {
  /** Command register or BARs changed. */
  remap(): void;
  /** INTx may have been switched on or off by the command register. */
  driveInterrupts(): void;
  setInterrupt(pciFunction: PciFunction, asserted: boolean): void;
  isInterruptAsserted(pciFunction: PciFunction): boolean;
}

/** A place in an address space that a BAR asks for. */
export interface PciWindow {
  readonly name: string;
  readonly bar: PciBar;
  /** Where it shows now; undefined when it does not. */
  mappedAt: number | undefined;
}

export const PciFunctionState = z.strictObject({ config: hexBytes(CONFIG_BYTES) });
export type PciFunctionState = z.infer<typeof PciFunctionState>;

/** One PCI function: its configuration space and the windows that its BARs open. [PCI] §6 */
export class PciFunction {
  readonly name: string;
  readonly slot: number;
  readonly function: number;
  readonly windows: readonly PciWindow[];
  readonly #owner: PciFunctionOwner;
  readonly #options: PciFunctionOptions;
  readonly #config = new Uint8Array(CONFIG_BYTES);
  readonly #writable = new Uint8Array(CONFIG_BYTES);
  readonly #windowOfBar = new Map<number, PciWindow>();

  /** Made by PciBus.addFunction. */
  constructor(owner: PciFunctionOwner, options: PciFunctionOptions) {
    this.name = options.name;
    this.slot = options.slot;
    this.function = options.function ?? 0;
    this.#owner = owner;
    this.#options = options;
    this.#openWindows();
    this.windows = [...this.#windowOfBar.values()];
    this.#fillWritable();
    this.#initialize();
  }

  /** 1 = INTA# to 4 = INTD#, 0 when the function has none. */
  get interruptPin(): number {
    return this.#config[CONFIG.INTERRUPT_PIN] ?? 0;
  }

  /** Whether the guest lets this function read and write memory by itself. */
  get isBusMaster(): boolean {
    return (this.#command() & COMMAND.MASTER) !== 0;
  }

  /** Drives the function's INTx# pin. */
  setInterrupt(asserted: boolean): void {
    this.#owner.setInterrupt(this, asserted);
  }

  /** Whether INTx# may reach the bus. */
  get isInterruptEnabled(): boolean {
    return (this.#command() & COMMAND.INTX_DISABLE) === 0;
  }

  /** A byte of the configuration space. */
  config8(offset: number): number {
    return this.#config[offset & 0xff] ?? 0xff;
  }

  config16(offset: number): number {
    return this.config8(offset) | (this.config8(offset + 1) << 8);
  }

  config32(offset: number): u32 {
    return (this.config16(offset) | (this.config16(offset + 2) << 16)) >>> 0;
  }

  /** The chip itself sets a byte of its configuration space. */
  setConfig8(offset: number, value: number): void {
    this.#config[offset & 0xff] = value;
  }

  /** Configuration read by the guest; `size` is 1, 2 or 4 and does not cross a double word. */
  readConfig(offset: number, size: number): u32 {
    this.#options.onConfigRead?.(offset, size);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = value * 256 + this.#readByte(offset + i);
    return value;
  }

  /** Configuration write by the guest. */
  writeConfig(offset: number, size: number, value: u32): void {
    for (let i = 0; i < size; i++) this.#writeByte(offset + i, (value >>> (8 * i)) & 0xff);
    const isDecoding =
      (offset < CONFIG.STATUS && offset + size > CONFIG.COMMAND) ||
      (offset >= CONFIG.BAR_0 && offset < CONFIG.BAR_0 + 4 * BAR_COUNT) ||
      (offset >= CONFIG.EXPANSION_ROM && offset < CONFIG.EXPANSION_ROM + 4);
    if (isDecoding) this.#owner.remap();
    if (offset < CONFIG.STATUS) this.#owner.driveInterrupts();
    this.#options.onConfigWrite?.(offset, size);
  }

  /** Where a window belongs by command register and BAR; undefined when it is closed. */
  addressOf(window: PciWindow): number | undefined {
    for (const [index, candidate] of this.#windowOfBar) {
      if (candidate === window) return this.#decode(index, window.bar);
    }
    return undefined;
  }

  reset(): void {
    this.#initialize();
    this.#owner.setInterrupt(this, false);
    this.#owner.remap();
  }

  save(): PciFunctionState {
    return { config: toHex(this.#config) };
  }

  restore(state: PciFunctionState): void {
    fromHex(state.config, this.#config);
    this.#owner.remap();
  }

  #command(): number {
    return this.config16(CONFIG.COMMAND);
  }

  #decode(index: number, bar: PciBar): number | undefined {
    const command = this.#command();
    if (index === ROM_INDEX) {
      const raw = this.config32(CONFIG.EXPANSION_ROM);
      const isOpen = (raw & BAR.ROM_ENABLE) !== 0 && (command & COMMAND.MEMORY) !== 0;
      return isOpen ? nonZero((raw & ~0x7ff) >>> 0) : undefined;
    }
    const raw = this.config32(CONFIG.BAR_0 + 4 * index);
    if (bar.kind === 'io') {
      const address = nonZero((raw & ~3) >>> 0);
      const fits = address !== undefined && address + bar.sizeBytes <= 0x1_0000;
      return fits && (command & COMMAND.IO) !== 0 ? address : undefined;
    }
    return (command & COMMAND.MEMORY) !== 0 ? nonZero((raw & ~15) >>> 0) : undefined;
  }

  #openWindows(): void {
    for (const [key, bar] of Object.entries(this.#options.bars ?? {})) {
      const name = `${this.name}-bar${key}`;
      this.#windowOfBar.set(Number(key), { name, bar, mappedAt: undefined });
    }
    const { rom } = this.#options;
    if (rom === undefined) return;
    const bar: PciBar = { kind: 'registers', sizeBytes: romWindowBytes(rom), handlers: romOf(rom) };
    this.#windowOfBar.set(ROM_INDEX, { name: `${this.name}-rom`, bar, mappedAt: undefined });
  }

  #fillWritable(): void {
    this.#allow(CONFIG.COMMAND, [COMMAND_WRITABLE & 0xff, COMMAND_WRITABLE >> 8]);
    this.#allow(CONFIG.CACHE_LINE_SIZE, [0xff, 0xff]);
    this.#allow(CONFIG.INTERRUPT_LINE, [0xff]);
    for (const [index, { bar }] of this.#windowOfBar) {
      const isRom = index === ROM_INDEX;
      const mask = ~(bar.sizeBytes - 1) | (isRom ? BAR.ROM_ENABLE : 0);
      const offset = isRom ? CONFIG.EXPANSION_ROM : CONFIG.BAR_0 + 4 * index;
      this.#allow(
        offset,
        [0, 8, 16, 24].map((shift) => (mask >> shift) & 0xff),
      );
    }
    for (const { offset, masks } of this.#options.writable ?? []) this.#allow(offset, masks);
  }

  #allow(offset: number, masks: readonly number[]): void {
    this.#writable.set(masks, offset);
  }

  #initialize(): void {
    const { identity } = this.#options;
    const view = new DataView(this.#config.buffer);
    this.#config.fill(0);
    view.setUint16(CONFIG.VENDOR_ID, identity.vendorId, true);
    view.setUint16(CONFIG.DEVICE_ID, identity.deviceId, true);
    view.setUint32(
      CONFIG.REVISION_ID,
      (identity.classCode << 8) | (identity.revisionId ?? 0),
      true,
    );
    view.setUint8(CONFIG.HEADER_TYPE, identity.isMultifunction === true ? 0x80 : 0);
    view.setUint16(CONFIG.SUBSYSTEM_VENDOR_ID, identity.subsystemVendorId ?? 0, true);
    view.setUint16(CONFIG.SUBSYSTEM_ID, identity.subsystemId ?? 0, true);
    view.setUint8(CONFIG.INTERRUPT_PIN, identity.interruptPin ?? 0);
    for (const [index, { bar }] of this.#windowOfBar) {
      if (index === ROM_INDEX) continue;
      const flags = bar.kind === 'io' ? BAR.IO : bar.kind === 'memory' ? BAR.PREFETCHABLE : 0;
      view.setUint32(CONFIG.BAR_0 + 4 * index, flags, true);
    }
    for (const { offset, bytes } of this.#options.initial ?? []) this.#config.set(bytes, offset);
  }

  #readByte(offset: number): number {
    const value = this.config8(offset);
    if (offset !== CONFIG.STATUS) return value;
    return value | (this.#owner.isInterruptAsserted(this) ? STATUS_INTERRUPT : 0);
  }

  #writeByte(offset: number, value: number): void {
    const old = this.config8(offset);
    if (offset === CONFIG.STATUS || offset === CONFIG.STATUS + 1) {
      const clearable = offset === CONFIG.STATUS ? STATUS_CLEARABLE & 0xff : STATUS_CLEARABLE >> 8;
      this.#config[offset] = old & ~(value & clearable);
      return;
    }
    const mask = this.#writable[offset] ?? 0;
    this.#config[offset] = (old & ~mask) | (value & mask);
  }
}

function nonZero(address: number): number | undefined {
  return address === 0 ? undefined : address;
}

function romWindowBytes(rom: Uint8Array): number {
  let size = 4096;
  while (size < rom.length) size *= 2;
  return size;
}

function romOf(rom: Uint8Array): MmioHandlers {
  return {
    read: (offset, size) => {
      let value = 0;
      for (let i = size - 1; i >= 0; i--) value = value * 256 + (rom[offset + i] ?? 0xff);
      return value;
    },
    write: () => {},
  };
}
