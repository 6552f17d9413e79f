import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readIsoVolume } from './foreign/iso.ts';
import { openForeign } from './foreign/open-foreign.ts';
import type { DiskImage } from './image.ts';
import { RawImage } from './raw/raw-image.ts';
import { Chance } from './testing/chance.ts';
import { fuzzImage } from './testing/fuzz-images.ts';
import { MemoryFile } from './testing/memory-file.ts';
import {
  SAMPLE_FILL,
  type SampleImage,
  sampleImages,
  sampleParent,
} from './testing/sample-images.ts';
import { openVhd } from './vhd/open-vhd.ts';

const SEEDS = 300;
const samples = await sampleImages();

/** Which KiB of each sample's 64 hold other than zeros. */
const WRITTEN: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  fixed: [
    [20, 28],
    [60, 60.5],
  ],
  dynamic: [
    [20, 28],
    [60, 60.5],
  ],
  differencing: [
    [20, 28],
    [60, 60.5],
  ],
  'qcow2-2': [[20, 28]],
  'qcow2-3-zstd': [[20, 28]],
  'vmdk-sparse': [
    [4, 8],
    [60, 64],
  ],
  'vmdk-stream': [
    [4, 8],
    [60, 64],
  ],
  'vmdk-flat': [
    [0, 32],
    [48, 64],
  ],
  vdi: [
    [16, 32],
    [48, 64],
  ],
};

async function open(sample: SampleImage): Promise<DiskImage> {
  const file = new MemoryFile('sample', sample.bytes, true);
  if (sample.format === 'vhd') {
    return (await openVhd(file, { openParent: sampleParent })).image;
  }
  assert.ok(sample.format !== 'iso');
  const { extent = Buffer.alloc(0) } = sample;
  return await openForeign(file, sample.format, async (path) => new MemoryFile(path, extent, true));
}

for (const sample of samples) {
  test(`a damaged ${sample.name} image is read or refused, nothing else`, async () => {
    const ends = { opened: 0, refused: 0 };
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        ends[await fuzzImage(sample, new Chance(seed))] += 1;
      } catch (error) {
        throw new Error(`${sample.name}, seed ${seed}`, { cause: error });
      }
    }
    assert.ok(ends.opened > SEEDS / 100, `${ends.opened} opened`);
    if (sample.format !== 'iso') assert.ok(ends.refused > SEEDS / 100, `${ends.refused} refused`);
  });

  const written = WRITTEN[sample.name];
  if (written === undefined) continue;
  test(`a whole ${sample.name} image reads as what it holds`, async () => {
    const image = await open(sample);
    const expected = Buffer.alloc(64 * 1024);
    for (const [first, end] of written) expected.fill(SAMPLE_FILL, first * 1024, end * 1024);
    const bytes = Buffer.alloc(image.sizeBytes, 1);
    await image.read(0, [bytes]);
    assert.ok(bytes.equals(expected));
    const piece = Buffer.alloc(1024);
    await image.read(20.5 * 1024, [piece]);
    assert.ok(piece.equals(expected.subarray(20.5 * 1024, 21.5 * 1024)));
  });
}

test("a CD's volume tells its label, size and whether it boots", async () => {
  const bytes = samples.find(({ format }) => format === 'iso')?.bytes ?? Buffer.alloc(0);
  const image = new RawImage(new MemoryFile('cd.iso', bytes, true), bytes.length, bytes.length);
  assert.deepEqual(await readIsoVolume(image), {
    label: 'A LABEL',
    sizeBytes: 40_960,
    isBootable: true,
  });
});
