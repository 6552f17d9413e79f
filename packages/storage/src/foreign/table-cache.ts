import { type HostFile, readBytes } from '../file/host-file.ts';

const CACHE_BYTES_MAX = 16 * 2 ** 20;

/** Tables of one size out of a file, the last used ones kept. */
export class TableCache {
  readonly #file: HostFile;
  readonly #tableBytes: number;
  readonly #tablesMax: number;
  readonly #tables = new Map<number, Buffer>();

  constructor(file: HostFile, tableBytes: number) {
    this.#file = file;
    this.#tableBytes = tableBytes;
    this.#tablesMax = Math.max(4, Math.floor(CACHE_BYTES_MAX / tableBytes));
  }

  async load(offset: number): Promise<Buffer> {
    const known = this.#tables.get(offset);
    if (known !== undefined) {
      this.#tables.delete(offset);
      this.#tables.set(offset, known);
      return known;
    }
    const table = await readBytes(this.#file, offset, this.#tableBytes);
    this.#tables.set(offset, table);
    if (this.#tables.size > this.#tablesMax) {
      const [oldest] = this.#tables.keys();
      if (oldest !== undefined) this.#tables.delete(oldest);
    }
    return table;
  }
}
