import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { runtimeBytes } from '../tools/build-runtime.ts';
import {
  Chance,
  differences,
  FuzzMachine,
  randomStream,
  StreamWatch,
} from '../tools/fuzz-engines.ts';

const CACHE = new URL('../../../.cache', import.meta.url).pathname;
const BITS = [64, 32, 16] as const;
/** Streams per run; packages/cpu/tools/fuzz.ts runs as many as one likes. */
const STREAMS = 240;
/** Streams that once came out differently. */
const FOUND = [1319, 1790, 4799, 20525];

const runtime = runtimeBytes(CACHE);
const interpreter = new FuzzMachine('interpreter', runtime);
const translator = new FuzzMachine('forced', runtime);
const watch = new StreamWatch([interpreter, translator]);
after(() => watch.close());

function compare(seed: number): void {
  const bits = BITS[seed % 3] as 16 | 32 | 64;
  const stream = randomStream(new Chance(seed), bits);
  const first = interpreter.run(stream, seed, bits);
  const second = translator.run(stream, seed, bits);
  if (first['end'] === 'running' || second['end'] === 'running') return;
  assert.deepEqual(differences(first, second), [], `seed ${seed}`);
}

test('interpreter and translator agree on streams that once came out differently', () => {
  for (const seed of FOUND) compare(seed);
});

test('interpreter and translator agree on random streams', () => {
  for (let seed = 1; seed <= STREAMS; seed++) compare(seed);
});
