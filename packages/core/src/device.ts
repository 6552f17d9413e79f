/** Versioned description of a device's saved state. */
export interface StateSchema<S> {
  /** Stable name of the device kind, such as `uart-16550`. */
  readonly kind: string;
  readonly version: number;
  /** Validates untrusted data; throws with found and expected when it does not fit. */
  parse(raw: unknown): S;
}

/** A device of a machine: a pure state machine that runs on the processor's thread. */
export interface Device<S = unknown> {
  /** Unique in its machine, such as `com1`. */
  readonly name: string;
  readonly schema: StateSchema<S>;
  /** Back to the state after power-on. */
  reset(): void;
  /** The whole state as plain JSON values. */
  save(): S;
  /** Takes over a state that `schema.parse` accepted. Leaves interrupt lines alone. */
  restore(state: S): void;
}
