/** One field of a structure on disk: where it is, and how it is read and written. */
interface Field<T> {
  readonly offset: number;
  readonly sizeBytes: number;
  read(view: DataView, isLittleEndian: boolean): T;
  write(view: DataView, value: T, isLittleEndian: boolean): void;
}

type Fields = Readonly<
  Record<string, Field<never> | Field<number> | Field<string> | Field<Buffer>>
>;
type ValueOf<F> = F extends Field<infer T> ? T : never;

/** The values of a structure's fields. */
export type Values<S> =
  S extends Struct<infer F> ? { readonly [K in keyof F]: ValueOf<F[K]> } : never;

/** A structure on disk, declared field by field. */
interface Struct<F extends Fields> {
  readonly sizeBytes: number;
  /** Where a field lies, for messages about it. */
  offsetOf(name: keyof F): number;
  /** Reads all fields; `bytes` may be longer than the structure. */
  read(bytes: Uint8Array): { readonly [K in keyof F]: ValueOf<F[K]> };
  /** A structure with these values, and zeros between the fields. */
  write(values: { readonly [K in keyof F]: ValueOf<F[K]> }): Buffer;
}

/** All 64 bits one, as the nearest number; `u64` writes it as such. */
export const ALL_ONES_64 = 2 ** 64;

/** Declares a structure of `sizeBytes` bytes. */
export function struct<const F extends Fields>(
  sizeBytes: number,
  endianness: 'big' | 'little',
  fields: F,
): Struct<F> {
  const isLittleEndian = endianness === 'little';
  const rows = Object.entries(fields) as [keyof F & string, Field<unknown>][];
  const viewOf = (bytes: Uint8Array): DataView =>
    new DataView(bytes.buffer, bytes.byteOffset, sizeBytes);
  return {
    sizeBytes,
    offsetOf: (name) => fields[name]?.offset ?? 0,
    read: (bytes) => {
      const view = viewOf(bytes);
      const values = rows.map(([name, field]) => [name, field.read(view, isLittleEndian)]);
      return Object.fromEntries(values);
    },
    write: (values) => {
      const bytes = Buffer.alloc(sizeBytes);
      const view = viewOf(bytes);
      for (const [name, field] of rows) field.write(view, values[name], isLittleEndian);
      return bytes;
    },
  };
}

export const u8 = (offset: number): Field<number> => ({
  offset,
  sizeBytes: 1,
  read: (view) => view.getUint8(offset),
  write: (view, value) => view.setUint8(offset, value),
});

export const u16 = (offset: number): Field<number> => ({
  offset,
  sizeBytes: 2,
  read: (view, little) => view.getUint16(offset, little),
  write: (view, value, little) => view.setUint16(offset, value, little),
});

export const u32 = (offset: number): Field<number> => ({
  offset,
  sizeBytes: 4,
  read: (view, little) => view.getUint32(offset, little),
  write: (view, value, little) => view.setUint32(offset, value, little),
});

/** Exact up to 2^53; values above are of no use but to be refused, or `ALL_ONES_64`. */
export const u64 = (offset: number): Field<number> => ({
  offset,
  sizeBytes: 8,
  read: (view, little) => Number(view.getBigUint64(offset, little)),
  write: (view, value, little) => {
    const bits = value === ALL_ONES_64 ? 0xffff_ffff_ffff_ffffn : BigInt(value);
    view.setBigUint64(offset, bits, little);
  },
});

/** Text of one byte per character, padded with zeros. */
export const ascii = (offset: number, sizeBytes: number): Field<string> => ({
  offset,
  sizeBytes,
  read: (view) => bytesOf(view, offset, sizeBytes).toString('latin1'),
  write: (view, value) => {
    bytesOf(view, offset, sizeBytes).write(value, 'latin1');
  },
});

/** Bytes as they are; a copy. */
export const raw = (offset: number, sizeBytes: number): Field<Buffer> => ({
  offset,
  sizeBytes,
  read: (view) => Buffer.from(bytesOf(view, offset, sizeBytes)),
  write: (view, value) => {
    bytesOf(view, offset, sizeBytes).set(value.subarray(0, sizeBytes));
  },
});

function bytesOf(view: DataView, offset: number, sizeBytes: number): Buffer {
  return Buffer.from(view.buffer, view.byteOffset + offset, sizeBytes);
}
