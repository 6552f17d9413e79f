import type { Device, IrqLine } from '@umbra/core';
import { FW_CFG_SUBSYSTEM } from './i440fx.ts';
import type { PciBus } from './pci-bus.ts';
import { type PciFunction, PciFunctionState } from './pci-function.ts';
import { stateSchema } from './state.ts';

const SLOT = 1;
/** [PIIX3] §2.2. */
const CONFIG = {
  IORT: 0x4c,
  XBCS: 0x4e,
  PIRQRC: 0x60,
  TOM: 0x69,
  MBIRQ0: 0x70,
  END: 0x100,
} as const;
const PIRQRC = { IRQ: 0x0f, DISABLED: 1 << 7 } as const;
const PIRQ_COUNT = 4;
/** IRQ 0, 1, 2, 8 and 13 cannot be had for PCI. */
const ROUTABLE = 0xdef8;

/** PCI-to-ISA bridge, Intel 82371SB: routes the PCI interrupt wires. [PIIX3] */
export class Piix3 implements Device<PciFunctionState> {
  readonly name: string;
  readonly schema = stateSchema('piix3', 1, PciFunctionState);
  readonly #bus: PciBus;
  readonly #pci: PciFunction;
  readonly #irqs: readonly IrqLine[];
  readonly #pirqPins: readonly IrqLine[];

  /**
   * `irqs` are the sixteen ISA interrupts; `pirqPins` are four I/O APIC pins that carry PIRQA# to
   * PIRQD# beside them.
   */
  constructor(options: {
    name: string;
    pci: PciBus;
    irqs: readonly IrqLine[];
    pirqPins?: readonly IrqLine[];
  }) {
    this.name = options.name;
    this.#bus = options.pci;
    this.#irqs = options.irqs;
    this.#pirqPins = options.pirqPins ?? [];
    this.#pci = options.pci.addFunction({
      name: options.name,
      slot: SLOT,
      identity: {
        vendorId: 0x8086,
        deviceId: 0x7000,
        classCode: 0x06_0100,
        isMultifunction: true,
        ...FW_CFG_SUBSYSTEM,
      },
      initial: [
        { offset: 0x04, bytes: [0x07, 0x00, 0x00, 0x02] },
        { offset: CONFIG.IORT, bytes: [0x4d] },
        { offset: CONFIG.XBCS, bytes: [0x03, 0x00] },
        { offset: CONFIG.PIRQRC, bytes: [0x80, 0x80, 0x80, 0x80] },
        { offset: CONFIG.TOM, bytes: [0x02] },
        { offset: CONFIG.MBIRQ0, bytes: [0x80] },
      ],
      writable: [
        {
          offset: CONFIG.IORT,
          masks: Array.from({ length: CONFIG.END - CONFIG.IORT }, () => 0xff),
        },
      ],
      onConfigWrite: (offset, size) => {
        const isRoute = offset < CONFIG.PIRQRC + PIRQ_COUNT && offset + size > CONFIG.PIRQRC;
        if (isRoute) this.#drive();
      },
    });
    options.pci.connectInterrupts((pirq, asserted) => {
      this.#pirqPins[pirq]?.set(asserted);
      this.#drive();
    });
  }

  /** The ISA interrupt that PIRQA# (0) to PIRQD# (3) goes to; undefined while it goes nowhere. */
  irqOfPirq(pirq: number): number | undefined {
    const route = this.#pci.config8(CONFIG.PIRQRC + pirq);
    const irq = route & PIRQRC.IRQ;
    const isRouted = (route & PIRQRC.DISABLED) === 0 && (ROUTABLE & (1 << irq)) !== 0;
    return isRouted ? irq : undefined;
  }

  reset(): void {
    this.#pci.reset();
    this.#drive();
  }

  save(): PciFunctionState {
    return this.#pci.save();
  }

  restore(state: PciFunctionState): void {
    this.#pci.restore(state);
  }

  #drive(): void {
    let asserted = 0;
    for (let pirq = 0; pirq < PIRQ_COUNT; pirq++) {
      const irq = this.irqOfPirq(pirq);
      if (irq !== undefined && this.#bus.isPirqAsserted(pirq)) asserted |= 1 << irq;
    }
    for (let irq = 0; irq < this.#irqs.length; irq++) {
      if ((ROUTABLE & (1 << irq)) !== 0) this.#irqs[irq]?.set((asserted & (1 << irq)) !== 0);
    }
  }
}
