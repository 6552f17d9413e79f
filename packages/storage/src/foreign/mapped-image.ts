import { StorageError } from '../errors.ts';
import type { HostFile } from '../file/host-file.ts';
import { checkRange, checkTransfer, type DiskImage, type Extent } from '../image.ts';
import { fillZero, type Segments, sliceSegments } from '../segments.ts';

/** Where a part of a disk lies; `lengthBytes` from the asked place on. */
export type Placement =
  | { readonly kind: 'zero'; readonly lengthBytes: number }
  | {
      readonly kind: 'stored';
      readonly lengthBytes: number;
      readonly file: HostFile;
      readonly offset: number;
      /** Where the file ends: what is behind reads as zeros. */
      readonly fileBytes: number;
    }
  | {
      readonly kind: 'packed';
      readonly lengthBytes: number;
      /** Tells packed pieces apart. */
      readonly key: string;
      readonly unpack: () => Promise<Uint8Array>;
      /** Where in the unpacked bytes the asked place is. */
      readonly offset: number;
    };

/** A disk of a format that is read only: it knows where everything lies. */
export interface DiskMap {
  readonly sizeBytes: number;
  readonly files: readonly HostFile[];
  /** Where the byte at `offset` lies, and what follows it there. */
  locate(offset: number): Promise<Placement>;
}

/** An image for import: reads what a map leads to. */
export class MappedImage implements DiskImage {
  readonly path: string;
  readonly sizeBytes: number;
  readonly isReadOnly = true;
  readonly canDiscard = false;
  readonly #map: DiskMap;
  #unpacked: { readonly key: string; readonly bytes: Promise<Uint8Array> } | undefined;

  constructor(path: string, map: DiskMap) {
    this.path = path;
    this.sizeBytes = map.sizeBytes;
    this.#map = map;
  }

  async read(offsetBytes: number, segments: Segments): Promise<void> {
    const lengthBytes = checkTransfer(this, offsetBytes, segments);
    for (let at = 0; at < lengthBytes; ) {
      const place = await this.#map.locate(offsetBytes + at);
      const count = Math.min(place.lengthBytes, lengthBytes - at);
      await this.#readPlace(place, sliceSegments(segments, at, count), count);
      at += count;
    }
  }

  async write(): Promise<void> {
    return this.#refuse();
  }

  async flush(): Promise<void> {}

  async discard(): Promise<void> {
    return this.#refuse();
  }

  async writeZeroes(): Promise<void> {
    return this.#refuse();
  }

  async extentAt(offsetBytes: number): Promise<Extent> {
    checkRange(this, offsetBytes, 0);
    const { kind, lengthBytes } = await this.#map.locate(offsetBytes);
    const left = this.sizeBytes - offsetBytes;
    return { lengthBytes: Math.min(lengthBytes, left), isZero: kind === 'zero' };
  }

  async close(): Promise<void> {
    for (const file of this.#map.files) await file.close();
  }

  async #readPlace(place: Placement, segments: Segments, count: number): Promise<void> {
    switch (place.kind) {
      case 'zero':
        fillZero(segments);
        break;
      case 'stored': {
        const present = Math.max(0, Math.min(count, place.fileBytes - place.offset));
        if (present > 0) await place.file.read(place.offset, sliceSegments(segments, 0, present));
        fillZero(sliceSegments(segments, present, count - present));
        break;
      }
      case 'packed': {
        if (this.#unpacked?.key !== place.key) {
          this.#unpacked = { key: place.key, bytes: place.unpack() };
        }
        const bytes = await this.#unpacked.bytes;
        let at = place.offset;
        for (const segment of segments) {
          segment.set(bytes.subarray(at, at + segment.length));
          at += segment.length;
        }
        break;
      }
    }
  }

  #refuse(): never {
    throw new StorageError('READ_ONLY', `The image ${this.path} is of a format for import only`, {
      path: this.path,
    });
  }
}
