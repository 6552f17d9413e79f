import type { DiskImage } from '../image.ts';

const SECTOR_BYTES = 2048;
/** The volume descriptors begin behind the system area. [ECMA-119] §6.2 */
const FIRST_DESCRIPTOR = 16;
const DESCRIPTORS_MAX = 64;
const TYPE = { BOOT: 0, PRIMARY: 1, TERMINATOR: 255 } as const;

/** What a CD image says of itself. */
export interface IsoVolume {
  readonly label: string;
  readonly sizeBytes: number;
  /** Whether it has a boot record, as [EL-TORITO] wants it. */
  readonly isBootable: boolean;
}

/** Reads the volume descriptors; undefined when the image is no ISO 9660 file system. */
export async function readIsoVolume(image: DiskImage): Promise<IsoVolume | undefined> {
  let isBootable = false;
  let volume: { label: string; sizeBytes: number } | undefined;
  for (let index = 0; index < DESCRIPTORS_MAX; index++) {
    const offset = (FIRST_DESCRIPTOR + index) * SECTOR_BYTES;
    if (offset + SECTOR_BYTES > image.sizeBytes) break;
    const bytes = Buffer.alloc(SECTOR_BYTES);
    await image.read(offset, [bytes]);
    if (bytes.toString('latin1', 1, 6) !== 'CD001') break;
    const type = bytes.readUInt8(0);
    if (type === TYPE.TERMINATOR) break;
    if (type === TYPE.BOOT) {
      isBootable ||= bytes.toString('latin1', 7, 30) === 'EL TORITO SPECIFICATION';
    }
    if (type === TYPE.PRIMARY) {
      const label = bytes
        .toString('latin1', 40, 72)
        .replace(/[^\x21-\x7e]+/g, ' ')
        .trim();
      volume ??= { label, sizeBytes: bytes.readUInt32LE(80) * bytes.readUInt16LE(128) };
    }
  }
  return volume === undefined ? undefined : { ...volume, isBootable };
}
