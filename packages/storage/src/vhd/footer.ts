import { ascii, raw, struct, u8, u16, u32, u64, type Values } from '../struct.ts';

/** [VHD] "Hard Disk Footer Format". */
export const FOOTER = struct(512, 'big', {
  cookie: ascii(0, 8),
  features: u32(8),
  fileFormatVersion: u32(12),
  dataOffset: u64(16),
  timeStamp: u32(24),
  creatorApplication: ascii(28, 4),
  creatorVersion: u32(32),
  creatorHostOs: ascii(36, 4),
  originalSize: u64(40),
  currentSize: u64(48),
  cylinders: u16(56),
  heads: u8(58),
  sectorsPerTrack: u8(59),
  diskType: u32(60),
  checksum: u32(64),
  uniqueId: raw(68, 16),
  savedState: u8(84),
});

/** The values of a footer. */
export type VhdFooter = Values<typeof FOOTER>;

export const FOOTER_COOKIE = 'conectix';
export const FEATURES = { TEMPORARY: 1 << 0, RESERVED: 1 << 1 } as const;
/** The only version of footers and headers that there is. */
export const FORMAT_VERSION = 0x0001_0000;
/** [VHD] "Disk Type". */
export const DISK_TYPE = { FIXED: 2, DYNAMIC: 3, DIFFERENCING: 4 } as const;
/** The largest disk that Virtual Server makes: 2,040 GiB. */
export const DISK_BYTES_MAX = 2040 * 2 ** 30;
/** Images older than Virtual PC 2004 lack the last byte. [VHD] "Hard Disk Footer Format" */
export const SHORT_FOOTER_BYTES = 511;

/** Seconds from 1970 to 2000, where time stamps of VHD begin. [VHD] "Time Stamp" */
const EPOCH_SECONDS = 946_684_800;

/** A time of the host as a VHD's time stamp, in whole seconds. */
export function vhdTime(milliseconds: number): number {
  return Math.max(0, Math.floor(milliseconds / 1000) - EPOCH_SECONDS) >>> 0;
}

/** A VHD's time stamp in milliseconds since 1970. */
export function timeOfVhd(seconds: number): number {
  return (seconds + EPOCH_SECONDS) * 1000;
}

/** One's complement of the sum of all bytes but the checksum's own. [VHD] "Checksum" */
export function vhdChecksum(bytes: Uint8Array, checksumOffset: number): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  for (const byte of bytes.subarray(checksumOffset, checksumOffset + 4)) sum -= byte;
  return ~sum >>> 0;
}

/** A footer's 512 bytes with the right checksum. */
export function encodeFooter(values: Omit<VhdFooter, 'checksum'>): Buffer {
  const bytes = FOOTER.write({ ...values, checksum: 0 });
  bytes.writeUInt32BE(vhdChecksum(bytes, FOOTER.offsetOf('checksum')), FOOTER.offsetOf('checksum'));
  return bytes;
}

/** What a footer must hold to be believed: the first rule it breaks, or undefined. */
export function footerProblem(bytes: Uint8Array): FooterProblem | undefined {
  const footer = FOOTER.read(bytes);
  const rules: readonly [keyof VhdFooter, string | number, string | number, boolean][] = [
    ['cookie', JSON.stringify(footer.cookie), FOOTER_COOKIE, footer.cookie === FOOTER_COOKIE],
    ...checksumRule(bytes, footer),
    [
      'fileFormatVersion',
      hex(footer.fileFormatVersion),
      hex(FORMAT_VERSION),
      footer.fileFormatVersion === FORMAT_VERSION,
    ],
    [
      'diskType',
      footer.diskType,
      '2 (fixed), 3 (dynamic) or 4 (differencing)',
      footer.diskType >= DISK_TYPE.FIXED && footer.diskType <= DISK_TYPE.DIFFERENCING,
    ],
    [
      'currentSize',
      footer.currentSize,
      `whole sectors, 512 to ${DISK_BYTES_MAX}`,
      footer.currentSize >= 512 &&
        footer.currentSize <= DISK_BYTES_MAX &&
        footer.currentSize % 512 === 0,
    ],
  ];
  const broken = rules.find(([, , , holds]) => !holds);
  if (broken === undefined) return undefined;
  const [field, found, expected] = broken;
  return { what: `footer's ${field}`, offset: FOOTER.offsetOf(field), found, expected };
}

/** A rule that a footer or header breaks; `offset` counts from its start. */
export interface FooterProblem {
  readonly what: string;
  readonly offset: number;
  readonly found: string | number;
  readonly expected: string | number;
}

function checksumRule(
  bytes: Uint8Array,
  footer: VhdFooter,
): [keyof VhdFooter, string, string, boolean][] {
  const expected = vhdChecksum(bytes.subarray(0, 512), FOOTER.offsetOf('checksum'));
  return [['checksum', hex(footer.checksum), hex(expected), footer.checksum === expected]];
}

/** A number as it stands in manuals and dumps. */
export function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

/** A UUID as text. */
export function uuidText(id: Uint8Array): string {
  return Buffer.from(id)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
