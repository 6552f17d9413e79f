import { damaged, headerCheck, unsupported } from '../errors.ts';
import { type HostFile, readBytes } from '../file/host-file.ts';
import { struct, u8, u32, u64 } from '../struct.ts';
import type { DiskMap, Placement } from './mapped-image.ts';
import { TableCache } from './table-cache.ts';
import { type Packing, unpack } from './unpack.ts';

/** [QCOW2] "Header"; what lies behind byte 72 is of version 3. */
const HEADER = struct(112, 'big', {
  magic: u32(0),
  version: u32(4),
  backingFileOffset: u64(8),
  clusterBits: u32(20),
  size: u64(24),
  cryptMethod: u32(32),
  l1Size: u32(36),
  l1TableOffset: u64(40),
  incompatibleFeatures: u64(72),
  headerLength: u32(100),
  compressionType: u8(104),
});

export const QCOW2_MAGIC = 0x5146_49fb;
const INCOMPATIBLE = {
  DIRTY: 1,
  CORRUPT: 2,
  DATA_FILE: 4,
  COMPRESSION: 8,
  EXTENDED_L2: 16,
} as const;
const KNOWN_FEATURES = 31;
/** The largest first-level table that QEMU makes. */
const L1_BYTES_MAX = 32 * 2 ** 20;
const OFFSET_MASK = 0x00ff_ffff_ffff_fe00n;
const L2_COMPRESSED = 1n << 62n;
const L2_ZERO = 1n;

/** Reads the tables of a qcow2 image, version 2 or 3, as it is without its snapshots. */
export async function mapQcow2(file: HostFile): Promise<DiskMap> {
  const { path } = file;
  const { sizeBytes: fileBytes } = await file.facts();
  const bytes = Buffer.alloc(HEADER.sizeBytes);
  await file.read(0, [bytes.subarray(0, Math.min(fileBytes, HEADER.sizeBytes))]);
  const header = HEADER.read(bytes);
  const { clusterBits, version } = header;
  const check = headerCheck(path, HEADER.offsetOf, header);
  check('magic', header.magic === QCOW2_MAGIC, `${QCOW2_MAGIC}`);
  check('version', version === 2 || version === 3, '2 or 3');
  check('clusterBits', clusterBits >= 9 && clusterBits <= 21, '9 to 21');
  const packing = version === 2 ? 'deflate' : featuresOf(file, header);
  if (header.backingFileOffset !== 0) {
    throw unsupported(path, 'has a backing file', 'make it one image with qemu-img convert first');
  }
  if (header.cryptMethod !== 0) {
    throw unsupported(path, 'is encrypted', 'decrypt it with qemu-img convert first');
  }
  const clusterBytes = 2 ** clusterBits;
  const coveredByL2 = clusterBytes * (clusterBytes / 8);
  const l1Count = Math.ceil(header.size / coveredByL2);
  check('size', l1Count * 8 <= L1_BYTES_MAX, `at most ${(L1_BYTES_MAX / 8) * coveredByL2}`);
  check('l1Size', header.l1Size >= l1Count, `at least ${l1Count}`);
  check(
    'l1TableOffset',
    header.l1TableOffset % 512 === 0 && header.l1TableOffset + l1Count * 8 <= fileBytes,
    `a sector with ${l1Count} entries behind it in the file`,
  );
  const l1 = await readBytes(file, header.l1TableOffset, l1Count * 8);
  const sizeBytes = Math.ceil(header.size / 512) * 512;
  const clusters = new Clusters(file, fileBytes, clusterBits, packing, header.l1TableOffset, l1);
  return { sizeBytes, files: [file], locate: (offset) => clusters.locate(offset) };
}

function featuresOf(
  file: HostFile,
  header: { incompatibleFeatures: number; compressionType: number; headerLength: number },
): Packing {
  const { path } = file;
  const { incompatibleFeatures: features } = header;
  const has = (bit: number): boolean => Math.floor(features / bit) % 2 === 1;
  if (has(INCOMPATIBLE.CORRUPT)) {
    throw unsupported(path, 'is marked as corrupt', 'repair it with qemu-img check first');
  }
  if (has(INCOMPATIBLE.DATA_FILE) || has(INCOMPATIBLE.EXTENDED_L2) || features > KNOWN_FEATURES) {
    const advice = 'rewrite it with qemu-img convert first';
    throw unsupported(path, `needs features ${features} that are not read here`, advice);
  }
  if (!has(INCOMPATIBLE.COMPRESSION) || header.headerLength <= 104) return 'deflate';
  const packing = (['deflate', 'zstd'] as const)[header.compressionType];
  if (packing !== undefined) return packing;
  throw unsupported(path, `is packed by method ${header.compressionType}`, 'expected 0 or 1');
}

