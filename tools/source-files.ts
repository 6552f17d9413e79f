import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root folder. */
export const repositoryRoot = dirname(dirname(fileURLToPath(import.meta.url)));

/** One TypeScript file of the repository; `path` is relative to the root, with slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** A rule that a file breaks. */
export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** The packages that must run anywhere: no Node.js API, no clock, no chance, no console. */
export const PURE_PACKAGES: readonly string[] = ['base', 'core', 'isa', 'cpu', 'devices'];

/** Whether a file of a pure package runs on the host only: its tests and its build tools. */
export function isHostSide(path: string): boolean {
  return path.endsWith('.test.ts') || /^packages\/[^/]+\/tools\//.test(path);
}

/** All TypeScript files below `folder`, without node_modules, generated code and AssemblyScript. */
export function readSourceFiles(folder: string): SourceFile[] {
  const files: SourceFile[] = [];
  for (const entry of readdirSync(join(repositoryRoot, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      if (['node_modules', 'generated', 'assembly'].includes(entry.name)) continue;
      files.push(...readSourceFiles(path));
    } else if (entry.name.endsWith('.ts')) {
      const absolute = join(repositoryRoot, path);
      files.push({
        path: relative(repositoryRoot, absolute),
        text: readFileSync(absolute, 'utf8'),
      });
    }
  }
  return files;
}

/** The line number, from 1, of a position in a text. */
export function lineOf(text: string, position: number): number {
  return text.slice(0, position).split('\n').length;
}
