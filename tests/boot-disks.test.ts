import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { buildGuestSets } from '../guests/guest-sets.ts';
import { bootSector } from './boot-sector.ts';
import { UmbraProcess } from './umbra-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'umbra-boot-'));
after(() => rmSync(folder, { recursive: true }));
const EXIT = { disk: 3, cdrom: 4, floppy: 5 } as const;
const DISC_BLOCK = 2048;

const disk = file('disk.img', 8 << 20, [
  [0, bootSector({ exitValue: EXIT.disk, blockBytes: 512 })],
  [512, Buffer.from('Second sector of the disk\n\0')],
]);
const disc = file('disc.iso', 64 * DISC_BLOCK, [
  [16 * DISC_BLOCK, Buffer.from('\x01CD001\x01')],
  [17 * DISC_BLOCK, bootRecord(19)],
  [19 * DISC_BLOCK, bootCatalog(20)],
  [20 * DISC_BLOCK, bootSector({ exitValue: EXIT.cdrom, blockBytes: DISC_BLOCK })],
  [DISC_BLOCK, Buffer.from('Second block of the disc\n\0')],
]);

const diskette = file('diskette.img', 1_474_560, [
  [0, bootSector({ exitValue: EXIT.floppy })],
  [512, Buffer.from('Second sector of the diskette\n\0')],
]);

function file(
  name: string,
  size: number,
  parts: readonly (readonly [number, Uint8Array])[],
): string {
  const bytes = new Uint8Array(size);
  for (const [offset, part] of parts) bytes.set(part, offset);
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** [EL-TORITO] figure 7. */
function bootRecord(catalog: number): Uint8Array {
  const bytes = Buffer.alloc(DISC_BLOCK);
  bytes.write('\0CD001\x01EL TORITO SPECIFICATION');
  bytes.writeUInt32LE(catalog, 0x47);
  return bytes;
}

/** A validation entry, and a default entry without emulation. [EL-TORITO] figures 2 and 3. */
function bootCatalog(image: number): Uint8Array {
  const bytes = Buffer.alloc(64);
  bytes[0] = 1;
  bytes.writeUInt16LE(0x55aa, 0x1c);
  bytes.writeUInt16LE(0xaa55, 0x1e);
  bytes[0x20] = 0x88;
  bytes.writeUInt16LE(1, 0x26);
  bytes.writeUInt32LE(image, 0x28);
  return bytes;
}

/** What SeaBIOS boots with these options writes, and the value that it ends the machine with. */
async function boot(...options: string[]): Promise<{ text: string; value: number }> {
  const { firmware } = await buildGuestSets(['firmware'], () => undefined);
  const umbra = new UmbraProcess([
    ...['run', '--bios', join(firmware, 'bios-256k.bin'), '--memory', '32', '--serial', 'none'],
    ...['--debug-console', 'stdio', '--debug-exit', ...options],
  ]);
  const { status, stdout, stderr } = await umbra.ended;
  assert.equal(stderr, '');
  return { text: stdout.slice(-300), value: ((status ?? 0) - 1) / 2 };
}

for (const bus of ['ide', 'virtio', 'virtio-scsi']) {
  test(`SeaBIOS boots a disk on ${bus}`, async () => {
    const { text, value } = await boot('--disk', `${disk},bus=${bus}`);
    assert.match(text, /Second sector of the disk/);
    assert.equal(value, EXIT.disk);
  });
}

test('SeaBIOS boots the CD when the boot order says so', async () => {
  const { text, value } = await boot('--disk', disk, '--cdrom', disc, '--boot', 'cdrom,disk');
  assert.match(text, /Second block of the disc/);
  assert.equal(value, EXIT.cdrom);
});

test('SeaBIOS boots a diskette', async () => {
  const { text, value } = await boot('--floppy', diskette, '--boot', 'floppy');
  assert.match(text, /Second sector of the diskette/);
  assert.equal(value, EXIT.floppy);
});
