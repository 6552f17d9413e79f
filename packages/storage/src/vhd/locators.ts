import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { damaged } from '../errors.ts';
import { type HostFile, readBytes } from '../file/host-file.ts';
import { ascii, struct, u32, u64, type Values } from '../struct.ts';
import type { Region } from './block-table.ts';
import { HEADER, type VhdHeader } from './header.ts';

/** [VHD] "Parent Locator Entry". */
const LOCATOR = struct(24, 'big', {
  platformCode: ascii(0, 4),
  platformDataSpace: u32(4),
  platformDataLength: u32(8),
  platformDataOffset: u64(16),
});

/** One way to find a differencing disk's parent. */
export type ParentLocator = Values<typeof LOCATOR>;

const LOCATOR_COUNT = 8;
/** No path is longer. */
const LOCATOR_BYTES_MAX = 64 * 1024;
const NO_CODE = '\0\0\0\0';

/** The locators that a header's parent is told by. */
export function locatorsOf({ parentLocators }: VhdHeader): ParentLocator[] {
  return Array.from({ length: LOCATOR_COUNT }, (_, index) =>
    LOCATOR.read(parentLocators.subarray(index * LOCATOR.sizeBytes)),
  ).filter(({ platformCode }) => platformCode !== NO_CODE);
}

/** A locator to be written. */
export interface LocatorText {
  readonly platformCode: string;
  readonly bytes: Buffer;
}

/** How a child at `childPath` finds its parent: relative to itself, and absolutely. */
export function locatorTexts(childPath: string, parentPath: string): LocatorText[] {
  const absolute = resolve(parentPath);
  const fromChild = relative(dirname(resolve(childPath)), absolute);
  const ownFolder = fromChild.startsWith('..') ? fromChild : `./${fromChild}`;
  const windows = (path: string): Buffer => Buffer.from(path.replaceAll('/', '\\'), 'utf16le');
  return [
    { platformCode: 'W2ru', bytes: windows(ownFolder) },
    { platformCode: 'W2ku', bytes: windows(absolute) },
    { platformCode: 'MacX', bytes: Buffer.from(pathToFileURL(absolute).href, 'utf8') },
  ];
}

/** The header's entries for locators, and their texts, padded to sectors, from `offset` on. */
export function encodeLocators(
  locators: readonly LocatorText[],
  offset: number,
): { table: Buffer; texts: Buffer[] } {
  let at = offset;
  const texts: Buffer[] = [];
  const entries = locators.map(({ platformCode, bytes }) => {
    const sectorCount = Math.ceil(bytes.length / 512);
    const text = Buffer.alloc(sectorCount * 512);
    text.set(bytes);
    texts.push(text);
    const entry = LOCATOR.write({
      platformCode,
      platformDataSpace: sectorCount,
      platformDataLength: bytes.length,
      platformDataOffset: at,
    });
    at += text.length;
    return entry;
  });
  return { table: Buffer.concat(entries, LOCATOR_COUNT * LOCATOR.sizeBytes), texts };
}

/** A parent's name as it stands in the header: UTF-16, big-endian, ending in a zero. */
export function encodeName(name: string): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write(name.slice(0, 255), 'utf16le');
  return bytes.swap16();
}

/** Where the locators' texts lie in the file. */
export function locatorRegions(path: string, header: VhdHeader, fileBytes: number): Region[] {
  return locatorsOf(header).map((locator, index) => {
    const { platformDataSpace: space, platformDataLength, platformDataOffset: start } = locator;
    // Sectors by the manual; some programs of Microsoft's write bytes.
    const spaceBytes = space >= 512 && space % 512 === 0 ? space : space * 512;
    const isInside = start % 512 === 0 && start + platformDataLength <= fileBytes;
    if (platformDataLength > LOCATOR_BYTES_MAX || !isInside) {
      throw damaged({
        path,
        offset: HEADER.offsetOf('parentLocators') + index * LOCATOR.sizeBytes,
        what: 'parent locator',
        found: `${platformDataLength} bytes at ${start}`,
        expected: `at most ${LOCATOR_BYTES_MAX} bytes at a sector of the file`,
      });
    }
    const lengthBytes = Math.max(platformDataLength, Math.min(spaceBytes, LOCATOR_BYTES_MAX));
    return { start, end: start + lengthBytes, what: 'parent locator' };
  });
}

/**
 * The host's paths at which a differencing disk's parent may be, the likeliest first: the relative
 * locators, then the absolute ones, then the header's plain name beside the child. Throws DAMAGED.
 */
export async function parentPaths(file: HostFile, header: VhdHeader): Promise<string[]> {
  const folder = dirname(resolve(file.path));
  const paths: { path: string; rank: number }[] = [];
  for (const locator of locatorsOf(header)) {
    const bytes = await readBytes(file, locator.platformDataOffset, locator.platformDataLength);
    const path = pathOfLocator(locator.platformCode, bytes, folder);
    if (path !== undefined) paths.push(path);
  }
  const name = nameOf(header);
  if (name !== '') paths.push({ path: resolve(folder, windowsBaseName(name)), rank: 2 });
  paths.sort((a, b) => a.rank - b.rank);
  return [...new Set(paths.map(({ path }) => path))];
}

/** The parent's name or path in the header, for people. */
export function nameOf({ parentUnicodeName }: VhdHeader): string {
  return withoutPadding(Buffer.from(parentUnicodeName).swap16().toString('utf16le'));
}

function pathOfLocator(
  platformCode: string,
  bytes: Buffer,
  folder: string,
): { path: string; rank: number } | undefined {
  switch (platformCode) {
    case 'W2ru': {
      const text = withoutPadding(bytes.toString('utf16le'));
      return { path: resolve(folder, slashes(text)), rank: 0 };
    }
    case 'W2ku': {
      const text = slashes(withoutPadding(bytes.toString('utf16le')));
      // A drive's letter says nothing on this host.
      return text.startsWith('/') ? { path: text, rank: 1 } : undefined;
    }
    case 'MacX': {
      const path = pathOfUrl(withoutPadding(bytes.toString('utf8')));
      return path === undefined ? undefined : { path, rank: 1 };
    }
    default:
      return undefined;
  }
}

function pathOfUrl(text: string): string | undefined {
  if (!text.startsWith('file://') || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  url.hostname = '';
  return /%2f|%00/i.test(url.pathname) ? undefined : fileURLToPath(url);
}

function withoutPadding(text: string): string {
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

function slashes(path: string): string {
  return path.replaceAll('\\', '/');
}

function windowsBaseName(path: string): string {
  return slashes(path).split('/').at(-1) ?? '';
}
