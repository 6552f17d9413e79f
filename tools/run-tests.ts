import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { repositoryRoot } from './source-files.ts';

export const UNIT_TESTS = [
  'packages/*/src/**/*.test.ts',
  'guests/**/*.test.ts',
  'bench/**/*.test.ts',
  'tools/**/*.test.ts',
  'tests/conformance/*.test.ts',
];
export const INTEGRATION_TESTS = ['tests/*.test.ts'];
export const LONG_TESTS = ['tests/long/*.test.ts'];

/** Runs the test files that match `patterns` with node's runner; resolves to its exit status. */
export function runTests(patterns: readonly string[]): Promise<number> {
  const files = patterns.flatMap((pattern) => globSync(pattern, { cwd: repositoryRoot })).sort();
  const args = [
    '--test',
    `--test-concurrency=${availableParallelism()}`,
    '--test-reporter=spec',
    '--test-timeout=600000',
    '--disable-warning=ExperimentalWarning',
    ...files,
  ];
  const child = spawn(process.execPath, args, { cwd: repositoryRoot, stdio: 'inherit' });
  return new Promise((resolve) => {
    child.on('exit', (code) => resolve(code ?? 1));
  });
}
