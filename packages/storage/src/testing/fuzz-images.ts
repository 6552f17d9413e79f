import { StorageError } from '../errors.ts';
import { readIsoVolume } from '../foreign/iso.ts';
import { openForeign } from '../foreign/open-foreign.ts';
import type { DiskImage } from '../image.ts';
import { RawImage } from '../raw/raw-image.ts';
import { checkVhd } from '../vhd/check-vhd.ts';
import { openVhd } from '../vhd/open-vhd.ts';
import { SparseVhd } from '../vhd/sparse-image.ts';
import type { Chance } from './chance.ts';
import { footerSums, headerSum } from './checksums.ts';
import { MemoryFile } from './memory-file.ts';
import { type SampleImage, sampleParent } from './sample-images.ts';

/** No image may grow beyond this: by what is written, and by copies of blocks in a repair. */
const GROWTH_BYTES_MAX = 64 * 2 ** 20;
/** What is read of a disk whose header says that it is large. */
const READ_BYTES_MAX = 2 ** 20;
const PIECE_BYTES = 64 * 1024;

/** How one damaged image ended: opened, or refused with an error of ours. */
export type FuzzEnd = 'opened' | 'refused';

/**
 * Damages an image and does with it what a machine and the commands do. Throws when anything else
 * happens than success or a StorageError that names the file and what was found.
 */
export async function fuzzImage(sample: SampleImage, chance: Chance): Promise<FuzzEnd> {
  const bytes = damage(sample, chance);
  const end = await attempt(() => use(sample, Buffer.from(bytes), chance));
  if (sample.format === 'vhd') {
    await attempt(async () => {
      const isReadOnly = chance.below(2) === 0;
      await checkVhd(
        new MemoryFile('damaged.vhd', Buffer.from(bytes), isReadOnly, GROWTH_BYTES_MAX),
      );
    });
  }
  return end;
}

async function attempt(task: () => Promise<void>): Promise<FuzzEnd> {
  try {
    await task();
    return 'opened';
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    const { code, message, context } = error;
    const isComplete =
      code !== 'DAMAGED' || ['offset', 'found', 'expected'].every((key) => key in context);
    if (isComplete && /damaged\.(?:vhd|qcow2|vmdk|vdi|iso)|extent|parent\.vhd/.test(message))
      return 'refused';
    throw new Error(`An error that says too little: ${code} ${message}`, { cause: error });
  }
}

async function use(sample: SampleImage, bytes: Buffer, chance: Chance): Promise<void> {
  const path = `damaged.${sample.format}`;
  if (sample.format === 'vhd') {
    const file = new MemoryFile(path, bytes, false, GROWTH_BYTES_MAX);
    const { image } = await openVhd(file, { openParent: sampleParent, settleAfterMs: 0 });
    await readSome(image);
    // Larger blocks are right, but growing by them would take memory here.
    const isSmall = !(image instanceof SparseVhd) || image.blocks.layout.blockBytes <= 2 ** 19;
    if (isSmall) await writeSome(image, chance);
    return await image.close();
  }
  const file = new MemoryFile(path, bytes, true);
  if (sample.format === 'iso') {
    const image = new RawImage(file, Math.ceil(bytes.length / 512) * 512, bytes.length);
    await readIsoVolume(image);
    return await readSome(image);
  }
  const openFile = async (name: string): Promise<MemoryFile> => {
    if (sample.extent !== undefined && name === 'extent-flat.vmdk') {
      return new MemoryFile(name, sample.extent, true);
    }
    throw new StorageError('FILE_NOT_FOUND', `The extent ${name} is not there`);
  };
  await readSome(await openForeign(file, sample.format, openFile));
}

async function writeSome(image: DiskImage, chance: Chance): Promise<void> {
  const reach = Math.min(image.sizeBytes, 2 ** 18);
  await image.write(chance.below(reach / 512) * 512, [Buffer.alloc(512, 1)]);
  if (chance.below(2) === 0) await image.writeZeroes(0, reach, true);
}

/** Reads from both ends, and walks over what is known of the contents. */
async function readSome(image: DiskImage): Promise<void> {
  const bytes = Buffer.alloc(PIECE_BYTES);
  for (let at = 0; at < Math.min(image.sizeBytes, READ_BYTES_MAX); at += PIECE_BYTES) {
    const count = Math.min(PIECE_BYTES, image.sizeBytes - at);
    await image.read(at, [bytes.subarray(0, count)]);
  }
  const last = image.sizeBytes - 512;
  await image.read(last, [bytes.subarray(0, 512)]);
  for (let at = 0, count = 0; at < image.sizeBytes && count < 100; count++) {
    at += (await image.extentAt(at)).lengthBytes;
  }
}

/** Numbers at which mistakes in sums show. */
const EDGES = [
  0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff,
] as const;

function damage(sample: SampleImage, chance: Chance): Buffer {
  let bytes = Buffer.from(sample.bytes);
  for (let count = 1 + chance.below(4); count > 0; count--) {
    // Mostly where the structures are: at the ends.
    const reach = chance.oneOf([128, 512, 2048, bytes.length]);
    const at = chance.below(2) === 0 ? chance.below(reach) : bytes.length - 1 - chance.below(reach);
    if (at < 0 || at + 8 > bytes.length) continue;
    switch (chance.below(8)) {
      case 0:
        bytes[at] = chance.below(256);
        break;
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << chance.below(8));
        break;
      case 2:
        bytes.writeUInt32BE(chance.oneOf(EDGES), at);
        break;
      case 3:
        bytes.writeUInt32LE(chance.oneOf(EDGES), at);
        break;
      case 4:
        bytes.writeUInt32BE(chance.below(2 ** 12), at - (at % 4));
        break;
      case 5:
        bytes.writeUInt32LE(chance.below(2 ** 12), at - (at % 4));
        break;
      case 6:
        bytes.copy(bytes, at, chance.below(bytes.length), bytes.length);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at)], chance.oneOf([at, at + 512, bytes.length]));
    }
  }
  // Most damage must come with right sums, or nothing behind them is ever reached.
  if (sample.format === 'vhd' && chance.below(4) > 0) {
    footerSums(bytes);
    headerSum(bytes);
  }
  return bytes;
}
