// The processor thread's end of the block queue.

import { assert } from '@umbra/base';
import type { BlockBackend, BlockInfo, BlockRequest, BlockStatus } from '@umbra/core';
import { type QueueRequest, QueueView, WORD } from './block-queue.ts';

type OnDone = (status: BlockStatus) => void;

/** Sends what controllers ask for to the other thread, and hands them the outcome. */
export class BlockClient {
  readonly #view: QueueView;
  readonly #memory: ArrayBufferLike;
  readonly #free: number[];
  readonly #onDone: (OnDone | undefined)[];
  #collected = 0;

  /** `memory` is the buffer that all segments lie in. */
  constructor(block: SharedArrayBuffer, slotCount: number, memory: ArrayBufferLike) {
    this.#view = new QueueView(block, slotCount);
    this.#memory = memory;
    this.#free = Array.from({ length: slotCount }, (_, slot) => slot);
    this.#onDone = Array.from({ length: slotCount }, () => undefined);
  }

  /** The medium in a drive as a backend for its controller. */
  backend(drive: number, info: BlockInfo): BlockBackend {
    return { info, submit: (request, onDone) => this.#send(drive, request, onDone) };
  }

  /** Tells the other thread that the medium of a drive was taken out by the guest. */
  eject(drive: number): void {
    this.#send(drive, { kind: 'eject' }, () => undefined);
  }

  /** Calls back for all requests that have ended. */
  collect(): void {
    const { words } = this.#view;
    while (this.#collected !== Atomics.load(words, WORD.COMPLETED)) {
      const slot = this.#view.completion(this.#collected);
      this.#collected = (this.#collected + 1) | 0;
      const onDone = this.#onDone[slot];
      const { status } = this.#view.slot(slot);
      this.#onDone[slot] = undefined;
      this.#free.push(slot);
      onDone?.(status);
    }
  }

  #send(drive: number, request: BlockRequest | QueueRequest, onDone: OnDone): void {
    const slot = this.#free.pop();
    assert(slot !== undefined, 'controllers keep to the queue depth of their drives');
    this.#onDone[slot] = onDone;
    this.#view.slot(slot).write(drive, request, this.#memory);
    this.#view.pushSubmission(slot);
    const { words } = this.#view;
    if (Atomics.exchange(words, WORD.SERVER_WAITS, 0) === 1) Atomics.notify(words, WORD.SUBMITTED);
  }
}
