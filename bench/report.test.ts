import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderTable, type Sample, summarize } from './report.ts';

const sample = (engine: string, round: number, value: number, checksum = 'aa'): Sample => {
  return { engine, round, value, checksum, test: 'sieve', group: 'integer' };
};

test('rows hold medians, and a wrong checksum has no score', () => {
  const rows = summarize(
    [
      ...[sample('umbra', 1, 4), sample('umbra', 2, 2), sample('umbra', 3, 3)],
      ...[sample('qemu', 1, 6), sample('v86', 1, 1, 'bb')],
    ],
    ['umbra', 'qemu', 'v86'],
    'qemu',
  );
  assert.deepEqual(rows[0]?.values, { umbra: 3, qemu: 6, v86: undefined });
  const table = renderTable(rows, ['umbra', 'qemu', 'v86']);
  assert.match(table, /\| integer +\| sieve +\| +3\.000 \| +6\.000 \| +– \| +0\.50 \| +– \|/);
});

test('without the reference, what most engines computed is right', () => {
  const samples = [sample('umbra', 1, 1, 'bb'), sample('a', 1, 2), sample('b', 1, 2)];
  const [row] = summarize(samples, ['umbra', 'a', 'b'], 'qemu');
  assert.deepEqual(row?.values, { umbra: undefined, a: 2, b: 2 });
});
