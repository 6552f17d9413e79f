// Feeds damaged disk images to the parsers:
//
//   node packages/storage/tools/fuzz-images.ts [COUNT [FIRST_SEED]]
//
// COUNT (100,000) mutations over all samples in turn; each reproduces from its sample's name and
// seed. Ends with status 1 at the first that does anything else than open or be refused, that takes
// longer than a second, or when memory grows without bound.

import { Chance } from '../src/testing/chance.ts';
import { fuzzImage } from '../src/testing/fuzz-images.ts';
import { sampleImages } from '../src/testing/sample-images.ts';

const DEFAULT_COUNT = 100_000;
const ONE_MS_MAX = 1000;
const MEMORY_BYTES_MAX = 2 ** 30;

const [countText = `${DEFAULT_COUNT}`, seedText = '1'] = process.argv.slice(2);
const samples = await sampleImages();
const ends = { opened: 0, refused: 0 };
const started = performance.now();
let slowestMs = 0;
for (let count = 0; count < Number(countText); count++) {
  const sample = samples[count % samples.length];
  if (sample === undefined) break;
  const seed = Number(seedText) + Math.floor(count / samples.length);
  const begun = performance.now();
  try {
    ends[await fuzzImage(sample, new Chance(seed))] += 1;
  } catch (error) {
    process.stderr.write(`${sample.name}, seed ${seed}:\n`);
    throw error;
  }
  const tookMs = performance.now() - begun;
  slowestMs = Math.max(slowestMs, tookMs);
  if (tookMs > ONE_MS_MAX) throw new Error(`${sample.name}, seed ${seed}: took ${tookMs} ms`);
  if (count % 1000 === 0 && process.memoryUsage.rss() > MEMORY_BYTES_MAX) {
    throw new Error(`${sample.name}, seed ${seed}: ${process.memoryUsage.rss()} bytes of memory`);
  }
}
const seconds = ((performance.now() - started) / 1000).toFixed(1);
const memory = Math.round(process.memoryUsage.rss() / 2 ** 20);
process.stdout.write(
  `${ends.opened} opened, ${ends.refused} refused in ${seconds} s; the slowest took ${slowestMs.toFixed(0)} ms; ${memory} MiB\n`,
);
