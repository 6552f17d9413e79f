import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Progress } from './progress.ts';

/** Progress of work that takes `stepMs` for each of ten parts. */
function watch(isTTY: boolean, stepMs: number): string {
  let text = '';
  let now = 0;
  const write = (more: string): void => {
    text += more;
  };
  const output = { isTTY, write };
  const progress = new Progress(output, () => now);
  for (let done = 1; done <= 10; done++) {
    now += stepMs;
    progress.onProgress(done, 10);
  }
  progress.end();
  return text;
}

test('a terminal gets a bar that is taken away again', () => {
  const text = watch(true, 200);
  assert.ok(text.includes(`\r[${'#'.repeat(15)}${'.'.repeat(15)}]  50 %`), JSON.stringify(text));
  assert.ok(text.endsWith('\r\x1b[K'));
  assert.ok(!text.includes('\n'));
});

test('a log gets lines, not too many', () => {
  assert.equal(
    watch(false, 500),
    'umbra: 20 %\numbra: 40 %\numbra: 60 %\numbra: 80 %\numbra: 100 %\n',
  );
});

test('short work shows nothing', () => {
  assert.equal(watch(false, 1), '');
  assert.equal(watch(true, 1), '');
});
