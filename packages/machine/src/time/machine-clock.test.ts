import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { createDeadlineBlock, DeadlinePublisher } from './deadline-watch.ts';
import { monotonicNs } from './host-time.ts';
import { MachineClock } from './machine-clock.ts';

test('a clock begins at zero and announces its earliest deadline in host time', () => {
  const host = { now: 5_000 };
  const announced: number[] = [];
  const source = { monotonicNs: () => host.now, wallClockMs: () => 0 };
  const clock = new MachineClock(source, (deadline) => announced.push(deadline));
  assert.equal(clock.now(), 0);
  clock.schedule(300, () => undefined);
  clock.schedule(400, () => undefined);
  clock.schedule(100, () => clock.schedule(200, () => undefined));
  assert.deepEqual(announced, [5_300, 5_100]);
  host.now = 5_150;
  clock.runDue();
  assert.deepEqual(announced, [5_300, 5_100, 5_200]);
  assert.equal(clock.untilNextMs(), 50 / 1e6);
});

test('the clock continues where setNow puts it', () => {
  const host = { now: 1_000 };
  const clock = new MachineClock(
    { monotonicNs: () => host.now, wallClockMs: () => 0 },
    () => undefined,
  );
  clock.setNow(77);
  host.now += 3;
  assert.equal(clock.now(), 80);
});

test('the timer thread sets the pending word at the deadline, also an earlier one set later', async () => {
  const block = createDeadlineBlock();
  const pending = { buffer: new SharedArrayBuffer(4), byteOffset: 0, bits: 4 };
  const worker = new Worker(new URL('./timer.worker.ts', import.meta.url), {
    workerData: { block, pending },
  });
  try {
    const word = new Int32Array(pending.buffer);
    const publisher = new DeadlinePublisher(block, monotonicNs);
    for (const delays of [[20], [10_000, 15], [5, 40]]) {
      const begin = monotonicNs();
      for (const delay of delays) publisher.publish(begin + delay * 1e6);
      const wait = Atomics.waitAsync(word, 0, 0, 5_000);
      if (wait.async) assert.equal(await wait.value, 'ok', `delays ${delays.join()}`);
      assert.equal(Atomics.exchange(word, 0, 0), 4);
      assert.ok(monotonicNs() - begin >= Math.min(...delays) * 1e6);
      publisher.publish(Number.POSITIVE_INFINITY);
    }
  } finally {
    await worker.terminate();
  }
});
