import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { createDeadlineBlock, DeadlinePublisher } from './deadline-watch.ts';
import { monotonicNs } from './host-time.ts';

const BITS = 1;
const NUDGE = 2;

/** A timer thread, and the pending word that it sets. */
async function watched(use: (publisher: DeadlinePublisher, word: Int32Array) => Promise<void>) {
  const block = createDeadlineBlock();
  const buffer = new SharedArrayBuffer(4);
  const pending = { buffer, byteOffset: 0, bits: BITS, nudge: NUDGE };
  const url = new URL('./timer.worker.ts', import.meta.url);
  const publisher = new DeadlinePublisher(block, monotonicNs);
  publisher.setIdle(true);
  const worker = new Worker(url, { workerData: { block, pending } });
  try {
    await use(publisher, new Int32Array(buffer));
  } finally {
    await worker.terminate();
  }
}

/** Waits until bits of the word are set, for as long as a loaded host may take. */
async function waitFor(word: Int32Array, bits: number): Promise<void> {
  for (let i = 0; i < 3000 && (Atomics.load(word, 0) & bits) === 0; i++) await sleep(10);
  assert.notEqual(Atomics.load(word, 0) & bits, 0);
}

test('the word is set when a deadline passes, and an idle processor is not nudged', async () => {
  await watched(async (publisher, word) => {
    const deadline = monotonicNs() + 50_000_000;
    publisher.publish(deadline);
    await waitFor(word, BITS);
    assert.ok(monotonicNs() >= deadline);
    assert.equal(Atomics.load(word, 0), BITS);
  });
});

test('a busy processor is nudged without a deadline, and again', async () => {
  await watched(async (publisher, word) => {
    publisher.setIdle(false);
    // The watcher sleeps since before the processor was busy: timers bring it back.
    publisher.publish(monotonicNs() + 1e12);
    await waitFor(word, NUDGE);
    Atomics.store(word, 0, 0);
    await waitFor(word, NUDGE);
    assert.equal(Atomics.load(word, 0) & BITS, 0);
  });
});
