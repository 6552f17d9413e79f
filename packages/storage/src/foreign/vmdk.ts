import { basename, dirname, join } from 'node:path';
import { damaged, unsupported } from '../errors.ts';
import { type HostFile, readBytes } from '../file/host-file.ts';
import type { DiskMap, Placement } from './mapped-image.ts';
import { openSparseExtent, VMDK_MAGIC } from './vmdk-sparse.ts';

const DESCRIPTOR_BYTES_MAX = 64 * 1024;
/** Enough for 2 TiB in files of 2 GB. */
const EXTENTS_MAX = 2048;
const NO_PARENT = 'ffffffff';
const EXTENT_LINE = /^(?:RW|RDONLY|NOACCESS)\s+(\d{1,13})\s+([A-Z]+)(?:\s+"([^"]*)")?(?:\s+(\d+))?/;

interface ExtentLine {
  readonly sectors: number;
  readonly type: string;
  readonly name: string;
  readonly offsetSectors: number;
}

interface OpenExtent {
  readonly start: number;
  readonly end: number;
  locate(offset: number): Promise<Placement>;
}

/**
 * Reads a VMware disk: one sparse file (growing or stream-optimised), or a descriptor with flat and
 * sparse extents beside it, which `openFile` opens. Disks based on others are refused.
 */
export async function mapVmdk(
  file: HostFile,
  openFile: (path: string) => Promise<HostFile>,
): Promise<DiskMap> {
  const { sizeBytes: fileBytes } = await file.facts();
  const start = await readBytes(file, 0, Math.min(fileBytes, DESCRIPTOR_BYTES_MAX));
  if (start.length >= 4 && start.readUInt32LE(0) === VMDK_MAGIC) {
    const extent = await openSparseExtent(file, DESCRIPTOR_BYTES_MAX);
    if (extent.descriptor !== undefined) refuseParent(file.path, extent.descriptor);
    return { sizeBytes: extent.sizeBytes, files: [file], locate: extent.locate };
  }
  const descriptor = start.toString('latin1');
  refuseParent(file.path, descriptor);
  const lines = extentLines(file.path, descriptor);
  const files = [file];
  try {
    const extents: OpenExtent[] = [];
    for (const line of lines) {
      const at = extents.at(-1)?.end ?? 0;
      extents.push(await openExtent(file.path, line, at, openFile, files));
    }
    return {
      sizeBytes: extents.at(-1)?.end ?? 0,
      files,
      locate: (offset) => locateIn(extents, offset),
    };
  } catch (error) {
    for (const opened of files.slice(1)) await opened.close();
    throw error;
  }
}

async function locateIn(extents: readonly OpenExtent[], offset: number): Promise<Placement> {
  let low = 0;
  for (let high = extents.length - 1; low < high; ) {
    const middle = (low + high) >> 1;
    if (offset < (extents[middle]?.end ?? 0)) high = middle;
    else low = middle + 1;
  }
  const extent = extents[low];
  if (extent === undefined) return { kind: 'zero', lengthBytes: 512 };
  const place = await extent.locate(offset - extent.start);
  return { ...place, lengthBytes: Math.min(place.lengthBytes, extent.end - offset) };
}

function refuseParent(path: string, descriptor: string): void {
  const [, parent = NO_PARENT] = /^parentCID\s*=\s*"?([0-9a-fA-F]+)/m.exec(descriptor) ?? [];
  if (parent.toLowerCase() === NO_PARENT) return;
  throw unsupported(path, 'is based on another disk', 'consolidate its snapshots first');
}

function extentLines(path: string, descriptor: string): ExtentLine[] {
  const lines = descriptor.split(/[\r\n\0]+/).flatMap((line): ExtentLine[] => {
    const [, sectors, type, name = '', offset = '0'] = EXTENT_LINE.exec(line.trim()) ?? [];
    if (sectors === undefined || type === undefined) return [];
    return [{ sectors: Number(sectors), type, name, offsetSectors: Number(offset) }];
  });
  if (lines.length > 0 && lines.length <= EXTENTS_MAX) return lines;
  const expected = `1 to ${EXTENTS_MAX}`;
  const what = 'number of extents in the descriptor';
  throw damaged({ path, offset: 0, what, found: lines.length, expected });
}

async function openExtent(
  descriptorPath: string,
  line: ExtentLine,
  start: number,
  openFile: (path: string) => Promise<HostFile>,
  files: HostFile[],
): Promise<OpenExtent> {
  const { sectors, type, name, offsetSectors } = line;
  const lengthBytes = sectors * 512;
  const end = start + lengthBytes;
  if (type === 'ZERO') {
    return { start, end, locate: async (offset) => ({ kind: 'zero', lengthBytes: end - offset }) };
  }
  if (!['FLAT', 'VMFS', 'SPARSE'].includes(type)) {
    throw unsupported(descriptorPath, `has an extent of type ${type}`, 'expected FLAT or SPARSE');
  }
  if (name === '' || name !== basename(name) || /[\\\0]/.test(name)) {
    const expected = 'the name of a file in the same folder';
    const found = JSON.stringify(name);
    throw damaged({ path: descriptorPath, offset: 0, what: 'extent', found, expected });
  }
  const file = await openFile(join(dirname(descriptorPath), name));
  files.push(file);
  if (type === 'SPARSE') {
    const extent = await openSparseExtent(file, 0);
    return { start, end: start + Math.min(lengthBytes, extent.sizeBytes), locate: extent.locate };
  }
  const { sizeBytes: fileBytes } = await file.facts();
  const first = offsetSectors * 512;
  if (first + lengthBytes > fileBytes) {
    const expected = `at least ${first + lengthBytes} bytes`;
    const what = 'length of the file';
    throw damaged({ path: file.path, offset: 0, what, found: fileBytes, expected });
  }
  const locate = async (offset: number): Promise<Placement> => ({
    kind: 'stored',
    lengthBytes: lengthBytes - offset,
    file,
    offset: first + offset,
    fileBytes,
  });
  return { start, end, locate };
}
