import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildGuestSets, INITRAMFS } from '../guests/guest-sets.ts';
import { UmbraProcess } from './umbra-process.ts';

const BOOT_MS_MAX = 240_000;
const COMMAND_MS_MAX = 60_000;
/** Lines by which a kernel complains of its processor or platform. */
const COMPLAINTS =
  /\bBUG\b|\bWARNING\b|firmware bug|\[Firmware (?:Bug|Warn)|ACPI (?:Error|Warning|BIOS)|Call Trace|Oops|unchecked MSR|spurious|nobody cared|TSC: .*unstable|Marking clocksource|not responding|timed out|soft lockup|rcu: .*stall/i;

const KERNELS = [
  { set: 'amd64', kernel: 'vmlinuz-amd64', machine: 'x86_64' },
  { set: 'i386', kernel: 'vmlinuz-686', machine: 'i686' },
  { set: 'i386', kernel: 'vmlinuz-686-pae', machine: 'i686' },
] as const;

for (const { set, kernel, machine } of KERNELS) {
  test(`Debian's ${kernel} boots to a shell that works, and powers off`, async () => {
    const folder = (await buildGuestSets([set], () => undefined))[set];
    const umbra = new UmbraProcess([
      ...['run', '--kernel', join(folder, kernel), '--initrd', join(folder, INITRAMFS)],
      ...['--append', 'console=ttyS0', '--memory', '256'],
    ]);
    try {
      let at = await umbra.expect(/umbra:~# /, BOOT_MS_MAX);
      const command = async (text: string, answer: RegExp): Promise<void> => {
        umbra.type(`${text}\n`);
        at = await umbra.expect(answer, COMMAND_MS_MAX, at);
        at = await umbra.expect(/umbra:~# /, COMMAND_MS_MAX, at);
      };
      await command('uname -m', new RegExp(`\\n${machine}\\r`));
      await command('cat /proc/cpuinfo', /model name/);
      await command('ls -R /proc | head -n 5', /\/proc:/);
      await command('i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; echo $i', /\n1000\r/);
      umbra.type('poweroff\n');
      const { status, stdout } = await umbra.ended;
      assert.equal(status, 0);
      const complaints = stdout.split('\n').filter((line) => COMPLAINTS.test(line));
      assert.deepEqual(complaints, []);
    } finally {
      await umbra.dispose();
    }
  });
}
