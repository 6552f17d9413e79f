import { existsSync } from 'node:fs';
import { StorageError, unsupported } from '../errors.ts';
import type { HostFile } from '../file/host-file.ts';
import type { DiskImage } from '../image.ts';
import { timeOfVhd, uuidText, type VhdFooter, vhdTime } from './footer.ts';
import { readFooters } from './footers.ts';
import type { VhdHeader } from './header.ts';
import { parentPaths } from './locators.ts';
import { type OpenedVhd, openVhd } from './open-vhd.ts';

/** The most disks above each other that a chain may have. */
export const CHAIN_DEPTH_MAX = 64;

/** How the disks of a chain are opened. */
export interface ChainOptions {
  /** Opens a parent's file for reading. */
  readonly openFile: (path: string) => Promise<HostFile>;
  /** Opens the first parent's file instead, when that is to be written. */
  readonly openParentFile?: (path: string) => Promise<HostFile>;
  /** Takes a parent although it was written to after its child was made. */
  readonly ignoreParentTime?: boolean;
}

/** Opens a VHD and, if it is a differencing disk, all that it is based on. */
export async function openVhdChain(file: HostFile, options: ChainOptions): Promise<DiskImage> {
  return (await openVhdLink(file, options)).image;
}

/** A disk and, if it is a differencing one, what it is based on. */
export interface OpenedLink extends OpenedVhd {
  readonly parent: { readonly image: DiskImage; readonly file: HostFile } | undefined;
}

/** The same as `openVhdChain`, for work on the first two of a chain. */
export async function openVhdLink(file: HostFile, options: ChainOptions): Promise<OpenedLink> {
  const { identity } = await file.facts();
  return await openLink(file, options, [identity]);
}

async function openLink(
  file: HostFile,
  options: ChainOptions,
  above: readonly string[],
): Promise<OpenedLink> {
  refuseSplit(file.path);
  let parent: OpenedLink['parent'];
  const opened = await openVhd(file, {
    openParent: async (footer, header) => {
      parent = await openParent(file, footer, header, options, above);
      return parent.image;
    },
  });
  return { ...opened, parent };
}

async function openParent(
  child: HostFile,
  footer: VhdFooter,
  header: VhdHeader,
  options: ChainOptions,
  above: readonly string[],
): Promise<{ image: DiskImage; file: HostFile }> {
  if (above.length >= CHAIN_DEPTH_MAX) {
    throw new StorageError(
      'CHAIN',
      `The disk ${child.path} has ${above.length} disks above it, expected fewer than ${CHAIN_DEPTH_MAX}`,
      { path: child.path, depth: above.length },
    );
  }
  const { openParentFile, ...below } = options;
  const file = await findParent(child, header, openParentFile ?? options.openFile);
  try {
    const { identity, modifiedMs } = await file.facts();
    if (above.includes(identity)) {
      throw new StorageError(
        'CHAIN',
        `The disk ${file.path} is its own ancestor, through ${child.path}`,
        { path: file.path, child: child.path },
      );
    }
    if (options.ignoreParentTime !== true) checkTime(child, file, header, modifiedMs);
    const parent = await openLink(file, below, [...above, identity]);
    if (parent.footer.currentSize === footer.currentSize) return { image: parent.image, file };
    await parent.image.close();
    throw new StorageError(
      'PARENT_IDENTITY',
      `The parent ${file.path} of ${child.path} has ${parent.footer.currentSize} bytes, expected ${footer.currentSize}`,
      { path: file.path, child: child.path },
    );
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Opens the first of the child's locators that leads to a disk with the right identity. */
async function findParent(
  child: HostFile,
  header: VhdHeader,
  openFile: (path: string) => Promise<HostFile>,
): Promise<HostFile> {
  const expected = uuidText(header.parentUniqueId);
  const paths = await parentPaths(child, header);
  let wrong: { path: string; found: string } | undefined;
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const file = await openFile(path);
    try {
      const found = uuidText((await readFooters(file)).footer.uniqueId);
      if (found === expected) return file;
      wrong ??= { path, found };
      await file.close();
    } catch (error) {
      await file.close();
      throw error;
    }
  }
  if (wrong !== undefined) {
    throw new StorageError(
      'PARENT_IDENTITY',
      `The parent ${wrong.path} of ${child.path} has the identity ${wrong.found}, expected ${expected}`,
      { path: wrong.path, child: child.path, found: wrong.found, expected },
    );
  }
  throw new StorageError(
    'PARENT_MISSING',
    `The parent of ${child.path} is missing: there is no file at ${paths.join(' or ')}`,
    { path: child.path, tried: paths },
  );
}

function checkTime(child: HostFile, file: HostFile, header: VhdHeader, modifiedMs: number): void {
  const expected = header.parentTimeStamp;
  if (vhdTime(modifiedMs) === expected) return;
  const found = new Date(modifiedMs).toISOString();
  throw new StorageError(
    'PARENT_CHANGED',
    `The parent ${file.path} of ${child.path} was changed at ${found}, expected ${new Date(timeOfVhd(expected)).toISOString()}: the disk may not fit it any more`,
    { path: file.path, child: child.path, found, expected },
  );
}

/** Virtual PC splits large disks over files of which only the last ends in a footer. */
function refuseSplit(path: string): void {
  const isPart = /\.v\d\d$/i.test(path);
  if (!isPart && !existsSync(path.replace(/\.vhd$/i, '.v01'))) return;
  if (!isPart && !/\.vhd$/i.test(path)) return;
  throw unsupported(path, 'is part of a split image', 'join its parts to one file first');
}
