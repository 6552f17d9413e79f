import type { u8, u32 } from '@umbra/base';
import { type ApicBus, DELIVERY_MODE, type Device, type IrqLine, type MmioBus } from '@umbra/core';
import * as z from 'zod';
import { dword, stateSchema } from './state.ts';

const DEFAULT_ADDRESS = 0xfec0_0000;
const PIN_COUNT = 24;
/** Memory-mapped registers. [82093AA] §3.1. */
const REG = { IOREGSEL: 0x00, IOWIN: 0x10 } as const;
/** Indirect registers. [82093AA] §3.2. */
const INDEX = { IOAPICID: 0x00, IOAPICVER: 0x01, IOAPICARB: 0x02, IOREDTBL: 0x10 } as const;
const VERSION = 0x11 | ((PIN_COUNT - 1) << 16);
const ID_BITS = 0x0f00_0000;
/** Low half of a redirection table entry. */
const ENTRY = {
  VECTOR: 0xff,
  DELMOD_SHIFT: 8,
  DESTMOD: 1 << 11,
  REMOTE_IRR: 1 << 14,
  LEVEL: 1 << 15,
  MASKED: 1 << 16,
  WRITABLE: 0x1_afff,
} as const;

const State = z.strictObject({
  select: z.int().min(0).max(0xff),
  id: dword,
  lines: dword,
  entries: z.array(z.tuple([dword, dword])).length(PIN_COUNT),
});
type State = z.infer<typeof State>;

/** I/O APIC, Intel 82093AA. [82093AA] */
export class I82093Ioapic implements Device<State> {
  readonly name: string;
  readonly schema = stateSchema('i82093-ioapic', 1, State);
  /** Hears when a mask may have been lifted. */
  onMaskChange: () => void = () => {};
  readonly #bus: ApicBus;
  readonly #pins: readonly IrqLine[];
  readonly #low = new Uint32Array(PIN_COUNT);
  readonly #high = new Uint32Array(PIN_COUNT);
  #select = 0;
  #id = 0;
  #lines = 0;

