import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkLayers } from './layers.ts';

function messages(path: string, text: string): string[] {
  return checkLayers([{ path, text }]).map(({ message }) => message);
}

test('imports of the table pass, others are named', () => {
  const path = 'packages/devices/src/chip.ts';
  assert.deepEqual(
    messages(path, "import type { u8 } from '@umbra/base';\nimport { x } from './x.ts';"),
    [],
  );
  assert.match(
    messages(path, "import { Processor } from '@umbra/cpu';")[0] ?? '',
    /devices may not import cpu/,
  );
  assert.match(
    messages(path, "import {\n  readFileSync,\n} from 'node:fs';")[0] ?? '',
    /must run anywhere/,
  );
  assert.match(
    messages(path, "export * from '../../cpu/src/index.ts';")[0] ?? '',
    /Leaves its package/,
  );
  assert.match(
    messages(path, "import { x } from '@umbra/base/src/x.ts';")[0] ?? '',
    /by its index/,
  );
  assert.match(messages(path, "import left from 'left-pad';")[0] ?? '', /left-pad is not allowed/);
});

test('tests of pure packages may use the host', () => {
  assert.deepEqual(messages('packages/isa/src/a.test.ts', "import { test } from 'node:test';"), []);
});

test('a violation names its line', () => {
  const text = "import { a } from './a.ts';\n\nimport { b } from '@umbra/cli';\n";
  assert.deepEqual(
    checkLayers([{ path: 'packages/base/src/x.ts', text }]).map(({ line }) => line),
    [3],
  );
});
