import type { HostFile } from '../file/host-file.ts';
import { checkRange, checkTransfer, checkWritable, type DiskImage, type Extent } from '../image.ts';
import { fillZero, type Segments, sliceSegments, zeroSegments } from '../segments.ts';

/** The most that one write of zeros moves. */
const ZERO_PIECE_BYTES = 1024 * 1024;

/**
 * A disk whose sectors lie in a file one after the other from its start: raw images, floppies, CD
 * images, and fixed VHDs with their footer behind. What the file is too short for reads as zeros.
 */
export class RawImage implements DiskImage {
  readonly path: string;
  readonly sizeBytes: number;
  readonly isReadOnly: boolean;
  /** Node.js has no call that makes holes in files. */
  readonly canDiscard = false;
  readonly #file: HostFile;
  /** Bytes of the disk that the file has; reads behind them need no file. */
  #fileBytes: number;

  constructor(file: HostFile, sizeBytes: number, fileBytes: number) {
    this.path = file.path;
    this.sizeBytes = sizeBytes;
    this.isReadOnly = file.isReadOnly;
    this.#file = file;
    this.#fileBytes = Math.min(sizeBytes, fileBytes);
  }

  async read(offsetBytes: number, segments: Segments): Promise<void> {
    const lengthBytes = checkTransfer(this, offsetBytes, segments);
    const present = Math.max(0, Math.min(lengthBytes, this.#fileBytes - offsetBytes));
    if (present === lengthBytes) return await this.#file.read(offsetBytes, segments);
    fillZero(sliceSegments(segments, present, lengthBytes - present));
    if (present > 0) await this.#file.read(offsetBytes, sliceSegments(segments, 0, present));
  }

  async write(offsetBytes: number, segments: Segments): Promise<void> {
    const lengthBytes = checkTransfer(this, offsetBytes, segments);
    checkWritable(this);
    await this.#file.write(offsetBytes, segments);
    this.#fileBytes = Math.max(this.#fileBytes, offsetBytes + lengthBytes);
  }

  async flush(): Promise<void> {
    if (!this.isReadOnly) await this.#file.sync();
  }

  async discard(offsetBytes: number, lengthBytes: number): Promise<void> {
    checkRange(this, offsetBytes, lengthBytes);
    checkWritable(this);
  }

  async writeZeroes(offsetBytes: number, lengthBytes: number): Promise<void> {
    checkRange(this, offsetBytes, lengthBytes);
    checkWritable(this);
    const end = offsetBytes + lengthBytes;
    for (let at = offsetBytes; at < end; at += ZERO_PIECE_BYTES) {
      await this.write(at, zeroSegments(Math.min(ZERO_PIECE_BYTES, end - at)));
    }
  }

  async extentAt(offsetBytes: number): Promise<Extent> {
    checkRange(this, offsetBytes, 0);
    const isZero = offsetBytes >= this.#fileBytes;
    return { lengthBytes: this.sizeBytes - offsetBytes, isZero };
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#file.close();
    }
  }
}
