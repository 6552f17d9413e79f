import type { DiskImage } from './image.ts';
import { forEachBounded } from './parallel.ts';
import { isZero } from './segments.ts';
import { advance, type Work } from './work.ts';

const PIECE_BYTES = 2 ** 20;
/** Pieces under way at once: enough to keep reading while others are written. */
const PIECES_MAX = 4;

/** A part of a disk that may hold other than zeros. */
interface Piece {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** Copies all but zeros of `source` to `target`, which reads as zeros and is no smaller. */
export async function copyImage(source: DiskImage, target: DiskImage, work: Work): Promise<void> {
  await forEachPiece(source, work, async ({ offset, lengthBytes }) => {
    const bytes = Buffer.allocUnsafe(lengthBytes);
    await source.read(offset, [bytes]);
    if (!isZero([bytes])) await target.write(offset, [bytes]);
  });
  await target.flush();
}

/** What a comparison finds. */
export interface Comparison {
  readonly isIdentical: boolean;
  /** The first byte that differs, when one does. */
  readonly differsAt: number | undefined;
  /** The sizes; what one disk has more than the other must be zeros. */
  readonly sizesBytes: readonly [number, number];
}

/** Compares what two disks read as. */
export async function compareImages(
  first: DiskImage,
  second: DiskImage,
  work: Work = {},
): Promise<Comparison> {
  const sizesBytes = [first.sizeBytes, second.sizeBytes] as const;
  const [shorter, longer] = first.sizeBytes <= second.sizeBytes ? [first, second] : [second, first];
  let differsAt: number | undefined;
  for (let at = 0; at < longer.sizeBytes && differsAt === undefined; ) {
    advance(work, at, longer.sizeBytes);
    const extent = await longer.extentAt(at);
    const other = at < shorter.sizeBytes ? await shorter.extentAt(at) : undefined;
    const common = Math.min(extent.lengthBytes, other?.lengthBytes ?? extent.lengthBytes);
    const bothZero = extent.isZero && (other?.isZero ?? true);
    const lengthBytes = bothZero ? common : Math.min(common, PIECE_BYTES);
    if (!bothZero) differsAt = await firstDifference(shorter, longer, at, lengthBytes);
    at += lengthBytes;
  }
  return { isIdentical: differsAt === undefined, differsAt, sizesBytes };
}

async function firstDifference(
  shorter: DiskImage,
  longer: DiskImage,
  offset: number,
  lengthBytes: number,
): Promise<number | undefined> {
  const expected = Buffer.allocUnsafe(lengthBytes);
  const found = Buffer.alloc(lengthBytes);
  const present = Math.max(0, Math.min(lengthBytes, shorter.sizeBytes - offset));
  const reads = [longer.read(offset, [expected])];
  if (present > 0) reads.push(shorter.read(offset, [found.subarray(0, present)]));
  await Promise.all(reads);
  if (expected.equals(found)) return undefined;
  return offset + expected.findIndex((byte, index) => byte !== found[index]);
}

/** Whether all of a disk from `offset` on reads as zeros. */
export async function isZeroFrom(image: DiskImage, offset: number, work: Work): Promise<boolean> {
  let zero = true;
  await forEachPiece(
    image,
    work,
    async (piece) => {
      if (!zero) return;
      const bytes = Buffer.allocUnsafe(piece.lengthBytes);
      await image.read(piece.offset, [bytes]);
      zero &&= isZero([bytes]);
    },
    offset,
  );
  return zero;
}

/** Calls `task` for every part that may hold other than zeros, some at once. */
async function forEachPiece(
  image: DiskImage,
  work: Work,
  task: (piece: Piece) => Promise<void>,
  start = 0,
): Promise<void> {
  const { sizeBytes } = image;
  let batch: Piece[] = [];
  for (let at = start; at < sizeBytes; ) {
    advance(work, at, sizeBytes);
    const { isZero: isKnownZero, lengthBytes: known } = await image.extentAt(at);
    if (isKnownZero) {
      at += known;
      continue;
    }
    // Whole pieces by their place, so that they fit the blocks of either disk.
    const lengthBytes = Math.min(known, PIECE_BYTES - (at % PIECE_BYTES), sizeBytes - at);
    batch.push({ offset: at, lengthBytes });
    at += lengthBytes;
    if (batch.length < 4 * PIECES_MAX && at < sizeBytes) continue;
    await forEachBounded(batch, PIECES_MAX, task);
    batch = [];
  }
  await forEachBounded(batch, PIECES_MAX, task);
  advance(work, sizeBytes, sizeBytes);
}
