import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkLayers } from './layers.ts';
import { readSourceFiles, repositoryRoot, type Violation } from './source-files.ts';
import { checkTidiness } from './tidy.ts';

interface Step {
  readonly name: string;
  /** Resolves to what is wrong, as text for people; empty when all is well. */
  run(): Promise<string>;
}

const STEPS: readonly Step[] = [
  { name: 'types of the pure packages', run: () => tool('tsc', ['-p', 'tsconfig.pure.json']) },
  { name: 'types of everything', run: () => tool('tsc', ['-p', 'tsconfig.node.json']) },
  { name: 'lint and format', run: () => tool('biome', ['ci', '--colors=off', '.']) },
  { name: 'layers', run: async () => report(checkLayers(readSourceFiles('packages'))) },
  { name: 'tidy', run: async () => report(checkTidiness(allSourceFiles())) },
  { name: 'dead code', run: () => tool('knip', ['--no-progress']) },
];

/** Runs all static checks, each with one line of outcome; resolves to whether all were clean. */
export async function runStaticChecks(): Promise<boolean> {
  let clean = true;
  for (const step of STEPS) {
    const started = performance.now();
    const problems = await step.run();
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    process.stdout.write(`${problems === '' ? 'ok  ' : 'FAIL'} ${step.name} (${seconds} s)\n`);
    if (problems === '') continue;
    process.stdout.write(`${problems.trimEnd()}\n`);
    clean = false;
  }
  return clean;
}

function allSourceFiles(): ReturnType<typeof readSourceFiles> {
  return ['packages', 'tools', 'guests', 'tests', 'bench']
    .filter((folder) => existsSync(join(repositoryRoot, folder)))
    .flatMap(readSourceFiles);
}

function report(violations: readonly Violation[]): string {
  return violations.map(({ path, line, message }) => `${path}:${line}: ${message}\n`).join('');
}

/** Runs an installed command; its output when it failed, else an empty text. */
function tool(name: string, args: readonly string[]): Promise<string> {
  const child = spawn(join(repositoryRoot, 'node_modules', '.bin', name), args, {
    cwd: repositoryRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(`${name} did not start: ${error.message}`));
    child.on('close', (code) => resolve(code === 0 ? '' : output || `${name}: status ${code}`));
  });
}
