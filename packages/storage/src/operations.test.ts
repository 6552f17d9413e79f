import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkImage } from './check-image.ts';
import { compactImage } from './compact-image.ts';
import { compareImages } from './copy-image.ts';
import { convertImage, createChild, createImage } from './create-image.ts';
import { mergeImage } from './merge-image.ts';
import { openImage } from './open-image.ts';
import { resizeImage } from './resize-image.ts';
import { Chance } from './testing/chance.ts';
import { ModelDisk } from './testing/model-disk.ts';
import { temporaryFolder } from './testing/temporary-folder.ts';

const MiB = 2 ** 20;

async function makeDisk(path: string, seed: number, sizeBytes = 30 * MiB): Promise<ModelDisk> {
  const size = await createImage({ path, type: 'dynamic', sizeBytes, isSparse: true });
  const model = new ModelDisk(size);
  await change(path, model, seed);
  return model;
}

async function change(path: string, model: ModelDisk, seed: number): Promise<void> {
  const image = await openImage(path, { isReadOnly: false });
  await model.exercise(image, new Chance(seed), 60);
  await image.close();
}

async function verify(path: string, model: ModelDisk): Promise<void> {
  const image = await openImage(path, { isReadOnly: true });
  await model.verify(image);
  await image.close();
  const findings = await checkImage(path, { format: 'vhd', isRepairing: false });
  assert.deepEqual(
    findings.filter(({ severity }) => severity === 'error'),
    [],
  );
}

test('a conversion holds the same, whatever its type', async (context) => {
  const folder = await temporaryFolder(context);
  const source = join(folder, 'source.vhd');
  const model = await makeDisk(source, 1);
  const image = await openImage(source, { isReadOnly: true });
  for (const [type, name] of [
    ['fixed', 'fixed.vhd'],
    ['dynamic', 'dynamic.vhd'],
    ['raw', 'raw.img'],
  ] as const) {
    const path = join(folder, name);
    await convertImage(image, { path, type, isSparse: true });
    const copy = await openImage(path, { isReadOnly: true });
    await model.verify(copy);
    assert.ok((await compareImages(image, copy)).isIdentical);
    await copy.close();
  }
  await image.close();
});

test('a comparison finds the first byte that differs', async (context) => {
  const folder = await temporaryFolder(context);
  const first = join(folder, 'first.vhd');
  const second = join(folder, 'second.img');
  await makeDisk(first, 2);
  const image = await openImage(first, { isReadOnly: true });
  await convertImage(image, { path: second, type: 'raw', isSparse: true });
  const copy = await openImage(second, { isReadOnly: false });
  const bytes = Buffer.alloc(512);
  await copy.read(20 * MiB, [bytes]);
  bytes[77] = (bytes[77] ?? 0) ^ 1;
  await copy.write(20 * MiB, [bytes]);
  const { isIdentical, differsAt } = await compareImages(image, copy);
  assert.deepEqual([isIdentical, differsAt], [false, 20 * MiB + 77]);
  await copy.close();
  await image.close();
});

test('work that is given up leaves nothing behind', async (context) => {
  const folder = await temporaryFolder(context);
  const source = join(folder, 'source.vhd');
  await makeDisk(source, 3);
  const image = await openImage(source, { isReadOnly: true });
  const path = join(folder, 'copy.vhd');
  const controller = new AbortController();
  const onProgress = (done: number): void => {
    if (done > 0) controller.abort();
  };
  await assert.rejects(
    convertImage(
      image,
      { path, type: 'fixed', isSparse: false },
      { onProgress, signal: controller.signal },
    ),
    { code: 'CANCELLED' },
  );
  await image.close();
  assert.deepEqual((await readdir(folder)).sort(), ['.source.vhd.lock', 'source.vhd']);
});

