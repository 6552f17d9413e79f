import type { u8, u32 } from '@umbra/base';
import type { Device, MmioBus, PioBus } from '@umbra/core';
import * as z from 'zod';
import { PciFunction, type PciFunctionOptions, type PciWindow } from './pci-function.ts';
import { byte, dword, stateSchema } from './state.ts';

const PORT = { CONFIG_ADDRESS: 0xcf8 } as const;
/** Offsets from CONFIG_ADDRESS. */
const OFFSET = { RESET_CONTROL: 1, CONFIG_DATA: 4 } as const;
/** [PCI] §3.2.2.3.2. */
const ADDRESS = { ENABLE: 0x8000_0000, WRITABLE: 0x80ff_fffc } as const;
/** [PIIX3] §2.5.3.1. */
const RESET_CONTROL = { HARD: 1 << 1, RESET: 1 << 2 } as const;
const PIRQ_COUNT = 4;

const State = z.strictObject({
  address: dword,
  resetControl: byte,
  /** Functions that hold their interrupt pin low, as slot * 8 + function. */
  asserted: z.array(byte).max(256),
});
type State = z.infer<typeof State>;

/**
 * PCI bus 0 with configuration mechanism 1. Owns the mapping of all BARs: a window that would
 * collide with something stays closed until there is room. [PCI] §3.2.2.3
 */
export class PciBus implements Device<State> {
  readonly name: string;
  readonly schema = stateSchema('pci-bus', 1, State);
  readonly #pio: PioBus;
  readonly #mmio: MmioBus;
  readonly #onReset: (isHard: boolean) => void;
  readonly #functions = new Map<number, PciFunction>();
  readonly #asserted = new Set<number>();
  #routePirq: ((pirq: number, asserted: boolean) => void) | undefined;
  #address = 0;
  #resetControl = 0;

  /** `onReset` answers the reset control register of the PIIX3, which shares these ports. */
  constructor(options: {
    name: string;
    pio: PioBus;
    mmio: MmioBus;
    onReset: (isHard: boolean) => void;
  }) {
    this.name = options.name;
    this.#pio = options.pio;
    this.#mmio = options.mmio;
    this.#onReset = options.onReset;
    options.pio.register(this.name, PORT.CONFIG_ADDRESS, 8, this);
  }

