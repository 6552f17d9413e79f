// Which package may import which. A package buys its place by a runtime boundary or by a row here.

import {
  isHostSide,
  lineOf,
  PURE_PACKAGES,
  type SourceFile,
  type Violation,
} from './source-files.ts';

/** Direct imports allowed per package; anything else is an error. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  base: [],
  core: ['base'],
  isa: ['base'],
  cpu: ['base', 'core', 'isa'],
  devices: ['base', 'core'],
  storage: ['base', 'core'],
  network: ['base', 'core'],
  machine: ['base', 'core', 'cpu', 'devices', 'storage', 'network'],
  api: ['base'],
  server: ['base', 'core', 'api', 'machine', 'storage', 'network'],
  cli: ['base', 'api', 'machine', 'storage'],
  web: ['base', 'api'],
};

/** npm packages that product code may import, and where. */
const NPM_ALLOWED: Readonly<Record<string, readonly string[]>> = {
  zod: ['core', 'cpu', 'devices', 'machine', 'api', 'server'],
};

/** Parts of a package beside its index that others may import, and who. */
const SUBPATHS: Readonly<Record<string, readonly string[]>> = {
  // Compiling needs the host, and the package itself must run anywhere.
  '@umbra/cpu/build-runtime': ['machine'],
};

const IMPORT =
  /(?:^|\n)\s*(?:import|export)\b[^'";]*?from\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|(?:^|\n)import\s+['"]([^'"]+)['"]/g;

/** The import rules that `files` (paths `packages/NAME/...`) break. */
export function checkLayers(files: readonly SourceFile[]): Violation[] {
  return files.flatMap((file) => {
    const [, owner] = /^packages\/([^/]+)\//.exec(file.path) ?? [];
    if (owner === undefined) return [];
    return importsOf(file.text).flatMap(({ specifier, position }) => {
      const message = judge(owner, specifier, file.path);
      return message === undefined
        ? []
        : [{ path: file.path, line: lineOf(file.text, position), message }];
    });
  });
}

function importsOf(text: string): { specifier: string; position: number }[] {
  return [...text.matchAll(IMPORT)].map((match) => ({
    specifier: match[1] ?? match[2] ?? match[3] ?? '',
    position: match.index + match[0].length,
  }));
}

function judge(owner: string, specifier: string, path: string): string | undefined {
  const runsAnywhere = PURE_PACKAGES.includes(owner) && !isHostSide(path);
  if (ALLOWED[owner] === undefined)
    return `Package ${owner} is not in the table of tools/layers.ts`;
  if (specifier.startsWith('.')) {
    const depth = path.split('/').length - 3; // Folders between the package's folder and the file.
    const ups = specifier.split('/').filter((part) => part === '..').length;
    return ups > depth ? `Leaves its package by a relative path: ${specifier}` : undefined;
  }
  if (specifier.startsWith('node:')) {
    if (!runsAnywhere) return undefined;
    return `Package ${owner} must run anywhere and may not import ${specifier}`;
  }
  const [, name, inside] = /^@umbra\/([^/]+)(\/.*)?$/.exec(specifier) ?? [];
  if (name === undefined) {
    if (NPM_ALLOWED[specifier]?.includes(owner)) return undefined;
    return `The npm package ${specifier} is not allowed in ${owner}`;
  }
  if (SUBPATHS[specifier]?.includes(owner)) return undefined;
  if (inside !== undefined) return `Import the package ${name} by its index, not ${specifier}`;
  return ALLOWED[owner]?.includes(name) ? undefined : `Package ${owner} may not import ${name}`;
}
