import { test } from 'node:test';
import { exerciseLinux, LINUX_GUESTS } from '../linux-guest.ts';

for (const engine of ['interpreter', 'forced']) {
  for (const guest of LINUX_GUESTS) {
    // That one is part of every test run.
    if (engine === 'forced' && guest.set === 'amd64') continue;
    test(`Debian's ${guest.kernel} boots, works and powers off by --engine ${engine}`, async () => {
      await exerciseLinux(guest, ['--engine', engine]);
    });
  }
}
