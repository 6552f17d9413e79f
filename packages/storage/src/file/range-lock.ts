/** A part of a file, and whether who is there must be alone. */
interface Range {
  readonly start: number;
  readonly end: number;
  readonly isExclusive: boolean;
}

/** Keeps apart what overlaps when one of the two must be alone; in order of arrival. */
export class RangeLock {
  readonly #entries = new Set<Range & { readonly done: Promise<void> }>();

  async run<T>(range: Range, task: () => Promise<T>): Promise<T> {
    const before = [...this.#entries].filter(
      (other) =>
        other.start < range.end &&
        range.start < other.end &&
        (other.isExclusive || range.isExclusive),
    );
    let finish = (): void => undefined;
    const done = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const entry = { ...range, done };
    this.#entries.add(entry);
    try {
      await Promise.all(before.map((other) => other.done));
      return await task();
    } finally {
      this.#entries.delete(entry);
      finish();
    }
  }
}
