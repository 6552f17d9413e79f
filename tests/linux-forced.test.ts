import { test } from 'node:test';
import { exerciseLinux, LINUX_GUESTS } from './linux-guest.ts';

for (const guest of LINUX_GUESTS.filter(({ set }) => set === 'amd64')) {
  test(`Debian's ${guest.kernel} runs with every block translated at once`, async () => {
    await exerciseLinux(guest, ['--engine', 'forced']);
  });
}
