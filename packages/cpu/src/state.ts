import { FIELDS, type FieldName, STATE } from './state-layout.ts';

/** Numbers in the state block, by name: for JavaScript, where speed does not matter. */
export class StateView {
  readonly #view: DataView;
  readonly #base: number;

  constructor(buffer: SharedArrayBuffer, base: number) {
    this.#view = new DataView(buffer);
    this.#base = base;
  }

  /** Low 32 bits of a field, or all of it when it has no more. */
  get(name: FieldName, index = 0): number {
    return this.#view.getUint32(this.#at(name, index), true);
  }
  set(name: FieldName, value: number, index = 0): void {
    const wide = this.#size(name) === 8;
    this.#view.setUint32(this.#at(name, index), value, true);
    if (wide)
      this.#view.setUint32(
        this.#at(name, index) + 4,
        value < 0 ? -1 : Math.floor(value / 2 ** 32),
        true,
      );
  }
  /** A 64-bit field. */
  get64(name: FieldName, index = 0): bigint {
    return this.#view.getBigUint64(this.#at(name, index), true);
  }
  set64(name: FieldName, value: bigint, index = 0): void {
    this.#view.setBigUint64(this.#at(name, index), value, true);
  }

  #size(name: FieldName): number {
    const field = FIELDS.find((candidate) => candidate.name === name);
    return { u8: 1, u16: 2, u32: 4, i32: 4, u64: 8, v128: 16 }[field?.type ?? 'u32'];
  }
  #at(name: FieldName, index: number): number {
    return this.#base + STATE[name] + index * this.#size(name);
  }

  /** Every field as hexadecimal text, for a saved state. */
  save(): Record<string, string> {
    const saved: Record<string, string> = {};
    for (const { name, count } of FIELDS) {
      const size = this.#size(name as FieldName) * count;
      let text = '';
      for (let i = 0; i < size; i++) {
        text += this.#view
          .getUint8(this.#base + STATE[name as FieldName] + i)
          .toString(16)
          .padStart(2, '0');
      }
      saved[name] = text;
    }
    return saved;
  }

  /** Takes fields back; throws when one is missing or of another size. */
  restore(saved: Readonly<Record<string, string>>): void {
    for (const { name, count } of FIELDS) {
      const size = this.#size(name as FieldName) * count;
      const text = saved[name];
      if (text === undefined || text.length !== size * 2) {
        throw new Error(
          `Saved processor state: ${name} has ${text?.length ?? 0} digits, expected ${size * 2}`,
        );
      }
      for (let i = 0; i < size; i++) {
        const byte = Number.parseInt(text.slice(i * 2, i * 2 + 2), 16);
        this.#view.setUint8(this.#base + STATE[name as FieldName] + i, byte);
      }
    }
  }
}
