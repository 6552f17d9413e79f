import type { Clock, u8 } from '@umbra/base';
import type { Device, PioBus } from '@umbra/core';
import * as z from 'zod';
import type { I8254Pit } from './i8254-pit.ts';
import { stateSchema } from './state.ts';

const PORT = { A: 0x92, B: 0x61 } as const;
/** [PIIX3] §2.5.2.1. */
const PORT_B = {
  TIMER_2_GATE: 1 << 0,
  SPEAKER_ENABLE: 1 << 1,
  WRITABLE: 0x0f,
  REFRESH: 1 << 4,
  TIMER_2_OUT: 1 << 5,
} as const;
const PORT_A = { FAST_INIT: 1 << 0, ALT_A20_GATE: 1 << 1 } as const;
/** Memory refresh runs at 15.085 µs; software times short waits by its toggling. */
const REFRESH_NS = 15_085;

const PortBState = z.strictObject({ control: z.int().min(0).max(15) });
type PortBState = z.infer<typeof PortBState>;
const PortAState = z.strictObject({ isA20Enabled: z.boolean() });
type PortAState = z.infer<typeof PortAState>;

/** System control port B (61h): speaker, counter 2 of the 8254, refresh toggle. [PIIX3] §2.5.2.1 */
export class SystemControlPortB implements Device<PortBState> {
  readonly name: string;
  readonly schema = stateSchema('system-control-port-b', 1, PortBState);
  readonly #clock: Clock;
  readonly #pit: I8254Pit;
  #control = 0;

  constructor(options: { name: string; pio: PioBus; clock: Clock; pit: I8254Pit }) {
    this.name = options.name;
    this.#clock = options.clock;
    this.#pit = options.pit;
    options.pio.register(this.name, PORT.B, 1, this);
  }

  in8(): u8 {
    const isRefreshing = Math.floor(this.#clock.now() / REFRESH_NS) % 2 === 1;
    return (
      this.#control |
      (isRefreshing ? PORT_B.REFRESH : 0) |
      (this.#pit.output2() ? PORT_B.TIMER_2_OUT : 0)
    );
  }

  out8(_offset: number, value: u8): void {
    this.#control = value & PORT_B.WRITABLE;
    this.#pit.setGate2((value & PORT_B.TIMER_2_GATE) !== 0);
  }

  reset(): void {
    this.#control = 0;
  }

  save(): PortBState {
    return { control: this.#control };
  }

  restore(state: PortBState): void {
    this.#control = state.control;
  }
}

/** System control port A (92h): fast A20 gate and fast reset. [PS2REF] "System Control Port A" */
export class SystemControlPortA implements Device<PortAState> {
  readonly name: string;
  readonly schema = stateSchema('system-control-port-a', 1, PortAState);
  readonly #onA20: (isEnabled: boolean) => void;
  readonly #onReset: () => void;
  #isA20Enabled = true;

  constructor(options: {
    name: string;
    pio: PioBus;
    onA20: (isEnabled: boolean) => void;
    onReset: () => void;
  }) {
    this.name = options.name;
    this.#onA20 = options.onA20;
    this.#onReset = options.onReset;
    options.pio.register(this.name, PORT.A, 1, this);
  }

  in8(): u8 {
    return this.#isA20Enabled ? PORT_A.ALT_A20_GATE : 0;
  }

  out8(_offset: number, value: u8): void {
    this.#isA20Enabled = (value & PORT_A.ALT_A20_GATE) !== 0;
    this.#onA20(this.#isA20Enabled);
    if ((value & PORT_A.FAST_INIT) !== 0) this.#onReset();
  }

  reset(): void {
    this.#isA20Enabled = true;
    this.#onA20(true);
  }

  save(): PortAState {
    return { isA20Enabled: this.#isA20Enabled };
  }

  restore(state: PortAState): void {
    this.#isA20Enabled = state.isA20Enabled;
  }
}
