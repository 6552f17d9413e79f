import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildGuestSets } from '../guests/guest-sets.ts';
import { UmbraProcess } from './umbra-process.ts';

const POST_MS_MAX = 60_000;

test('SeaBIOS runs its POST and says that it finds nothing to boot', async () => {
  const { firmware } = await buildGuestSets(['firmware'], () => undefined);
  const umbra = new UmbraProcess([
    ...['run', '--bios', join(firmware, 'bios-256k.bin')],
    ...['--vga-bios', join(firmware, 'vgabios-stdvga.bin')],
    ...['--memory', '64', '--serial', 'none', '--debug-console', 'stdio'],
  ]);
  try {
    await umbra.expect(/No bootable device/, POST_MS_MAX);
    assert.match(umbra.stdout, /PS2 keyboard initialized/);
    assert.match(umbra.stdout, /table\(50434146\)=0x[0-9a-f]+ \(via xsdt\)/, 'the FADT was found');
    assert.doesNotMatch(umbra.stdout, /parse error/);
    umbra.kill('SIGTERM');
    assert.equal((await umbra.ended).status, 143);
  } finally {
    await umbra.dispose();
  }
});

test('a guest without code stops the machine with a register dump and status 3', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'umbra-'));
  const rom = join(folder, 'rom.bin');
  const code = new Uint8Array(64 * 1024);
  // LIDT from zeroed memory, then UD2: no handler for it, nor for the faults that follow.
  code.set([0x0f, 0x01, 0x1e, 0x00, 0x00, 0x0f, 0x0b], 0xfff0);
  writeFileSync(rom, code);
  const umbra = new UmbraProcess(['run', '--bios', rom, '--memory', '16', '--serial', 'none']);
  try {
    const { status, stderr } = await umbra.ended;
    assert.equal(status, 3, stderr);
    assert.match(stderr, /rip/);
    assert.doesNotMatch(stderr, /\.ts:\d+/, 'no JavaScript stack');
  } finally {
    await umbra.dispose();
    await rm(folder, { recursive: true });
  }
});
