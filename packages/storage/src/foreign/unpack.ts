import { promisify } from 'node:util';
import { inflate, inflateRaw, zstdDecompress } from 'node:zlib';
import { damaged } from '../errors.ts';

/** How a piece of a disk is packed: [RFC1950] with a header, [RFC1951] without, [RFC8878]. */
export type Packing = 'zlib' | 'deflate' | 'zstd';

const UNPACKERS = {
  zlib: promisify(inflate),
  deflate: promisify(inflateRaw),
  zstd: promisify(zstdDecompress),
} as const;

/** Unpacks to exactly `sizeBytes` bytes; what follows the packed bytes is ignored. */
export async function unpack(
  packing: Packing,
  packed: Buffer,
  sizeBytes: number,
  where: { readonly path: string; readonly offset: number },
): Promise<Uint8Array> {
  const blame = (found: string): Error =>
    damaged({ ...where, what: 'packed data', found, expected: `${sizeBytes} bytes of ${packing}` });
  // Zlib stops at the end of its data; zstd would take what follows for another frame.
  const frame = packing === 'zstd' ? zstdFrame(packed) : packed;
  if (frame === undefined) throw blame('no whole frame');
  try {
    const bytes = await UNPACKERS[packing](frame, { maxOutputLength: sizeBytes });
    if (bytes.length === sizeBytes) return bytes;
    throw blame(`${bytes.length} bytes`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'DAMAGED' ? error : blame(`unreadable (${code})`);
  }
}

const ZSTD_MAGIC = 0xfd2f_b528;

/** The first frame of `bytes`, or undefined when there is no whole one. [RFC8878] §3.1.1 */
function zstdFrame(bytes: Buffer): Buffer | undefined {
  if (bytes.length < 9 || bytes.readUInt32LE(0) !== ZSTD_MAGIC) return undefined;
  const descriptor = bytes.readUInt8(4);
  const isSingleSegment = (descriptor & (1 << 5)) !== 0;
  const sizeFlag = descriptor >> 6;
  const sizeFieldBytes = sizeFlag === 0 ? Number(isSingleSegment) : 1 << sizeFlag;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3] ?? 0;
  let at = 5 + (isSingleSegment ? 0 : 1) + dictionaryBytes + sizeFieldBytes;
  for (;;) {
    if (at + 3 > bytes.length) return undefined;
    const header = bytes.readUIntLE(at, 3);
    const type = (header >> 1) & 3;
    at += 3 + (type === 1 ? 1 : header >> 3); // A run of one byte has that byte only.
    if ((header & 1) !== 0) break;
  }
  const end = at + ((descriptor & (1 << 2)) !== 0 ? 4 : 0);
  return end <= bytes.length ? bytes.subarray(0, end) : undefined;
}
