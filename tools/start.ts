// `npm start`: builds the amd64 guest if needed and boots it to a shell in this terminal. Options
// of `umbra run` may follow: npm start -- --engine interpreter

import { join } from 'node:path';
import { umbra } from '@umbra/cli';
import { buildGuestSets, INITRAMFS } from '../guests/guest-sets.ts';

const say = (line: string): void => void process.stderr.write(`umbra: ${line}\n`);

async function start(): Promise<number> {
  let folder: string;
  try {
    folder = (await buildGuestSets(['amd64'], say)).amd64;
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    return 2;
  }
  say('booting Debian with busybox; type poweroff to end it');
  return await umbra([
    ...['run', '--kernel', join(folder, 'vmlinuz-amd64'), '--initrd', join(folder, INITRAMFS)],
    ...['--append', 'console=ttyS0'],
    ...process.argv.slice(2),
  ]);
}

process.exit(await start());
