// Table: the words that IDENTIFY DEVICE and IDENTIFY PACKET DEVICE return. [ATA] §7.16, §7.17

/** What IDENTIFY DEVICE tells of a disk. */
export interface DiskIdentity {
  readonly serial: string;
  readonly model: string;
  readonly sectors: number;
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
  /** As the host set them: 0 for none. */
  readonly multipleCount: number;
  readonly transferMode: number;
  readonly canDiscard: boolean;
  readonly isWriteCacheOn: boolean;
  readonly isSmartOn: boolean;
}

const FIRMWARE = '1.0';
const INTEGRITY_SIGNATURE = 0xa5;
const LBA28_SECTORS_MAX = 0x0fff_ffff;
/** Values of SET FEATURES "set transfer mode": kind in the upper five bits. */
const TRANSFER = { MULTIWORD: 0x20, ULTRA: 0x40 } as const;
const GENERAL_DISK = 0x0040;
/** CD-ROM, removable, packets of 12 bytes, DRQ within 50 µs. */
const GENERAL_CDROM = 0x85c0;
const CAPABILITIES = { DMA: 1 << 8, LBA: 1 << 9, IORDY: 3 << 10 } as const;
const FEATURE_82 = {
  SMART: 1 << 0,
  PACKET: 1 << 4,
  WRITE_CACHE: 1 << 5,
  DEVICE_RESET: 1 << 9,
  NOP: 1 << 14,
} as const;
const FEATURE_83 = { LBA48: 1 << 10, FLUSH: 1 << 12, FLUSH_EXT: 1 << 13, VALID: 1 << 14 } as const;
const FEATURE_84 = { FUA: 1 << 6, VALID: 1 << 14 } as const;
/** ATA/ATAPI-4 to 7. */
const VERSIONS = 0x00f0;
const CYCLE_NS = 120;

export const MULTIPLE_SECTORS_MAX = 16;
/** Blocks of 64 ranges that one DATA SET MANAGEMENT command carries at most. */
export const TRIM_BLOCKS_MAX = 8;

/** The 512 bytes of IDENTIFY DEVICE. */
export function identifyDisk(disk: DiskIdentity): Uint8Array {
  const words = new IdentifyWords();
  const current = disk.cylinders * disk.heads * disk.sectorsPerTrack;
  const features82 = FEATURE_82.SMART | FEATURE_82.WRITE_CACHE | FEATURE_82.NOP;
  const features83 = FEATURE_83.LBA48 | FEATURE_83.FLUSH | FEATURE_83.FLUSH_EXT | FEATURE_83.VALID;
  const enabled82 =
    FEATURE_82.NOP |
    (disk.isSmartOn ? FEATURE_82.SMART : 0) |
    (disk.isWriteCacheOn ? FEATURE_82.WRITE_CACHE : 0);
  words.set(0, GENERAL_DISK);
  words.set(1, disk.cylinders);
  words.set(3, disk.heads);
  words.set(6, disk.sectorsPerTrack);
  words.setNames(disk.serial, disk.model);
  words.set(47, 0x8000 | MULTIPLE_SECTORS_MAX);
  words.set(48, 1);
  words.set(49, CAPABILITIES.DMA | CAPABILITIES.LBA | CAPABILITIES.IORDY);
  words.set(50, 0x4000);
  words.setTransferModes(disk.transferMode);
  words.set(54, disk.cylinders);
  words.set(55, disk.heads);
  words.set(56, disk.sectorsPerTrack);
  words.set32(57, current);
  words.set(59, disk.multipleCount === 0 ? 0 : 0x100 | disk.multipleCount);
  words.set32(60, Math.min(disk.sectors, LBA28_SECTORS_MAX));
  words.set(80, VERSIONS);
  words.set(82, features82);
  words.set(83, features83);
  words.set(84, FEATURE_84.FUA | FEATURE_84.VALID);
  words.set(85, enabled82);
  words.set(86, features83 & ~FEATURE_83.VALID);
  words.set(87, FEATURE_84.FUA | FEATURE_84.VALID);
  // Word 93: the drive found an 80-conductor cable at its reset.
  words.set(93, 0x600b);
  words.set32(100, disk.sectors);
  words.set(102, Math.floor(disk.sectors / 2 ** 32));
  words.set(106, 0x4000);
  // Word 217: nothing rotates, so guests need not sort their requests.
  words.set(217, 1);
  if (disk.canDiscard) {
    words.set(105, TRIM_BLOCKS_MAX);
    words.set(169, 1);
  }
  return words.sealed();
}

/** The 512 bytes of IDENTIFY PACKET DEVICE. */
export function identifyCdrom(drive: {
  serial: string;
  model: string;
  transferMode: number;
}): Uint8Array {
  const words = new IdentifyWords();
  words.set(0, GENERAL_CDROM);
  words.setNames(drive.serial, drive.model);
  words.set(49, CAPABILITIES.DMA | CAPABILITIES.LBA | CAPABILITIES.IORDY);
  words.set(50, 0x4000);
  words.setTransferModes(drive.transferMode);
  words.set(80, VERSIONS);
  words.set(82, FEATURE_82.PACKET | FEATURE_82.DEVICE_RESET | FEATURE_82.NOP);
  words.set(83, FEATURE_83.VALID);
  words.set(84, FEATURE_84.VALID);
  words.set(85, FEATURE_82.PACKET | FEATURE_82.DEVICE_RESET | FEATURE_82.NOP);
  words.set(87, FEATURE_84.VALID);
  words.set(93, 0x600b);
  return words.sealed();
}

class IdentifyWords {
  readonly #bytes = new Uint8Array(512);

  set(index: number, value: number): void {
    this.#bytes[2 * index] = value & 0xff;
    this.#bytes[2 * index + 1] = (value >>> 8) & 0xff;
  }

  set32(index: number, value: number): void {
    this.set(index, value % 0x1_0000);
    this.set(index + 1, Math.floor(value / 0x1_0000) % 0x1_0000);
  }

  setNames(serial: string, model: string): void {
    this.#setText(10, 10, serial);
    this.#setText(23, 4, FIRMWARE);
    this.#setText(27, 20, model);
  }

  /** PIO 3 and 4, multiword DMA 0 to 2, Ultra DMA 0 to 5, and which of them is on. */
  setTransferModes(selected: number): void {
    const bit = 1 << (8 + (selected & 7));
    const kind = selected & 0xf8;
    this.set(53, 7);
    this.set(63, 0x07 | (kind === TRANSFER.MULTIWORD ? bit : 0));
    this.set(64, 0x03);
    for (let index = 65; index <= 68; index++) this.set(index, CYCLE_NS);
    this.set(88, 0x3f | (kind === TRANSFER.ULTRA ? bit : 0));
  }

  /** The bytes with signature and checksum in the last word. */
  sealed(): Uint8Array {
    const bytes = this.#bytes;
    bytes[510] = INTEGRITY_SIGNATURE;
    bytes[511] = 0;
    bytes[511] = -bytes.reduce((sum, value) => sum + value, 0) & 0xff;
    return bytes;
  }

  /** Text has its first character in the upper byte of each word. */
  #setText(index: number, words: number, text: string): void {
    const padded = text.padEnd(2 * words).slice(0, 2 * words);
    for (let i = 0; i < padded.length; i++) {
      this.#bytes[2 * index + (i ^ 1)] = padded.charCodeAt(i) & 0x7f;
    }
  }
}
