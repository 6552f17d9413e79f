import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkTidiness } from './tidy.ts';

function messages(path: string, text: string): string[] {
  return checkTidiness([{ path, text }]).map(({ message }) => message);
}

test('pure packages may not take time, chance or the console from the host', () => {
  for (const text of [
    'Date.now()',
    'performance.now()',
    'setTimeout(f)',
    'Math.random()',
    'console.log(1)',
  ]) {
    assert.equal(messages('packages/cpu/src/a.ts', text).length, 1, text);
    assert.equal(messages('packages/cpu/src/a.test.ts', text).length, 0, text);
    assert.equal(messages('packages/machine/src/a.ts', text).length, 0, text);
  }
});

test('words in comments break no rule', () => {
  assert.deepEqual(
    messages('packages/cpu/src/a.ts', '// Never Date.now() here.\n/* console.log */'),
    [],
  );
});

test('empty catches, notes to self and left-out tests are found', () => {
  assert.equal(messages('guests/a.ts', 'try { f(); } catch {}').length, 1);
  assert.equal(messages('guests/a.ts', '// TODO: later').length, 1);
  assert.equal(messages('guests/a.test.ts', "test.skip('x', f)").length, 1);
});

test('long files must be tables', () => {
  const long = 'const x = 1;\n'.repeat(700);
  assert.equal(messages('packages/cpu/src/a.ts', long).length, 1);
  assert.equal(messages('packages/cpu/src/a.ts', `// Table: opcodes\n${long}`).length, 0);
});
