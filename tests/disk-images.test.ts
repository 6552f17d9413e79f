import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCommand } from '../guests/command.ts';
import {
  createChild,
  createImage,
  type DiskImage,
  openForImport,
  openImage,
} from '../packages/storage/src/index.ts';
import { Chance } from '../packages/storage/src/testing/chance.ts';
import { DiskTools } from './disk-tools.ts';
import { UmbraProcess, umbra } from './umbra-process.ts';

const MiB = 2 ** 20;
/** A size that its geometry covers, so that all programs see the same. */
const SIZE = 52_432_896;

async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'umbra-disks-'));
  context.after(() => rm(folder, { recursive: true }));
  return folder;
}

/** A raw disk with some contents, and holes between them. */
async function makeRaw(path: string, seed: number): Promise<void> {
  await createImage({ path, type: 'raw', sizeBytes: SIZE, isSparse: true });
  await scribble(path, seed);
}

/** Writes here and there; what is written can be packed, in parts. */
async function scribble(path: string, seed: number): Promise<void> {
  const chance = new Chance(seed);
  const image = await openImage(path, { isReadOnly: false });
  for (let count = 0; count < 40; count++) {
    const bytes = Buffer.alloc(512 * (1 + chance.below(300)), chance.below(256));
    chance.bytes(512).copy(bytes, chance.below(bytes.length - 511));
    await image.write(chance.below((SIZE - bytes.length) / 512) * 512, [bytes]);
  }
  await image.close();
}

async function sumOf(image: DiskImage): Promise<string> {
  const digest = createHash('sha256');
  const bytes = Buffer.alloc(MiB);
  for (let at = 0; at < image.sizeBytes; at += MiB) {
    const piece = bytes.subarray(0, Math.min(MiB, image.sizeBytes - at));
    await image.read(at, [piece]);
    digest.update(piece);
  }
  await image.close();
  return digest.digest('hex');
}

