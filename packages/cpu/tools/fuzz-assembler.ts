/** Just enough of an assembler for the code around random instructions, 32- or 64-bit. */

export type Width = 32 | 64;

/** Where the address of a label goes in an item's bytes. */
interface Reference {
  readonly offset: number;
  readonly label: string;
  readonly addend: number;
  readonly isRelative: boolean;
}

/** Some instructions that stay, or go, together. */
export interface Item {
  readonly label?: string;
  readonly bytes: readonly number[];
  readonly references: readonly Reference[];
  /** Not to be divided by a page border. */
  readonly isWhole?: boolean;
  /** Begins so many bytes before the end of a page. */
  readonly beforeBorder?: number;
}

const PAGE = 4096;

export function word32(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, value >>> 24];
}

/** Collects bytes and references. */
export class Emitter {
  readonly #bytes: number[] = [];
  readonly #references: Reference[] = [];
  readonly width: Width;

  constructor(width: Width) {
    this.width = width;
  }

  raw(...bytes: readonly number[]): this {
    this.#bytes.push(...bytes);
    return this;
  }
  /** An opcode with a ModRM byte for an absolute address. */
  absolute(opcode: readonly number[], digit: number, address: number | string, addend = 0): this {
    this.raw(...opcode, ...(this.width === 64 ? [(digit << 3) | 4, 0x25] : [(digit << 3) | 5]));
    return this.address(address, addend);
  }
  /** A 32-bit address, by number or by label. */
  address(target: number | string, addend = 0): this {
    if (typeof target === 'number') return this.raw(...word32(target + addend));
    this.#references.push({ offset: this.#bytes.length, label: target, addend, isRelative: false });
    return this.raw(0, 0, 0, 0);
  }
  /** A 32-bit distance from behind itself. */
  distance(label: string): this {
    this.#references.push({ offset: this.#bytes.length, label, addend: 0, isRelative: true });
    return this.raw(0, 0, 0, 0);
  }
  /** REX.W where words are 64 bits. */
  wide(): this {
    return this.width === 64 ? this.raw(0x48) : this;
  }
  /** mov register, address. */
  loadAddress(register: number, target: number | string, addend = 0): this {
    if (this.width === 32) return this.raw(0xb8 | register).address(target, addend);
    return this.raw(0x48, 0xc7, 0xc0 | register).address(target, addend);
  }
  /** mov dword [address], value. */
  store32(address: number | string, value: number, addend = 0): this {
    return this.absolute([0xc7], 0, address, addend).raw(...word32(value));
  }
  item(options: { label?: string; isWhole?: boolean; beforeBorder?: number } = {}): Item {
    return { ...options, bytes: this.#bytes, references: this.#references };
  }
  get bytes(): readonly number[] {
    return this.#bytes;
  }
}

export interface Assembled {
  readonly image: Uint8Array;
  /** Linear addresses. */
  readonly labels: ReadonlyMap<string, number>;
}

/** Places items one behind another from an offset; pads between them with NOPs. */
export function assemble(
  items: readonly Item[],
  { linear, size, known }: { linear: number; size: number; known: ReadonlyMap<string, number> },
): Assembled {
  const image = new Uint8Array(size).fill(0x90);
  const labels = new Map<string, number>(known);
  const places: number[] = [];
  let at = 0;
  for (const item of items) {
    if (item.beforeBorder !== undefined) {
      const inPage = (at + item.beforeBorder) % PAGE;
      if (inPage !== 0) at += PAGE - inPage;
    }
    const end = at + item.bytes.length;
    if (item.isWhole && end > at && Math.floor((end - 1) / PAGE) !== Math.floor(at / PAGE))
      at = Math.ceil(at / PAGE) * PAGE;
    places.push(at);
    if (item.label !== undefined) labels.set(item.label, linear + at);
    at += item.bytes.length;
  }
  if (at > size) throw new RangeError(`${at} bytes of code, expected at most ${size}`);
  for (const [index, item] of items.entries()) {
    const place = places[index] as number;
    image.set(item.bytes, place);
    for (const { offset, label, addend, isRelative } of item.references) {
      const target = (labels.get(label) ?? linear) + addend;
      const value = isRelative ? target - (linear + place + offset + 4) : target;
      image.set(word32(value), place + offset);
    }
  }
  return { image, labels };
}