  /** Puts a function on the bus; slot and function must be free. */
  addFunction(options: PciFunctionOptions): PciFunction {
    const key = keyOf(options.slot, options.function ?? 0);
    if (this.#functions.has(key)) throw new RangeError(`PCI function ${options.name} is doubled`);
    const pciFunction = new PciFunction(
      {
        remap: () => this.#remap(),
        driveInterrupts: () => this.#driveAll(),
        setInterrupt: (source, asserted) => this.#setInterrupt(source, asserted),
        isInterruptAsserted: (source) => this.#asserted.has(keyOf(source.slot, source.function)),
      },
      options,
    );
    this.#functions.set(key, pciFunction);
    return pciFunction;
  }

  /** The ISA bridge takes the four interrupt wires PIRQA# to PIRQD# (0 to 3). */
  connectInterrupts(route: (pirq: number, asserted: boolean) => void): void {
    this.#routePirq = route;
  }

  /** The level of an interrupt wire. */
  isPirqAsserted(pirq: number): boolean {
    for (const key of this.#asserted) {
      const source = this.#functions.get(key);
      if (source?.isInterruptEnabled === true && pirqOf(source) === pirq) return true;
    }
    return false;
  }

  in8(offset: number): u8 {
    if (offset === OFFSET.RESET_CONTROL) return this.#resetControl;
    return offset >= OFFSET.CONFIG_DATA ? this.#readData(offset, 1) : 0xff;
  }

  in16(offset: number): number {
    if (offset >= OFFSET.CONFIG_DATA) return this.#readData(offset, 2);
    return this.in8(offset) | (this.in8(offset + 1) << 8);
  }

  in32(offset: number): u32 {
    return offset === 0 ? this.#address : this.#readData(offset, 4);
  }

  out8(offset: number, value: u8): void {
    if (offset === OFFSET.RESET_CONTROL) this.#writeResetControl(value);
    else if (offset >= OFFSET.CONFIG_DATA) this.#writeData(offset, 1, value);
  }

  out16(offset: number, value: number): void {
    if (offset >= OFFSET.CONFIG_DATA) {
      this.#writeData(offset, 2, value);
      return;
    }
    this.out8(offset, value & 0xff);
    this.out8(offset + 1, value >> 8);
  }

  out32(offset: number, value: u32): void {
    if (offset === 0) this.#address = (value & ADDRESS.WRITABLE) >>> 0;
    else this.#writeData(offset, 4, value);
  }

  reset(): void {
    this.#address = 0;
    this.#resetControl = 0;
    this.#asserted.clear();
    this.#driveAll();
  }

  save(): State {
    return {
      address: this.#address,
      resetControl: this.#resetControl,
      asserted: [...this.#asserted].sort((a, b) => a - b),
    };
  }

  restore(state: State): void {
    this.#address = state.address;
    this.#resetControl = state.resetControl;
    this.#asserted.clear();
    for (const key of state.asserted) this.#asserted.add(key);
  }

  #selected(): PciFunction | undefined {
    const isBusZero = (this.#address & 0x00ff_0000) === 0;
    if ((this.#address & ADDRESS.ENABLE) === 0 || !isBusZero) return undefined;
    return this.#functions.get((this.#address >> 8) & 0xff);
  }

  #readData(offset: number, size: number): u32 {
    const allOnes = size === 4 ? 0xffff_ffff : 2 ** (8 * size) - 1;
    // An access that crosses the double word reaches no register.
    if ((offset & 3) + size > 4) return allOnes;
    return this.#selected()?.readConfig((this.#address & 0xfc) | (offset & 3), size) ?? allOnes;
  }

  #writeData(offset: number, size: number, value: u32): void {
    if ((offset & 3) + size > 4) return;
    this.#selected()?.writeConfig((this.#address & 0xfc) | (offset & 3), size, value);
  }

  #writeResetControl(value: u8): void {
    const isRising = (value & ~this.#resetControl & RESET_CONTROL.RESET) !== 0;
    this.#resetControl = value & (RESET_CONTROL.HARD | RESET_CONTROL.RESET);
    if (isRising) this.#onReset((value & RESET_CONTROL.HARD) !== 0);
  }

  #setInterrupt(source: PciFunction, asserted: boolean): void {
    const key = keyOf(source.slot, source.function);
    if (asserted === this.#asserted.has(key)) return;
    if (asserted) this.#asserted.add(key);
    else this.#asserted.delete(key);
    const pirq = pirqOf(source);
    this.#routePirq?.(pirq, this.isPirqAsserted(pirq));
  }

  #driveAll(): void {
    for (let pirq = 0; pirq < PIRQ_COUNT; pirq++) {
      this.#routePirq?.(pirq, this.isPirqAsserted(pirq));
    }
  }

  /** Closes every window that moved, then opens all that have a place and room there. */
  #remap(): void {
    for (const pciFunction of this.#functions.values()) {
      for (const window of pciFunction.windows) {
        if (window.mappedAt === undefined) continue;
        if (window.mappedAt !== pciFunction.addressOf(window)) this.#close(window);
      }
    }
    for (const pciFunction of this.#functions.values()) {
      for (const window of pciFunction.windows) {
        const address = pciFunction.addressOf(window);
        if (address !== undefined && window.mappedAt === undefined) this.#open(window, address);
      }
    }
  }

  #open(window: PciWindow, address: number): void {
    const { bar, name } = window;
    if (bar.kind === 'io') {
      if (!this.#pio.isFree(address, bar.sizeBytes)) return;
      this.#pio.register(name, address, bar.sizeBytes, bar.handlers);
    } else {
      const end = address + bar.sizeBytes;
      if (address % 4096 !== 0 || end > 2 ** 32 || !this.#mmio.isFree(address, bar.sizeBytes))
        return;
      if (bar.kind === 'registers') {
        this.#mmio.register(name, address, bar.sizeBytes, bar.handlers);
      } else {
        this.#mmio.mapMemory(name, address, bar.hostOffset, bar.sizeBytes);
      }
    }
    window.mappedAt = address;
  }

  #close(window: PciWindow): void {
    const { bar, mappedAt } = window;
    window.mappedAt = undefined;
    if (mappedAt === undefined) return;
    if (bar.kind === 'io') this.#pio.unregister(mappedAt, bar.sizeBytes);
    else if (bar.kind === 'registers') this.#mmio.unregister(mappedAt);
    else this.#mmio.unmapMemory(mappedAt);
  }
}

function keyOf(slot: number, pciFunction: number): number {
  return slot * 8 + pciFunction;
}

/** The wiring of the slots: pins rotate by slot, INTA# of slot 1 is PIRQA#. [PIIX3] §1.1. */
function pirqOf(source: PciFunction): number {
  return (source.slot + source.interruptPin + 2) & (PIRQ_COUNT - 1);
}
