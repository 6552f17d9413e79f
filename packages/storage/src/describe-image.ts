import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { HostFile } from './file/host-file.ts';
import { openNodeFile } from './file/node-file.ts';
import { type IsoVolume, readIsoVolume } from './foreign/iso.ts';
import { openForeign, probeFormat } from './foreign/open-foreign.ts';
import type { ImportFormat } from './open-image.ts';
import { openRaw } from './open-image.ts';
import { floppyOf } from './raw/floppy.ts';
import { readEntries, UNALLOCATED } from './vhd/block-table.ts';
import { CHAIN_DEPTH_MAX } from './vhd/chain.ts';
import { DISK_TYPE, timeOfVhd, uuidText, vhdTime } from './vhd/footer.ts';
import { readFooters } from './vhd/footers.ts';
import { diskSizeOf } from './vhd/geometry.ts';
import { readHeader } from './vhd/header.ts';
import { nameOf, parentPaths } from './vhd/locators.ts';

/** What an image says of itself. Times are of ISO 8601. */
export interface ImageFacts {
  readonly path: string;
  readonly format: ImportFormat | 'iso' | 'floppy';
  /** Size as a guest sees it. */
  readonly sizeBytes: number;
  readonly fileBytes: number;
  /** Room that the file takes on the host. */
  readonly storedBytes: number;
  readonly vhd?: VhdFacts;
  readonly iso?: IsoVolume;
  /** Such as "1.44 MB". */
  readonly floppy?: string;
}

/** What a VHD's footer and header say. */
export interface VhdFacts {
  readonly type: 'fixed' | 'dynamic' | 'differencing';
  readonly uniqueId: string;
  readonly creator: string;
  readonly createdAt: string;
  readonly geometry: string;
  readonly hasSavedState: boolean;
  readonly blockBytes?: number;
  readonly blockCount?: number;
  readonly allocatedCount?: number;
  /** The parent, the parent's parent, and so on. */
  readonly parents?: readonly ParentFacts[];
}

/** One disk that a differencing disk is based on. */
export interface ParentFacts {
  /** Where it is; else the name that the child has for it. */
  readonly path: string;
  readonly state: 'right' | 'missing' | 'wrong-identity' | 'changed';
}

const TYPE_NAMES = { 2: 'fixed', 3: 'dynamic', 4: 'differencing' } as const;

/** Looks at an image without locking it: it may be in use. Throws StorageError. */
export async function describeImage(path: string, format?: ImportFormat): Promise<ImageFacts> {
  const file = await openUnlocked(path);
  try {
    const { blocks } = await stat(path);
    const { sizeBytes: fileBytes } = await file.facts();
    const common = { path, fileBytes, storedBytes: blocks * 512 };
    const found = format ?? (await probeFormat(file));
    if (found === 'vhd') return { ...common, format: found, ...(await describeVhd(file)) };
    if (found === 'raw') return { ...common, ...(await describeRaw(file)) };
    const image = await openForeign(file, found, openUnlocked);
    return { ...common, format: found, sizeBytes: image.sizeBytes };
  } finally {
    await file.close();
  }
}

function openUnlocked(path: string): Promise<HostFile> {
  return openNodeFile(path, { mode: 'read-only', lock: 'none' });
}

async function describeRaw(
  file: HostFile,
): Promise<Pick<ImageFacts, 'format' | 'sizeBytes' | 'iso' | 'floppy'>> {
  const image = await openRaw(file);
  const { sizeBytes } = image;
  const iso = await readIsoVolume(image);
  if (iso !== undefined) return { format: 'iso', sizeBytes, iso };
  const floppy = floppyOf(sizeBytes);
  return floppy === undefined
    ? { format: 'raw', sizeBytes }
    : { format: 'floppy', sizeBytes, floppy };
}

async function describeVhd(file: HostFile): Promise<{ sizeBytes: number; vhd: VhdFacts }> {
  const { footer, fileBytes } = await readFooters(file);
  const { cylinders, heads, sectorsPerTrack } = footer;
  const common = {
    type: TYPE_NAMES[footer.diskType as keyof typeof TYPE_NAMES],
    uniqueId: uuidText(footer.uniqueId),
    creator: footer.creatorApplication.replace(/[^\x20-\x7e]/g, '').trim(),
    createdAt: new Date(timeOfVhd(footer.timeStamp)).toISOString(),
    geometry: `${cylinders}/${heads}/${sectorsPerTrack}`,
    hasSavedState: footer.savedState !== 0,
  };
  const sizeBytes = diskSizeOf(footer);
  if (footer.diskType === DISK_TYPE.FIXED) return { sizeBytes, vhd: common };
  const { layout } = await readHeader(file, footer, fileBytes);
  const entries = await readEntries(file, layout);
  const sparse = {
    ...common,
    blockBytes: layout.blockBytes,
    blockCount: layout.blockCount,
    allocatedCount: entries.reduce((sum, entry) => sum + Number(entry !== UNALLOCATED), 0),
  };
  if (footer.diskType === DISK_TYPE.DYNAMIC) return { sizeBytes, vhd: sparse };
  return { sizeBytes, vhd: { ...sparse, parents: await parentsOf(file, 1) } };
}

async function parentsOf(child: HostFile, depth: number): Promise<ParentFacts[]> {
  const { footer, fileBytes } = await readFooters(child);
  if (footer.diskType !== DISK_TYPE.DIFFERENCING || depth > CHAIN_DEPTH_MAX) return [];
  const { header } = await readHeader(child, footer, fileBytes);
  const path = (await parentPaths(child, header)).find((one) => existsSync(one));
  if (path === undefined) return [{ path: nameOf(header), state: 'missing' }];
  const file = await openUnlocked(path);
  try {
    const { footer: parent } = await readFooters(file);
    if (!parent.uniqueId.equals(header.parentUniqueId)) return [{ path, state: 'wrong-identity' }];
    const isSame = vhdTime((await file.facts()).modifiedMs) === header.parentTimeStamp;
    const state = isSame ? 'right' : 'changed';
    return [{ path, state }, ...(await parentsOf(file, depth + 1))];
  } finally {
    await file.close();
  }
}
