import type { Device, IrqLine } from '@umbra/core';
import * as z from 'zod';
import type { I8259Pair } from './i8259-pic.ts';
import type { I82093Ioapic } from './i82093-ioapic.ts';
import { dword, stateSchema } from './state.ts';

const IRQ_COUNT = 16;
const SOURCES_MAX = 31;

const State = z.strictObject({
  /** Per IRQ, the sources that drive it, one bit each in the order they were made. */
  asserted: z.array(dword).length(IRQ_COUNT),
  isLegacyReplaced: z.boolean(),
});
type State = z.infer<typeof State>;

/** Tells a source of interrupt edges whether anybody takes note of them. */
export interface EdgeInterest {
  isIgnored(): boolean;
  /** `resume` is called whenever edges may count again. */
  onChange(resume: () => void): void;
}

/**
 * The interrupt wires of the ISA bus: each is the wired-OR of its sources and goes to the 8259
 * pair and to the I/O APIC (IRQ 0 to pin 2, as the MADT says). [MPSPEC] §3.6.2.
 */
export class IsaInterrupts implements Device<State> {
  readonly name: string;
  readonly schema = stateSchema('isa-interrupts', 1, State);
  readonly #pic: I8259Pair;
  readonly #ioapic: I82093Ioapic | undefined;
  readonly #asserted = new Uint32Array(IRQ_COUNT);
  readonly #legacyTimers = new Uint32Array(IRQ_COUNT);
  readonly #sourceCount = new Uint8Array(IRQ_COUNT);
  #isLegacyReplaced = false;
  readonly #resumed: (() => void)[] = [];

  constructor(options: { name: string; pic: I8259Pair; ioapic?: I82093Ioapic | undefined }) {
    this.name = options.name;
    this.#pic = options.pic;
    this.#ioapic = options.ioapic;
    const tell = () => {
      for (const resume of this.#resumed) resume();
    };
    options.pic.onMaskChange = tell;
    if (options.ioapic !== undefined) options.ioapic.onMaskChange = tell;
  }

  /**
   * What a periodic source of edges on `irq` needs in order to rest while nothing would come of
   * them: whether that is so, and a call whenever it may have changed.
   */
  edgeInterest(irq: number): EdgeInterest {
    return {
      isIgnored: () =>
        this.#pic.ignoresEdge(irq) && this.#ioapic?.ignoresEdge(irq === 0 ? 2 : irq) !== false,
      onChange: (resume) => void this.#resumed.push(resume),
    };
  }

  /**
   * A new source of `irq`. `isLegacyTimer` marks the 8254 on IRQ 0 and the RTC on IRQ 8, which
   * the HPET can replace. Sources are part of the saved state by the order of these calls.
   */
  source(irq: number, options: { isLegacyTimer?: boolean } = {}): IrqLine {
    const index = this.#sourceCount[irq] ?? SOURCES_MAX;
    if (index >= SOURCES_MAX) throw new RangeError(`IRQ ${irq} cannot have another source`);
    this.#sourceCount[irq] = index + 1;
    const bit = 1 << index;
    if (options.isLegacyTimer === true)
      this.#legacyTimers[irq] = (this.#legacyTimers[irq] ?? 0) | bit;
    return { set: (asserted) => this.#set(irq, bit, asserted) };
  }

  /** Cuts the legacy timers off while the HPET replaces them. [HPET] §2.3.5. */
  setLegacyReplacement(isReplaced: boolean): void {
    if (isReplaced === this.#isLegacyReplaced) return;
    this.#isLegacyReplaced = isReplaced;
    this.#drive(0);
    this.#drive(8);
  }

  reset(): void {
    this.#asserted.fill(0);
    this.#isLegacyReplaced = false;
    for (let irq = 0; irq < IRQ_COUNT; irq++) this.#drive(irq);
  }

  save(): State {
    return { asserted: [...this.#asserted], isLegacyReplaced: this.#isLegacyReplaced };
  }

  restore(state: State): void {
    this.#asserted.set(state.asserted);
    this.#isLegacyReplaced = state.isLegacyReplaced;
  }

  #set(irq: number, bit: number, asserted: boolean): void {
    const before = this.#asserted[irq] ?? 0;
    const after = asserted ? before | bit : before & ~bit;
    if (after === before) return;
    this.#asserted[irq] = after;
    this.#drive(irq);
  }

  #drive(irq: number): void {
    let sources = this.#asserted[irq] ?? 0;
    if (this.#isLegacyReplaced) sources &= ~(this.#legacyTimers[irq] ?? 0);
    this.#pic.line(irq).set(sources !== 0);
    if (irq !== 2) this.#ioapic?.line(irq === 0 ? 2 : irq).set(sources !== 0);
  }
}
