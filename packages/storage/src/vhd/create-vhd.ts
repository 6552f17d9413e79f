import { randomUUID } from 'node:crypto';
import { StorageError } from '../errors.ts';
import type { HostFile } from '../file/host-file.ts';
import { ALL_ONES_64 } from '../struct.ts';
import {
  DISK_BYTES_MAX,
  DISK_TYPE,
  encodeFooter,
  FEATURES,
  FOOTER_COOKIE,
  FORMAT_VERSION,
  vhdTime,
} from './footer.ts';
import { type Geometry, geometryOf, roundUpToGeometry } from './geometry.ts';
import {
  DEFAULT_BLOCK_BYTES,
  encodeHeader,
  HEADER,
  newHeader,
  tableBytesOf,
  type VhdHeader,
} from './header.ts';
import { encodeLocators, encodeName, type LocatorText } from './locators.ts';

/** The smallest disk that Virtual Server makes. */
const DISK_BYTES_MIN = 3 * 2 ** 20;
const CREATOR = { application: 'umbr', version: 0x0001_0000, hostOs: 'Wi2k' } as const;

/** What goes into a new VHD's footer and header. */
export interface NewVhd {
  readonly sizeBytes: number;
  readonly nowMs: number;
  /** Another geometry than the size's own, for a differencing disk. */
  readonly geometry?: Geometry;
  /** For disks that shall come out the same each time. */
  readonly uniqueId?: Uint8Array;
  /** A power of two; 2 MiB when not given. */
  readonly blockBytes?: number;
}

/** What a differencing disk knows of its parent. */
export interface Lineage {
  readonly parentId: Uint8Array;
  readonly parentModifiedMs: number;
  readonly parentName: string;
  readonly locators: readonly LocatorText[];
}

/** The size that a new VHD of at least `wantedBytes` gets; throws SIZE. */
export function vhdSizeFor(wantedBytes: number): number {
  const sizeBytes = roundUpToGeometry(wantedBytes);
  if (wantedBytes >= DISK_BYTES_MIN && sizeBytes <= DISK_BYTES_MAX) return sizeBytes;
  throw new StorageError(
    'SIZE',
    `A VHD of ${wantedBytes} bytes is not possible, expected ${DISK_BYTES_MIN} (3 MiB) to ${DISK_BYTES_MAX} (2,040 GiB)`,
    { found: wantedBytes, min: DISK_BYTES_MIN, max: DISK_BYTES_MAX },
  );
}

/** Makes an empty file a fixed VHD of zeros: sparse, as far as the host's file system can. */
export async function writeFixedVhd(file: HostFile, disk: NewVhd): Promise<void> {
  await file.write(disk.sizeBytes, [newFooter(disk, DISK_TYPE.FIXED, ALL_ONES_64)]);
}

/** Makes an empty file a dynamic VHD without blocks. */
export async function writeDynamicVhd(file: HostFile, disk: NewVhd): Promise<void> {
  await writeSparse(file, disk, DISK_TYPE.DYNAMIC, () => ({ values: {}, texts: [] }));
}

/** Makes an empty file a differencing VHD without blocks: what its parent is, it is. */
export async function writeDifferencingVhd(
  file: HostFile,
  disk: NewVhd,
  lineage: Lineage,
): Promise<void> {
  await writeSparse(file, disk, DISK_TYPE.DIFFERENCING, (textsOffset) => {
    const { table, texts } = encodeLocators(lineage.locators, textsOffset);
    const values = {
      parentUniqueId: Buffer.from(lineage.parentId),
      parentTimeStamp: vhdTime(lineage.parentModifiedMs),
      parentUnicodeName: encodeName(lineage.parentName),
      parentLocators: table,
    };
    return { values, texts };
  });
}

async function writeSparse(
  file: HostFile,
  disk: NewVhd,
  diskType: number,
  parentOf: (textsOffset: number) => { values: Partial<VhdHeader>; texts: readonly Buffer[] },
): Promise<void> {
  const blockBytes = disk.blockBytes ?? DEFAULT_BLOCK_BYTES;
  const blockCount = Math.ceil(disk.sizeBytes / blockBytes);
  const footer = newFooter(disk, diskType, 512);
  const tableOffset = 512 + HEADER.sizeBytes;
  const table = Buffer.alloc(tableBytesOf(blockCount), 0xff);
  const { values, texts } = parentOf(tableOffset + table.length);
  const header = { ...newHeader(tableOffset, blockCount, blockBytes), ...values };
  await file.write(0, [footer, encodeHeader(header), table, ...texts, footer]);
}

function newFooter(disk: NewVhd, diskType: number, dataOffset: number): Buffer {
  return encodeFooter({
    cookie: FOOTER_COOKIE,
    features: FEATURES.RESERVED,
    fileFormatVersion: FORMAT_VERSION,
    dataOffset,
    timeStamp: vhdTime(disk.nowMs),
    creatorApplication: CREATOR.application,
    creatorVersion: CREATOR.version,
    creatorHostOs: CREATOR.hostOs,
    originalSize: disk.sizeBytes,
    currentSize: disk.sizeBytes,
    ...(disk.geometry ?? geometryOf(disk.sizeBytes)),
    diskType,
    uniqueId: Buffer.from(disk.uniqueId ?? newUniqueId()),
    savedState: 0,
  });
}

function newUniqueId(): Uint8Array {
  return Buffer.from(randomUUID().replaceAll('-', ''), 'hex');
}
