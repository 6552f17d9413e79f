import { StorageError } from '../errors.ts';
import { type Segments, sliceSegments, totalBytes } from '../segments.ts';
import { AlignedBuffers, BUFFER_BYTES } from './aligned-buffers.ts';
import type { FileFacts, HostFile } from './host-file.ts';
import { RangeLock } from './range-lock.ts';

/** Devices take whole sectors of these sizes, the smaller where they can. */
const UNITS = [512, 4096] as const;
/** What the host's cache keeps together. */
const PAGE_BYTES = 4096;

/**
 * A file reached around the host's page cache: whole sectors go directly between the device and
 * buffers of ours, what is left at the ends of a write goes through the cache. The two never touch
 * one page at the same time, or the cache could write old bytes over new ones. [POSIX] open(2),
 * "O_DIRECT"
 */
export class DirectFile implements HostFile {
  readonly path: string;
  readonly isReadOnly: boolean;
  readonly #cached: HostFile;
  readonly #direct: HostFile;
  readonly #unit: number;
  readonly #buffers = new AlignedBuffers();
  readonly #locks = new RangeLock();

  private constructor(cached: HostFile, direct: HostFile, unit: number) {
    this.path = cached.path;
    this.isReadOnly = cached.isReadOnly;
    this.#cached = cached;
    this.#direct = direct;
    this.#unit = unit;
  }

  /** `direct` is the same file, opened with O_DIRECT. */
  static async open(cached: HostFile, direct: HostFile): Promise<DirectFile> {
    const [small, large] = UNITS;
    const probe = new DirectFile(cached, direct, small);
    const isSmallEnough = await probe.#buffers.lend(async (buffer) => {
      try {
        await direct.read(small, [buffer.subarray(0, small)]);
        return true;
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        return error.context['hostCode'] !== 'EINVAL';
      }
    });
    return isSmallEnough ? probe : new DirectFile(cached, direct, large);
  }

  facts(): Promise<FileFacts> {
    return this.#cached.facts();
  }

  async read(offset: number, segments: Segments): Promise<void> {
    await this.#forEachPiece(offset, totalBytes(segments), async (buffer, at, lengthBytes) => {
      const start = this.#floor(at);
      const end = this.#floor(at + lengthBytes + this.#unit - 1);
      const bytes = buffer.subarray(0, end - start);
      let from = at - start;
      await this.#readSectors(start, bytes, from + lengthBytes);
      for (const segment of sliceSegments(segments, at - offset, lengthBytes)) {
        segment.set(bytes.subarray(from, from + segment.length));
        from += segment.length;
      }
    });
  }

  async write(offset: number, segments: Segments): Promise<void> {
    const end = offset + totalBytes(segments);
    const first = Math.min(end, this.#floor(offset + this.#unit - 1));
    const last = Math.max(first, this.#floor(end));
    const hasEdges = first > offset || last < end;
    const range = {
      start: offset - (offset % PAGE_BYTES),
      end: Math.ceil(end / PAGE_BYTES) * PAGE_BYTES,
      isExclusive: hasEdges,
    };
    const part = (from: number, to: number): Segments =>
      sliceSegments(segments, from - offset, to - from);
    await this.#locks.run(range, async () => {
      if (first > offset) await this.#cached.write(offset, part(offset, first));
      await this.#forEachPiece(first, last - first, async (buffer, at, lengthBytes) => {
        let to = 0;
        for (const segment of part(at, at + lengthBytes)) {
          buffer.set(segment, to);
          to += segment.length;
        }
        await this.#direct.write(at, [buffer.subarray(0, lengthBytes)]);
      });
      if (end > last) await this.#cached.write(last, part(last, end));
    });
  }

  /** Both ways lead to one file, and a sync of either is of all of it. */
  async sync(): Promise<void> {
    await Promise.all([this.#cached.sync(), this.#direct.sync()]);
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#cached.truncate(sizeBytes);
  }

  async close(): Promise<void> {
    await this.#direct.close();
    await this.#cached.close();
  }

  /** Fills whole sectors, of which the first `neededBytes` must be there. */
  async #readSectors(start: number, bytes: Uint8Array, neededBytes: number): Promise<void> {
    try {
      await this.#direct.read(start, [bytes]);
    } catch (error) {
      // A file may end within its last sector; what is left then is no sector.
      if (!(error instanceof StorageError)) throw error;
      if (error.code !== 'FILE_TOO_SHORT' && error.context['hostCode'] !== 'EINVAL') throw error;
      await this.#cached.read(start, [bytes.subarray(0, neededBytes)]);
    }
  }

  #floor(offset: number): number {
    return offset - (offset % this.#unit);
  }

  /** Calls `task` with a buffer for each piece that fits one. */
  async #forEachPiece(
    offset: number,
    lengthBytes: number,
    task: (buffer: Uint8Array, at: number, lengthBytes: number) => Promise<void>,
  ): Promise<void> {
    const end = offset + lengthBytes;
    for (let at = offset; at < end; ) {
      const next = Math.min(end, this.#floor(at) + BUFFER_BYTES);
      const count = next - at;
      const from = at;
      await this.#buffers.lend((buffer) => task(buffer, from, count));
      at = next;
    }
  }
}
