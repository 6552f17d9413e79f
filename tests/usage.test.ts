import assert from 'node:assert/strict';
import { test } from 'node:test';
import { umbra } from './umbra-process.ts';

const WRONG: readonly (readonly [readonly string[], RegExp])[] = [
  [['frobnicate'], /Unknown command "frobnicate"/],
  [['run'], /Expected one of --kernel/],
  [['run', '--unknown'], /Unknown option --unknown/],
  [['run', '--kernel', '/nonexistent'], /no such file/],
  [['run', '--kernel', '/etc/passwd'], /bzImage/],
  [['run', '--bios', '/etc/passwd', '--memory', '0'], /Memory is 0 MiB, expected/],
];

test('wrong usage is one sentence on stderr and status 2', async () => {
  for (const [args, pattern] of WRONG) {
    const { status, stdout, stderr } = await umbra(...args);
    assert.equal(status, 2, args.join(' '));
    assert.equal(stdout, '');
    assert.match(stderr, pattern);
    assert.equal(stderr.trimEnd().split('\n').length, 1, stderr);
  }
});

test('help is on stdout and names every option', async () => {
  const { status, stdout } = await umbra('run', '--help');
  assert.equal(status, 0);
  for (const option of ['--kernel', '--initrd', '--cpu', '--mmu', '--serial', '--debug-exit']) {
    assert.ok(stdout.includes(option), option);
  }
});
