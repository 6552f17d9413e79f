/** Length of each buffer. */
export const BUFFER_BYTES = 2 ** 20;
const BUFFER_COUNT = 8;
const WASM_PAGE_BYTES = 65_536;

/**
 * A bounded number of buffers that begin at page boundaries of the host's memory. JavaScript cannot
 * ask for such memory, but a WebAssembly memory is always mapped so.
 */
export class AlignedBuffers {
  readonly #free: Uint8Array[];
  readonly #waiters: ((buffer: Uint8Array) => void)[] = [];

  constructor() {
    const pages = (BUFFER_BYTES / WASM_PAGE_BYTES) * BUFFER_COUNT;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    this.#free = Array.from(
      { length: BUFFER_COUNT },
      (_, index) => new Uint8Array(memory.buffer, index * BUFFER_BYTES, BUFFER_BYTES),
    );
  }

  /** Lends a buffer of 1 MiB to `task`, when one is free. */
  async lend<T>(task: (buffer: Uint8Array) => Promise<T>): Promise<T> {
    const buffer =
      this.#free.pop() ?? (await new Promise<Uint8Array>((lend) => this.#waiters.push(lend)));
    try {
      return await task(buffer);
    } finally {
      const next = this.#waiters.shift();
      if (next === undefined) this.#free.push(buffer);
      else next(buffer);
    }
  }
}
