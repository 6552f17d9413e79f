// `npm run bench`: the same kernel and programs in Umbra, QEMU (TCG) and v86, in turns.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { UmbraError } from '@umbra/base';
import { cacheFolder } from '@umbra/machine';
import { buildGuestSets } from '../guests/guest-sets.ts';
import { buildInitramfs } from '../guests/initramfs.ts';
import type { Bits } from './assembler.ts';
import {
  type Engine,
  EngineProcess,
  type Guest,
  QEMU,
  umbraEngine,
  V86_ENGINE,
} from './engines.ts';
import { BEGIN_MARK, END_MARK, guestFiles, TESTS } from './guest-image.ts';
import { GROUPS, type Group } from './programs.ts';
import { renderTable, type Sample, summarize } from './report.ts';

const HELP = `npm run bench -- [OPTION...]
  --group NAME     only this group (may be repeated): ${GROUPS.join(', ')}
  --against NAME   qemu, v86, all (default) or none; v86 runs 32-bit guests only
  --bits N         32 or 64 (may be repeated; default both)
  --mmu NAME       shadow (default) or two-stage (may be repeated)
  --rounds N       how often everything runs, for medians (default 3)
  --output FILE    the report (default bench.md beside the JSON files in .cache/bench)
`;
const BOOT_MS_MAX = 300_000;
const RUN_MS_MAX = 900_000;
const CLOCK_ERROR_MAX = 0.05;
const IDLE_SETTLE_MS = 3000;
const IDLE_MS = 10_000;
const BOOTED = /^Umbra guest:/m;
const PROMPT = /umbra:\S+# /;
const KERNELS = {
  32: { set: 'i386', kernel: 'vmlinuz-686' },
  64: { set: 'amd64', kernel: 'vmlinuz-amd64' },
} as const;

interface Options {
  readonly groups: readonly Group[];
  readonly rounds: number;
  readonly bits: readonly Bits[];
  readonly engines: readonly Engine[];
  readonly output: string | undefined;
}

const say = (line: string): void => void process.stderr.write(`bench: ${line}\n`);

async function main(): Promise<void> {
  const options = readOptions();
  if (options === undefined) return void process.stdout.write(HELP);
  const folder = join(cacheFolder(), 'bench');
  mkdirSync(folder, { recursive: true });
  const sections: string[] = [];
  const load = loadavg()[0] ?? 0; // Before the engines add to it.
  for (const bits of options.bits) {
    const engines = options.engines.filter((engine) => bits === 32 || engine !== V86_ENGINE);
    const samples = await measure(bits, engines, options, folder);
    const names = engines.map(({ name }) => name);
    const rows = summarize(samples, names, QEMU.name);
    writeFileSync(
      join(folder, `bench-${bits}.json`),
      `${JSON.stringify({ machine: machineName(), rows, samples }, undefined, 2)}\n`,
    );
    const section = `## ${bits}-bit guest (${KERNELS[bits].kernel})\n\n${renderTable(rows, names)}`;
    process.stdout.write(`\n${section}`);
    sections.push(section);
    const path = options.output ?? join(folder, 'bench.md');
    writeFileSync(path, `${preamble(options.rounds, load)}\n${sections.join('\n')}`);
    say(`wrote ${path}`);
  }
}

function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      against: { type: 'string', default: 'all' },
      bits: { type: 'string', multiple: true },
      group: { type: 'string', multiple: true },
      help: { type: 'boolean' },
      mmu: { type: 'string', multiple: true },
      output: { type: 'string' },
      rounds: { type: 'string', default: '3' },
    },
  });
  if (values.help) return undefined;
  const against = choose('against', values.against, ['all', 'qemu', 'v86', 'none'] as const);
  const bits = (values.bits ?? ['32', '64']).map((text) => choose('bits', text, ['32', '64']));
  const mmus = (values.mmu ?? ['shadow']).map((text) => {
    return choose('mmu', text, ['shadow', 'two-stage'] as const);
  });
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new UmbraError('USAGE', `Option --rounds is "${values.rounds}", expected 1 or more`);
  }
  return {
    rounds,
    groups: (values.group ?? GROUPS).map((text) => choose('group', text, GROUPS)),
    bits: bits.map((text) => (text === '32' ? 32 : 64)),
    engines: [
      ...mmus.map(umbraEngine),
      ...(against === 'all' || against === 'qemu' ? [QEMU] : []),
      ...(against === 'all' || against === 'v86' ? [V86_ENGINE] : []),
    ],
    output: values.output,
  };
}

function choose<T extends string>(option: string, text: string, known: readonly T[]): T {
  const found = known.find((name) => name === text);
  if (found !== undefined) return found;
  throw new UmbraError('USAGE', `Option --${option} is "${text}", expected ${known.join(', ')}`);
}

