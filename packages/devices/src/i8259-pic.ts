import type { u8 } from '@umbra/base';
import type { Device, IrqLine, PioBus } from '@umbra/core';
import * as z from 'zod';
import { byte, stateSchema } from './state.ts';

const PORT = { MASTER: 0x20, SLAVE: 0xa0, ELCR: 0x4d0 } as const;
/** [I8259A] figure 7. */
const ICW1 = { IC4: 1 << 0, SNGL: 1 << 1, ICW1: 1 << 4 } as const;
const ICW4 = { AEOI: 1 << 1, SFNM: 1 << 4 } as const;
/** [I8259A] figure 8. */
const OCW3 = {
  RIS: 1 << 0,
  RR: 1 << 1,
  P: 1 << 2,
  OCW3: 1 << 3,
  SMM: 1 << 5,
  ESMM: 1 << 6,
} as const;
/** Rotate/select/end-of-interrupt codes, bits 7:5 of OCW2. */
const OCW2 = {
  ROTATE_AEOI_CLEAR: 0,
  EOI: 1,
  SPECIFIC_EOI: 3,
  ROTATE_AEOI_SET: 4,
  ROTATE_EOI: 5,
  SET_PRIORITY: 6,
  ROTATE_SPECIFIC_EOI: 7,
} as const;
/** IRQ 0, 1, 2 of the master and 8, 13 of the slave are always edge-triggered. [PIIX3] §2.3.2.8. */
const ELCR_WRITABLE = [0xf8, 0xde] as const;
const CASCADE = 2;

const ChipState = z.strictObject({
  lines: byte,
  latched: byte,
  isr: byte,
  imr: byte,
  elcr: byte,
  vectorBase: byte,
  lowestPriority: z.int().min(0).max(7),
  /** Which initialization word comes next on the odd port; 0 when initialized. */
  nextIcw: z.int().min(0).max(4),
  needsIcw4: z.boolean(),
  isSingle: z.boolean(),
  isAutoEoi: z.boolean(),
  isRotatingOnAutoEoi: z.boolean(),
  isSpecialFullyNested: z.boolean(),
  isSpecialMask: z.boolean(),
  isReadingIsr: z.boolean(),
  isPolling: z.boolean(),
});
type ChipState = z.infer<typeof ChipState>;
const PairState = z.strictObject({ master: ChipState, slave: ChipState });
type PairState = z.infer<typeof PairState>;

/**
 * One 8259A. An edge stays latched until it is acknowledged.
 * Deviation: real chips forget an edge whose line falls before the first INTA.
 */
class I8259 {
  state: ChipState = initialChip();

  setLine(irq: number, asserted: boolean): void {
    const bit = 1 << irq;
    const wasAsserted = (this.state.lines & bit) !== 0;
    if (asserted === wasAsserted) return;
    this.state.lines ^= bit;
    if (asserted) this.state.latched |= bit;
  }

  irr(): u8 {
    const { lines, latched, elcr } = this.state;
    return (lines & elcr) | (latched & ~elcr & 0xff);
  }

  /** The request that INT stands for, or -1. */
  pending(): number {
    const { imr, isr, isSpecialMask, isSpecialFullyNested } = this.state;
    const request = this.#highest(this.irr() & ~imr);
    if (request < 0) return -1;
    let inService = isr;
    if (isSpecialMask) inService &= ~imr;
    if (isSpecialFullyNested) inService &= ~(1 << CASCADE);
    const current = this.#highest(inService);
    return current < 0 || this.#rank(request) < this.#rank(current) ? request : -1;
  }

  acknowledge(irq: number): void {
    const bit = 1 << irq;
    const state = this.state;
    state.latched &= ~bit;
    if (!state.isAutoEoi) state.isr |= bit;
    else if (state.isRotatingOnAutoEoi) state.lowestPriority = irq;
  }

