import { test } from 'node:test';
import { exerciseLinux, LINUX_GUESTS } from './linux-guest.ts';

for (const guest of LINUX_GUESTS) {
  test(`Debian's ${guest.kernel} boots to a shell that works, and powers off`, async () => {
    await exerciseLinux(guest, []);
  });
}
