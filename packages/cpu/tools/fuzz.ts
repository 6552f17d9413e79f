// Runs the differential fuzzer: fuzz.ts [instructions] [first seed] [flat | paged]

import { buildOpcodeMap, Decoder, ROWS } from '@umbra/isa';
import { formatInstruction } from '../src/disassemble.ts';
import { runtimeBytes } from './build-runtime.ts';
import type { Item } from './fuzz-assembler.ts';
import { differences, FuzzMachine, type StreamLoad, StreamWatch } from './fuzz-engines.ts';
import { flatLoad, randomStream } from './fuzz-flat.ts';
import { Chance } from './fuzz-random.ts';
import { assembleStream, type PagedStream, pagedLoad, pagedStream } from './fuzz-streams.ts';

const CACHE = new URL('../../../.cache', import.meta.url).pathname;
const BITS = [64, 32, 16] as const;
const REPORTS_MAX = 10;

const wanted = Number(process.argv[2] ?? 1_000_000);
const firstSeed = Number(process.argv[3] ?? 1);
const only = process.argv[4];
const runtime = runtimeBytes(CACHE);
const interpreter = new FuzzMachine('interpreter', runtime);
const translator = new FuzzMachine('forced', runtime);
const watch = new StreamWatch([interpreter, translator]);
const decoder = new Decoder(buildOpcodeMap(ROWS));
let done = 0;
let reports = 0;
let endless = 0;

interface Outcome {
  readonly first: Readonly<Record<string, string>>;
  readonly second: Readonly<Record<string, string>>;
  readonly names: readonly string[];
}

function compare(load: StreamLoad): Outcome {
  const first = interpreter.run(load);
  const ran = interpreter.instructions;
  const second = translator.run(load);
  const isEndless = first['end'] === 'running' || second['end'] === 'running';
  if (isEndless) endless++;
  else done += ran;
  const names = isEndless ? [] : differences(first, second);
  return { first, second, names };
}

/** Leaves out items for as long as the engines still differ. */
function shrink(stream: PagedStream): PagedStream {
  let items: readonly Item[] = stream.items;
  for (let size = items.length >> 1; size > 0; size >>= 1) {
    for (let at = items.length - size; at >= 0; at -= size) {
      const fewer = items.map((item, index) =>
        index >= at && index < at + size ? { ...item, bytes: [], references: [] } : item,
      );
      const isChange = items.slice(at, at + size).some(({ bytes }) => bytes.length > 0);
      if (isChange && compare(pagedLoad({ ...stream, items: fewer })).names.length > 0)
        items = fewer;
    }
  }
  return { ...stream, items };
}

function list(bytes: Uint8Array, bits: 16 | 32 | 64, from: number, to: number, base: number): void {
  for (let at = from; at < to; ) {
    const decoded = decoder.decode(bytes, at, bytes.length, bits);
    const length = typeof decoded === 'string' ? 1 : decoded.length;
    const text =
      typeof decoded === 'string' ? decoded : formatInstruction(decoded, BigInt(base + at));
    const raw = Buffer.from(bytes.subarray(at, at + length)).toString('hex');
    console.log(`    ${((base + at) >>> 0).toString(16)} ${raw.padEnd(24)} ${text}`);
    at += length;
  }
}

function report(title: string, { first, second, names }: Outcome): void {
  reports++;
  const lines = names.map((name) => `${name} ${first[name]} / ${second[name]}`);
  console.log(`${title}: ${lines.join('\n  ')}`);
  if (!names.includes('memory')) return;
  for (let at = 0, shown = 0; at < interpreter.memory.length && shown < 8; at++) {
    const one = interpreter.memory[at];
    const other = translator.memory[at];
    if (one === other) continue;
    console.log(`  memory ${at.toString(16)}: ${one?.toString(16)} / ${other?.toString(16)}`);
    shown++;
  }
}

function runFlat(seed: number): void {
  const bits = BITS[seed % 3] as 16 | 32 | 64;
  const stream = randomStream(new Chance(seed), bits);
  const outcome = compare(flatLoad(stream, seed, bits));
  if (outcome.names.length === 0) return;
  report(`flat stream of seed ${seed}, ${bits} bits`, outcome);
  list(stream, bits, 0, stream.length, 0);
}

function runPaged(seed: number): void {
  const whole = pagedStream(seed);
  const outcome = compare(pagedLoad(whole));
  const { world } = whole;
  if (outcome.names.length === 0) return;
  const stream = shrink(whole);
  const title = `paged stream of seed ${seed}, ${world.paging}, user ${world.isUser}`;
  report(title, compare(pagedLoad(stream)));
  const { image, labels } = assembleStream(stream);
  for (const item of stream.items) {
    if (item.label !== undefined && !item.label.startsWith('random'))
      console.log(`  ${item.label} ${((labels.get(item.label) as number) >>> 0).toString(16)}`);
  }
  const used = image.findLastIndex((byte) => byte !== 0x90);
  list(
    image,
    world.width,
    image.findIndex((byte) => byte !== 0x90),
    used + 1,
    world.code,
  );
}

let seed = firstSeed;
for (; done < wanted && reports < REPORTS_MAX; seed++) {
  if (only !== 'paged') runFlat(seed);
  if (only !== 'flat') runPaged(seed);
}
console.log(
  `${done} instructions, seeds ${firstSeed} to ${seed - 1}, ${reports} differences, ${endless} endless`,
);
await watch.close();
process.exitCode = reports > 0 ? 1 : 0;
