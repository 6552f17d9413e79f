import type { VhdFooter } from './footer.ts';

/** Cylinders, heads and sectors per track, as a BIOS and ATA know a disk. */
export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

const CYLINDERS_MAX = 65_535;
const HEADS_MAX = 16;
/** The largest size that a geometry can tell: what ATA calls 127 GB. */
export const GEOMETRY_BYTES_MAX = CYLINDERS_MAX * HEADS_MAX * 255 * 512;

/** The geometry of a disk of this size. [VHD] "Appendix: CHS Calculation" */
export function geometryOf(sizeBytes: number): Geometry {
  const total = Math.min(Math.floor(sizeBytes / 512), CYLINDERS_MAX * HEADS_MAX * 255);
  let sectorsPerTrack = 255;
  let heads = HEADS_MAX;
  if (total < CYLINDERS_MAX * HEADS_MAX * 63) {
    sectorsPerTrack = 17;
    const tracks = Math.floor(total / sectorsPerTrack);
    heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
    if (tracks >= heads * 1024 || heads > HEADS_MAX) {
      sectorsPerTrack = 31;
      heads = HEADS_MAX;
    }
    if (Math.floor(total / sectorsPerTrack) >= heads * 1024) {
      sectorsPerTrack = 63;
      heads = HEADS_MAX;
    }
  }
  const tracks = Math.floor(total / sectorsPerTrack);
  return { cylinders: Math.floor(tracks / heads), heads, sectorsPerTrack };
}

/** The bytes that a geometry covers. */
export function geometryBytes({ cylinders, heads, sectorsPerTrack }: Geometry): number {
  return cylinders * heads * sectorsPerTrack * 512;
}

/**
 * The next size from `sizeBytes` on that its own geometry covers to the last sector. Programs take
 * a VHD's size from its geometry or from its size field; a disk made so is the same to both. Sizes
 * beyond what a geometry can tell stay as they are.
 */
export function roundUpToGeometry(sizeBytes: number): number {
  const wanted = Math.ceil(sizeBytes / 512) * 512;
  if (wanted > GEOMETRY_BYTES_MAX) return wanted;
  for (let size = wanted; ; ) {
    const geometry = geometryOf(size);
    const covered = geometryBytes(geometry);
    if (covered === size) return size;
    size = covered + geometry.heads * geometry.sectorsPerTrack * 512; // The next whole cylinder.
  }
}

/** Virtual PC, and QEMU under its first name, take the size from the geometry. */
const GEOMETRY_CREATORS: readonly string[] = ['vpc ', 'qemu'];

/**
 * The disk's size as its maker's programs see it: the geometry for those that go by it, unless it
 * is the largest there is, which says no more than "large". All others go by the size field.
 */
export function diskSizeOf(footer: VhdFooter): number {
  const covered = geometryBytes(footer);
  const goesByGeometry = GEOMETRY_CREATORS.includes(footer.creatorApplication);
  const isUsable = covered > 0 && covered <= footer.currentSize && covered < GEOMETRY_BYTES_MAX;
  return goesByGeometry && isUsable ? covered : footer.currentSize;
}