async function measure(
  bits: Bits,
  engines: readonly Engine[],
  { groups, rounds }: Options,
  folder: string,
): Promise<Sample[]> {
  const { set, kernel } = KERNELS[bits];
  const sets = await buildGuestSets([set, 'firmware'], say);
  const busybox = readFileSync(join(sets[set], 'busybox'));
  const guest = (name: string, added: Parameters<typeof buildInitramfs>[1]): Guest => {
    const initrd = join(folder, `${name}-${bits}-${process.pid}.cpio`);
    writeFileSync(initrd, buildInitramfs(busybox, added));
    return { bits, kernel: join(sets[set], kernel), initrd, firmwareFolder: sets.firmware };
  };
  const loaded = guest('programs', guestFiles(groups, bits));
  const plain = guest('plain', []);
  const samples: Sample[] = [];
  try {
    for (let round = 1; round <= rounds; round += 1) {
      for (const engine of engines) {
        say(`${bits}-bit, round ${round} of ${rounds}: ${engine.name}`);
        if (groups.some((group) => group !== 'idle')) {
          samples.push(...(await attempt(() => runPrograms(engine, loaded, round, groups))));
        }
        if (groups.includes('idle')) {
          samples.push(...(await attempt(() => runIdle(engine, plain, round))));
        }
      }
    }
  } finally {
    for (const { initrd } of [loaded, plain]) rmSync(initrd);
  }
  return samples;
}

/** An engine that fails has no figures; the others go on. */
async function attempt(action: () => Promise<Sample[]>): Promise<Sample[]> {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof UmbraError)) throw error;
    say(error.message);
    return [];
  }
}

async function runPrograms(
  engine: Engine,
  guest: Guest,
  round: number,
  groups: readonly Group[],
): Promise<Sample[]> {
  const machine = new EngineProcess(engine, guest);
  try {
    const bootMs = await machine.expect(BOOTED, BOOT_MS_MAX);
    const isOnlyBoot = groups.every((group) => group === 'boot' || group === 'idle');
    if (!isOnlyBoot) await attemptEnd(machine, engine.name);
    const boot = {
      group: 'boot',
      test: 'boot',
      checksum: undefined,
      value: bootMs / 1000,
    } as const;
    const found = TESTS.flatMap(({ name, group }) => {
      const line = new RegExp(`^BENCH ${name} ([\\da-f]+) ([\\da-f]{16})\\r?$`, 'm');
      const [, checksum, nanoseconds] = line.exec(machine.output) ?? [];
      if (nanoseconds === undefined) return [];
      return [{ group, test: name, checksum, value: Number(`0x${nanoseconds}`) / 1e9 }];
    });
    const all = [...(groups.includes('boot') ? [boot] : []), ...found];
    return all.map((sample) => ({ ...sample, engine: engine.name, round }));
  } finally {
    await machine.dispose();
  }
}

/** Waits for the last program; a guest that dies before keeps the figures that it printed. */
async function attemptEnd(machine: EngineProcess, engine: string): Promise<void> {
  await attempt(async () => {
    const beginMs = await machine.expect(markPattern(BEGIN_MARK), RUN_MS_MAX);
    const endMs = await machine.expect(markPattern(END_MARK), RUN_MS_MAX);
    const guestMs = (markedTime(machine, END_MARK) - markedTime(machine, BEGIN_MARK)) / 1e6;
    const error = guestMs / (endMs - beginMs) - 1;
    // All figures are the guest's own, so its clock had better be right.
    const text = `clock of ${engine}: ${(error * 100).toFixed(1)} % off the host's`;
    if (Math.abs(error) > CLOCK_ERROR_MAX) throw new UmbraError('BENCH', text);
    say(text);
    return [];
  });
}

function markPattern(mark: string): RegExp {
  return new RegExp(`^${mark} ([\\da-f]{16})`, 'm');
}

function markedTime(machine: EngineProcess, mark: string): number {
  return Number(`0x${markPattern(mark).exec(machine.output)?.[1]}`);
}

async function runIdle(engine: Engine, guest: Guest, round: number): Promise<Sample[]> {
  const machine = new EngineProcess(engine, guest);
  try {
    await machine.expect(PROMPT, BOOT_MS_MAX);
    await sleep(IDLE_SETTLE_MS);
    const before = machine.cpuSeconds();
    await sleep(IDLE_MS);
    const value = (machine.cpuSeconds() - before) / (IDLE_MS / 1000);
    const idle = { group: 'idle', test: 'idle', checksum: undefined } as const;
    return [{ ...idle, engine: engine.name, round, value }];
  } finally {
    await machine.dispose();
  }
}

function machineName(): string {
  const processors = cpus();
  return `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown processor'}`;
}

function preamble(rounds: number, load: number): string {
  return `# Benchmark results

Written by \`npm run bench\`; its JSON files with every single sample are in \`.cache/bench\`.

- Machine: ${machineName()}, with a load of ${load.toFixed(1)} by other work when it began: figures of a
  shared machine wander, and differences of a third mean little.
- Medians of ${rounds} round${rounds === 1 ? '' : 's'}, engines in turns. Seconds are by the guest's clock, which is
  checked against the host's; those of boot are the host's, from the start of the process to the
  first line of the guest's /etc/rc.
- A ratio below 1 says that Umbra is faster. A dash means no result, or a wrong checksum (QEMU's is
  taken to be right).
`;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Error)) throw error;
  say(error.message);
  process.exitCode = 2;
}
