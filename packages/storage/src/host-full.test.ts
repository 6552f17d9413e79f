import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StorageError } from './errors.ts';
import type { FileFacts, HostFile } from './file/host-file.ts';
import type { DiskImage } from './image.ts';
import { type Segments, totalBytes } from './segments.ts';
import { Chance } from './testing/chance.ts';
import { MemoryFile } from './testing/memory-file.ts';
import { ModelDisk } from './testing/model-disk.ts';
import { checkVhd } from './vhd/check-vhd.ts';
import { writeDifferencingVhd, writeDynamicVhd, writeFixedVhd } from './vhd/create-vhd.ts';
import { openVhd } from './vhd/open-vhd.ts';

const SIZE = 4 * 2 ** 20;

/** A file on a host that is out of room at times: what is written then is written in part. */
class ShortOfRoomFile implements HostFile {
  readonly path: string;
  readonly isReadOnly = false;
  readonly #file: MemoryFile;
  readonly #chance: Chance;
  failureCount = 0;

  constructor(file: MemoryFile, chance: Chance) {
    this.path = file.path;
    this.#file = file;
    this.#chance = chance;
  }

  facts(): Promise<FileFacts> {
    return this.#file.facts();
  }

  read(offset: number, segments: Segments): Promise<void> {
    return this.#file.read(offset, segments);
  }

  async write(offset: number, segments: Segments): Promise<void> {
    await Promise.resolve();
    if (this.#chance.below(60) > 0) return await this.#file.write(offset, segments);
    const bytes = Buffer.concat(segments);
    const count = this.#chance.below(totalBytes(segments) / 512 + 1) * 512;
    if (count > 0) await this.#file.write(offset, [bytes.subarray(0, count)]);
    this.failureCount += 1;
    throw new StorageError('HOST_FULL', 'No room');
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#file.truncate(sizeBytes);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Repeats what failed for want of room, as a backend does. */
function persistent(image: DiskImage): DiskImage {
  const persist = async (task: () => Promise<void>): Promise<void> => {
    for (let tries = 0; tries < 1000; tries++) {
      try {
        return await task();
      } catch (error) {
        if (!(error instanceof StorageError) || error.code !== 'HOST_FULL') throw error;
      }
    }
    assert.fail('it never works');
  };
  return {
    path: image.path,
    sizeBytes: image.sizeBytes,
    isReadOnly: false,
    canDiscard: image.canDiscard,
    read: (offset, segments) => image.read(offset, segments),
    write: (offset, segments) => persist(() => image.write(offset, segments)),
    flush: () => persist(() => image.flush()),
    discard: (offset, length) => persist(() => image.discard(offset, length)),
    writeZeroes: (offset, length, mayDiscard) =>
      persist(() => image.writeZeroes(offset, length, mayDiscard)),
    extentAt: (offset) => image.extentAt(offset),
    close: () => image.close(),
  };
}

for (const kind of ['dynamic', 'differencing'] as const) {
  test(`a ${kind} disk on a host that is full at times loses nothing`, async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const chance = new Chance(seed);
      const file = new MemoryFile('disk', Buffer.alloc(0), false, 64 * 2 ** 20);
      const disk = { sizeBytes: SIZE, nowMs: 0, blockBytes: 64 * 1024 };
      if (kind === 'dynamic') await writeDynamicVhd(file, disk);
      else {
        const lineage = { parentId: Buffer.alloc(16), parentModifiedMs: 0, parentName: 'parent' };
        await writeDifferencingVhd(file, disk, { ...lineage, locators: [] });
      }
      const openParent = async (): Promise<DiskImage> => {
        const parent = new MemoryFile('parent', Buffer.alloc(0), false, SIZE + 512);
        await writeFixedVhd(parent, disk);
        const openNone = (): Promise<never> => assert.fail('it has no parent');
        return (await openVhd(parent, { openParent: openNone })).image;
      };
      const short = new ShortOfRoomFile(file, chance);
      const { image } = await openVhd(short, { openParent, settleAfterMs: 0 });
      const model = new ModelDisk(SIZE);
      await model.exercise(persistent(image), chance, 100);
      await persistent(image).flush();
      await model.verify(image);
      assert.ok(short.failureCount > 3, `${short.failureCount} failures`);
      assert.deepEqual(
        (await checkVhd(new MemoryFile('disk', file.bytes, true))).filter(
          ({ severity }) => severity === 'error',
        ),
        [],
        `seed ${seed}`,
      );
      const again = new MemoryFile('disk', file.bytes, true);
      await model.verify((await openVhd(again, { openParent, settleAfterMs: 0 })).image);
    }
  });
}
