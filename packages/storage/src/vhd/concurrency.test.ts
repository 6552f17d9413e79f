import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compactImage } from '../compact-image.ts';
import { Chance } from '../testing/chance.ts';
import { ModelDisk } from '../testing/model-disk.ts';
import { SimulatedFile } from '../testing/simulated-file.ts';
import { checkVhd } from './check-vhd.ts';
import { writeDynamicVhd } from './create-vhd.ts';
import { openVhd } from './open-vhd.ts';

const SIZE = 4 * 2 ** 20;
const SEEDS = 6;
const openParent = (): Promise<never> => assert.fail('it has no parent');

test('transfers, discards, flushes and compactions at once do not disturb each other', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const chance = new Chance(seed);
    const file = new SimulatedFile('disk', chance);
    await writeDynamicVhd(file, { sizeBytes: SIZE, nowMs: 0, blockBytes: 32 * 1024 });
    const { image } = await openVhd(file, { openParent, settleAfterMs: 0 });
    const model = new ModelDisk(SIZE);
    for (let round = 0; round < 4; round++) {
      const work = model.exercise(image, chance, 60);
      await Promise.all([work, compactImage(image)]);
      await model.verify(image);
    }
    await image.close();
    const findings = await checkVhd(file.readOnly());
    assert.deepEqual(
      findings.filter(({ severity }) => severity === 'error'),
      [],
    );
    await model.verify((await openVhd(file, { openParent, settleAfterMs: 0 })).image);
  }
});