  constructor(options: { name: string; mmio: MmioBus; bus: ApicBus; address?: number }) {
    this.name = options.name;
    this.#bus = options.bus;
    this.#pins = Array.from({ length: PIN_COUNT }, (_, pin) => ({
      set: (asserted: boolean) => this.#setPin(pin, asserted),
    }));
    this.#low.fill(ENTRY.MASKED);
    options.mmio.register(this.name, options.address ?? DEFAULT_ADDRESS, 4096, this);
  }

  /** The interrupt input of `pin`, 0 to 23. */
  line(pin: number): IrqLine {
    const line = this.#pins[pin];
    if (line === undefined) throw new RangeError(`Pin ${pin} is not 0 to ${PIN_COUNT - 1}`);
    return line;
  }

  /** Whether an edge of a pin is lost. */
  ignoresEdge(pin: number): boolean {
    return ((this.#low[pin] ?? 0) & ENTRY.MASKED) !== 0;
  }

  /** A local APIC's end of interrupt for a level-triggered `vector`. */
  eoi(vector: u8): void {
    for (let pin = 0; pin < PIN_COUNT; pin++) {
      const entry = this.#low[pin] ?? 0;
      if ((entry & ENTRY.REMOTE_IRR) === 0 || (entry & ENTRY.VECTOR) !== vector) continue;
      this.#low[pin] = entry & ~ENTRY.REMOTE_IRR;
      this.#serveLevel(pin);
    }
  }

  read(offset: number, size: number): u32 {
    let value = 0;
    if ((offset & ~3) === REG.IOREGSEL) value = this.#select;
    else if ((offset & ~3) === REG.IOWIN) value = this.#readIndirect();
    const shifted = value >>> (8 * (offset & 3));
    return size === 4 ? shifted : shifted & (size === 2 ? 0xffff : 0xff);
  }

  write(offset: number, size: number, value: u32): void {
    if (offset === REG.IOREGSEL) this.#select = value & 0xff;
    // The data register takes whole words only. [82093AA] §3.1.2.
    else if (offset === REG.IOWIN && size === 4) this.#writeIndirect(value);
  }

  reset(): void {
    this.#select = 0;
    this.#id = 0;
    this.#lines = 0;
    this.#low.fill(ENTRY.MASKED);
    this.#high.fill(0);
  }

  save(): State {
    return {
      select: this.#select,
      id: this.#id,
      lines: this.#lines,
      entries: [...this.#low].map((low, pin) => [low, this.#high[pin] ?? 0] as [u32, u32]),
    };
  }

  restore(state: State): void {
    this.#select = state.select;
    this.#id = state.id;
    this.#lines = state.lines;
    state.entries.forEach(([low, high], pin) => {
      this.#low[pin] = low;
      this.#high[pin] = high;
    });
  }

  #readIndirect(): u32 {
    switch (this.#select) {
      case INDEX.IOAPICID:
      case INDEX.IOAPICARB:
        return this.#id;
      case INDEX.IOAPICVER:
        return VERSION;
      default: {
        const pin = (this.#select - INDEX.IOREDTBL) >> 1;
        return ((this.#select & 1) === 0 ? this.#low[pin] : this.#high[pin]) ?? 0;
      }
    }
  }

  #writeIndirect(value: u32): void {
    if (this.#select === INDEX.IOAPICID) {
      this.#id = value & ID_BITS;
      return;
    }
    const pin = (this.#select - INDEX.IOREDTBL) >> 1;
    if (this.#select < INDEX.IOREDTBL || pin >= PIN_COUNT) return;
    if ((this.#select & 1) !== 0) {
      this.#high[pin] = value & 0xff00_0000;
      return;
    }
    const remoteIrr = (this.#low[pin] ?? 0) & ENTRY.REMOTE_IRR;
    // Turning an entry to edge forgets an outstanding level interrupt; Linux does it on purpose.
    const kept = (value & ENTRY.LEVEL) !== 0 ? remoteIrr : 0;
    this.#low[pin] = (value & ENTRY.WRITABLE) | kept;
    this.#serveLevel(pin);
    this.onMaskChange();
  }

  #setPin(pin: number, asserted: boolean): void {
    const bit = 1 << pin;
    const wasAsserted = (this.#lines & bit) !== 0;
    if (asserted === wasAsserted) return;
    this.#lines = (this.#lines ^ bit) >>> 0;
    const entry = this.#low[pin] ?? 0;
    if ((entry & ENTRY.LEVEL) !== 0) this.#serveLevel(pin);
    // An edge on a masked pin is lost. [82093AA] §3.2.4, "Interrupt Mask".
    else if (asserted && (entry & ENTRY.MASKED) === 0) this.#deliver(pin);
  }

  #serveLevel(pin: number): void {
    const entry = this.#low[pin] ?? 0;
    const isWaiting = (this.#lines & (1 << pin)) !== 0 && (entry & ENTRY.LEVEL) !== 0;
    if (!isWaiting || (entry & (ENTRY.MASKED | ENTRY.REMOTE_IRR)) !== 0) return;
    const mode = (entry >> ENTRY.DELMOD_SHIFT) & 7;
    if (mode === DELIVERY_MODE.FIXED || mode === DELIVERY_MODE.LOWEST) {
      this.#low[pin] = entry | ENTRY.REMOTE_IRR;
    }
    this.#deliver(pin);
  }

  #deliver(pin: number): void {
    const entry = this.#low[pin] ?? 0;
    this.#bus.deliver({
      vector: entry & ENTRY.VECTOR,
      deliveryMode: (entry >> ENTRY.DELMOD_SHIFT) & 7,
      destination: (this.#high[pin] ?? 0) >>> 24,
      isLogical: (entry & ENTRY.DESTMOD) !== 0,
      isLevel: (entry & ENTRY.LEVEL) !== 0,
      isAsserted: true,
    });
  }
}
