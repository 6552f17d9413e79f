import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildInitramfs } from './initramfs.ts';

const busybox = Buffer.from('not really busybox');

test('an initramfs is the same bytes every time', () => {
  assert.deepEqual(buildInitramfs(busybox), buildInitramfs(busybox));
});

test('added files come with the folders that they need, once', () => {
  const file = (guestPath: string) => ({ guestPath, data: Buffer.of(1), mode: 0o755 });
  const image = buildInitramfs(busybox, [file('/opt/bench/one'), file('/opt/bench/two')]);
  const text = Buffer.from(image).toString('latin1');
  for (const path of ['opt', 'opt/bench', 'opt/bench/one', 'opt/bench/two', 'dev/console']) {
    assert.ok(text.includes(`${path}\0`), path);
  }
  assert.equal(text.match(/opt\/bench\0/g)?.length, 1);
});
