// `npm run guests -- [SET...] [--add HOST=GUEST... --output FILE --initrd amd64|i386]`: builds the
// guest sets into the cache, or one initramfs of our own with additional files.

import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { UmbraError } from '@umbra/base';
import { buildGuestSets } from './guest-sets.ts';
import { type AddedFile, buildInitramfs } from './initramfs.ts';
import { GUEST_SETS, type GuestSet } from './recipes.ts';

const HELP = `npm run guests -- [SET...]
    Builds the sets (${GUEST_SETS.join(', ')}; all without a name) into the cache folder.
npm run guests -- --initrd amd64|i386 --add HOSTFILE=/GUEST/PATH ... --output FILE
    Writes an initramfs with additional files; a program added as /autorun runs at boot.
`;

const say = (line: string): void => void process.stderr.write(`guests: ${line}\n`);

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      add: { type: 'string', multiple: true },
      help: { type: 'boolean' },
      initrd: { type: 'string' },
      output: { type: 'string' },
    },
  });
  if (values.help) return void process.stdout.write(HELP);
  if (values.initrd !== undefined || values.add !== undefined || values.output !== undefined) {
    return await writeInitramfs(values.initrd, values.output, values.add ?? []);
  }
  const sets = positionals.length === 0 ? GUEST_SETS : positionals.map(toSet);
  const folders = await buildGuestSets(sets, say);
  for (const folder of Object.values(folders)) process.stdout.write(`${folder}\n`);
}

function toSet(name: string): GuestSet {
  const set = GUEST_SETS.find((known) => known === name);
  if (set !== undefined) return set;
  throw new UmbraError('GUEST_SET', `No guest set "${name}", expected ${GUEST_SETS.join(', ')}`);
}

async function writeInitramfs(
  architecture: string | undefined,
  output: string | undefined,
  added: readonly string[],
): Promise<void> {
  if ((architecture !== 'amd64' && architecture !== 'i386') || output === undefined) {
    throw new UmbraError('GUEST_USAGE', 'Needs --initrd amd64 or i386, and --output FILE');
  }
  const folders = await buildGuestSets([architecture], say);
  const busybox = readFileSync(join(folders[architecture], 'busybox'));
  writeFileSync(output, buildInitramfs(busybox, added.map(readAdded)));
  say(`wrote ${output}`);
}

function readAdded(argument: string): AddedFile {
  const [, hostPath, guestPath] = /^(.+)=(\/.+)$/.exec(argument) ?? [];
  if (hostPath === undefined || guestPath === undefined) {
    throw new UmbraError('GUEST_USAGE', `--add takes HOSTFILE=/GUEST/PATH, found "${argument}"`);
  }
  return { guestPath, data: readFileSync(hostPath), mode: statSync(hostPath).mode & 0o777 };
}

try {
  await main();
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof UmbraError || error instanceof TypeError ? 2 : 1;
}
