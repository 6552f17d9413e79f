// Runs the differential fuzzer: node packages/cpu/tools/fuzz.ts [instructions] [first seed]

import { buildOpcodeMap, Decoder, ROWS } from '@umbra/isa';
import { formatInstruction } from '../src/disassemble.ts';
import { runtimeBytes } from './build-runtime.ts';
import { Chance, differences, FuzzMachine, randomStream, StreamWatch } from './fuzz-engines.ts';

const CACHE = new URL('../../../.cache', import.meta.url).pathname;
const BITS = [64, 32, 16] as const;
const REPORTS_MAX = 10;

const wanted = Number(process.argv[2] ?? 1_000_000);
const firstSeed = Number(process.argv[3] ?? 1);
const runtime = runtimeBytes(CACHE);
const interpreter = new FuzzMachine('interpreter', runtime);
const translator = new FuzzMachine('forced', runtime);
const watch = new StreamWatch([interpreter, translator]);
const decoder = new Decoder(buildOpcodeMap(ROWS));
let done = 0;
let reports = 0;
let endless = 0;
let seed = firstSeed;
for (; done < wanted && reports < REPORTS_MAX; seed++) {
  const bits = BITS[seed % 3] as 16 | 32 | 64;
  const stream = randomStream(new Chance(seed), bits);
  const before = interpreter.instructions;
  const first = interpreter.run(stream, seed, bits);
  const ran = interpreter.instructions - before;
  done += first['end'] === 'running' ? 0 : ran;
  const second = translator.run(stream, seed, bits);
  const isEndless = first['end'] === 'running' || second['end'] === 'running';
  if (isEndless) endless++;
  const names = isEndless ? [] : differences(first, second);
  if (process.env['FUZZ_TRACE'])
    console.error(seed, bits, first['end'], second['end'], ran, names.length);
  if (names.length > 0) {
    reports++;
    console.log(
      `seed ${seed}, ${bits} bits: ${names.map((name) => `${name} ${first[name]} / ${second[name]}`).join('\n  ')}`,
    );
    for (let at = 0; at < stream.length; ) {
      const decoded = decoder.decode(stream, at, stream.length, bits);
      if (typeof decoded === 'string') break;
      console.log(`    ${formatInstruction(decoded, BigInt(at))}`);
      at += decoded.length;
    }
  }
}
console.log(
  `${done} instructions, seeds ${firstSeed} to ${seed - 1}, ${reports} differences, ${endless} endless`,
);
await watch.close();
process.exitCode = reports > 0 ? 1 : 0;
