// Drivers for our guests: modules out of a kernel package as an archive that Linux unpacks over its
// first root file system, with the tables that modprobe reads.

import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { UmbraError } from '@umbra/base';
import { type CpioEntry, writeCpio } from './cpio.ts';

/** What our guests have hardware or file systems for; what these need comes with them. */
const WANTED = [
  ...['ata_piix', 'sd_mod', 'sr_mod', 'sg', 'floppy'],
  ...['virtio_pci', 'virtio_blk', 'virtio_scsi', 'mptspi'],
  ...['ext4', 'isofs', 'vfat', 'nls_cp437', 'nls_ascii', 'loop'],
  // Asked for by the names of their algorithms, which no table of dependencies has.
  ...['crc32c_generic', 'crct10dif_generic', 'crc64_rocksoft_generic'],
];
/** Folders below lib/modules/VERSION/kernel that hold those. */
const FOLDERS = ['block', 'crypto', 'drivers', 'fs', 'lib'];

/** Patterns for unpacking what `packModules` needs. */
export const MODULE_PATTERNS: readonly string[] = FOLDERS.map(
  (folder) => `./lib/modules/*/kernel/${folder}/*`,
);

interface Module {
  readonly name: string;
  /** Path below lib/modules/VERSION. */
  readonly path: string;
  readonly depends: readonly string[];
  /** Wished to be loaded before, by name or alias. */
  readonly before: readonly string[];
  readonly aliases: readonly string[];
}

/** The archive, out of a tree in which a kernel package was unpacked. */
export function packModules(tree: string): Uint8Array {
  const [versionFolder] = globSync('lib/modules/*', { cwd: tree });
  if (versionFolder === undefined) {
    throw new UmbraError('GUEST_PACKAGE', `No lib/modules in ${tree}, expected a kernel's modules`);
  }
  const root = join(tree, versionFolder);
  const paths = new Map(
    globSync('kernel/**/*.ko', { cwd: root }).map((path) => [nameOf(path), path] as const),
  );
  const modules = closure(root, paths);
  const byAlias = new Map(
    modules.flatMap(({ name, aliases }) => aliases.map((alias) => [alias, name] as const)),
  );
  const lines = modules.map(({ name, path }) => {
    const needed = dependencies(name, modules, byAlias).map((each) => paths.get(each));
    return `${path}:${needed.map((needs) => ` ${needs}`).join('')}\n`;
  });
  const aliases = modules.flatMap(({ name, aliases: own }) =>
    own.map((alias) => `alias ${alias} ${name}\n`),
  );
  const file = (path: string, data: Uint8Array): CpioEntry => {
    return { kind: 'file', path: `${versionFolder}/${path}`, mode: 0o644, data };
  };
  const files = [
    file('modules.dep', Buffer.from(lines.join(''))),
    file('modules.alias', Buffer.from(aliases.join(''))),
    ...modules.map(({ path }) => file(path, readFileSync(join(root, path)))),
  ];
  return writeCpio([...foldersOf(files), ...files]);
}

/** The wanted modules and all that they depend on, by name. */
function closure(root: string, paths: ReadonlyMap<string, string>): Module[] {
  const found = new Map<string, Module>();
  const visit = (name: string): void => {
    const path = paths.get(name);
    // What is in no file is part of the kernel itself.
    if (found.has(name) || path === undefined) return;
    const module = readModule(name, path, readFileSync(join(root, path)));
    found.set(name, module);
    module.depends.forEach(visit);
  };
  WANTED.forEach(visit);
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Everything to be loaded before `name`, each before those that need it when read from the end. */
function dependencies(
  name: string,
  modules: readonly Module[],
  byAlias: ReadonlyMap<string, string>,
): string[] {
  const order: string[] = [];
  const visit = (each: string): void => {
    const module = modules.find((candidate) => candidate.name === each);
    if (module === undefined || order.includes(each)) return;
    const before = module.before.map((wish) => byAlias.get(wish) ?? wish);
    for (const needed of [...before, ...module.depends]) visit(needed);
    order.push(each);
  };
  visit(name);
  return order.slice(0, -1).reverse();
}

/** Reads the `key=value` strings that every module carries. */
function readModule(name: string, path: string, image: Buffer): Module {
  const text = image.toString('latin1');
  const values = (key: string): string[] =>
    [...text.matchAll(new RegExp(`\\0${key}=([^\\0]*)`, 'g'))].map((match) => match[1] ?? '');
  const words = (lists: readonly string[]): string[] =>
    lists.flatMap((list) => list.split(/[, ]+/)).filter((word) => word !== '');
  const wishes = values('softdep').filter((wish) => wish.startsWith('pre:'));
  return {
    name,
    path,
    depends: words(values('depends')).map(withUnderscores),
    before: words(wishes.map((wish) => wish.slice('pre:'.length))).map(withUnderscores),
    aliases: values('alias'),
  };
}

function nameOf(path: string): string {
  return withUnderscores(basename(path, '.ko'));
}

/** Modules are called with dashes in file names, and with underscores otherwise. */
function withUnderscores(name: string): string {
  return name.replaceAll('-', '_');
}

function foldersOf(files: readonly CpioEntry[]): CpioEntry[] {
  const folders = new Set<string>();
  for (const { path } of files) {
    const parts = path.split('/').slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth += 1) {
      folders.add(parts.slice(0, depth).join('/'));
    }
  }
  return [...folders].sort().map((path) => ({ kind: 'directory', path }));
}
