import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildGuestSets } from '../guests/guest-sets.ts';
import { COMPLAINTS, LINUX_GUESTS, type LinuxGuest, PROMPT } from './linux-guest.ts';
import { UmbraProcess } from './umbra-process.ts';

const BOOT_MS_MAX = 300_000;
const COMMAND_MS_MAX = 120_000;
const DISK_BYTES = 64 << 20;
const DATA_BYTES = 8 << 20;
/** Of 64 KiB, before what the guest writes. */
const SKIPPED_BLOCKS = 5;
const DISK_COMPLAINTS =
  /I\/O error|exception Emask|failed command|lost interrupt|task abort|bus reset|(?:hard|soft) resetting/;

/** How a drive is given to the guest, and what the guest calls it. */
export interface DriveCase {
  readonly option: (path: string) => readonly string[];
  readonly device: string;
  readonly isReadOnly?: true;
  readonly sizeBytes?: number;
}

/** The guest of that kernel. */
export function linuxGuest(kernel: string): LinuxGuest {
  const guest = LINUX_GUESTS.find((known) => known.kernel === kernel);
  assert.ok(guest !== undefined, kernel);
  return guest;
}

/**
 * Boots a Debian kernel with its drivers and these drives. Each is read whole and compared with the
 * host's file; those that can be written are written, read back after the caches are dropped, and
 * compared again after power-off. The kernel may not complain.
 */
export async function exerciseDrives(
  guest: LinuxGuest,
  drives: readonly DriveCase[],
): Promise<void> {
  const files = (await buildGuestSets([guest.set], () => undefined))[guest.set];
  const folder = mkdtempSync(join(tmpdir(), 'umbra-disks-'));
  const paths = drives.map(({ isReadOnly, sizeBytes = DISK_BYTES }, index) => {
    const path = join(folder, `drive${index}.${isReadOnly ? 'iso' : 'img'}`);
    writeFileSync(path, new Uint8Array(sizeBytes));
    writeFileSync(path, randomBytes(Math.min(sizeBytes, DATA_BYTES)), { flag: 'r+' });
    return path;
  });
  const initrd = `initrd-${guest.kernel.replace('vmlinuz', 'modules')}.cpio`;
  const umbra = new UmbraProcess([
    ...['run', '--kernel', join(files, guest.kernel), '--initrd', join(files, initrd)],
    ...['--append', 'console=ttyS0', '--memory', '256'],
    ...drives.flatMap(({ option }, index) => option(paths[index] ?? '')),
  ]);
  try {
    let at = await umbra.expect(PROMPT, BOOT_MS_MAX);
    const command = async (text: string): Promise<string> => {
      umbra.type(`${text}; echo "status "$?\n`);
      const from = at;
      at = await umbra.expect(/status \d+\r/, COMMAND_MS_MAX, at);
      at = await umbra.expect(PROMPT, COMMAND_MS_MAX, at);
      const answer = umbra.stdout.slice(from, at);
      assert.match(answer, /status 0\r/, `${text}:\n${answer}`);
      return answer;
    };
    for (const [index, { device, isReadOnly, sizeBytes = DISK_BYTES }] of drives.entries()) {
      const path = paths[index] ?? '';
      await command(`for i in 1 2 3 4 5 6 7 8 9; do [ -b ${device} ] || sleep 1; done`);
      const whole = await command(`dd if=${device} bs=1M 2>/dev/null | md5sum`);
      assert.ok(whole.includes(md5(readFileSync(path))), `${device} reads as its file`);
      if (isReadOnly) continue;
      const blocks = Math.min(100, (sizeBytes >> 16) - SKIPPED_BLOCKS);
      await command(`dd if=/dev/urandom of=/tmp/data bs=64k count=${blocks} 2>/dev/null`);
      await command(
        `dd if=/tmp/data of=${device} bs=64k seek=${SKIPPED_BLOCKS} conv=fsync 2>/dev/null`,
      );
      await command('echo 3 > /proc/sys/vm/drop_caches');
      const read = `dd if=${device} bs=64k skip=${SKIPPED_BLOCKS} count=${blocks} 2>/dev/null`;
      await command(`${read} | cmp - /tmp/data`);
      const sum = /[0-9a-f]{32}/.exec(await command('md5sum /tmp/data'))?.[0];
      const [from, to] = [SKIPPED_BLOCKS << 16, (SKIPPED_BLOCKS + blocks) << 16];
      const part = readFileSync(path).subarray(from, to);
      assert.equal(md5(part), sum, `${device} is on the host what the guest wrote`);
    }
    umbra.type('poweroff\n');
    const { status, stdout, stderr } = await umbra.ended;
    assert.equal(status, 0, stderr);
    const lines = stdout.split('\n');
    const complaints = lines.filter((line) => COMPLAINTS.test(line) || DISK_COMPLAINTS.test(line));
    assert.deepEqual(complaints, []);
  } finally {
    await umbra.dispose();
    rmSync(folder, { recursive: true });
  }
}

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex');
}
