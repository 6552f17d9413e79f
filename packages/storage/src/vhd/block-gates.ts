interface Waiter {
  readonly isExclusive: boolean;
  readonly enter: () => void;
}

interface Gate {
  /** How many transfers are under way. */
  transfers: number;
  isExclusive: boolean;
  readonly waiters: Waiter[];
}

/**
 * Who may touch a block's place in the file: any number of transfers, or one change of the place
 * itself (allocation, release, move). First come, first served. Only blocks in use take memory.
 */
export class BlockGates {
  readonly #gates = new Map<number, Gate>();

  /** Begins a transfer; a promise when that has to wait. */
  enter(block: number): Promise<void> | undefined {
    const gate = this.#gates.get(block);
    if (gate === undefined) {
      this.#gates.set(block, { transfers: 1, isExclusive: false, waiters: [] });
      return undefined;
    }
    if (!gate.isExclusive && gate.waiters.length === 0) {
      gate.transfers += 1;
      return undefined;
    }
    return new Promise((enter) => gate.waiters.push({ isExclusive: false, enter }));
  }

  /** Ends a transfer. */
  leave(block: number): void {
    const gate = this.#gates.get(block);
    if (gate === undefined) return;
    gate.transfers -= 1;
    this.#admit(block, gate);
  }

  /** Runs `task` while nobody else touches the block. */
  async exclusive<T>(block: number, task: () => Promise<T>): Promise<T> {
    let gate = this.#gates.get(block);
    if (gate === undefined) {
      gate = { transfers: 0, isExclusive: true, waiters: [] };
      this.#gates.set(block, gate);
    } else {
      const { waiters } = gate;
      await new Promise<void>((enter) => waiters.push({ isExclusive: true, enter }));
    }
    try {
      return await task();
    } finally {
      gate.isExclusive = false;
      this.#admit(block, gate);
    }
  }

  #admit(block: number, gate: Gate): void {
    for (;;) {
      const [next] = gate.waiters;
      if (next === undefined) break;
      if (gate.isExclusive || (next.isExclusive && gate.transfers > 0)) return;
      gate.waiters.shift();
      if (next.isExclusive) gate.isExclusive = true;
      else gate.transfers += 1;
      next.enter();
    }
    if (gate.transfers === 0 && !gate.isExclusive) this.#gates.delete(block);
  }
}
