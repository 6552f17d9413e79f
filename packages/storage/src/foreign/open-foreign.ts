import { StorageError } from '../errors.ts';
import { type HostFile, readBytes } from '../file/host-file.ts';
import { FOOTER_COOKIE } from '../vhd/footer.ts';
import { type DiskMap, MappedImage } from './mapped-image.ts';
import { mapQcow2, QCOW2_MAGIC } from './qcow2.ts';
import { mapVdi, VDI_SIGNATURE, VDI_SIGNATURE_OFFSET } from './vdi.ts';
import { mapVmdk } from './vmdk.ts';
import { VMDK_MAGIC } from './vmdk-sparse.ts';

/** Formats of other programs, for import. */
export const FOREIGN_FORMATS = ['qcow2', 'vmdk', 'vdi'] as const;
export type ForeignFormat = (typeof FOREIGN_FORMATS)[number];

/** Opens a disk of another program's in an open file; throws StorageError. */
export async function openForeign(
  file: HostFile,
  format: ForeignFormat,
  openFile: (path: string) => Promise<HostFile>,
): Promise<MappedImage> {
  const maps: Record<ForeignFormat, () => Promise<DiskMap>> = {
    qcow2: () => mapQcow2(file),
    vmdk: () => mapVmdk(file, openFile),
    vdi: () => mapVdi(file),
  };
  const map = await maps[format]();
  if (map.sizeBytes > 0) return new MappedImage(file.path, map);
  throw new StorageError('SIZE', `The disk ${file.path} has no sectors`, { path: file.path });
}

/** The format that a file's contents show; raw when they show none. */
export async function probeFormat(file: HostFile): Promise<ForeignFormat | 'vhd' | 'raw'> {
  const { sizeBytes } = await file.facts();
  const start = await readBytes(file, 0, Math.min(sizeBytes, 512));
  const end = await readBytes(file, Math.max(0, sizeBytes - 512), Math.min(sizeBytes, 512));
  const text = start.toString('latin1');
  if (text.startsWith(FOOTER_COOKIE) || isFooterAt(end)) return 'vhd';
  if (text.startsWith('# Disk DescriptorFile')) return 'vmdk';
  if (start.length < 512) return 'raw';
  if (start.readUInt32BE(0) === QCOW2_MAGIC) return 'qcow2';
  if (start.readUInt32LE(0) === VMDK_MAGIC) return 'vmdk';
  return start.readUInt32LE(VDI_SIGNATURE_OFFSET) === VDI_SIGNATURE ? 'vdi' : 'raw';
}

/** Footers have 512 bytes, or 511 in old images. */
function isFooterAt(end: Buffer): boolean {
  const at = end.indexOf(FOOTER_COOKIE);
  return at === 0 || at === 1;
}
