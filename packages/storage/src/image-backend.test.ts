import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BlockRequest, BlockStatus } from '@umbra/core';
import { StorageError } from './errors.ts';
import type { DiskImage } from './image.ts';
import { ImageBackend } from './image-backend.ts';

/** A disk in memory on a host whose room can run out. */
class MemoryImage implements DiskImage {
  readonly path = 'memory';
  readonly sizeBytes = 8192;
  readonly isReadOnly = false;
  readonly canDiscard = false;
  readonly bytes = Buffer.alloc(8192);
  failure: StorageError | undefined;

  async read(offset: number, segments: readonly Uint8Array[]): Promise<void> {
    for (const segment of segments)
      segment.set(this.bytes.subarray(offset, offset + segment.length));
  }
  async write(offset: number, segments: readonly Uint8Array[]): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    for (const segment of segments) this.bytes.set(segment, offset);
  }
  async flush(): Promise<void> {}
  async discard(): Promise<void> {}
  async writeZeroes(): Promise<void> {}
  async extentAt(): Promise<{ lengthBytes: number; isZero: boolean }> {
    return { lengthBytes: 512, isZero: false };
  }
  async close(): Promise<void> {}
}

function backendOf(image: MemoryImage, events: string[]): ImageBackend {
  return new ImageBackend({
    image,
    queueDepthMax: 2,
    onStall: (reason) => events.push(reason?.code ?? 'room'),
    onError: ({ code }) => events.push(code),
    retryAfterMs: 5,
  });
}

function submit(backend: ImageBackend, request: BlockRequest): Promise<BlockStatus> {
  return new Promise((resolve) => {
    let hasReturned = false;
    backend.submit(request, (status) => {
      assert.ok(hasReturned, 'not from within submit');
      resolve(status);
    });
    hasReturned = true;
  });
}

const SECTOR = Buffer.alloc(512, 7);
const write = (offsetBytes: number, bytes = SECTOR): BlockRequest => ({
  kind: 'write',
  offsetBytes,
  segments: [bytes],
});

test('requests that break the rules end with a status', async () => {
  const backend = backendOf(new MemoryImage(), []);
  assert.equal(await submit(backend, write(8192)), 'out-of-range');
  assert.equal(await submit(backend, write(-512)), 'out-of-range');
  assert.equal(await submit(backend, write(Number.NaN)), 'out-of-range');
  assert.equal(await submit(backend, write(100)), 'out-of-range');
  assert.equal(await submit(backend, write(0, Buffer.alloc(100))), 'out-of-range');
  const statuses = await Promise.all([0, 512, 1024].map((at) => submit(backend, write(at))));
  assert.deepEqual(statuses, ['ok', 'ok', 'io-error'], 'the queue is bounded');
});

test('writes wait while the host has no room, and nothing is lost', async () => {
  const image = new MemoryImage();
  const events: string[] = [];
  const backend = backendOf(image, events);
  image.failure = new StorageError('HOST_FULL', 'No room');
  const waiting = [submit(backend, write(0)), submit(backend, write(512))];
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(events, ['HOST_FULL'], 'one event however often it is tried');
  image.failure = undefined;
  assert.deepEqual(await Promise.all(waiting), ['ok', 'ok']);
  assert.deepEqual(events, ['HOST_FULL', 'room']);
  assert.deepEqual(image.bytes.subarray(0, 1024), Buffer.alloc(1024, 7));
});

test('closing ends what waits for room', async () => {
  const image = new MemoryImage();
  const backend = backendOf(image, []);
  image.failure = new StorageError('HOST_FULL', 'No room');
  const status = submit(backend, write(0));
  await backend.close();
  assert.equal(await status, 'no-space');
  assert.equal(await submit(backend, write(0)), 'io-error');
});

test('what the guest cannot be told is told to the host', async () => {
  const image = new MemoryImage();
  const events: string[] = [];
  image.failure = new StorageError('FILE_IO', 'The host could not');
  assert.equal(await submit(backendOf(image, events), write(0)), 'io-error');
  assert.deepEqual(events, ['FILE_IO']);
});