  read(offset: number): u8 {
    const state = this.state;
    if (state.isPolling) {
      state.isPolling = false;
      const irq = this.pending();
      if (irq < 0) return 0;
      this.acknowledge(irq);
      return 0x80 | irq;
    }
    if (offset === 1) return state.imr;
    return state.isReadingIsr ? state.isr : this.irr();
  }

  write(offset: number, value: u8): void {
    if (offset === 1) this.#writeOdd(value);
    else if ((value & ICW1.ICW1) !== 0) this.#initialize(value);
    else if ((value & OCW3.OCW3) !== 0) this.#writeOcw3(value);
    else this.#writeOcw2(value >> 5, value & 7);
  }

  #initialize(icw1: u8): void {
    const { lines, elcr, vectorBase } = this.state;
    this.state = {
      ...initialChip(),
      lines,
      elcr,
      vectorBase,
      nextIcw: 2,
      needsIcw4: (icw1 & ICW1.IC4) !== 0,
      isSingle: (icw1 & ICW1.SNGL) !== 0,
    };
  }

  #writeOdd(value: u8): void {
    const state = this.state;
    switch (state.nextIcw) {
      case 2:
        state.vectorBase = value & 0xf8;
        state.nextIcw = state.isSingle ? (state.needsIcw4 ? 4 : 0) : 3;
        break;
      case 3:
        // The cascade is wired to IR2 on every PC, so the answer is known.
        state.nextIcw = state.needsIcw4 ? 4 : 0;
        break;
      case 4:
        state.isAutoEoi = (value & ICW4.AEOI) !== 0;
        state.isSpecialFullyNested = (value & ICW4.SFNM) !== 0;
        state.nextIcw = 0;
        break;
      default:
        state.imr = value;
    }
  }

  #writeOcw3(value: u8): void {
    const state = this.state;
    if ((value & OCW3.ESMM) !== 0) state.isSpecialMask = (value & OCW3.SMM) !== 0;
    if ((value & OCW3.P) !== 0) state.isPolling = true;
    else if ((value & OCW3.RR) !== 0) state.isReadingIsr = (value & OCW3.RIS) !== 0;
  }

  #writeOcw2(command: number, level: number): void {
    const state = this.state;
    switch (command) {
      case OCW2.ROTATE_AEOI_CLEAR:
      case OCW2.ROTATE_AEOI_SET:
        state.isRotatingOnAutoEoi = command === OCW2.ROTATE_AEOI_SET;
        break;
      case OCW2.EOI:
      case OCW2.ROTATE_EOI: {
        // In special mask mode a masked level is not ended by the non-specific command.
        const irq = this.#highest(state.isSpecialMask ? state.isr & ~state.imr : state.isr);
        if (irq < 0) break;
        state.isr &= ~(1 << irq);
        if (command === OCW2.ROTATE_EOI) state.lowestPriority = irq;
        break;
      }
      case OCW2.SPECIFIC_EOI:
        state.isr &= ~(1 << level);
        break;
      case OCW2.ROTATE_SPECIFIC_EOI:
        state.isr &= ~(1 << level);
        state.lowestPriority = level;
        break;
      case OCW2.SET_PRIORITY:
        state.lowestPriority = level;
        break;
    }
  }

  /** 0 is the highest priority. */
  #rank(irq: number): number {
    return (irq - this.state.lowestPriority - 1) & 7;
  }

  #highest(set: number): number {
    for (let rank = 0; rank < 8; rank++) {
      const irq = (this.state.lowestPriority + 1 + rank) & 7;
      if ((set & (1 << irq)) !== 0) return irq;
    }
    return -1;
  }
}

/** The two cascaded interrupt controllers of a PC, Intel 8259A. [I8259A] */
export class I8259Pair implements Device<PairState> {
  readonly name: string;
  readonly schema = stateSchema('i8259-pair', 1, PairState);
  readonly #output: IrqLine;
  readonly #master = new I8259();
  readonly #slave = new I8259();
  readonly #lines: readonly IrqLine[];
  /** Hears when a mask may have been lifted. */
  onMaskChange: () => void = () => {};

