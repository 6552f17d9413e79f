import { damaged } from '../errors.ts';
import { type HostFile, readBytes } from '../file/host-file.ts';
import { ALL_ONES_64, struct, u16, u32, u64, type Values } from '../struct.ts';
import type { Placement } from './mapped-image.ts';
import { TableCache } from './table-cache.ts';
import { unpack } from './unpack.ts';

/** [VMDK] SparseExtentHeader. */
const HEADER = struct(512, 'little', {
  magic: u32(0),
  version: u32(4),
  flags: u32(8),
  capacity: u64(12),
  grainSize: u64(20),
  descriptorOffset: u64(28),
  descriptorSize: u64(36),
  entriesPerTable: u32(44),
  directoryOffset: u64(56),
  compressAlgorithm: u16(77),
});

type SparseHeader = Values<typeof HEADER>;

export const VMDK_MAGIC = 0x564d_444b;
const FLAGS = { ZERO_GRAINS: 1 << 2, COMPRESSED: 1 << 16 } as const;
/** The directory's place when it is told by a header at the end, as in streamed disks. */
const AT_END = ALL_ONES_64;
/** Grains are of 64 KiB in practice. */
const GRAIN_SECTORS_MAX = 2 ** 13;
const DIRECTORY_BYTES_MAX = 32 * 2 ** 20;
/** Number and length before each packed grain. */
const GRAIN_MARKER_BYTES = 12;

/** One sparse extent of a VMware disk. */
export interface SparseExtent {
  readonly sizeBytes: number;
  /** The descriptor in the file, if there is one. */
  readonly descriptor: string | undefined;
  locate(offset: number): Promise<Placement>;
}

/** Reads the tables of a sparse or stream-optimised extent, and so much of its descriptor. */
export async function openSparseExtent(
  file: HostFile,
  descriptorBytesMax: number,
): Promise<SparseExtent> {
  const { sizeBytes: fileBytes } = await file.facts();
  let header = await readHeader(file, 0, fileBytes);
  const { descriptorOffset, descriptorSize } = header;
  const descriptorBytes = Math.min(descriptorSize * 512, descriptorBytesMax);
  const hasDescriptor =
    descriptorOffset > 0 && descriptorOffset * 512 + descriptorBytes <= fileBytes;
  const descriptor = hasDescriptor
    ? (await readBytes(file, descriptorOffset * 512, descriptorBytes)).toString('latin1')
    : undefined;
  if (header.directoryOffset === AT_END)
    header = await readHeader(file, fileBytes - 1024, fileBytes);
  const grainBytes = header.grainSize * 512;
  const grainCount = Math.ceil(header.capacity / header.grainSize);
  const tableCount = Math.ceil(grainCount / header.entriesPerTable);
  const directoryBytes = tableCount * 4;
  const directoryOffset = header.directoryOffset * 512;
  if (directoryBytes > DIRECTORY_BYTES_MAX || directoryOffset + directoryBytes > fileBytes) {
    throw damaged({
      path: file.path,
      offset: HEADER.offsetOf('directoryOffset'),
      what: "header's directoryOffset",
      found: header.directoryOffset,
      expected: `a sector with ${tableCount} entries behind it in the file`,
    });
  }
  const directory = await readBytes(file, directoryOffset, directoryBytes);
  const tables = new TableCache(file, header.entriesPerTable * 4);
  const locate = async (offset: number): Promise<Placement> => {
    const grain = Math.floor(offset / grainBytes);
    const inside = offset - grain * grainBytes;
    const tableIndex = Math.floor(grain / header.entriesPerTable);
    const tableOffset = directory.readUInt32LE(tableIndex * 4) * 512;
    if (tableOffset === 0) {
      const end = (tableIndex + 1) * header.entriesPerTable * grainBytes;
      return { kind: 'zero', lengthBytes: end - offset };
    }
    const entriesEnd = tableOffset + header.entriesPerTable * 4;
    refuse(file, fileBytes, entriesEnd, directoryOffset + tableIndex * 4, 'grain directory entry');
    const index = grain % header.entriesPerTable;
    const sector = (await tables.load(tableOffset)).readUInt32LE(index * 4);
    const lengthBytes = grainBytes - inside;
    const isZero = sector === 0 || (sector === 1 && (header.flags & FLAGS.ZERO_GRAINS) !== 0);
    if (isZero) return { kind: 'zero', lengthBytes };
    const place = sector * 512;
    refuse(file, fileBytes, place + 512, tableOffset + index * 4, 'grain table entry');
    if ((header.flags & FLAGS.COMPRESSED) === 0) {
      return { kind: 'stored', lengthBytes, file, offset: place + inside, fileBytes };
    }
    const unpackGrain = (): Promise<Uint8Array> => readGrain(file, fileBytes, place, grainBytes);
    const key = `${file.path}:${place}`;
    return { kind: 'packed', lengthBytes, key, offset: inside, unpack: unpackGrain };
  };
  return { sizeBytes: header.capacity * 512, descriptor, locate };
}

