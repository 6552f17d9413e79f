import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compactImage } from '../compact-image.ts';
import type { DiskImage } from '../image.ts';
import { Chance } from '../testing/chance.ts';
import { SimulatedFile } from '../testing/simulated-file.ts';
import { checkVhd } from './check-vhd.ts';
import { writeDifferencingVhd, writeDynamicVhd, writeFixedVhd } from './create-vhd.ts';
import { openVhd } from './open-vhd.ts';

const MiB = 2 ** 20;
const SIZE = 4 * MiB;
const PARENT_FILL = 0x5a;
const SEEDS = 25;

const KINDS = ['fixed', 'dynamic', 'differencing'] as const;
type Kind = (typeof KINDS)[number];

/** A parent whose every byte is the same. */
const parent: DiskImage = {
  path: 'parent',
  sizeBytes: SIZE,
  isReadOnly: true,
  canDiscard: false,
  read: async (_offset, segments) => {
    for (const segment of segments) segment.fill(PARENT_FILL);
  },
  write: () => assert.fail('a parent is never written'),
  flush: async () => undefined,
  discard: async () => undefined,
  writeZeroes: async () => undefined,
  extentAt: async (offset) => ({ lengthBytes: SIZE - offset, isZero: false }),
  close: async () => undefined,
};

async function makeDisk(kind: Kind, chance: Chance): Promise<SimulatedFile> {
  const file = new SimulatedFile('disk', chance);
  const disk = { sizeBytes: SIZE, nowMs: 0, uniqueId: Buffer.alloc(16, 1), blockBytes: 64 * 1024 };
  if (kind === 'fixed') await writeFixedVhd(file, disk);
  else if (kind === 'dynamic') await writeDynamicVhd(file, disk);
  else {
    const lineage = { parentId: Buffer.alloc(16, 2), parentModifiedMs: 0, locators: [] };
    await writeDifferencingVhd(file, disk, { ...lineage, parentName: 'parent' });
  }
  await file.sync();
  return file;
}

async function open(file: SimulatedFile): Promise<DiskImage> {
  const { image } = await openVhd(file, { openParent: async () => parent, settleAfterMs: 0 });
  return image;
}

interface SectorHistory {
  /** What was flushed last, then every write begun since. */
  readonly fills: number[];
  /** Which of them was completed last. */
  completed: number;
}

/** What each sector may hold after a cut. */
class Expectation {
  readonly #sectors: SectorHistory[];

  constructor(fill: number) {
    this.#sectors = Array.from({ length: SIZE / 512 }, () => ({ fills: [fill], completed: 0 }));
  }

  async write(
    first: number,
    count: number,
    fill: number,
    write: () => Promise<void>,
  ): Promise<void> {
    const sectors = this.#sectors.slice(first, first + count);
    for (const { fills } of sectors) fills.push(fill);
    await write();
    for (const sector of sectors) sector.completed = sector.fills.length - 1;
  }

  async flush(flush: () => Promise<void>): Promise<void> {
    const covered = this.#sectors.map(({ completed }) => completed);
    await flush();
    for (const [index, sector] of this.#sectors.entries()) {
      const count = covered[index] ?? 0;
      sector.fills.splice(0, count);
      sector.completed -= count;
    }
  }

  async verify(image: DiskImage, label: string): Promise<void> {
    const bytes = Buffer.alloc(SIZE);
    await image.read(0, [bytes]);
    for (const [index, { fills }] of this.#sectors.entries()) {
      const piece = bytes.subarray(index * 512, index * 512 + 512);
      const fill = piece[0] ?? 0;
      if (fills.includes(fill) && piece.equals(Buffer.alloc(512, fill))) continue;
      assert.fail(`${label}: sector ${index} holds ${fill}, expected ${fills.join(' or ')}`);
    }
  }
}

/** Writes and flushes without end, several transfers at once, each in a stripe of its own. */
async function work(
  image: DiskImage,
  kind: Kind,
  chance: Chance,
  expectation: Expectation,
): Promise<never> {
  const flush = (): Promise<void> => expectation.flush(() => image.flush());
  for (;;) {
    const lanes = chance.oneOf([1, 2, 3]);
    const laneSectors = Math.floor(SIZE / 512 / lanes / 128) * 128;
    const writers = Array.from({ length: lanes }, async (_, lane) => {
      const isRelease = kind === 'dynamic' && chance.below(4) === 0;
      const count = isRelease ? 256 : 1 + chance.below(chance.oneOf([4, 200]));
      const place = chance.below(1500);
      const first = lane * laneSectors + (isRelease ? place - (place % 128) : place);
      const fill = isRelease ? 0 : 1 + chance.below(250);
      await expectation.write(first, count, fill, () =>
        isRelease
          ? image.writeZeroes(first * 512, count * 512, true)
          : image.write(first * 512, [Buffer.alloc(count * 512, fill)]),
      );
    });
    if (chance.below(3) === 0) await flush();
    else if (kind !== 'fixed' && chance.below(4) === 0) await compactImage(image);
    await Promise.all(writers);
    if (chance.below(3) === 0) await flush();
  }
}

for (const kind of KINDS) {
  test(`a ${kind} disk has all that was flushed when the power fails at any moment`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const chance = new Chance(seed);
      const made = await makeDisk(kind, chance);
      let onPowerCut = (): void => undefined;
      const cut = new Promise<void>((resolve) => {
        onPowerCut = resolve;
      });
      const file = made.withPowerCut(chance.below(1200), onPowerCut);
      const expectation = new Expectation(kind === 'differencing' ? PARENT_FILL : 0);
      const working = open(file).then((image) => work(image, kind, chance, expectation));
      await Promise.race([cut, working]);
      const found = file.afterPowerCut(chance);
      const mendable = ['FIRST_FOOTER', 'LAST_FOOTER', 'LOST_SPACE'];
      for (const { code, message } of await checkVhd(found.readOnly())) {
        assert.ok(mendable.includes(code), `seed ${seed}: ${message}`);
      }
      const image = await open(found);
      await expectation.verify(image, `seed ${seed}`);
      await image.write(0, [Buffer.alloc(SIZE, 0xee)]);
      await image.close();
      const errors = (await checkVhd(found)).filter(({ severity }) => severity === 'error');
      assert.deepEqual(errors, [], `seed ${seed}: after the tail was mended`);
      const bytes = Buffer.alloc(SIZE);
      await (await open(found)).read(0, [bytes]);
      assert.ok(bytes.equals(Buffer.alloc(SIZE, 0xee)), `seed ${seed}: written over`);
    }
  });
}
