// What runs in the guest: programs of a choice of groups, started by /autorun one after another.

import type { AddedFile } from '../guests/initramfs.ts';
import type { Bits } from './assembler.ts';
import { buildClock, buildProgram, type Group, PROGRAMS } from './programs.ts';

/** A line of shell whose output makes the checksum. */
interface Application {
  readonly name: string;
  readonly command: string;
}

/** Busybox is what a guest of ours has; its input is made before the clock starts. */
const APPLICATIONS: readonly Application[] = [
  { name: 'sha256sum', command: 'cat numbers numbers numbers numbers | sha256sum' },
  { name: 'gzip', command: 'head -c 1000000 numbers | gzip -c | gunzip -c' },
  { name: 'sort', command: "awk '{ print $1 * 7919 % 40009 }' tiny | sort -n" },
  {
    name: 'awk',
    command: "awk '{ s += $1 % 97; n[$1 % 1000]++ } END { print s; print n[1] }' small",
  },
  {
    name: 'shell',
    command: 'i=0; s=0; while [ $i -lt 30000 ]; do s=$((s * 31 + i)); i=$((i + 1)); done; echo $s',
  },
];

/** What /autorun prints first and last, each with the guest's clock in hexadecimal nanoseconds. */
export const BEGIN_MARK = 'BENCH-BEGIN';
export const END_MARK = 'BENCH-END';

/** Name and group of everything measured inside the guest, in order. */
export const TESTS: readonly { readonly name: string; readonly group: Group }[] = [
  ...PROGRAMS.map(({ name, group }) => ({ name, group })),
  ...APPLICATIONS.map(({ name }) => ({ name, group: 'applications' as const })),
];

/** The files to add to an initramfs so that it runs `groups`. */
export function guestFiles(groups: readonly Group[], bits: Bits): AddedFile[] {
  const chosen = PROGRAMS.filter(({ group }) => groups.includes(group));
  const lines = chosen.map(({ name }) => `/bench/${name}`);
  if (groups.includes('applications')) lines.push(...applicationLines());
  const mark = (name: string): string => `echo ${name} $(/bench/clock)`;
  const script = ['#!/bin/sh', mark(BEGIN_MARK), ...lines, mark(END_MARK), ''];
  const file = (guestPath: string, data: Uint8Array): AddedFile => {
    return { guestPath, data, mode: 0o755 };
  };
  return [
    file('/autorun', Buffer.from(script.join('\n'))),
    file('/bench/clock', buildClock(bits)),
    ...chosen.map((program) => file(`/bench/${program.name}`, buildProgram(program, bits))),
  ];
}

function applicationLines(): string[] {
  const run = APPLICATIONS.flatMap(({ name, command }) => [
    'started=$(/bench/clock)',
    `sum=$( { ${command}; } | md5sum | head -c 8)`,
    'ended=$(/bench/clock)',
    `printf 'BENCH ${name} %s %016x\\n' "$sum" $((0x$ended - 0x$started))`,
  ]);
  return ['cd /tmp', 'seq 1 300000 > numbers', 'seq 1 40000 > small', 'seq 1 10000 > tiny', ...run];
}
