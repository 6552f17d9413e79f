import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countLines, expectationOf, lostVerdicts } from './verdicts.ts';

const output = [
  'enabling apic',
  'PASS: read 12 took 0x7f ns\r',
  'PASS: read 3 took ff4 ns',
  'PASS: CPUID.1:EDX is clear',
  'PASS',
  'SKIP: avx',
  'FAIL: other',
  ' PASS: not at the start',
].join('\n');

test('lines are counted by verdict', () => {
  assert.equal(countLines(output, 'PASS'), 4);
  assert.equal(countLines(output, 'SKIP'), 1);
  assert.equal(countLines(output, 'FAIL'), 1);
});

test('numbers in a line do not matter, how often it comes does', () => {
  const expected = expectationOf({ status: 1, output, seconds: 1 });
  assert.deepEqual(expected, {
    succeeds: true,
    pass: { '': 1, 'CPUID.N:EDX is clear': 1, 'read N took N ns': 2 },
  });
  assert.deepEqual(lostVerdicts(expected, expected), []);
  const fewer = expectationOf({ status: 3, output: 'PASS: read 1 took 2 ns', seconds: 1 });
  assert.deepEqual(lostVerdicts(expected, fewer), [
    'PASS:  (0 of 1 times)',
    'PASS: CPUID.N:EDX is clear (0 of 1 times)',
    'PASS: read N took N ns (1 of 2 times)',
    'the test no longer succeeds',
  ]);
  assert.deepEqual(lostVerdicts(fewer, expected), []);
});
