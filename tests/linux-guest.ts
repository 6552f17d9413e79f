import assert from 'node:assert/strict';
import { join } from 'node:path';
import { buildGuestSets, INITRAMFS } from '../guests/guest-sets.ts';
import { UmbraProcess } from './umbra-process.ts';

const BOOT_MS_MAX = 300_000;
const COMMAND_MS_MAX = 60_000;
/** The shell asks for the cursor's position before its first prompt, so this is not always last. */
export const PROMPT = /umbra:\S+# /;
/** Lines by which a kernel complains of its processor or platform. */
export const COMPLAINTS = new RegExp(
  [
    ...[
      'BUG:',
      'WARNING:',
      'Oops',
      'Call Trace',
      'general protection',
      'segfault',
      'invalid opcode',
    ],
    ...['[Ff]irmware [Bb]ug', 'Firmware Warn', 'Hardware Error', 'ACPI (?:Error|Warning|BIOS)'],
    ...['unchecked MSR', '[Ss]purious', 'nobody cared', 'NMI received for unknown', 'APIC error'],
    ...[
      'TSC: .*unstable',
      'Marking clocksource',
      '[Cc]alibration failed',
      '8254 timer not connected',
    ],
    ...[
      'not responding',
      'timed out',
      'lockup',
      'rcu: .*stall',
      'xstate .*(?:mismatch|inconsistent)',
    ],
  ].join('|'),
);

/** A Debian kernel, and what it calls its machine. */
export interface LinuxGuest {
  readonly set: 'amd64' | 'i386';
  readonly kernel: string;
  readonly machine: string;
}

export const LINUX_GUESTS: readonly LinuxGuest[] = [
  { set: 'amd64', kernel: 'vmlinuz-amd64', machine: 'x86_64' },
  { set: 'i386', kernel: 'vmlinuz-686', machine: 'i686' },
  { set: 'i386', kernel: 'vmlinuz-686-pae', machine: 'i686' },
];

/** Boots `guest` to a shell, uses it, powers off; neither kernel nor `umbra` may complain. */
export async function exerciseLinux(guest: LinuxGuest, options: readonly string[]): Promise<void> {
  const folder = (await buildGuestSets([guest.set], () => undefined))[guest.set];
  const umbra = new UmbraProcess([
    ...['run', '--kernel', join(folder, guest.kernel), '--initrd', join(folder, INITRAMFS)],
    ...['--append', 'console=ttyS0', '--memory', '256', ...options],
  ]);
  try {
    let at = await umbra.expect(PROMPT, BOOT_MS_MAX);
    const command = async (text: string, answer: RegExp): Promise<void> => {
      umbra.type(`${text}\n`);
      at = await umbra.expect(answer, COMMAND_MS_MAX, at);
      at = await umbra.expect(PROMPT, COMMAND_MS_MAX, at);
    };
    await command('uname -a', new RegExp(`\\nLinux umbra .* ${guest.machine} GNU/Linux\\r`));
    await command('cat /proc/cpuinfo', /\nmodel name\s*: .*\r/);
    await command('ls -R /proc | head -n 5', /\n\/proc:\r/);
    await command('i=0; while [ $i -lt 1000 ]; do i=$((i+1)); done; echo $i', /\n1000\r/);
    umbra.type('poweroff\n');
    await umbra.expect(/reboot: Power down/, COMMAND_MS_MAX, at);
    const { status, stdout, stderr } = await umbra.ended;
    assert.equal(status, 0, stderr);
    const complaints = stdout.split('\n').filter((line) => COMPLAINTS.test(line));
    assert.deepEqual(complaints, []);
  } finally {
    await umbra.dispose();
  }
}
