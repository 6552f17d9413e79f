import { StorageError } from '../errors.ts';
import type { FileFacts, HostFile } from '../file/host-file.ts';
import { type Segments, totalBytes } from '../segments.ts';

/** A file in memory that never grows beyond a bound: whoever makes it do so is at fault. */
export class MemoryFile implements HostFile {
  readonly path: string;
  readonly isReadOnly: boolean;
  bytes: Buffer;
  /** Bytes read, for finding work without bound. */
  readCount = 0;
  readonly #bytesMax: number;

  constructor(path: string, bytes: Buffer, isReadOnly: boolean, bytesMax = bytes.length) {
    this.path = path;
    this.bytes = bytes;
    this.isReadOnly = isReadOnly;
    this.#bytesMax = bytesMax;
  }

  async facts(): Promise<FileFacts> {
    return { sizeBytes: this.bytes.length, modifiedMs: 0, identity: this.path };
  }

  async read(offset: number, segments: Segments): Promise<void> {
    this.#check(offset);
    const end = offset + totalBytes(segments);
    if (end > this.bytes.length) {
      throw new StorageError('FILE_TOO_SHORT', `The file ${this.path} ends before offset ${end}`);
    }
    let at = offset;
    for (const segment of segments) {
      segment.set(this.bytes.subarray(at, at + segment.length));
      at += segment.length;
    }
    this.readCount += end - offset;
  }

  async write(offset: number, segments: Segments): Promise<void> {
    this.#check(offset);
    if (this.isReadOnly) throw new RangeError('write to a file that was opened for reading');
    const bytes = Buffer.concat(segments);
    this.#resize(Math.max(this.bytes.length, offset + bytes.length));
    bytes.copy(this.bytes, offset);
  }

  async sync(): Promise<void> {}

  async truncate(sizeBytes: number): Promise<void> {
    this.#check(sizeBytes);
    this.#resize(sizeBytes);
  }

  async close(): Promise<void> {}

  #check(offset: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0) throw new RangeError(`offset ${offset}`);
  }

  #resize(sizeBytes: number): void {
    if (sizeBytes > this.#bytesMax) throw new RangeError(`the file grows to ${sizeBytes} bytes`);
    if (sizeBytes < this.bytes.length) this.bytes = this.bytes.subarray(0, sizeBytes);
    else if (sizeBytes > this.bytes.length) {
      this.bytes = Buffer.concat([this.bytes], sizeBytes);
    }
  }
}
