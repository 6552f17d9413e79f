import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLOCK_SEGMENTS_MAX, type BlockBackend, type BlockRequest } from '@umbra/core';
import { BlockClient } from './block-client.ts';
import { createQueueBlock } from './block-queue.ts';
import { BlockServer } from './block-server.ts';

const INFO = {
  sizeBytes: 1 << 20,
  isReadOnly: false,
  canDiscard: true,
  hasWriteCache: true,
  queueDepthMax: 2,
};
const SLOTS = 3;

/** Both ends of a queue in one thread, and a backend that keeps what arrives. */
function bench() {
  const memory = new SharedArrayBuffer(1 << 16);
  const block = createQueueBlock(SLOTS);
  const arrived: { request: BlockRequest; onDone: Parameters<BlockBackend['submit']>[1] }[] = [];
  const backend: BlockBackend = {
    info: INFO,
    submit: (request, onDone) => void arrived.push({ request, onDone }),
  };
  const events: string[] = [];
  const server = new BlockServer({
    block,
    slotCount: SLOTS,
    memory,
    backends: [backend, undefined],
    onCompletion: () => events.push('completion'),
    onEject: (drive) => events.push(`eject ${drive}`),
  });
  const client = new BlockClient(block, SLOTS, memory);
  return { memory, arrived, events, server, client };
}

/** Lets the server's end take what was submitted. */
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

test('every kind of request arrives as it was sent, and its status comes back', async () => {
  const { memory, arrived, events, server, client } = bench();
  const segments = [new Uint8Array(memory, 4096, 500), new Uint8Array(memory, 300, 12)];
  const requests: BlockRequest[] = [
    { kind: 'read', offsetBytes: 2 ** 40, segments },
    { kind: 'write', offsetBytes: 512, segments: segments.slice(0, 1) },
    { kind: 'flush' },
    { kind: 'discard', offsetBytes: 1024, lengthBytes: 2 ** 41 },
    { kind: 'write-zeroes', offsetBytes: 0, lengthBytes: 512, mayDiscard: true },
    { kind: 'write-zeroes', offsetBytes: 0, lengthBytes: 512, mayDiscard: false },
  ];
  const statuses: string[] = [];
  for (const request of requests) {
    client.backend(0, INFO).submit(request, (status) => statuses.push(status));
    await settle();
    const last = arrived.at(-1);
    assert.deepEqual(last?.request, request);
    last?.onDone(request.kind === 'flush' ? 'no-space' : 'ok');
    client.collect();
  }
  assert.deepEqual(statuses, ['ok', 'ok', 'no-space', 'ok', 'ok', 'ok']);
  assert.equal(events.length, requests.length);
  server.close();
});

test('requests end in any order, and segments are the same memory', async () => {
  const { memory, arrived, server, client } = bench();
  const segments = Array.from(
    { length: BLOCK_SEGMENTS_MAX },
    (_, index) => new Uint8Array(memory, index * 2, 2),
  );
  const ended: number[] = [];
  const backend = client.backend(0, INFO);
  backend.submit({ kind: 'read', offsetBytes: 0, segments }, () => ended.push(0));
  backend.submit({ kind: 'flush' }, () => ended.push(1));
  await settle();
  const [first, second] = arrived;
  assert.ok(first?.request.kind === 'read');
  first.request.segments[7]?.fill(9);
  assert.equal(new Uint8Array(memory)[15], 9);
  second?.onDone('ok');
  client.collect();
  first.onDone('ok');
  client.collect();
  assert.deepEqual(ended, [1, 0]);
  server.close();
});

test('an empty drive answers with an error, and an eject takes the medium away', async () => {
  const { events, server, client } = bench();
  const statuses: string[] = [];
  const flush = (drive: number): void => {
    client.backend(drive, INFO).submit({ kind: 'flush' }, (status) => statuses.push(status));
  };
  flush(1);
  await settle();
  client.eject(0);
  await settle();
  client.collect();
  flush(0);
  await settle();
  client.collect();
  assert.deepEqual(statuses, ['io-error', 'io-error']);
  assert.deepEqual(events, ['completion', 'eject 0', 'completion', 'completion']);
  server.close();
});

test('a closed server takes nothing more', async () => {
  const { arrived, server, client } = bench();
  await settle();
  server.close();
  await settle();
  client.backend(0, INFO).submit({ kind: 'flush' }, () => undefined);
  await settle();
  assert.equal(arrived.length, 0);
});
