import { damaged, StorageError } from '../errors.ts';
import { type HostFile, readBytes } from '../file/host-file.ts';
import { ALL_ONES_64, ascii, raw, struct, u32, u64, type Values } from '../struct.ts';
import { FORMAT_VERSION, hex, type VhdFooter, vhdChecksum } from './footer.ts';

/** [VHD] "Dynamic Disk Header Format". */
export const HEADER = struct(1024, 'big', {
  cookie: ascii(0, 8),
  dataOffset: u64(8),
  tableOffset: u64(16),
  headerVersion: u32(24),
  maxTableEntries: u32(28),
  blockSize: u32(32),
  checksum: u32(36),
  parentUniqueId: raw(40, 16),
  parentTimeStamp: u32(56),
  parentUnicodeName: raw(64, 512),
  parentLocators: raw(576, 192),
});

/** The values of a dynamic or differencing disk's header. */
export type VhdHeader = Values<typeof HEADER>;

export const HEADER_COOKIE = 'cxsparse';
export const DEFAULT_BLOCK_BYTES = 2 * 2 ** 20;
/** The largest block that is read: its bitmap is 64 KiB then. */
const BLOCK_BYTES_MAX = 256 * 2 ** 20;
/** The most blocks of one disk, so that its table takes 16 MiB: 2,040 GiB of 512 KiB blocks. */
const BLOCKS_MAX = 4 * 2 ** 20;

/** Where the parts of a dynamic or differencing disk lie. */
export interface SparseLayout {
  readonly headerOffset: number;
  readonly tableOffset: number;
  readonly blockBytes: number;
  /** The bitmap before each block's data, padded to sectors. */
  readonly bitmapBytes: number;
  readonly blockCount: number;
}

/** A header's 1,024 bytes with the right checksum. */
export function encodeHeader(values: Omit<VhdHeader, 'checksum' | 'cookie'>): Buffer {
  const bytes = HEADER.write({ ...values, cookie: HEADER_COOKIE, checksum: 0 });
  bytes.writeUInt32BE(vhdChecksum(bytes, HEADER.offsetOf('checksum')), HEADER.offsetOf('checksum'));
  return bytes;
}

/** Bytes of a block's bitmap: a bit per sector, padded to whole sectors. */
export function bitmapBytesOf(blockBytes: number): number {
  return Math.ceil(blockBytes / 512 / 8 / 512) * 512;
}

/** Bytes of the table of `blockCount` entries, padded to whole sectors. */
export function tableBytesOf(blockCount: number): number {
  return Math.ceil((blockCount * 4) / 512) * 512;
}

/** The values of a new disk's header that has no parent. */
export function newHeader(
  tableOffset: number,
  blockCount: number,
  blockBytes: number,
): Omit<VhdHeader, 'checksum' | 'cookie'> {
  return {
    // All 64 bits, as Microsoft's programs write it; the text names 32. [VHD] "Data Offset"
    dataOffset: ALL_ONES_64,
    tableOffset,
    headerVersion: FORMAT_VERSION,
    maxTableEntries: blockCount,
    blockSize: blockBytes,
    parentUniqueId: Buffer.alloc(16),
    parentTimeStamp: 0,
    parentUnicodeName: Buffer.alloc(512),
    parentLocators: Buffer.alloc(192),
  };
}

/** Reads and checks the header that a footer points to. Throws DAMAGED or UNSUPPORTED. */
export async function readHeader(
  file: HostFile,
  footer: VhdFooter,
  fileBytes: number,
): Promise<{ header: VhdHeader; layout: SparseLayout }> {
  const at = footer.dataOffset;
  if (at < 512 || at % 512 !== 0 || at + HEADER.sizeBytes > fileBytes) {
    throw damaged({
      path: file.path,
      offset: 16,
      what: "footer's dataOffset",
      found: at,
      expected: `a sector of the file with room for ${HEADER.sizeBytes} bytes`,
    });
  }
  const bytes = await readBytes(file, at, HEADER.sizeBytes);
  const problem = headerProblem(bytes, footer.currentSize, fileBytes);
  if (problem !== undefined) {
    const { field, found, expected } = problem;
    const what = `header's ${field}`;
    throw damaged({ path: file.path, offset: at + HEADER.offsetOf(field), what, found, expected });
  }
  const header = HEADER.read(bytes);
  const blockBytes = header.blockSize;
  const blockCount = Math.ceil(footer.currentSize / blockBytes);
  checkBlocks(file.path, blockCount, blockBytes);
  const layout = {
    headerOffset: at,
    tableOffset: header.tableOffset,
    blockBytes,
    bitmapBytes: bitmapBytesOf(blockBytes),
    blockCount,
  };
  return { header, layout };
}

/** Throws UNSUPPORTED for more or larger blocks than are read here. */
export function checkBlocks(path: string, blockCount: number, blockBytes: number): void {
  if (blockBytes <= BLOCK_BYTES_MAX && blockCount <= BLOCKS_MAX) return;
  throw new StorageError(
    'UNSUPPORTED',
    `The disk ${path} has ${blockCount} blocks of ${blockBytes} bytes, expected at most ${BLOCKS_MAX} of at most ${BLOCK_BYTES_MAX}`,
    { path, blockCount, blockBytes },
  );
}

/** A rule that a header breaks. */
export interface HeaderProblem {
  readonly field: keyof VhdHeader;
  readonly found: string | number;
  readonly expected: string | number;
}

/** What a header must hold to be believed: the first rule it breaks, or undefined. */
export function headerProblem(
  bytes: Uint8Array,
  diskBytes: number,
  fileBytes: number,
): HeaderProblem | undefined {
  const header = HEADER.read(bytes);
  const { cookie, headerVersion, blockSize, maxTableEntries, tableOffset } = header;
  const checksum = vhdChecksum(bytes, HEADER.offsetOf('checksum'));
  const isBlockSize = blockSize >= 512 && (blockSize & (blockSize - 1)) === 0;
  const blockCount = isBlockSize ? Math.ceil(diskBytes / blockSize) : 0;
  const tableFits =
    tableOffset >= 512 && tableOffset % 512 === 0 && tableOffset + blockCount * 4 <= fileBytes;
  const rules: readonly [boolean, keyof VhdHeader, string | number, string | number][] = [
    [cookie === HEADER_COOKIE, 'cookie', JSON.stringify(cookie), HEADER_COOKIE],
    [header.checksum === checksum, 'checksum', hex(header.checksum), hex(checksum)],
    [headerVersion === FORMAT_VERSION, 'headerVersion', hex(headerVersion), hex(FORMAT_VERSION)],
    [isBlockSize, 'blockSize', blockSize, 'a power of two from 512 on'],
    [
      maxTableEntries >= blockCount,
      'maxTableEntries',
      maxTableEntries,
      `at least ${blockCount} for ${diskBytes} bytes`,
    ],
    [tableFits, 'tableOffset', tableOffset, `a sector with room for ${blockCount} entries`],
  ];
  const broken = rules.find(([holds]) => !holds);
  return broken === undefined
    ? undefined
    : { field: broken[1], found: broken[2], expected: broken[3] };
}
