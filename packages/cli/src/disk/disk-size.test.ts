import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDiskSize, sizeText } from './disk-size.ts';

test('sizes have a unit', () => {
  assert.equal(parseDiskSize('SIZE', '1440K'), 1_474_560);
  assert.equal(parseDiskSize('SIZE', '20g'), 20 * 2 ** 30);
  for (const wrong of ['', '20', 'G', '-1G', '1.5G', '20GB', '20 G']) {
    assert.throws(() => parseDiskSize('SIZE', wrong), { code: 'USAGE' }, wrong);
  }
});

test('sizes are shown in a fitting unit, and exactly', () => {
  assert.equal(sizeText(100), '100 bytes');
  assert.equal(sizeText(1_474_560), '1.4 MiB (1474560 bytes)');
  assert.equal(sizeText(20 * 2 ** 30), '20 GiB (21474836480 bytes)');
});