test('compacting gives room back and changes nothing, also while the disk is in use', async (context) => {
  const path = join(await temporaryFolder(context), 'disk.vhd');
  await makeDisk(path, 4, 60 * MiB);
  const image = await openImage(path, { isReadOnly: false });
  await image.write(0, [Buffer.alloc(image.sizeBytes, 1)]);
  // Zeros in every other block, so that blocks have to be moved.
  const cleared = new ModelDisk(image.sizeBytes);
  for (let at = 0; at < image.sizeBytes; at += 4 * MiB) {
    await image.write(at, [Buffer.alloc(Math.min(2 * MiB, image.sizeBytes - at))]);
  }
  await image.flush();
  const before = (await stat(path)).size;
  const { freedCount, movedCount } = await compactImage(image);
  assert.ok(freedCount >= 15 && movedCount >= 7, `${freedCount} freed, ${movedCount} moved`);
  assert.ok((await stat(path)).size < before * 0.55);
  const bytes = Buffer.alloc(4 * MiB);
  await image.read(8 * MiB, [bytes]);
  assert.ok(bytes.equals(Buffer.concat([Buffer.alloc(2 * MiB), Buffer.alloc(2 * MiB, 1)])));
  await image.writeZeroes(0, image.sizeBytes, true);
  await Promise.all([cleared.exercise(image, new Chance(5), 80), compactImage(image)]);
  await compactImage(image);
  await image.close();
  await verify(path, cleared);
});

test('a merge writes the child into its parent and removes it', async (context) => {
  const folder = await temporaryFolder(context);
  const base = join(folder, 'base.vhd');
  const child = join(folder, 'child.vhd');
  const model = await makeDisk(base, 6);
  await createChild(child, base);
  await change(child, model, 7);
  assert.equal(await mergeImage(child, false), base);
  assert.deepEqual((await readdir(folder)).sort(), ['.base.vhd.lock', 'base.vhd']);
  await verify(base, model);
});

test('a merge that is given up leaves a child that reads as before', async (context) => {
  const folder = await temporaryFolder(context);
  const base = join(folder, 'base.vhd');
  const child = join(folder, 'child.vhd');
  const model = await makeDisk(base, 8);
  await createChild(child, base);
  await change(child, model, 9);
  const controller = new AbortController();
  const onProgress = (done: number): void => {
    if (done > 10 * MiB) controller.abort();
  };
  await new Promise((resolve) => setTimeout(resolve, 1100)); // For another time stamp.
  await assert.rejects(mergeImage(child, false, { onProgress, signal: controller.signal }), {
    code: 'CANCELLED',
  });
  await verify(child, model);
  await mergeImage(child, false);
  await verify(base, model);
});

test('disks grow, and shrink when only zeros are cut off', async (context) => {
  const folder = await temporaryFolder(context);
  for (const type of ['dynamic', 'fixed', 'raw'] as const) {
    const path = join(folder, type === 'raw' ? 'raw.img' : `${type}.vhd`);
    await createImage({ path, type, sizeBytes: 10 * MiB, isSparse: true });
    const data = new Chance(10).bytes(4096);
    const before = await openImage(path, { isReadOnly: false });
    await before.write(9 * MiB, [data]);
    await before.close();
    // So far that the table has to move.
    const grown = await resizeImage(path, 900 * MiB);
    const image = await openImage(path, { isReadOnly: false });
    assert.equal(image.sizeBytes, grown);
    const expected = Buffer.alloc(4 * MiB);
    expected.set(data, MiB);
    const bytes = Buffer.alloc(4 * MiB, 1);
    await image.read(8 * MiB, [bytes]);
    assert.ok(bytes.equals(expected), `${type}: what is new is zeros`);
    await image.write(800 * MiB, [data]);
    await image.close();
    await assert.rejects(resizeImage(path, 500 * MiB), { code: 'SIZE' });
    const again = await openImage(path, { isReadOnly: false });
    await again.writeZeroes(800 * MiB, 4096, true);
    await again.close();
    const shrunk = await resizeImage(path, 500 * MiB);
    const small = await openImage(path, { isReadOnly: true });
    assert.equal(small.sizeBytes, shrunk);
    await small.read(8 * MiB, [bytes]);
    assert.ok(bytes.equals(expected), type);
    await small.close();
    if (type === 'raw') continue;
    const findings = await checkImage(path, { isRepairing: false });
    assert.deepEqual(
      findings.filter(({ severity }) => severity === 'error'),
      [],
    );
  }
});

