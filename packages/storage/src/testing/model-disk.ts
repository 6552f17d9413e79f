import assert from 'node:assert/strict';
import type { DiskImage } from '../image.ts';
import type { Chance } from './chance.ts';

/** What a disk must hold, sector by sector: each is zeros or filled with one number. */
export class ModelDisk {
  readonly #stamps: Uint32Array;

  constructor(sizeBytes: number) {
    this.#stamps = new Uint32Array(sizeBytes / 512);
  }

  /** Does `count` random operations on `image` and remembers them, some of them at once. */
  async exercise(image: DiskImage, chance: Chance, count: number): Promise<void> {
    let stamp = 1 + chance.below(2 ** 30);
    for (let done = 0; done < count; ) {
      const tasks: Promise<void>[] = [];
      // What runs at once must not overlap: the model knows one order only.
      const lanes = 1 + chance.below(4);
      const laneSectors = Math.floor(this.#stamps.length / lanes);
      for (let lane = 0; lane < lanes; lane++, done++) {
        const length = Math.min(laneSectors, 1 + chance.below(chance.oneOf([8, 64, 6000])));
        const first = lane * laneSectors + chance.below(laneSectors - length + 1);
        stamp += 1;
        tasks.push(this.#operate(image, chance, first, length, stamp));
      }
      await Promise.all(tasks);
      if (chance.below(8) === 0) await image.flush();
    }
  }

  /** Compares all of `image`. */
  async verify(image: DiskImage): Promise<void> {
    const step = 4096;
    for (let first = 0; first < this.#stamps.length; first += step) {
      const count = Math.min(step, this.#stamps.length - first);
      const bytes = Buffer.alloc(count * 512, 0xee);
      await image.read(first * 512, [bytes.subarray(0, 512), bytes.subarray(512)]);
      const expected = this.#bytes(first, count);
      if (!bytes.equals(expected)) {
        const at = bytes.findIndex((byte, index) => byte !== expected[index]);
        assert.fail(`sector ${first + Math.floor(at / 512)} differs`);
      }
    }
  }

  async #operate(
    image: DiskImage,
    chance: Chance,
    first: number,
    count: number,
    stamp: number,
  ): Promise<void> {
    const kind = chance.oneOf(['write', 'write', 'write', 'zero', 'write-zeroes', 'unmap', 'read']);
    if (kind === 'read') {
      const bytes = Buffer.alloc(count * 512);
      await image.read(first * 512, [bytes]);
      assert.ok(bytes.equals(this.#bytes(first, count)), `read of ${first}+${count}`);
      return;
    }
    this.#stamps.fill(kind === 'write' ? stamp : 0, first, first + count);
    if (kind === 'write' || kind === 'zero') {
      const bytes = this.#bytes(first, count);
      const cut = chance.below(bytes.length);
      await image.write(first * 512, [bytes.subarray(0, cut), bytes.subarray(cut)]);
    } else {
      await image.writeZeroes(first * 512, count * 512, kind === 'unmap');
    }
  }

  #bytes(first: number, count: number): Buffer {
    const bytes = Buffer.alloc(count * 512);
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, count * 128);
    for (let sector = 0; sector < count; sector++) {
      words.fill(this.#stamps[first + sector] ?? 0, sector * 128, (sector + 1) * 128);
    }
    return bytes;
  }
}
