// What a CD/DVD drive tells about itself and its medium: answers in the layouts of [MMC].

import { field, setField } from './scsi-command.ts';

export const BLOCK_BYTES = 2048;
/** More blocks than the longest CD has: the medium is a DVD. */
const CD_BLOCKS_MAX = 450_000;
/** Two seconds before the first block of a CD. [MMC] §6.1 */
const MSF_OFFSET = 150;
const FRAMES = 75;
const LEAD_OUT = 0xaa;
/** A data track that may be copied. */
const DATA_TRACK = 0x14;
const PROFILE = { CD_ROM: 0x0008, DVD_ROM: 0x0010 } as const;
const FEATURE = {
  PROFILES: 0x0000,
  CORE: 0x0001,
  REMOVABLE: 0x0003,
  RANDOM_READ: 0x0010,
  CD_READ: 0x001e,
  DVD_READ: 0x001f,
} as const;
const FEATURE_FLAGS = { CURRENT: 1 << 0, PERSISTENT: 1 << 1 } as const;

export function isDvd(blocks: number): boolean {
  return blocks > CD_BLOCKS_MAX;
}

/** READ TOC formats 0 (tracks) and 1 (sessions); undefined for others. [MMC] §6.26 */
export function tableOfContents(cdb: Uint8Array, blocks: number): Uint8Array | undefined {
  const isMsf = ((cdb[1] ?? 0) & 2) !== 0;
  const format = (cdb[2] ?? 0) & 0xf || (cdb[9] ?? 0) >> 6;
  const firstTrack = cdb[6] ?? 0;
  const descriptor = (track: number, block: number): number[] => [
    0,
    DATA_TRACK,
    track,
    0,
    ...(isMsf ? toMsf(block) : octets(block)),
  ];
  if (format === 1) return withLength([1, 1, ...descriptor(1, 0)]);
  if (format !== 0 || (firstTrack > 1 && firstTrack !== LEAD_OUT)) return undefined;
  const tracks = firstTrack <= 1 ? descriptor(1, 0) : [];
  return withLength([1, 1, ...tracks, ...descriptor(LEAD_OUT, blocks)]);
}

/** GET CONFIGURATION. [MMC] §6.6 */
export function configuration(cdb: Uint8Array, blocks: number | undefined): Uint8Array {
  const current = blocks === undefined ? 0 : isDvd(blocks) ? PROFILE.DVD_ROM : PROFILE.CD_ROM;
  const isCurrent = (profile: number): number => (profile === current ? FEATURE_FLAGS.CURRENT : 0);
  const always = FEATURE_FLAGS.CURRENT | FEATURE_FLAGS.PERSISTENT;
  const features: [code: number, version: number, flags: number, data: number[]][] = [
    [
      FEATURE.PROFILES,
      0,
      always,
      [PROFILE.DVD_ROM, PROFILE.CD_ROM].flatMap((profile) => [0, profile, isCurrent(profile), 0]),
    ],
    [FEATURE.CORE, 2, always, [0, 0, 0, 2, 1, 0, 0, 0]], // ATAPI, device busy event.
    [FEATURE.REMOVABLE, 0, always, [0x29, 0, 0, 0]], // Tray, lock, eject.
    [FEATURE.RANDOM_READ, 0, current === 0 ? 0 : 1, [...octets(BLOCK_BYTES), 0, 16, 0, 0]],
    [FEATURE.CD_READ, 2, isCurrent(PROFILE.CD_ROM), [0, 0, 0, 0]],
    [FEATURE.DVD_READ, 0, isCurrent(PROFILE.DVD_ROM), []],
  ];
  const requestType = (cdb[1] ?? 0) & 3;
  const first = field(cdb, 2, 2);
  const wanted = features.filter(([code, , flags]) => {
    if (requestType === 2) return code === first;
    return code >= first && (requestType === 0 || (flags & FEATURE_FLAGS.CURRENT) !== 0);
  });
  const bytes = wanted.flatMap(([code, version, flags, data]) => [
    ...[code >> 8, code & 0xff, (version << 2) | flags, data.length],
    ...data,
  ]);
  return Uint8Array.from([
    ...octets(4 + bytes.length),
    0,
    0,
    current >> 8,
    current & 0xff,
    ...bytes,
  ]);
}

