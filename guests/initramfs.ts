// The root file system of our guests: busybox, a few device nodes and three small scripts.

import { type CpioEntry, writeCpio } from './cpio.ts';

/** A host file to put into the guest. */
export interface AddedFile {
  /** Absolute path in the guest. */
  readonly guestPath: string;
  readonly data: Uint8Array;
  readonly mode: number;
}

const FOLDERS = [
  'bin',
  'sbin',
  'usr',
  'usr/bin',
  'usr/sbin',
  'etc',
  'proc',
  'sys',
  'dev',
  'dev/pts',
  'root',
  'run',
  'tmp',
  'mnt',
  'var',
  'var/log',
];

/**
 * Run once by init. Where there are drivers, those of the hardware are loaded: twice, because what
 * is on a bus shows only when the bus has its driver. A program /autorun runs before the first
 * shell.
 */
const RC = `#!/bin/sh
export PATH=/sbin:/bin:/usr/sbin:/usr/bin
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
hostname umbra
ip link set lo up 2>/dev/null || ifconfig lo up
echo "Umbra guest: $(uname -a)"
if [ -e /lib/modules/$(uname -r)/modules.dep ]; then
  for pass in 1 2; do
    find /sys/devices -name modalias -exec cat {} + | sort -u | xargs modprobe -a -q
  done
  modprobe -a sd_mod sr_mod
fi
if [ -x /autorun ]; then /autorun; fi
`;

/** cttyhack finds the console behind /dev/console, so that job control works on it. */
const INITTAB = `::sysinit:/etc/rc
::respawn:/bin/cttyhack /bin/sh -l
::ctrlaltdel:/sbin/reboot
::shutdown:/bin/sync
`;

const PROFILE = `export PATH=/sbin:/bin:/usr/sbin:/usr/bin
export HOME=/root
export PS1='umbra:\\w# '
cd /root
`;

/** The initramfs (uncompressed: unpacking gzip would only cost the guest time). */
export function buildInitramfs(busybox: Uint8Array, added: readonly AddedFile[] = []): Uint8Array {
  const script = (path: string, text: string, mode: number): CpioEntry => {
    return { kind: 'file', path, mode, data: Buffer.from(text) };
  };
  const entries: CpioEntry[] = [
    ...FOLDERS.map((path): CpioEntry => ({ kind: 'directory', path })),
    // The kernel opens /dev/console for init before anybody could mount devtmpfs.
    { kind: 'character-device', path: 'dev/console', mode: 0o600, major: 5, minor: 1 },
    { kind: 'character-device', path: 'dev/null', mode: 0o666, major: 1, minor: 3 },
    { kind: 'file', path: 'bin/busybox', mode: 0o755, data: busybox },
    // Those that init runs before /etc/rc has installed the rest.
    ...['bin/sh', 'bin/cttyhack', 'bin/sync', 'sbin/init', 'sbin/reboot'].map(
      (path): CpioEntry => ({ kind: 'link', path, target: '/bin/busybox' }),
    ),
    { kind: 'link', path: 'init', target: 'sbin/init' },
    script('etc/rc', RC, 0o755),
    script('etc/inittab', INITTAB, 0o644),
    script('etc/profile', PROFILE, 0o644),
    script('etc/passwd', 'root::0:0:root:/root:/bin/sh\n', 0o644),
    script('etc/group', 'root:x:0:\n', 0o644),
  ];
  return writeCpio([...entries, ...addedEntries(added)]);
}

function addedEntries(added: readonly AddedFile[]): CpioEntry[] {
  const folders = new Set<string>();
  const files = added.map((file): CpioEntry => {
    const path = file.guestPath.replace(/^\/+/, '');
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth += 1) {
      const folder = parts.slice(0, depth).join('/');
      if (!FOLDERS.includes(folder)) folders.add(folder);
    }
    return { kind: 'file', path, mode: file.mode, data: file.data };
  });
  return [...[...folders].sort().map((path): CpioEntry => ({ kind: 'directory', path })), ...files];
}
