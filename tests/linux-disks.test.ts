import { test } from 'node:test';
import { type DriveCase, exerciseDrives, linuxGuest } from './disk-guest.ts';

const DRIVES: readonly DriveCase[] = [
  { option: (path) => ['--disk', path], device: '/dev/sda' },
  {
    option: (path) => ['--cdrom', path],
    device: '/dev/sr0',
    isReadOnly: true,
    sizeBytes: 4 << 20,
  },
  { option: (path) => ['--disk', `${path},bus=virtio`], device: '/dev/vda' },
  { option: (path) => ['--disk', `${path},bus=virtio-scsi`], device: '/dev/sdb' },
  {
    option: (path) => ['--cdrom', `${path},bus=virtio-scsi`],
    device: '/dev/sr1',
    isReadOnly: true,
    sizeBytes: 4 << 20,
  },
  { option: (path) => ['--floppy', path], device: '/dev/fd0', sizeBytes: 1_474_560 },
];

for (const kernel of ['vmlinuz-amd64', 'vmlinuz-686-pae', 'vmlinuz-686']) {
  test(`Debian's ${kernel} reads and writes all kinds of drives`, async () => {
    await exerciseDrives(linuxGuest(kernel), DRIVES);
  });
}
