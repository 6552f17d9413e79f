// Runs the differential fuzzer: fuzz.ts [instructions] [first seed] [flat | paged]

import { buildOpcodeMap, Decoder, ROWS } from '@umbra/isa';
import { formatInstruction } from '../src/disassemble.ts';
import { runtimeBytes } from './build-runtime.ts';
import type { Item } from './fuzz-assembler.ts';
import { FuzzEngines, type Outcome } from './fuzz-engines.ts';
import { flatLoad, randomStream } from './fuzz-flat.ts';
import { Chance } from './fuzz-random.ts';
import { assembleStream, type PagedStream, pagedLoad, pagedStream } from './fuzz-streams.ts';

const CACHE = new URL('../../../.cache', import.meta.url).pathname;
const BITS = [64, 32, 16] as const;
/** So many instructions of a stream count: a long one repeats the same few. */
const COUNTED_MAX = 20_000;
const REPORTS_MAX = 10;

const wanted = Number(process.argv[2] ?? 1_000_000);
const firstSeed = Number(process.argv[3] ?? 1);
const only = process.argv[4];
const engines = new FuzzEngines(runtimeBytes(CACHE));
const decoder = new Decoder(buildOpcodeMap(ROWS));
let done = 0;
let reports = 0;
let endless = 0;

/** Leaves out items for as long as the engines still differ. */
function shrink(stream: PagedStream, isForced: boolean): PagedStream {
  let items: readonly Item[] = stream.items;
  for (let size = items.length >> 1; size > 0; size >>= 1) {
    for (let at = items.length - size; at >= 0; at -= size) {
      const fewer = items.map((item, index) =>
        index >= at && index < at + size ? { ...item, bytes: [], references: [] } : item,
      );
      const isChange = items.slice(at, at + size).some(({ bytes }) => bytes.length > 0);
      const load = pagedLoad({ ...stream, items: fewer });
      if (isChange && engines.compare(load, isForced).names.length > 0) items = fewer;
    }
  }
  return { ...stream, items };
}

/** Counts a stream's outcome; whether it is a difference. */
function isDifference({ isEndless, names }: Outcome): boolean {
  if (isEndless) endless++;
  else done += Math.min(engines.interpreter.instructions, COUNTED_MAX);
  return names.length > 0;
}

function list(bytes: Uint8Array, bits: 16 | 32 | 64, from: number, to: number, base: number): void {
  for (let at = from; at < to; ) {
    const decoded = decoder.decode(bytes, at, bytes.length, bits);
    const length = typeof decoded === 'string' ? 1 : decoded.length;
    // What fills the space between pieces of code.
    const isPadding = bytes[at] === 0x90 && bytes[at - 1] === 0x90;
    const text =
      typeof decoded === 'string' ? decoded : formatInstruction(decoded, BigInt(base + at));
    const raw = Buffer.from(bytes.subarray(at, at + length)).toString('hex');
    if (!isPadding)
      console.log(`    ${((base + at) >>> 0).toString(16)} ${raw.padEnd(24)} ${text}`);
    at += length;
  }
}

function report(title: string, { first, second, names }: Outcome, isForced = true): void {
  const { memory } = engines.interpreter;
  const otherMemory = engines.translator(isForced).memory;
  reports++;
  const lines = names.map((name) => `${name} ${first[name]} / ${second[name]}`);
  console.log(`${title}: ${lines.join('\n  ')}`);
  if (!names.includes('memory')) return;
  for (let at = 0, shown = 0; at < memory.length && shown < 8; at++) {
    const one = memory[at];
    const other = otherMemory[at];
    if (one === other) continue;
    console.log(`  memory ${at.toString(16)}: ${one?.toString(16)} / ${other?.toString(16)}`);
    shown++;
  }
}

function runFlat(seed: number): void {
  const bits = BITS[seed % 3] as 16 | 32 | 64;
  const stream = randomStream(new Chance(seed), bits);
  const outcome = engines.compare(flatLoad(stream, seed, bits));
  if (!isDifference(outcome)) return;
  report(`flat stream of seed ${seed}, ${bits} bits`, outcome);
  list(stream, bits, 0, stream.length, 0);
}

function runPaged(seed: number): void {
  const whole = pagedStream(seed);
  const isForced = seed % 2 === 0;
  const outcome = engines.compare(pagedLoad(whole), isForced);
  const { world } = whole;
  if (!isDifference(outcome)) return;
  const stream = shrink(whole, isForced);
  const title = `paged stream of seed ${seed}, ${world.paging}, user ${world.isUser}, forced ${isForced}`;
  report(title, engines.compare(pagedLoad(stream), isForced), isForced);
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
await engines.close();
process.exitCode = reports > 0 ? 1 : 0;
