import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { MiB } from '@umbra/base';
import { parseMemorySize, parseRunOptions } from './options.ts';
import { planRun } from './run-spec.ts';

const folder = mkdtempSync(join(tmpdir(), 'umbra-cli-'));
after(() => rmSync(folder, { recursive: true }));
const bios = join(folder, 'bios.bin');
writeFileSync(bios, new Uint8Array(128 * 1024));
const text = join(folder, 'text');
writeFileSync(text, 'no kernel');

const plan = (...args: string[]) => planRun(parseRunOptions(args));
const refuses = (args: string[], pattern: RegExp): void => {
  assert.throws(
    () => plan(...args),
    (error: unknown) => {
      assert.equal((error as Error).name, 'UmbraError');
      assert.match((error as Error).message, pattern);
      assert.doesNotMatch((error as Error).message, /\n/);
      return true;
    },
  );
};

test('options become a machine', () => {
  const { spec, serial, debugConsole } = plan(
    ...['--bios', bios, '--memory=1G', '--engine', 'forced', '--mmu', 'two-stage', '--debug-exit'],
    ...['--serial', 'none', '--serial', 'file:/tmp/a', '--debug-console', 'stdio'],
  );
  assert.equal(spec.ramBytes, 1024 * MiB);
  assert.equal(spec.engine, 'forced');
  assert.equal(spec.mmu, 'two-stage');
  assert.equal(spec.hasDebugExit, true);
  assert.deepEqual(serial, [{ kind: 'none' }, { kind: 'file', path: '/tmp/a' }]);
  assert.deepEqual(debugConsole, { kind: 'stdio' });
});

test('memory sizes are MiB unless they say otherwise', () => {
  assert.equal(parseMemorySize('64'), 64 * MiB);
  assert.equal(parseMemorySize('64m'), 64 * MiB);
  assert.equal(parseMemorySize('65536K'), 64 * MiB);
  assert.equal(parseMemorySize('2G'), 2048 * MiB);
});

test('wrong options are refused in one sentence with found and expected', () => {
  refuses([], /Expected one of --kernel, --multiboot and --bios, found none/);
  refuses(['--bios', bios, '--kernel', text], /found --kernel and --bios/);
  refuses(['--frobnicate'], /Unknown option --frobnicate/);
  refuses(['--bios'], /--bios needs a value/);
  refuses(['--debug-exit=3', '--bios', bios], /takes no value, found "3"/);
  refuses(['--bios', bios, 'extra'], /Expected only options, found "extra"/);
  refuses(['--bios', bios, '--engine', 'fast'], /"fast", expected interpreter, translator, forced/);
  refuses(['--bios', bios, '--serial', 'tty'], /"tty", expected stdio, none, file:PATH/);
  refuses(['--bios', bios, '--serial', 'stdio', '--serial', 'stdio'], /Only one line can be stdio/);
  refuses(['--bios', bios, '--initrd', text], /--initrd goes with --kernel/);
  refuses(['--bios', bios, '--memory', '0'], /Memory is 0 MiB, expected 2 to 2944 MiB/);
  refuses(['--bios', bios, '--memory', '999G'], /expected 2 to 2944 MiB/);
  refuses(['--bios', bios, '--memory', '-5'], /needs a value|"-5", expected a number/);
});

test('files that are missing or of the wrong kind are refused', () => {
  refuses(['--kernel', join(folder, 'absent')], /absent cannot be read: there is no such file/);
  refuses(['--kernel', text], /expected a Linux bzImage/);
  refuses(['--multiboot', text], /no multiboot kernel/);
  refuses(['--bios', text], /9 bytes, expected a firmware image/);
});
