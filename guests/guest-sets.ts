// Builds the guest sets into the cache folder: fetched once, checked by checksum, made whole or not
// at all.

import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { UmbraError } from '@umbra/base';
import { cacheFolder } from '@umbra/machine';
import { withLock } from '../tools/lock.mjs';

import { PrivateApt, unpackDeb } from './debian.ts';
import { buildInitramfs } from './initramfs.ts';
import { MODULE_PATTERNS, packModules } from './kernel-modules.ts';
import { type GuestSet, RECIPES, type Recipe } from './recipes.ts';

/** Told about every step that takes time, as one line for people. */
export type Progress = (line: string) => void;

/** File name and SHA-256 of everything fetched, and the packages it came from. */
interface Manifest {
  readonly packages: Readonly<Record<string, string>>;
  readonly files: Readonly<Record<string, string>>;
}

export const INITRAMFS = 'initrd.cpio';
const MANIFEST = 'manifest.json';

/** Makes sure that the files of `sets` are in the cache; resolves to the folder of each. */
export async function buildGuestSets<S extends GuestSet>(
  sets: readonly S[],
  progress: Progress,
): Promise<Record<S, string>> {
  const root = join(cacheFolder(), 'guests');
  const onWait = (): void => progress('waiting for another process that builds guests');
  const missing = (): S[] => sets.filter((set) => !isComplete(join(root, set), RECIPES[set]));
  if (missing().length > 0) {
    await withLock(join(root, '.lock'), onWait, async () => fetchSets(missing(), root, progress));
  }
  for (const set of sets) {
    const recipe: Recipe = RECIPES[set];
    if (recipe.hasInitramfs) refreshInitramfs(join(root, set), recipe, progress);
  }
  const folders = sets.map((set) => [set, join(root, set)]);
  return Object.fromEntries(folders) as Record<S, string>;
}

function fileNames(recipe: Recipe): string[] {
  return recipe.sources.flatMap(({ files, modules }) => [
    ...files.map((file) => file.name),
    ...(modules === undefined ? [] : [modules]),
  ]);
}

/** Whether all files are there, and as they were fetched; without a manifest, as put by hand. */
function isComplete(folder: string, recipe: Recipe): boolean {
  if (!fileNames(recipe).every((name) => existsSync(join(folder, name)))) return false;
  const path = join(folder, MANIFEST);
  if (!existsSync(path)) return true;
  const { files } = JSON.parse(readFileSync(path, 'utf8')) as Manifest;
  return Object.entries(files).every(([name, sum]) => sum === sha256(join(folder, name)));
}

async function fetchSets(
  sets: readonly GuestSet[],
  root: string,
  progress: Progress,
): Promise<void> {
  if (sets.length === 0) return; // Another process fetched them while this one waited.
  if (!PrivateApt.isAvailable()) {
    const files = sets.flatMap((set) =>
      fileNames(RECIPES[set]).map((name) => join(root, set, name)),
    );
    throw new UmbraError(
      'GUEST_NO_APT',
      `Guests are built from Debian packages, and this host has no apt-get and dpkg-deb; supply these files: ${files.join(', ')}`,
    );
  }
  const work = join(root, `.work-${process.pid}`);
  try {
    progress('fetching the package lists of Debian');
    const apt = await PrivateApt.open(join(work, 'apt'), progress);
    for (const set of sets) await fetchSet(apt, set, join(work, set), join(root, set), progress);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function fetchSet(
  apt: PrivateApt,
  set: GuestSet,
  work: string,
  target: string,
  progress: Progress,
): Promise<void> {
  const result = join(work, 'result');
  mkdirSync(result, { recursive: true });
  const recipe: Recipe = RECIPES[set];
  const packages: Record<string, string> = {};
  for (const source of recipe.sources) {
    const from = `${source.package}:${source.architecture}`;
    const real =
      source.dependency === undefined
        ? from
        : `${await apt.dependency(from, source.dependency)}:${source.architecture}`;
    progress(`fetching ${real}`);
    const deb = await apt.download(real);
    const tree = join(work, 'tree');
    rmSync(tree, { recursive: true, force: true });
    await unpackDeb(deb, tree, [
      ...source.files.map((file) => file.member),
      ...(source.modules === undefined ? [] : MODULE_PATTERNS),
    ]);
    if (source.modules !== undefined) {
      writeFileSync(join(result, source.modules), packModules(tree));
    }
    for (const file of source.files) {
      const [found] = globSync(file.member, { cwd: tree });
      if (found === undefined)
        throw new UmbraError('GUEST_PACKAGE', `No ${file.member} in ${real}`);
      copyFileSync(join(tree, found), join(result, file.name));
    }
    rmSync(deb);
    packages[real] = await apt.version(real);
  }
  const files = Object.fromEntries(
    fileNames(recipe).map((name) => [name, sha256(join(result, name))]),
  );
  const manifest: Manifest = { packages, files };
  writeFileSync(join(result, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`);
  rmSync(target, { recursive: true, force: true });
  renameSync(result, target);
}

/** The initramfs is cheap enough to make every time and compare; so are those with drivers. */
function refreshInitramfs(folder: string, recipe: Recipe, progress: Progress): void {
  const plain = buildInitramfs(readFileSync(join(folder, 'busybox')));
  refreshFile(join(folder, INITRAMFS), plain, progress);
  for (const { modules } of recipe.sources) {
    if (modules === undefined) continue;
    // Linux unpacks archives one after the other.
    const whole = Buffer.concat([plain, readFileSync(join(folder, modules))]);
    refreshFile(join(folder, `initrd-${modules}`), whole, progress);
  }
}

function refreshFile(path: string, wanted: Uint8Array, progress: Progress): void {
  if (existsSync(path) && statSync(path).size === wanted.length) {
    if (Buffer.compare(readFileSync(path), wanted) === 0) return;
  }
  progress(`building ${path}`);
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, wanted);
  renameSync(temporary, path);
}

function sha256(path: string): string {
  if (!existsSync(path)) return '';
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
