import { FOOTER, vhdChecksum } from '../vhd/footer.ts';
import { HEADER } from '../vhd/header.ts';

/** Makes the sums of a damaged VHD's footers right again. */
export function footerSums(bytes: Buffer): void {
  for (const at of new Set([0, bytes.length - 512]))
    sum(bytes, at, 512, FOOTER.offsetOf('checksum'));
}

/** Makes the sum of a damaged VHD's header right again. */
export function headerSum(bytes: Buffer): void {
  sum(bytes, 512, HEADER.sizeBytes, HEADER.offsetOf('checksum'));
}

function sum(bytes: Buffer, at: number, lengthBytes: number, checksumOffset: number): void {
  if (at < 0 || at + lengthBytes > bytes.length) return;
  const checksum = vhdChecksum(bytes.subarray(at, at + lengthBytes), checksumOffset);
  bytes.writeUInt32BE(checksum, at + checksumOffset);
}
