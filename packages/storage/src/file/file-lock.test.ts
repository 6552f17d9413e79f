import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { lockFile } from './file-lock.ts';

test('there is one writer or any number of readers', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'disk.vhd');
  await writeFile(path, '');
  const first = lockFile(path, 'shared');
  const second = lockFile(path, 'shared');
  assert.throws(() => lockFile(path, 'exclusive'), { code: 'LOCKED' });
  first.release();
  assert.throws(() => lockFile(path, 'exclusive'), { code: 'LOCKED' });
  second.release();
  const writer = lockFile(path, 'exclusive');
  assert.throws(() => lockFile(path, 'shared'), { code: 'LOCKED' });
  assert.throws(() => lockFile(path, 'exclusive'), { code: 'LOCKED' });
  writer.release();
  lockFile(path, 'shared').release();
  assert.deepEqual((await readdir(folder)).sort(), ['.disk.vhd.lock', 'disk.vhd']);
});

test('a process that is killed leaves no lock', async (context) => {
  const path = join(await temporaryFolder(context), 'disk.vhd');
  await writeFile(path, '');
  const module = new URL('file-lock.ts', import.meta.url).href;
  const script = `import { lockFile } from '${module}';
    lockFile('${path}', 'exclusive');
    process.stdout.write('locked');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
  await once(child.stdout, 'data');
  assert.throws(() => lockFile(path, 'shared'), { code: 'LOCKED' });
  child.kill('SIGKILL');
  await once(child, 'exit');
  lockFile(path, 'exclusive').release();
});
