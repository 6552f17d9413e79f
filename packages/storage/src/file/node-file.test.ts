import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { openNodeFile } from './node-file.ts';

test('data goes between a file and the memory of a machine without a copy between', async (context) => {
  const path = join(await temporaryFolder(context), 'file');
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
  const first = new Uint8Array(memory.buffer, 4096, 512).fill(1);
  const second = new Uint8Array(memory.buffer, 70_000, 1000).fill(2);
  const file = await openNodeFile(path, { mode: 'create', lock: 'none' });
  await file.write(100, [first, second]);
  await file.read(200, [second.subarray(0, 500), first.subarray(0, 12)]);
  assert.equal(second[411], 1);
  assert.equal(second[412], 2);
  assert.equal(first[0], 2);
  assert.equal(first[12], 1);
  await file.close();
  const bytes = await readFile(path);
  assert.deepEqual(
    bytes,
    Buffer.concat([Buffer.alloc(100), Buffer.alloc(512, 1), Buffer.alloc(1000, 2)]),
  );
});

test('more pieces than one call takes are moved, and empty ones cost nothing', async (context) => {
  const path = join(await temporaryFolder(context), 'file');
  const pieces = Array.from({ length: 3000 }, (_, index) => Buffer.alloc(index % 3, index));
  const file = await openNodeFile(path, { mode: 'create', lock: 'none' });
  await file.write(0, pieces);
  const found = pieces.map(({ length }) => Buffer.alloc(length));
  await file.read(0, found);
  assert.deepEqual(found, pieces);
  await assert.rejects(file.read(2990, [Buffer.alloc(100)]), {
    code: 'FILE_TOO_SHORT',
    message: `The file ${path} ends at offset 3000, expected 90 more bytes`,
  });
  await file.close();
});

test('what the host refuses is one sentence with a code', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'file');
  const open = (mode: 'read-only' | 'create', at = path): Promise<unknown> =>
    openNodeFile(at, { mode, lock: 'none' });
  await assert.rejects(open('read-only'), { code: 'FILE_NOT_FOUND' });
  await writeFile(path, '');
  await assert.rejects(open('create'), { code: 'FILE_EXISTS' });
});

test('a host without room is told apart from other failures', async () => {
  const file = await openNodeFile('/dev/full', { mode: 'read-write', lock: 'none' });
  await assert.rejects(file.write(0, [Buffer.alloc(512)]), {
    code: 'HOST_FULL',
    message: 'The file /dev/full cannot be written: no room is left on its file system',
  });
  await file.close();
});
