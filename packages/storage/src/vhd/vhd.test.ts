import assert from 'node:assert/strict';
import { stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createImage } from '../create-image.ts';
import { StorageError } from '../errors.ts';
import type { DiskImage } from '../image.ts';
import { openImage } from '../open-image.ts';
import { ALL_ONES_64 } from '../struct.ts';
import { Chance } from '../testing/chance.ts';
import { ModelDisk } from '../testing/model-disk.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { encodeFooter, FOOTER, FOOTER_COOKIE, FORMAT_VERSION } from './footer.ts';
import { geometryBytes, geometryOf, roundUpToGeometry } from './geometry.ts';
import { encodeHeader, HEADER, newHeader } from './header.ts';

const MiB = 2 ** 20;

test('checksums are those of known footers and headers', () => {
  const values = {
    cookie: FOOTER_COOKIE,
    features: 2,
    fileFormatVersion: FORMAT_VERSION,
    timeStamp: 0,
    creatorApplication: 'vs  ',
    creatorVersion: 0x0001_0000,
    creatorHostOs: 'Wi2k',
    originalSize: 20480 * MiB,
    currentSize: 20480 * MiB,
    ...geometryOf(20480 * MiB),
    uniqueId: Buffer.alloc(16),
    savedState: 0,
  };
  const checksum = (type: number, dataOffset: number): number =>
    FOOTER.read(encodeFooter({ ...values, diskType: type, dataOffset })).checksum;
  assert.equal(checksum(2, ALL_ONES_64), 0xffff_f099);
  assert.equal(checksum(3, 512), 0xffff_f88e);
  assert.equal(HEADER.read(encodeHeader(newHeader(1536, 10_240, 2 * MiB))).checksum, 0xffff_f44f);
});

test('geometries are those of the manual', () => {
  const known: readonly [number, string][] = [
    [3, '90/4/17'],
    [100, '1003/12/17'],
    [504, '1024/16/63'],
    [2048, '4161/16/63'],
    [20_480, '41610/16/63'],
    [32_768, '16448/16/255'],
    [130_048, '65278/16/255'],
    [131_072, '65535/16/255'],
  ];
  for (const [size, expected] of known) {
    const { cylinders, heads, sectorsPerTrack } = geometryOf(size * MiB);
    assert.equal(`${cylinders}/${heads}/${sectorsPerTrack}`, expected, `${size} MiB`);
  }
});

test('a rounded size is what its own geometry covers', () => {
  const chance = new Chance(1);
  for (let count = 0; count < 2000; count++) {
    const wanted = 3 * MiB + chance.below(2 ** 31) * chance.oneOf([1, 8, 60]);
    const size = roundUpToGeometry(wanted);
    assert.ok(size >= wanted && size < wanted + 3 * MiB, `${wanted}`);
    assert.equal(geometryBytes(geometryOf(size)), size);
  }
});

for (const [type, cache] of [
  ['raw', 'host'],
  ['fixed', 'host'],
  ['dynamic', 'host'],
  ['raw', 'direct'],
  ['dynamic', 'direct'],
] as const) {
  test(`a ${type} disk (cache ${cache}) holds what was written, also when opened again`, async (context) => {
    const path = join(await temporaryFolder(context), type === 'raw' ? 'disk.img' : 'disk.vhd');
    const size = await createImage({ path, type, sizeBytes: 20 * MiB, isSparse: true });
    const model = new ModelDisk(size);
    for (let seed = 1; seed <= 4; seed++) {
      const image = await openOrSkip(path, cache, context);
      if (image === undefined) return;
      assert.equal(image.sizeBytes, size);
      await model.exercise(image, new Chance(seed), 60);
      await model.verify(image);
      await image.close();
    }
    const image = await openImage(path, { isReadOnly: true });
    await model.verify(image);
    await assert.rejects(image.write(0, [Buffer.alloc(512)]), { code: 'READ_ONLY' });
    await image.close();
  });
}

/** Undefined where the file system has no direct I/O, as memory has none. */
async function openOrSkip(
  path: string,
  cache: 'host' | 'direct',
  context: TestContext,
): Promise<DiskImage | undefined> {
  try {
    return await openImage(path, { isReadOnly: false, cache });
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== 'UNSUPPORTED') throw error;
    context.skip(error.message);
    return undefined;
  }
}

test('a dynamic disk takes no room for zeros, and uses the room of discarded blocks again', async (context) => {
  const path = join(await temporaryFolder(context), 'disk.vhd');
  const sizeBytes = await createImage({
    path,
    type: 'dynamic',
    sizeBytes: 2040 * 2 ** 30,
    isSparse: true,
  });
  assert.equal(sizeBytes, 2040 * 2 ** 30);
  const image = await openImage(path, { isReadOnly: false });
  const empty = (await stat(path)).size;
  await image.write(5 * MiB, [Buffer.alloc(MiB)]);
  assert.equal((await stat(path)).size, empty);
  await image.write(sizeBytes - 512, [Buffer.alloc(512, 1)]);
  await image.flush();
  const grown = (await stat(path)).size;
  await image.discard(sizeBytes - 2 * MiB, 2 * MiB);
  await image.flush();
  await image.write(0, [Buffer.alloc(512, 2)]);
  const bytes = Buffer.alloc(1024);
  await image.read(0, [bytes]);
  assert.deepEqual(bytes, Buffer.concat([Buffer.alloc(512, 2), Buffer.alloc(512)]));
  await image.close();
  assert.equal((await stat(path)).size, grown);
});

test('a dynamic disk whose end was cut off in growth opens and goes on', async (context) => {
  const path = join(await temporaryFolder(context), 'disk.vhd');
  await createImage({ path, type: 'dynamic', sizeBytes: 64 * MiB, isSparse: true });
  const before = await openImage(path, { isReadOnly: false });
  await before.write(0, [Buffer.alloc(512, 1)]);
  await before.close();
  await truncate(path, (await stat(path)).size - 512);
  for (const isReadOnly of [true, false, true]) {
    const image = await openImage(path, { isReadOnly });
    const bytes = Buffer.alloc(512);
    await image.read(0, [bytes]);
    assert.deepEqual(bytes, Buffer.alloc(512, 1));
    if (!isReadOnly) await image.write(10 * MiB, [Buffer.alloc(512, 1)]);
    await image.close();
  }
});
