import type { ImageFacts } from '@umbra/storage';
import { sizeText } from './disk-size.ts';

const PARENT_STATES = {
  right: '',
  missing: ' (missing)',
  'wrong-identity': ' (another disk: its identity is wrong)',
  changed: ' (changed since its child was made)',
} as const;

/** What an image says of itself, as lines for people. */
export function factsText(facts: ImageFacts): string {
  const { vhd, iso } = facts;
  const rows: [string, string | number | undefined][] = [
    ['file', facts.path],
    ['format', vhd === undefined ? facts.format : `vhd, ${vhd.type}`],
    ['size', sizeText(facts.sizeBytes)],
    ['file size', sizeText(facts.fileBytes)],
    ['on the host', sizeText(facts.storedBytes)],
    ['floppy', facts.floppy],
    ['label', iso?.label],
    ['volume', iso === undefined ? undefined : sizeText(iso.sizeBytes)],
    ['bootable', iso === undefined ? undefined : iso.isBootable ? 'yes' : 'no'],
    ['identity', vhd?.uniqueId],
    ['made by', vhd?.creator],
    ['made at', vhd?.createdAt],
    ['geometry', vhd?.geometry],
    ['saved state', vhd?.hasSavedState ? 'yes: belongs to a saved machine' : undefined],
    ['block size', vhd?.blockBytes === undefined ? undefined : sizeText(vhd.blockBytes)],
    [
      'blocks',
      vhd?.blockCount === undefined ? undefined : `${vhd.allocatedCount} of ${vhd.blockCount}`,
    ],
    ...(vhd?.parents ?? []).map(({ path, state }): [string, string] => [
      'parent',
      path + PARENT_STATES[state],
    ]),
  ];
  const lines = rows.flatMap(([name, value]) =>
    value === undefined ? [] : [`${`${name}:`.padEnd(13)}${value}\n`],
  );
  return lines.join('');
}
