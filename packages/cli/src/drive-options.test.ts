import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseBootOrder, planDrives } from './drive-options.ts';

const placesOf = (options: Parameters<typeof planDrives>[0]): string[] =>
  planDrives(options).map(({ spec, source }) => `${source.path}:${spec.bus}${spec.place}`);

test('drives take the places that firmware and users expect', () => {
  assert.deepEqual(placesOf({ disk: ['a', 'b'], cdrom: ['c'] }), ['a:ide0', 'b:ide1', 'c:ide2']);
  assert.deepEqual(placesOf({ cdrom: ['c', 'd'] }), ['c:ide2', 'd:ide3']);
  assert.throws(() => planDrives({ disk: ['a', 'b', 'c', 'd', 'e'] }), /More drives than the 4/);
});

test('what follows a file name says how it is opened; other commas belong to it', () => {
  const [disk] = planDrives({ disk: ['a,b.img,bus=ide,format=raw,cache=direct,readonly'] });
  assert.deepEqual(disk, {
    spec: { bus: 'ide', place: 0, media: 'disk' },
    source: { path: 'a,b.img', format: 'raw', isReadOnly: true, cache: 'direct' },
  });
  assert.throws(
    () => planDrives({ disk: ['a,bus=isa'] }),
    /bus "isa", expected ide, virtio, virtio-scsi/,
  );
  assert.throws(() => planDrives({ disk: ['a,format=zip'] }), /format "zip", expected vhd, raw/);
  assert.throws(() => planDrives({ disk: [',readonly'] }), /expected a file/);
});

test('the boot order is a list of kinds of media', () => {
  assert.deepEqual(parseBootOrder(), ['disk', 'cdrom', 'floppy']);
  assert.deepEqual(parseBootOrder('cdrom'), ['cdrom']);
  assert.throws(() => parseBootOrder('tape'), /"tape", expected some of disk, cdrom, floppy/);
});
