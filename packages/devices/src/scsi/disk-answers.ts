// What a disk tells about itself: answers in the layouts of [SPC] and [SBC].

import { type BlockInfo, SECTOR_BYTES } from '@umbra/core';
import { setField, setText } from './scsi-command.ts';

const VENDOR = 'UMBRA';
const PRODUCT = 'VIRTUAL DISK';
const SPC_3 = 0x05;
const RESPONSE_FORMAT = 2;
const COMMAND_QUEUEING = 1 << 1;
const PAGE = {
  SUPPORTED: 0x00,
  SERIAL: 0x80,
  IDENTIFICATION: 0x83,
  LIMITS: 0xb0,
  CHARACTERISTICS: 0xb1,
  PROVISIONING: 0xb2,
} as const;
const LIMITS_BYTES = 64;
/** One command moves at most 32 MiB, discards or zeroes at most 2 GiB. */
export const TRANSFER_BLOCKS_MAX = 1 << 16;
export const UNMAP_BLOCKS_MAX = 1 << 22;
export const UNMAP_RANGES_MAX = 64;
const ASCII_T10 = { CODE_SET: 2, TYPE: 1 } as const;
const SOLID_STATE = 1;
const PROVISIONING = { UNMAP: 1 << 7, WRITE_SAME_16: 1 << 6, WRITE_SAME_10: 1 << 5 } as const;
const THIN = 2;
const MODE_PAGE = { RECOVERY: 0x01, CACHING: 0x08, CONTROL: 0x0a, ALL: 0x3f } as const;
export const CACHING_WCE = 1 << 2;

/** Standard INQUIRY data. [SPC] §6.4.2 */
export function diskInquiry(): Uint8Array {
  const bytes = new Uint8Array(36);
  bytes[2] = SPC_3;
  bytes[3] = RESPONSE_FORMAT;
  bytes[4] = bytes.length - 5;
  bytes[7] = COMMAND_QUEUEING;
  setText(bytes, 8, 8, VENDOR);
  setText(bytes, 16, 16, PRODUCT);
  setText(bytes, 32, 4, '1.0');
  return bytes;
}

/** A page of vital product data; undefined for unknown pages. [SPC] §7.6, [SBC] §6.4 */
export function diskProductData(
  page: number,
  serial: string,
  info: BlockInfo,
): Uint8Array | undefined {
  const contents = productPage(page, serial, info);
  if (contents === undefined) return undefined;
  const bytes = new Uint8Array(4 + contents.length);
  bytes[1] = page;
  setField(bytes, 2, 2, contents.length);
  bytes.set(contents, 4);
  return bytes;
}

function productPage(page: number, serial: string, info: BlockInfo): Uint8Array | undefined {
  switch (page) {
    case PAGE.SUPPORTED:
      return Uint8Array.from(Object.values(PAGE));
    case PAGE.SERIAL:
      return text(serial);
    case PAGE.IDENTIFICATION: {
      const name = text(`${VENDOR.padEnd(8)}${serial}`);
      return Uint8Array.from([ASCII_T10.CODE_SET, ASCII_T10.TYPE, 0, name.length, ...name]);
    }
    case PAGE.LIMITS:
      return blockLimits(info);
    case PAGE.CHARACTERISTICS: {
      const bytes = new Uint8Array(60);
      setField(bytes, 0, 2, SOLID_STATE);
      return bytes;
    }
    case PAGE.PROVISIONING: {
      const { UNMAP, WRITE_SAME_16, WRITE_SAME_10 } = PROVISIONING;
      const flags = info.canDiscard ? UNMAP | WRITE_SAME_16 | WRITE_SAME_10 : 0;
      return Uint8Array.of(0, flags, info.canDiscard ? THIN : 0, 0);
    }
    default:
      return undefined;
  }
}

function blockLimits({ canDiscard }: BlockInfo): Uint8Array {
  const bytes = new Uint8Array(LIMITS_BYTES - 4);
  setField(bytes, 4, 4, TRANSFER_BLOCKS_MAX);
  if (canDiscard) {
    setField(bytes, 16, 4, UNMAP_BLOCKS_MAX);
    setField(bytes, 20, 4, UNMAP_RANGES_MAX);
    setField(bytes, 24, 4, 1);
  }
  setField(bytes, 32, 8, UNMAP_BLOCKS_MAX);
  return bytes;
}

/** READ CAPACITY (10); beyond 2 TiB it says so, and hosts ask with 16 bytes. [SBC] §5.12 */
export function capacity10(blocks: number): Uint8Array {
  const bytes = new Uint8Array(8);
  setField(bytes, 0, 4, Math.min(blocks - 1, 0xffff_ffff));
  setField(bytes, 4, 4, SECTOR_BYTES);
  return bytes;
}

/** READ CAPACITY (16). [SBC] §5.13 */
export function capacity16(blocks: number, canDiscard: boolean): Uint8Array {
  const bytes = new Uint8Array(32);
  setField(bytes, 0, 8, blocks - 1);
  setField(bytes, 8, 4, SECTOR_BYTES);
  bytes[14] = canDiscard ? 0x80 : 0;
  return bytes;
}

/** Mode pages; with `areChangeable` the bits that MODE SELECT may change. [SPC] §7.4, [SBC] §6.3 */
export function diskModePages(
  page: number,
  isWriteCacheOn: boolean,
  areChangeable: boolean,
): Uint8Array | undefined {
  const cache = areChangeable || isWriteCacheOn ? CACHING_WCE : 0;
  const pages: Record<number, number[]> = {
    [MODE_PAGE.RECOVERY]: [MODE_PAGE.RECOVERY, 10, ...new Array<number>(10).fill(0)],
    [MODE_PAGE.CACHING]: [MODE_PAGE.CACHING, 18, cache, ...new Array<number>(17).fill(0)],
    [MODE_PAGE.CONTROL]: [MODE_PAGE.CONTROL, 10, ...new Array<number>(10).fill(0)],
  };
  if (page === MODE_PAGE.ALL) return Uint8Array.from(Object.values(pages).flat());
  const bytes = pages[page];
  return bytes === undefined ? undefined : Uint8Array.from(bytes);
}

/** The caching page's write cache bit in a MODE SELECT list; undefined when it has no such page. */
export function selectedWriteCache(list: Uint8Array, headerBytes: 4 | 8): boolean | undefined {
  const descriptors = headerBytes === 4 ? (list[3] ?? 0) : (list[6] ?? 0) * 256 + (list[7] ?? 0);
  for (let at = headerBytes + descriptors; at + 2 < list.length; at += 2 + (list[at + 1] ?? 0)) {
    if (((list[at] ?? 0) & 0x3f) === MODE_PAGE.CACHING)
      return ((list[at + 2] ?? 0) & CACHING_WCE) !== 0;
  }
  return undefined;
}

function text(value: string): Uint8Array {
  return Uint8Array.from(value, (character) => character.charCodeAt(0) & 0x7f);
}