/** The two levels of tables. [QCOW2] "Cluster mapping" */
class Clusters {
  readonly #file: HostFile;
  readonly #fileBytes: number;
  readonly #clusterBits: number;
  readonly #clusterBytes: number;
  readonly #packing: Packing;
  readonly #l1Offset: number;
  readonly #l1: Buffer;
  readonly #l2Tables: TableCache;

  constructor(
    file: HostFile,
    fileBytes: number,
    clusterBits: number,
    packing: Packing,
    l1Offset: number,
    l1: Buffer,
  ) {
    this.#file = file;
    this.#fileBytes = fileBytes;
    this.#clusterBits = clusterBits;
    this.#clusterBytes = 2 ** clusterBits;
    this.#packing = packing;
    this.#l1Offset = l1Offset;
    this.#l1 = l1;
    this.#l2Tables = new TableCache(file, this.#clusterBytes);
  }

  async locate(offset: number): Promise<Placement> {
    const size = this.#clusterBytes;
    const l2Count = size / 8;
    const cluster = Math.floor(offset / size);
    const inside = offset - cluster * size;
    const l1Index = Math.floor(cluster / l2Count);
    const l2Offset = Number(this.#l1.readBigUInt64BE(l1Index * 8) & OFFSET_MASK);
    if (l2Offset === 0) {
      return { kind: 'zero', lengthBytes: (l1Index + 1) * l2Count * size - offset };
    }
    this.#check(l2Offset, size, this.#l1Offset + l1Index * 8, 'first-level entry');
    const l2 = await this.#l2Tables.load(l2Offset);
    const l2Index = cluster % l2Count;
    const entry = l2.readBigUInt64BE(l2Index * 8);
    const entryOffset = l2Offset + l2Index * 8;
    const lengthBytes = size - inside;
    if ((entry & L2_COMPRESSED) !== 0n) return this.#packed(entry, entryOffset, inside);
    const place = Number(entry & OFFSET_MASK);
    if ((entry & L2_ZERO) !== 0n || place === 0) return { kind: 'zero', lengthBytes };
    this.#check(place, 1, entryOffset, 'second-level entry');
    const file = this.#file;
    return {
      kind: 'stored',
      lengthBytes,
      file,
      offset: place + inside,
      fileBytes: this.#fileBytes,
    };
  }

  #packed(entry: bigint, entryOffset: number, inside: number): Placement {
    const offsetBits = BigInt(62 - (this.#clusterBits - 8));
    const place = Number(entry & ((1n << offsetBits) - 1n));
    const sectorMask = (1n << BigInt(this.#clusterBits - 8)) - 1n;
    const sectors = Number((entry >> offsetBits) & sectorMask) + 1;
    const file = this.#file;
    this.#check(place, 1, entryOffset, 'second-level entry', 1);
    const end = Math.min(this.#fileBytes, Math.floor(place / 512) * 512 + sectors * 512);
    return {
      kind: 'packed',
      lengthBytes: this.#clusterBytes - inside,
      key: `${place}`,
      offset: inside,
      unpack: async () => {
        const packed = await readBytes(file, place, end - place);
        const where = { path: file.path, offset: place };
        return await unpack(this.#packing, packed, this.#clusterBytes, where);
      },
    };
  }

  #check(
    place: number,
    lengthBytes: number,
    entryOffset: number,
    what: string,
    alignment = this.#clusterBytes,
  ): void {
    if (place % alignment === 0 && place + lengthBytes <= this.#fileBytes) return;
    const expected = `a multiple of ${alignment} in the file of ${this.#fileBytes} bytes`;
    throw damaged({ path: this.#file.path, offset: entryOffset, what, found: place, expected });
  }
}
