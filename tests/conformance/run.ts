// `npm run conformance -- SUITE PATH`: runs somebody else's test suite and compares what passes
// with the committed list.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { UmbraError } from '@umbra/base';
import {
  environmentOf,
  type PlannedTest,
  qemuCommand,
  readCheckout,
  umbraCommand,
} from './kvm-unit-tests.ts';
import {
  countLines,
  type Expectation,
  expectationOf,
  lostVerdicts,
  type Outcome,
} from './verdicts.ts';

const HELP = `npm run conformance -- kvm-unit-tests PATH [OPTION...]
  PATH             a built checkout, for x86_64 or i386
  --engine NAME    interpreter, translator (default) or forced
  --only NAME      only this test (may be repeated)
  --qemu           run QEMU (TCG) as well, for its figures
  --update         take what passes into the committed list
Status: 0 all that is on the list passes; 1 something of it does not; 2 wrong usage.
`;
/** The interpreter takes so much longer than what the suite's time limits are made for. */
const INTERPRETER_PATIENCE = 20;
/** Tests of timers race with the host's other work: what is lost must be lost each time. */
const ATTEMPTS = 4;
/** What is asked of a test that is not on the list. */
const NEW_TEST: Expectation = { succeeds: true, pass: {} };

interface Options {
  readonly folder: string;
  readonly engine: string;
  readonly only: readonly string[];
  readonly withQemu: boolean;
  readonly update: boolean;
}

type ExpectationList = Record<string, Expectation>;

async function main(): Promise<void> {
  const options = readOptions();
  if (options === undefined) return void process.stdout.write(HELP);
  const { arch, tests } = readCheckout(options.folder);
  const listPath = fileURLToPath(new URL(`kvm-unit-tests.${arch}.json`, import.meta.url));
  const list = readList(listPath);
  const unknown = options.only.find((only) => !tests.some(({ name }) => name === only));
  if (unknown !== undefined) {
    throw new UmbraError('USAGE', `Found --only ${unknown}, expected a test for ${arch}`);
  }
  const lost: string[] = [];
  const scratch = mkdtempSync(join(tmpdir(), 'umbra-conformance-'));
  try {
    printHead(options.withQemu);
    for (const test of tests) {
      if (options.only.length > 0 && !options.only.includes(test.name)) continue;
      const expected = (options.update ? undefined : list[test.name]) ?? NEW_TEST;
      const found = await judge(test, expected, options, join(scratch, 'env'));
      if (found === undefined) continue;
      if (options.update) list[test.name] = found;
      const missing = lostVerdicts(expected, found);
      lost.push(...missing.map((line) => `${test.name}: ${line}`));
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  if (options.update) writeFileSync(listPath, `${JSON.stringify(list, undefined, 2)}\n`);
  if (lost.length === 0) return;
  process.stderr.write(`Lost against ${listPath}:\n${lost.map((line) => `  ${line}\n`).join('')}`);
  process.exitCode = 1;
}

function readOptions(): Options | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      engine: { type: 'string', default: 'translator' },
      only: { type: 'string', multiple: true, default: [] },
      qemu: { type: 'boolean', default: false },
      update: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const [suite, folder, ...rest] = positionals;
  if (suite !== 'kvm-unit-tests' || folder === undefined || rest.length > 0) {
    throw new UmbraError(
      'USAGE',
      `Found the arguments "${positionals.join(' ')}", expected kvm-unit-tests and a checkout's path`,
    );
  }
  const { engine, only, update } = values;
  return { folder, engine, only, update, withQemu: values.qemu };
}

function readList(path: string): ExpectationList {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as ExpectationList) : {};
}

function printHead(withQemu: boolean): void {
  const columns = ['test', 'PASS', 'FAIL', 'SKIP', 'ends', 's'];
  if (withQemu) columns.push('QEMU PASS', 'QEMU FAIL', 'QEMU ends', 'QEMU s');
  printRow(columns);
  printRow(columns.map(() => '---'));
}

function printRow(cells: readonly string[]): void {
  process.stdout.write(`| ${cells.join(' | ')} |\n`);
}

/** Runs a test, prints its row of the table, and tells what it showed. */
async function judge(
  test: PlannedTest,
  expected: Expectation,
  options: Options,
  environment: string,
): Promise<Expectation | undefined> {
  if (test.reason !== undefined) {
    printRow([test.name, `– ${test.reason}`]);
    return undefined;
  }
  writeFileSync(environment, environmentOf(test));
  const patience = options.engine === 'interpreter' ? INTERPRETER_PATIENCE : 1;
  const command = umbraCommand(test, environment, options.engine);
  let own = await runCommand(command, test.timeoutSeconds * patience);
  for (let attempt = 1; attempt < ATTEMPTS && isLess(own, expected); attempt++) {
    own = await runCommand(command, test.timeoutSeconds * patience);
  }
  const cells = [test.name, ...figures(own, ['PASS', 'FAIL', 'SKIP'])];
  if (options.withQemu) {
    const qemu = await runCommand(qemuCommand(test, environment), test.timeoutSeconds);
    cells.push(...figures(qemu, ['PASS', 'FAIL']));
  }
  printRow(cells);
  return expectationOf(own);
}

/** Whether an outcome that did not run out of time shows less than expected. */
function isLess(outcome: Outcome, expected: Expectation): boolean {
  return outcome.status !== null && lostVerdicts(expected, expectationOf(outcome)).length > 0;
}

function figures(outcome: Outcome, verdicts: readonly ('PASS' | 'FAIL' | 'SKIP')[]): string[] {
  const counts = verdicts.map((verdict) => `${countLines(outcome.output, verdict)}`);
  return [...counts, endOf(outcome), outcome.seconds.toFixed(1)];
}

/** Port 0xf4 makes status 2n + 1 out of n: 0 is success, 38 is "all skipped". */
function endOf({ status }: Outcome): string {
  if (status === null) return 'out of time';
  return { 1: 'good', 77: 'skipped', 127: 'exception' }[status] ?? `status ${status}`;
}

/** Runs a command to its end, or kills it when the time is over. */
function runCommand(command: readonly string[], timeoutSeconds: number): Promise<Outcome> {
  const [file = '', ...args] = command;
  const started = performance.now();
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: timeoutSeconds * 1000,
    killSignal: 'SIGKILL',
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString('latin1');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      resolve({ status, output, seconds: (performance.now() - started) / 1000 });
    });
  });
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UmbraError || isUsageError(error))) throw error;
  process.stderr.write(`conformance: ${error.message}\n`);
  process.exitCode = 2;
}

/** What parseArgs and spawn throw about options and commands that are not there. */
function isUsageError(error: unknown): error is Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code.startsWith('ERR_PARSE_ARGS') || code === 'ENOENT';
}
