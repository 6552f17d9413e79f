// Lists of byte pieces that transfers are scattered to or gathered from.

/** Any bytes of an image or a guest, cut into pieces of any length. */
export type Segments = readonly Uint8Array[];

const ZEROES = Buffer.alloc(64 * 1024);

/** The sum of all lengths. */
export function totalBytes(segments: Segments): number {
  let total = 0;
  for (const segment of segments) total += segment.length;
  return total;
}

/** Views of `lengthBytes` bytes from `offset` on; the list must be long enough. */
export function sliceSegments(segments: Segments, offset: number, lengthBytes: number): Segments {
  const [only] = segments;
  if (segments.length === 1 && only !== undefined) {
    if (offset === 0 && lengthBytes === only.length) return segments;
    return [only.subarray(offset, offset + lengthBytes)];
  }
  const slices: Uint8Array[] = [];
  let skip = offset;
  let left = lengthBytes;
  for (const segment of segments) {
    if (left === 0) break;
    if (skip >= segment.length) {
      skip -= segment.length;
      continue;
    }
    const slice = segment.subarray(skip, skip + left);
    slices.push(slice);
    left -= slice.length;
    skip = 0;
  }
  return slices;
}

/** Whether all bytes are zero. */
export function isZero(segments: Segments): boolean {
  return segments.every(({ buffer, byteOffset, length }) => {
    for (let at = 0; at < length; at += ZEROES.length) {
      const count = Math.min(ZEROES.length, length - at);
      // Comparing memory is many times faster than a loop over bytes.
      const piece = Buffer.from(buffer, byteOffset + at, count);
      if (!piece.equals(count === ZEROES.length ? ZEROES : ZEROES.subarray(0, count))) return false;
    }
    return true;
  });
}

/** Sets all bytes to zero. */
export function fillZero(segments: Segments): void {
  for (const segment of segments) segment.fill(0);
}

/** Segments of `lengthBytes` zeros that share a little memory; for writing only. */
export function zeroSegments(lengthBytes: number): Segments {
  const segments: Uint8Array[] = [];
  for (let left = lengthBytes; left > 0; left -= ZEROES.length) {
    segments.push(left >= ZEROES.length ? ZEROES : ZEROES.subarray(0, left));
  }
  return segments;
}