async function disk(...args: readonly string[]): Promise<string> {
  const { status, stdout, stderr } = await umbra('disk', ...args);
  assert.equal(status, 0, `${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

test('qemu-img reads our VHDs, and we read its VHDs', async (context) => {
  const tools = await DiskTools.open(context);
  if (tools === undefined) return;
  const folder = await temporaryFolder(context);
  const raw = join(folder, 'disk.img');
  await makeRaw(raw, 1);
  for (const type of ['fixed', 'dynamic']) {
    const ours = join(folder, `ours-${type}.vhd`);
    await disk('convert', raw, ours, '--type', type, '--sparse');
    const compared = await tools.qemuImg('compare', '-f', 'raw', '-F', 'vpc', raw, ours);
    assert.equal(compared, 'Images are identical.\n');
    const theirs = join(folder, `theirs-${type}.vhd`);
    const options = `subformat=${type}`;
    await tools.qemuImg('convert', '-f', 'raw', '-O', 'vpc', '-o', options, raw, theirs);
    assert.equal(await disk('compare', raw, theirs), 'The disks are identical\n');
    assert.match(await disk('check', theirs), /^(note: .*\n)?The image is clean\n$/);
    // What QEMU made goes on growing with us, and stays right for QEMU.
    await scribble(theirs, 2);
    await scribble(ours, 2);
    const again = await tools.qemuImg('compare', '-f', 'vpc', '-F', 'vpc', ours, theirs);
    assert.equal(again, 'Images are identical.\n');
  }
});

const FOREIGN: readonly (readonly [string, string, readonly string[]])[] = [
  ['qcow2 version 2', 'qcow2', ['-o', 'compat=0.10']],
  ['qcow2 version 3', 'qcow2', []],
  ['qcow2 packed with zlib', 'qcow2', ['-c']],
  ['qcow2 packed with zstd', 'qcow2', ['-c', '-o', 'compression_type=zstd,cluster_size=2M']],
  ['qcow2 of small clusters', 'qcow2', ['-o', 'cluster_size=512']],
  ['sparse VMDK', 'vmdk', []],
  ['stream-optimised VMDK', 'vmdk', ['-o', 'subformat=streamOptimized']],
  ['flat VMDK', 'vmdk', ['-o', 'subformat=monolithicFlat']],
  ['split VMDK', 'vmdk', ['-o', 'subformat=twoGbMaxExtentSparse']],
  ['dynamic VDI', 'vdi', []],
  ['fixed VDI', 'vdi', ['-o', 'static=on']],
];

test("disks of other programs' formats are imported", async (context) => {
  const tools = await DiskTools.open(context);
  if (tools === undefined) return;
  const folder = await temporaryFolder(context);
  const raw = join(folder, 'disk.img');
  await makeRaw(raw, 3);
  const expected = await sumOf(await openImage(raw, { isReadOnly: true }));
  for (const [index, [name, format, options]] of FOREIGN.entries()) {
    const path = join(folder, `${index}.${format}`);
    const args = ['convert', '-f', 'raw', '-O', format, ...options, raw, path];
    assert.equal(await tools.qemuImg(...args), '', name);
    assert.equal(await sumOf(await openForImport(path)), expected, name);
    assert.equal(await disk('check', path), 'The image is clean\n', name);
  }
  const target = join(folder, 'imported.vhd');
  await disk('import', join(folder, '6.vmdk'), target);
  const compared = await tools.qemuImg('compare', '-f', 'raw', '-F', 'vpc', raw, target);
  assert.equal(compared, 'Images are identical.\n');
});

test('disks based on others and encrypted ones are refused', async (context) => {
  const tools = await DiskTools.open(context);
  if (tools === undefined) return;
  const folder = await temporaryFolder(context);
  const base = join(folder, 'base.qcow2');
  const child = join(folder, 'child.qcow2');
  await tools.qemuImg('create', '-q', '-f', 'qcow2', base, '10M');
  await tools.qemuImg('create', '-q', '-f', 'qcow2', '-F', 'qcow2', '-b', base, child);
  const { status, stderr } = await umbra('disk', 'import', child, join(folder, 'out.vhd'));
  assert.equal(status, 2);
  assert.match(stderr, /child\.qcow2 has a backing file.*\[UNSUPPORTED\]/);
});

test('libvhdi reads fixed, dynamic and differencing disks as we do', async (context) => {
  const tools = await DiskTools.open(context);
  if (tools === undefined) return;
  if ((await runCommand('python3', ['--version'])).status !== 0) {
    context.skip('there is no python3 here to call libvhdi');
    return;
  }
  const folder = await temporaryFolder(context);
  for (const type of ['fixed', 'dynamic'] as const) {
    const chain = [join(folder, `${type}.vhd`)];
    await createImage({ path: chain[0] ?? '', type, sizeBytes: SIZE, isSparse: true });
    for (let depth = 0; depth < 4; depth++) {
      const path = chain.at(-1) ?? '';
      await scribble(path, 10 + depth);
      const ours = await sumOf(await openImage(path, { isReadOnly: true }));
      assert.equal(await tools.libvhdiSum(...chain), ours, `${type}, depth ${depth}`);
      const child = join(folder, `${type}-${depth + 1}.vhd`);
      await createChild(child, path);
      chain.push(child);
    }
  }
});

test('info and check tell people and programs what an image is', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'disk.vhd');
  const child = join(folder, 'child.vhd');
  await disk('create', path, '--size', '50M', '--block-size', '512K');
  await disk('create', child, '--parent', path);
  const facts = JSON.parse(await disk('info', child, '--json'));
  assert.equal(facts.vhd.type, 'differencing');
  assert.deepEqual(facts.vhd.parents, [{ path, state: 'right' }]);
  const parent = JSON.parse(await disk('info', path, '--json'));
  assert.equal(parent.vhd.blockBytes, 512 * 1024);
  assert.equal(parent.sizeBytes, SIZE);
  // A byte of the first footer.
  const file = await open(path, 'r+');
  await file.write(Buffer.from([0xff]), 0, 1, 100);
  await file.close();
  const found = await umbra('disk', 'check', path, '--json');
  assert.equal(found.status, 1);
  const { isClean, findings } = JSON.parse(found.stdout);
  assert.deepEqual([isClean, findings.length, findings[0].code], [false, 1, 'FIRST_FOOTER']);
  assert.match(await disk('check', path, '--repair'), /^repaired: .*\[FIRST_FOOTER\]\n/);
  assert.equal(await disk('check', path), 'The image is clean\n');
});

test('a CD and a floppy are known', async (context) => {
  const folder = await temporaryFolder(context);
  const floppy = join(folder, 'floppy.img');
  await disk('create', floppy, '--size', '1440K', '--type', 'raw');
  assert.match(await disk('info', floppy), /format: +floppy\n.*\n.*\n.*\nfloppy: +1\.44 MB\n/);
});

test('Ctrl-C ends a command at once and leaves nothing half made', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'disk.vhd');
  const args = ['disk', 'create', path, '--size', '100G', '--type', 'fixed'];
  const process = new UmbraProcess(args);
  const isWriting = async (): Promise<boolean> => {
    const [part] = (await readdir(folder)).filter((name) => name.endsWith('.part'));
    return part !== undefined && (await stat(join(folder, part))).size > MiB;
  };
  const deadline = Date.now() + 20_000;
  while (!(await isWriting())) {
    assert.ok(Date.now() < deadline, 'the command began to write');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  process.kill('SIGINT');
  const { status } = await process.ended;
  assert.equal(status, 130);
  assert.deepEqual(await readdir(folder), []);
});

test('what cannot be done is one sentence with a code, and status 2', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'disk.vhd');
  await writeFile(path, Buffer.alloc(4096));
  const wrong: readonly (readonly [readonly string[], RegExp])[] = [
    [[], /^$/],
    [['frobnicate'], /Unknown command "disk frobnicate", expected create, info/],
    [['create', path], /Expected --size or --parent/],
    [['create', path, '--size', '20'], /Option --size is "20", expected a number with K, M/],
    [['create', path, '--size', '20M'], /disk\.vhd exists already \[FILE_EXISTS\]/],
    [['create', join(folder, 'x.vhd'), '--size', '3T'], /2,040 GiB\) \[SIZE\]/],
    [['info', join(folder, 'none')], /there is no such file \[FILE_NOT_FOUND\]/],
    [['compact', path], /disk\.vhd is damaged at offset \d+: .* \[DAMAGED\]/],
    [['compare', path], /Expected FIRST and SECOND, found no SECOND/],
    [['check', path, '--repair', '--format', 'raw'], /Only VHDs can be repaired/],
  ];
  for (const [args, pattern] of wrong) {
    const { status, stderr } = await umbra('disk', ...args);
    assert.equal(status, 2, args.join(' '));
    assert.match(stderr, pattern);
  }
});
