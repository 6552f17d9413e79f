import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimerQueue } from './timer-queue.ts';

test('callbacks run by deadline, equal ones as added', () => {
  const queue = new TimerQueue();
  const ran: string[] = [];
  for (const [deadline, name] of [
    [30, 'c'],
    [10, 'a'],
    [20, 'b1'],
    [20, 'b2'],
    [40, 'd'],
  ] as const) {
    queue.add(deadline, () => ran.push(name));
  }
  queue.runDue(30);
  assert.deepEqual(ran, ['a', 'b1', 'b2', 'c']);
  assert.equal(queue.nextDeadline(), 40);
});

test('a callback that re-arms itself in the past waits for the next call', () => {
  const queue = new TimerQueue();
  let runs = 0;
  const again = (): void => {
    runs += 1;
    queue.add(0, again);
  };
  queue.add(0, again);
  queue.runDue(100);
  assert.equal(runs, 1);
  assert.equal(queue.size, 1);
  queue.runDue(100);
  assert.equal(runs, 2);
});

test('a callback may cancel another that is due at the same time', () => {
  const queue = new TimerQueue();
  const victim = queue.add(6, () => assert.fail('was cancelled'));
  queue.add(5, () => victim.cancel());
  queue.runDue(10);
  victim.cancel();
  assert.equal(queue.size, 0);
});

test('random additions and cancellations agree with a sorted list', () => {
  let seed = 12345;
  const random = (limit: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % limit;
  };
  const queue = new TimerQueue();
  const model: { id: number; deadline: number; cancel: () => void }[] = [];
  const ran: number[] = [];
  for (let id = 0; id < 2000; id += 1) {
    const deadline = random(500);
    const timer = queue.add(deadline, () => ran.push(id));
    model.push({ id, deadline, cancel: () => timer.cancel() });
    if (random(3) === 0) model.splice(random(model.length), 1)[0]?.cancel();
  }
  queue.runDue(1000);
  const expected = model.sort((a, b) => a.deadline - b.deadline || a.id - b.id).map(({ id }) => id);
  assert.deepEqual(ran, expected);
});