async function readHeader(file: HostFile, at: number, fileBytes: number): Promise<SparseHeader> {
  const { path } = file;
  if (at < 0 || at + HEADER.sizeBytes > fileBytes) {
    const expected = `at least ${HEADER.sizeBytes} bytes for a header`;
    throw damaged({ path, offset: 0, what: 'length of the file', found: fileBytes, expected });
  }
  const header = HEADER.read(await readBytes(file, at, HEADER.sizeBytes));
  const { grainSize, entriesPerTable, compressAlgorithm: packing } = header;
  const isPower =
    grainSize >= 1 && grainSize <= GRAIN_SECTORS_MAX && Number.isInteger(Math.log2(grainSize));
  const rules: readonly [boolean, keyof SparseHeader, string][] = [
    [header.magic === VMDK_MAGIC, 'magic', `${VMDK_MAGIC}`],
    [header.version >= 1 && header.version <= 3, 'version', '1 to 3'],
    [isPower, 'grainSize', `a power of two up to ${GRAIN_SECTORS_MAX}`],
    [header.capacity <= 2 ** 40, 'capacity', `at most ${2 ** 40} sectors`],
    [entriesPerTable >= 1 && entriesPerTable <= 4096, 'entriesPerTable', '1 to 4096'],
    [packing <= 1, 'compressAlgorithm', '0 (none) or 1 (deflate)'],
  ];
  const broken = rules.find(([holds]) => !holds);
  if (broken === undefined) return header;
  const [, field, expected] = broken;
  const offset = at + HEADER.offsetOf(field);
  throw damaged({ path, offset, what: `header's ${field}`, found: header[field], expected });
}

/** Reads a packed grain: its number and length, then the data. [VMDK] "Compressed grains" */
async function readGrain(
  file: HostFile,
  fileBytes: number,
  place: number,
  grainBytes: number,
): Promise<Uint8Array> {
  const marker = await readBytes(file, place, GRAIN_MARKER_BYTES);
  const packedBytes = marker.readUInt32LE(8);
  const start = place + GRAIN_MARKER_BYTES;
  // Deflate adds a few bytes to what cannot be packed.
  if (packedBytes > 2 * grainBytes + 1024 || start + packedBytes > fileBytes) {
    throw damaged({
      path: file.path,
      offset: place + 8,
      what: "packed grain's length",
      found: packedBytes,
      expected: `at most ${2 * grainBytes + 1024}, within the file`,
    });
  }
  const where = { path: file.path, offset: start };
  return await unpack('zlib', await readBytes(file, start, packedBytes), grainBytes, where);
}

function refuse(
  file: HostFile,
  fileBytes: number,
  end: number,
  entryOffset: number,
  what: string,
): void {
  if (end <= fileBytes) return;
  const expected = `a place in the file of ${fileBytes} bytes`;
  throw damaged({ path: file.path, offset: entryOffset, what, found: end, expected });
}
