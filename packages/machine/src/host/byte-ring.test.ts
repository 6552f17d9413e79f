import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { ByteRing, createRingBlock } from './byte-ring.ts';

test('bytes come out in order; a full ring refuses and counts', () => {
  const ring = new ByteRing(createRingBlock(8));
  assert.equal(ring.writeFrom(Buffer.from('0123456789')), 8);
  assert.equal(ring.write(65), false);
  assert.equal(ring.dropped(), 1);
  assert.equal(ring.read(), 48);
  assert.equal(ring.write(65), true);
  assert.equal(Buffer.from(ring.readAll(3)).toString(), '123');
  assert.equal(Buffer.from(ring.readAll()).toString(), '4567A');
  assert.equal(ring.read(), -1);
});

test('the counters wrap around 2^32', () => {
  const block = createRingBlock(16);
  new Int32Array(block).fill(-5, 0, 2);
  const ring = new ByteRing(block);
  for (let round = 0; round < 10; round += 1) {
    assert.equal(ring.writeFrom(Buffer.from('hello')), 5);
    assert.equal(Buffer.from(ring.readAll()).toString(), 'hello');
  }
});

test('a whole megabyte crosses between threads through a small ring', async () => {
  const block = createRingBlock(256);
  const total = 1 << 20;
  const writer = new Worker(
    `import('node:worker_threads').then(async ({ workerData }) => {
      const { ByteRing } = await import(workerData.url);
      const ring = new ByteRing(workerData.block);
      const alive = setInterval(() => undefined, 1000); // A waitAsync keeps no thread alive.
      for (let sent = 0; sent < workerData.total;) {
        sent += ring.write(sent * 7) ? 1 : (await ring.whenWritable(), 0);
      }
      clearInterval(alive);
    })`,
    {
      eval: true,
      workerData: { block, total, url: new URL('./byte-ring.ts', import.meta.url).href },
    },
  );
  try {
    const ring = new ByteRing(block);
    for (let received = 0; received < total; ) {
      await ring.whenReadable();
      for (const byte of ring.readAll()) assert.equal(byte, (received++ * 7) & 0xff);
    }
  } finally {
    await writer.terminate();
  }
});
