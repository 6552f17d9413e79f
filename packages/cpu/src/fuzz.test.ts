import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { runtimeBytes } from '../tools/build-runtime.ts';
import { differences, FuzzMachine, type StreamLoad, StreamWatch } from '../tools/fuzz-engines.ts';
import { flatLoad, randomStream } from '../tools/fuzz-flat.ts';
import { Chance } from '../tools/fuzz-random.ts';
import { pagedLoad, pagedStream } from '../tools/fuzz-streams.ts';

const CACHE = new URL('../../../.cache', import.meta.url).pathname;
const BITS = [64, 32, 16] as const;
/** Streams per run; packages/cpu/tools/fuzz.ts runs as many as one likes. */
const FLAT_STREAMS = 60;
const PAGED_STREAMS = 60;
/** Flat streams that once came out differently. */
const FOUND = [1319, 1790, 4799, 20525];

const runtime = runtimeBytes(CACHE);
const interpreter = new FuzzMachine('interpreter', runtime);
const translator = new FuzzMachine('forced', runtime);
const watch = new StreamWatch([interpreter, translator]);
after(() => watch.close());

function compare(load: StreamLoad, name: string): void {
  const first = interpreter.run(load);
  const second = translator.run(load);
  if (first['end'] === 'running' || second['end'] === 'running') return;
  assert.deepEqual(differences(first, second), [], name);
}

function compareFlat(seed: number): void {
  const bits = BITS[seed % 3] as 16 | 32 | 64;
  const stream = randomStream(new Chance(seed), bits);
  compare(flatLoad(stream, seed, bits), `flat stream of seed ${seed}`);
}

test('interpreter and translator agree on streams that once came out differently', () => {
  for (const seed of FOUND) compareFlat(seed);
});

test('interpreter and translator agree on random streams', () => {
  for (let seed = 1; seed <= FLAT_STREAMS; seed++) compareFlat(seed);
});

test('interpreter and translator agree on streams under paging, with handlers and calls', () => {
  for (let seed = 1; seed <= PAGED_STREAMS; seed++)
    compare(pagedLoad(pagedStream(seed)), `paged stream of seed ${seed}`);
});
