import type { Clock, Timer, u8 } from '@umbra/base';
import type { Device, IrqLine, PioBus } from '@umbra/core';
import * as z from 'zod';
import { CounterState, I8254Counter } from './i8254-counter.ts';
import type { EdgeInterest } from './isa-interrupts.ts';
import { ticksAt, timeOfTick } from './rate.ts';
import { count, stateSchema } from './state.ts';

/** Oscillator of the counters, in hertz (a third of the NTSC colour clock over four). */
export const PIT_HZ = 1_193_182;

const PORT = { COUNTER_0: 0x40, CONTROL: 3 } as const;
/** [I82C54] "Read-Back Command". */
const READ_BACK = { COMMAND: 3, STATUS_OFF: 1 << 4, COUNT_OFF: 1 << 5 } as const;
/** Periods of a periodic IRQ 0 that a late machine makes up for; older ones are forgotten. */
const CATCH_UP_PERIODS_MAX = 20;
/** Missed periods are replayed this many times faster, so that the handler can keep up. */
const CATCH_UP_SPEED = 4;
/** Edges come no closer together, whatever the guest programs: its own time must go on. */
const EDGE_NS_MIN = 20_000;

const State = z.strictObject({
  counters: z.tuple([CounterState, CounterState, CounterState]),
  /** Tick of the rising edge of OUT 0 that was delivered last. */
  lastEdgeTick: count,
});
type State = z.infer<typeof State>;

/** Programmable interval timer, Intel 8254: IRQ 0, refresh, speaker. [I82C54] */
export class I8254Pit implements Device<State> {
  readonly name: string;
  readonly schema = stateSchema('i8254-pit', 1, State);
  readonly #clock: Clock;
  readonly #irq0: IrqLine;
  readonly #counters = [new I8254Counter(), new I8254Counter(), new I8254Counter()] as const;
  #lastEdgeTick = 0;
  /** When the last edge was delivered; not state, because it only spaces edges out. */
  #lastEdgeNs = 0;
  #timer: Timer | undefined;
  readonly #interest: EdgeInterest | undefined;
  /** Edges rest because both interrupt controllers would ignore them. */
  #isResting = false;

  constructor(options: {
    name: string;
    pio: PioBus;
    clock: Clock;
    irq0: IrqLine;
    /** Spares the host the edges that change nothing: an idle guest often leaves IRQ 0 masked. */
    interest?: EdgeInterest;
  }) {
    this.name = options.name;
    this.#clock = options.clock;
    this.#irq0 = options.irq0;
    this.#interest = options.interest;
    this.#interest?.onChange(() => this.#resume());
    this.#initialize();
    options.pio.register(this.name, PORT.COUNTER_0, 4, this);
  }

  in8(offset: number): u8 {
    return this.#counters[offset]?.read(this.#tick()) ?? 0xff;
  }

  out8(offset: number, value: u8): void {
    const tick = this.#tick();
    if (offset === PORT.CONTROL) {
      this.#writeControl(value, tick);
      return;
    }
    const counter = this.#counters[offset];
    if (counter === undefined) return;
    counter.write(value, tick);
    if (offset === 0) this.#restartIrq(tick);
  }

  /** The gate of counter 2 (port 61 bit 0). */
  setGate2(level: boolean): void {
    this.#counters[2].setGate(level, this.#tick());
  }

  /** The speaker's input (port 61 bit 5). */
  output2(): boolean {
    return this.#counters[2].output(this.#tick());
  }

  reset(): void {
    this.#timer?.cancel();
    this.#initialize();
    this.#irq0.set(false);
  }

  save(): State {
    const [first, second, third] = this.#counters;
    return {
      counters: [{ ...first.state }, { ...second.state }, { ...third.state }],
      lastEdgeTick: this.#lastEdgeTick,
    };
  }

  restore(state: State): void {
    state.counters.forEach((saved, index) => {
      const counter = this.#counters[index];
      if (counter !== undefined) counter.state = { ...saved };
    });
    this.#lastEdgeTick = state.lastEdgeTick;
    this.#scheduleEdge();
  }

  #initialize(): void {
    for (const counter of this.#counters) counter.reset();
    // Only counter 2 has a gate that software moves; the others are tied high.
    this.#counters[2].state.gate = false;
    this.#lastEdgeTick = 0;
  }

  #tick(): number {
    return ticksAt(this.#clock.now(), PIT_HZ);
  }

  #writeControl(value: u8, tick: number): void {
    const select = value >> 6;
    if (select !== READ_BACK.COMMAND) {
      this.#counters[select]?.control(value, tick);
      if (select === 0) this.#restartIrq(tick);
      return;
    }
    this.#counters.forEach((counter, index) => {
      if ((value & (2 << index)) === 0) return;
      if ((value & READ_BACK.STATUS_OFF) === 0) counter.latchStatus(tick);
      if ((value & READ_BACK.COUNT_OFF) === 0) counter.latchCount(tick);
    });
  }

  /** Counter 0 was programmed: its line follows OUT, and edges count from here. */
  #restartIrq(tick: number): void {
    this.#lastEdgeTick = tick;
    this.#irq0.set(this.#counters[0].output(tick));
    this.#scheduleEdge();
  }

  /** Edges count again: from the next one on, without making up for those that did not. */
  #resume(): void {
    if (!this.#isResting || this.#interest?.isIgnored() === true) return;
    this.#lastEdgeTick = Math.max(this.#lastEdgeTick, this.#tick());
    this.#scheduleEdge();
  }

  #scheduleEdge(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const edge = this.#counters[0].nextRisingEdge(this.#lastEdgeTick);
    const period = this.#counters[0].periodTicks();
    this.#isResting = period !== undefined && this.#interest?.isIgnored() === true;
    if (edge === undefined || this.#isResting) return;
    const now = this.#clock.now();
    let deadline = timeOfTick(edge, PIT_HZ);
    if (period !== undefined) {
      const catchUpNs = Math.ceil(timeOfTick(period, PIT_HZ) / CATCH_UP_SPEED);
      if (deadline < now) deadline = now + catchUpNs;
      deadline = Math.max(deadline, this.#lastEdgeNs + EDGE_NS_MIN);
    }
    this.#timer = this.#clock.schedule(deadline, () => this.#edge(edge));
  }

  /**
   * OUT 0 rises. The low phase before it is shown only now: between two rising edges nobody but
   * the interrupt controllers looks at this wire, and half the timer events are saved.
   */
  #edge(edge: number): void {
    const tick = this.#tick();
    const period = this.#counters[0].periodTicks();
    this.#lastEdgeTick = edge;
    if (period !== undefined) {
      const missed = Math.floor((tick - edge) / period);
      if (missed > CATCH_UP_PERIODS_MAX) {
        this.#lastEdgeTick = edge + (missed - CATCH_UP_PERIODS_MAX) * period;
      }
    }
    this.#lastEdgeNs = this.#clock.now();
    this.#irq0.set(false);
    this.#irq0.set(true);
    this.#scheduleEdge();
  }
}
