import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { runtimeBytes } from '../tools/build-runtime.ts';
import { FuzzEngines, type StreamLoad } from '../tools/fuzz-engines.ts';
import { flatLoad, randomStream } from '../tools/fuzz-flat.ts';
import { Chance } from '../tools/fuzz-random.ts';
import { pagedLoad, pagedStream } from '../tools/fuzz-streams.ts';

const CACHE = new URL('../../../.cache', import.meta.url).pathname;
const BITS = [64, 32, 16] as const;
/** Streams per run; packages/cpu/tools/fuzz.ts runs as many as one likes. */
const FLAT_STREAMS = 40;
const PAGED_STREAMS = 60;
/** Flat streams that once came out differently. */
const FOUND = [1319, 1790, 4799, 20525];
/** Paged streams that did: a block found elsewhere before its translation had other pages. */
const FOUND_PAGED = [20199, 20239];

const engines = new FuzzEngines(runtimeBytes(CACHE));
after(() => engines.close());

function compare(load: StreamLoad, name: string, isForced = true): void {
  assert.deepEqual(engines.compare(load, isForced).names, [], name);
}

function compareFlat(seed: number): void {
  const bits = BITS[seed % 3] as 16 | 32 | 64;
  const stream = randomStream(new Chance(seed), bits);
  compare(flatLoad(stream, seed, bits), `flat stream of seed ${seed}`);
}

function comparePaged(seed: number): void {
  compare(pagedLoad(pagedStream(seed)), `paged stream of seed ${seed}`, seed % 2 === 0);
}

test('interpreter and translator agree on streams that once came out differently', () => {
  for (const seed of FOUND) compareFlat(seed);
  for (const seed of FOUND_PAGED) comparePaged(seed);
});

test('interpreter and translator agree on random streams', () => {
  for (let seed = 1; seed <= FLAT_STREAMS; seed++) compareFlat(seed);
});

test('interpreter and translator agree on streams under paging, with handlers and calls', () => {
  for (let seed = 1; seed <= PAGED_STREAMS; seed++) comparePaged(seed);
});