/** READ DISC INFORMATION: one finished session with one track. [MMC] §6.23 */
export function discInformation(): Uint8Array {
  const bytes = new Uint8Array(34);
  setField(bytes, 0, 2, bytes.length - 2);
  bytes[2] = 0x0e; // Last session complete, finalized disc.
  bytes[3] = bytes[4] = bytes[5] = bytes[6] = 1;
  bytes[7] = 0x20; // Unrestricted use.
  return bytes;
}

/** READ TRACK INFORMATION of the only track. [MMC] §6.28 */
export function trackInformation(blocks: number): Uint8Array {
  const bytes = new Uint8Array(36);
  setField(bytes, 0, 2, bytes.length - 2);
  bytes[2] = bytes[3] = 1;
  bytes[5] = 4;
  bytes[6] = 1;
  setField(bytes, 24, 4, blocks);
  return bytes;
}

/** READ SUB-CHANNEL: nothing is being played. [MMC] §6.25 */
export function subchannel(): Uint8Array {
  return Uint8Array.of(0, 0x15, 0, 0);
}

/** MECHANISM STATUS of a drive without a changer. [MMC] §6.11 */
export function mechanismStatus(isTrayOpen: boolean): Uint8Array {
  return Uint8Array.of(0, isTrayOpen ? 0x10 : 0, 0, 0, 0, 1, 0, 0);
}

/** READ DVD STRUCTURE 0, the physical format; undefined for others. [MMC] §6.22 */
export function dvdStructure(cdb: Uint8Array, blocks: number): Uint8Array | undefined {
  const format = cdb[7] ?? 0;
  if (format !== 0 || !isDvd(blocks)) return undefined;
  const firstSector = 0x3_0000;
  const bytes = new Uint8Array(4 + 2048);
  setField(bytes, 0, 2, bytes.length - 2);
  bytes[4] = 0x01; // DVD-ROM, version 1.
  bytes[5] = 0x0f; // 120 mm, no maximum rate.
  bytes[6] = 0x01; // One layer, read-only.
  setField(bytes, 8, 4, firstSector);
  setField(bytes, 12, 4, firstSector + blocks - 1);
  return bytes;
}

/** Mode pages: error recovery, caching, capabilities. [MMC] §7; undefined for unknown pages. */
export function cdromModePages(page: number, isLocked: boolean): Uint8Array | undefined {
  const capabilities = [
    ...[0x2a, 0x12, 0x09, 0x00, 0x71, 0x60, 0x29 | (isLocked ? 2 : 0), 0x00],
    ...[0x15, 0x9c, 0x00, 0x02, 0x02, 0x00, 0x15, 0x9c, 0x00, 0x00],
    ...[0x00, 0x00],
  ];
  const pages: Record<number, number[]> = {
    1: [0x01, 0x0a, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0],
    8: [0x08, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    13: [0x0d, 0x06, 0, 0, 0, 60, 0, FRAMES],
    42: capabilities,
  };
  if (page === 0x3f) return Uint8Array.from(Object.values(pages).flat());
  const bytes = pages[page];
  return bytes === undefined ? undefined : Uint8Array.from(bytes);
}

function octets(value: number): number[] {
  const bytes = new Uint8Array(4);
  setField(bytes, 0, 4, value);
  return [...bytes];
}

function toMsf(block: number): number[] {
  const frames = block + MSF_OFFSET;
  const seconds = Math.floor(frames / FRAMES);
  return [0, Math.min(255, Math.floor(seconds / 60)), seconds % 60, frames % FRAMES];
}

function withLength(bytes: readonly number[]): Uint8Array {
  return Uint8Array.from([bytes.length >> 8, bytes.length & 0xff, ...bytes]);
}
