import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createChild, createImage } from '../create-image.ts';
import { openImage } from '../open-image.ts';
import { Chance } from '../testing/chance.ts';
import { ModelDisk } from '../testing/model-disk.ts';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { HEADER } from './header.ts';
import { encodeName, locatorTexts, nameOf } from './locators.ts';

const SIZE = 20 * 2 ** 20;

/** A base with some contents and two children on top of each other, in one folder. */
async function makeChain(folder: string): Promise<{ paths: string[]; model: ModelDisk }> {
  const paths = ['base.vhd', 'middle.vhd', 'top.avhd'].map((name) => join(folder, name));
  const [base = '', ...children] = paths;
  const size = await createImage({ path: base, type: 'dynamic', sizeBytes: SIZE, isSparse: true });
  const model = new ModelDisk(size);
  let below = base;
  await change(base, model, 1);
  for (const [index, path] of children.entries()) {
    assert.equal(await createChild(path, below), size);
    await change(path, model, 2 + index);
    below = path;
  }
  return { paths, model };
}

async function change(path: string, model: ModelDisk, seed: number): Promise<void> {
  const image = await openImage(path, { isReadOnly: false });
  await model.exercise(image, new Chance(seed), 40);
  await image.close();
}

async function verify(path: string, model: ModelDisk): Promise<void> {
  const image = await openImage(path, { isReadOnly: true });
  await model.verify(image);
  await image.close();
}

test('a chain reads as what was written to all of it, also in another folder', async (context) => {
  const folder = await temporaryFolder(context);
  const before = join(folder, 'before');
  await mkdir(before);
  const { model } = await makeChain(before);
  await verify(join(before, 'top.avhd'), model);
  await rename(before, join(folder, 'after'));
  await verify(join(folder, 'after', 'top.avhd'), model);
});

test('an absolute locator finds the parent of a child that moved alone', async (context) => {
  const folder = await temporaryFolder(context);
  const { paths, model } = await makeChain(folder);
  await mkdir(join(folder, 'elsewhere'));
  const moved = join(folder, 'elsewhere', 'top.avhd');
  await rename(paths[2] ?? '', moved);
  await verify(moved, model);
});

test('a parent that is missing, another disk, or changed is refused', async (context) => {
  const folder = await temporaryFolder(context);
  const { paths, model } = await makeChain(folder);
  const [base = '', middle = '', top = ''] = paths;
  const open = (ignoreParentTime = false): Promise<unknown> =>
    openImage(top, { isReadOnly: true, ignoreParentTime }).then((image) => image.close());
  const { mtime } = await stat(middle);

  await utimes(middle, mtime, new Date(mtime.getTime() + 5000));
  await assert.rejects(open(), { code: 'PARENT_CHANGED' });
  await open(true);

  const kept = join(folder, 'kept.vhd');
  await rename(middle, kept);
  await assert.rejects(open(true), { code: 'PARENT_MISSING' });
  await copyFile(base, middle);
  await assert.rejects(open(true), { code: 'PARENT_IDENTITY' });
  await rename(kept, middle);
  await utimes(middle, mtime, mtime);
  await verify(top, model);

  await rm(middle);
  await assert.rejects(open(), { code: 'PARENT_MISSING' });
});

test('a disk in use is refused, and parents are shared', async (context) => {
  const folder = await temporaryFolder(context);
  const { paths } = await makeChain(folder);
  const [base = '', middle = '', top = ''] = paths;
  const other = join(folder, 'other.vhd');
  await createChild(other, middle);
  const first = await openImage(top, { isReadOnly: false });
  const second = await openImage(other, { isReadOnly: false });
  await assert.rejects(openImage(top, { isReadOnly: true }), { code: 'LOCKED' });
  await assert.rejects(openImage(base, { isReadOnly: false }), { code: 'LOCKED' });
  await (await openImage(base, { isReadOnly: true })).close();
  await first.close();
  await second.close();
  await (await openImage(base, { isReadOnly: false })).close();
});

test('a disk that is its own ancestor is refused', async (context) => {
  const folder = await temporaryFolder(context);
  const { paths } = await makeChain(folder);
  const [, middle = '', top = ''] = paths;
  // The top's file under the middle's name has the top's identity: the chain comes back to itself.
  const bytes = await readFile(top);
  const header = HEADER.read(bytes.subarray(512));
  bytes.copy(bytes, 512 + 40, 68, 84);
  bytes.writeUInt32BE(0, 512 + 36);
  let sum = 0;
  for (const byte of bytes.subarray(512, 1536)) sum += byte;
  bytes.writeUInt32BE(~sum >>> 0, 512 + 36);
  assert.equal(nameOf(header), 'middle.vhd');
  await rm(middle);
  await writeFile(top, bytes);
  await writeFile(middle, bytes);
  await assert.rejects(openImage(top, { isReadOnly: true, ignoreParentTime: true }), {
    code: 'CHAIN',
  });
});

test('parts of split images are refused', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'disk.vhd');
  await createImage({ path, type: 'fixed', sizeBytes: SIZE, isSparse: true });
  await writeFile(join(folder, 'disk.v01'), '');
  await assert.rejects(openImage(path, { isReadOnly: true }), { code: 'UNSUPPORTED' });
});

test('locators and names are in the encodings of their platforms', () => {
  const texts = locatorTexts('/disks/child/a.vhd', '/disks/päth/b c.vhd');
  const decoded = texts.map(({ platformCode, bytes }) =>
    platformCode.startsWith('W2')
      ? `${platformCode} ${bytes.toString('utf16le')}`
      : `${platformCode} ${bytes.toString('utf8')}`,
  );
  assert.deepEqual(decoded, [
    'W2ru ..\\päth\\b c.vhd',
    'W2ku \\disks\\päth\\b c.vhd',
    'MacX file:///disks/p%C3%A4th/b%20c.vhd',
  ]);
  assert.deepEqual(encodeName('ä').subarray(0, 4), Buffer.from([0, 0xe4, 0, 0]));
});