test('an existing file is replaced only when that is wanted', async (context) => {
  const path = join(await temporaryFolder(context), 'disk.vhd');
  const image = { path, type: 'dynamic', sizeBytes: 10 * MiB, isSparse: true } as const;
  await createImage(image);
  await assert.rejects(createImage(image), { code: 'FILE_EXISTS' });
  await createImage({ ...image, mayReplace: true });
  assert.ok(existsSync(path));
});

test('sizes beyond the format are refused, and its largest disk works', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'disk.vhd');
  const make = (sizeBytes: number): Promise<number> =>
    createImage({ path, type: 'dynamic', sizeBytes, isSparse: true });
  await assert.rejects(make(2 * MiB), { code: 'SIZE' });
  await assert.rejects(make(2040 * 2 ** 30 + 512), { code: 'SIZE' });
  const size = await make(2040 * 2 ** 30);
  const image = await openImage(path, { isReadOnly: false });
  await image.write(size - 4096, [Buffer.alloc(4096, 3)]);
  await image.close();
  const again = await openImage(path, { isReadOnly: true });
  const bytes = Buffer.alloc(4096);
  await again.read(size - 4096, [bytes]);
  assert.deepEqual(bytes, Buffer.alloc(4096, 3));
  await again.close();
});

test('a check mends footers, checksums and entries', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'disk.vhd');
  const size = await createImage({ path, type: 'dynamic', sizeBytes: 30 * MiB, isSparse: true });
  const image = await openImage(path, { isReadOnly: false });
  for (let block = 0; block < 6; block++) {
    await image.write(block * 2 * MiB, [Buffer.alloc(2 * MiB, block + 1)]);
  }
  await image.close();
  const file = await open(path, 'r+');
  const { size: fileBytes } = await file.stat();
  const entry = async (block: number): Promise<number> => {
    const bytes = Buffer.alloc(4);
    await file.read(bytes, 0, 4, 1536 + block * 4);
    return bytes.readUInt32BE(0);
  };
  const setEntry = async (block: number, sector: number): Promise<void> => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(sector);
    await file.write(bytes, 0, 4, 1536 + block * 4);
  };
  await file.write(Buffer.alloc(64), 0, 64, 0); // The first footer,
  await file.write(Buffer.alloc(4), 0, 4, 512 + 36); // the header's checksum,
  await setEntry(1, await entry(0)); // a block upon another,
  await setEntry(2, 1); // one upon the header,
  await setEntry(3, 0x1000_0000); // and one outside of the file.
  await file.close();
  const found = await checkImage(path, { isRepairing: false });
  assert.deepEqual(
    found.map(({ code }) => code),
    ['HEADER_CHECKSUM', 'UNREADABLE'],
    'without the header nothing behind it can be judged',
  );
  assert.match(found[0]?.message ?? '', /disk\.vhd at 548 is 0x00000000, expected 0x/);
  const mended = await checkImage(path, { isRepairing: true });
  assert.deepEqual(
    mended.map(({ code, isRepaired }) => `${code} ${isRepaired}`),
    [
      ...['HEADER_CHECKSUM true', 'FIRST_FOOTER true', 'BLOCK_OVERLAP true'],
      ...['BLOCK_METADATA true', 'BLOCK_OUTSIDE true', 'LOST_SPACE false'],
    ],
  );
  assert.ok((await stat(path)).size > fileBytes, 'the shared block has a copy');
  const errors = await checkImage(path, { isRepairing: false });
  assert.deepEqual(
    errors.map(({ severity }) => severity),
    ['note'],
  );
  const after = await openImage(path, { isReadOnly: true });
  const bytes = Buffer.alloc(size);
  await after.read(0, [bytes]);
  const fills = [0, 1, 2, 3, 4, 5].map((block) => bytes[block * 2 * MiB + 5]);
  assert.deepEqual(fills, [1, 1, 0, 0, 5, 6]);
  await after.close();
});
