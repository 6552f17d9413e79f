import type { Nanoseconds, Timer } from '@umbra/base';

interface Entry {
  readonly deadline: Nanoseconds;
  /** Orders entries of the same deadline as they were added. */
  readonly sequence: number;
  readonly callback: () => void;
  /** Place in the heap, -1 when it is not there. */
  index: number;
}

/** Callbacks ordered by deadline: a binary heap whose entries know their place. */
export class TimerQueue {
  readonly #heap: Entry[] = [];
  #nextSequence = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** The earliest deadline; Infinity when nothing waits. */
  nextDeadline(): Nanoseconds {
    return this.#heap[0]?.deadline ?? Number.POSITIVE_INFINITY;
  }

  add(deadline: Nanoseconds, callback: () => void): Timer {
    const entry: Entry = { deadline, sequence: this.#nextSequence++, callback, index: -1 };
    this.#heap.push(entry);
    this.#rise(entry, this.#heap.length - 1);
    return { cancel: () => this.#remove(entry) };
  }

  /**
   * Runs what is due at `now`, in order. Entries that the callbacks add stay for the next call,
   * even when due: a device that re-arms itself in the past cannot hang the processor.
   */
  runDue(now: Nanoseconds): void {
    const limit = this.#nextSequence;
    const postponed: Entry[] = [];
    for (
      let entry = this.#heap[0];
      entry !== undefined && entry.deadline <= now;
      entry = this.#heap[0]
    ) {
      this.#remove(entry);
      if (entry.sequence < limit) entry.callback();
      else postponed.push(entry);
    }
    for (const entry of postponed) {
      this.#heap.push(entry);
      this.#rise(entry, this.#heap.length - 1);
    }
  }

  #remove(entry: Entry): void {
    const { index } = entry;
    if (index < 0) return;
    entry.index = -1;
    const last = this.#heap.pop() as Entry;
    if (last === entry) return;
    if (index > 0 && precedes(last, this.#heap[(index - 1) >> 1] as Entry)) this.#rise(last, index);
    else this.#sink(last, index);
  }

  #rise(entry: Entry, from: number): void {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#heap[parentIndex] as Entry;
      if (!precedes(entry, parent)) break;
      this.#place(parent, index);
      index = parentIndex;
    }
    this.#place(entry, index);
  }

  #sink(entry: Entry, from: number): void {
    let index = from;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = this.#heap[childIndex];
      if (child === undefined) break;
      const right = this.#heap[childIndex + 1];
      if (right !== undefined && precedes(right, child)) {
        child = right;
        childIndex += 1;
      }
      if (!precedes(child, entry)) break;
      this.#place(child, index);
      index = childIndex;
    }
    this.#place(entry, index);
  }

  #place(entry: Entry, index: number): void {
    this.#heap[index] = entry;
    entry.index = index;
  }
}

function precedes(a: Entry, b: Entry): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.sequence < b.sequence);
}