  /** `output` is INTR: high while a request waits. */
  constructor(options: { name: string; pio: PioBus; output: IrqLine }) {
    this.name = options.name;
    this.#output = options.output;
    this.#lines = Array.from({ length: 16 }, (_, irq) => ({
      set: (asserted: boolean) => this.#setLine(irq, asserted),
    }));
    this.#claim(options.pio, PORT.MASTER, this.#master);
    this.#claim(options.pio, PORT.SLAVE, this.#slave);
    options.pio.register(`${this.name}-elcr`, PORT.ELCR, 2, {
      in8: (offset) => this.#chip(offset).state.elcr,
      out8: (offset, value) => {
        this.#chip(offset).state.elcr = value & ELCR_WRITABLE[offset === 0 ? 0 : 1];
        this.#sync();
      },
    });
  }

  /** The request input of `irq`, 0 to 15 (2 is the cascade and must stay unused). */
  line(irq: number): IrqLine {
    const line = this.#lines[irq];
    if (line === undefined) throw new RangeError(`IRQ ${irq} is not 0 to 15`);
    return line;
  }

  /** Whether another edge of `irq` would change nothing: one is latched behind the mask. */
  ignoresEdge(irq: number): boolean {
    const { latched, imr, elcr } = this.#chip(irq >> 3).state;
    return (latched & imr & ~elcr & (1 << (irq & 7))) !== 0;
  }

  /** Whether INTR is high. */
  hasInterrupt(): boolean {
    return this.#master.pending() >= 0;
  }

  /** Interrupt acknowledge cycle: the vector to deliver, the spurious IR7 when nothing waits. */
  acknowledge(): u8 {
    const irq = this.#master.pending();
    let vector = this.#master.state.vectorBase + (irq < 0 ? 7 : irq);
    if (irq >= 0) this.#master.acknowledge(irq);
    if (irq === CASCADE) {
      const slaveIrq = this.#slave.pending();
      vector = this.#slave.state.vectorBase + (slaveIrq < 0 ? 7 : slaveIrq);
      if (slaveIrq >= 0) this.#slave.acknowledge(slaveIrq);
    }
    this.#sync();
    return vector;
  }

  reset(): void {
    this.#master.state = initialChip();
    this.#slave.state = initialChip();
    this.#sync();
  }

  save(): PairState {
    return { master: { ...this.#master.state }, slave: { ...this.#slave.state } };
  }

  restore(state: PairState): void {
    this.#master.state = { ...state.master };
    this.#slave.state = { ...state.slave };
  }

  #claim(pio: PioBus, firstPort: number, chip: I8259): void {
    pio.register(this.name, firstPort, 2, {
      in8: (offset) => {
        const value = chip.read(offset);
        this.#sync();
        return value;
      },
      out8: (offset, value) => {
        chip.write(offset, value);
        this.#sync();
        this.onMaskChange();
      },
    });
  }

  #chip(index: number): I8259 {
    return index === 0 ? this.#master : this.#slave;
  }

  #setLine(irq: number, asserted: boolean): void {
    if (irq === CASCADE) return;
    this.#chip(irq >> 3).setLine(irq & 7, asserted);
    this.#sync();
  }

  #sync(): void {
    this.#master.setLine(CASCADE, this.#slave.pending() >= 0);
    // The cascade behaves as a level: when the slave withdraws, the master's latch must go too.
    if (this.#slave.pending() < 0) this.#master.state.latched &= ~(1 << CASCADE);
    else this.#master.state.latched |= 1 << CASCADE;
    this.#output.set(this.hasInterrupt());
  }
}

function initialChip(): ChipState {
  return {
    lines: 0,
    latched: 0,
    isr: 0,
    imr: 0,
    elcr: 0,
    vectorBase: 0,
    lowestPriority: 7,
    nextIcw: 0,
    needsIcw4: false,
    isSingle: false,
    isAutoEoi: false,
    isRotatingOnAutoEoi: false,
    isSpecialFullyNested: false,
    isSpecialMask: false,
    isReadingIsr: false,
    isPolling: false,
  };
}
