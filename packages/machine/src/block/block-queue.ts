// Shared memory between the processor's thread, whose controllers ask for disk operations, and the
// thread that carries them out: slots that hold one request each, and two rings of slot numbers.

import { assert } from '@umbra/base';
import { BLOCK_SEGMENTS_MAX, type BlockRequest, type BlockStatus } from '@umbra/core';

/** Words at the head of the block. */
export const WORD = {
  /** Slot numbers ever put into the rings, modulo 2^32. */
  SUBMITTED: 0,
  COMPLETED: 1,
  /** 1 while the server sleeps until something is submitted. */
  SERVER_WAITS: 2,
} as const;
const HEAD_WORDS = 4;

/** 64-bit numbers of a slot, as doubles, then its words, then address and length of segments. */
const NUMBER = { OFFSET: 0, LENGTH: 1, COUNT: 2 } as const;
const SLOT_WORD = { KIND: 0, DRIVE: 1, STATUS: 2, SEGMENTS: 3, COUNT: 4 } as const;
const SLOT_BYTES = NUMBER.COUNT * 8 + SLOT_WORD.COUNT * 4 + BLOCK_SEGMENTS_MAX * 8;

const KINDS = [
  'read',
  'write',
  'flush',
  'discard',
  'write-zeroes',
  'unmap-zeroes',
  'eject',
] as const;
const STATUSES: readonly BlockStatus[] = [
  'ok',
  'read-only',
  'out-of-range',
  'no-space',
  'io-error',
];

/** What goes through the queue: requests, and the news that a medium was taken out. */
export type QueueRequest = BlockRequest | { readonly kind: 'eject' };

/** Shared memory for `slots` requests under way at once. */
export function createQueueBlock(slots: number): SharedArrayBuffer {
  const ringSlots = ringSize(slots);
  return new SharedArrayBuffer((HEAD_WORDS + 2 * ringSlots) * 4 + slots * SLOT_BYTES);
}

function ringSize(slots: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(2, slots)));
}

/** One thread's view of the shared block. */
export class QueueView {
  readonly slotCount: number;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly #submissions: Int32Array<SharedArrayBuffer>;
  readonly #completions: Int32Array<SharedArrayBuffer>;
  readonly #slots: readonly SlotView[];

  constructor(block: SharedArrayBuffer, slotCount: number) {
    const ringSlots = ringSize(slotCount);
    this.slotCount = slotCount;
    this.words = new Int32Array(block, 0, HEAD_WORDS);
    this.#submissions = new Int32Array(block, HEAD_WORDS * 4, ringSlots);
    this.#completions = new Int32Array(block, (HEAD_WORDS + ringSlots) * 4, ringSlots);
    const first = (HEAD_WORDS + 2 * ringSlots) * 4;
    this.#slots = Array.from({ length: slotCount }, (_, index) => {
      return new SlotView(block, first + index * SLOT_BYTES);
    });
  }

  slot(index: number): SlotView {
    const slot = this.#slots[index];
    assert(slot !== undefined, 'slot numbers come from the queue itself');
    return slot;
  }

  pushSubmission(slot: number): void {
    push(this.words, WORD.SUBMITTED, this.#submissions, slot);
  }
  pushCompletion(slot: number): void {
    push(this.words, WORD.COMPLETED, this.#completions, slot);
  }
  submission(sequence: number): number {
    return this.#submissions[sequence & (this.#submissions.length - 1)] as number;
  }
  completion(sequence: number): number {
    return this.#completions[sequence & (this.#completions.length - 1)] as number;
  }
}

/** A ring never runs over: it has room for all slots, and each slot is in it at most once. */
function push(words: Int32Array, counter: number, ring: Int32Array, slot: number): void {
  const sequence = Atomics.load(words, counter);
  ring[sequence & (ring.length - 1)] = slot;
  Atomics.store(words, counter, (sequence + 1) | 0);
}

/** One request in shared memory. */
class SlotView {
  readonly #numbers: Float64Array;
  readonly #words: Int32Array;
  readonly #segments: Uint32Array;

  constructor(block: SharedArrayBuffer, at: number) {
    this.#numbers = new Float64Array(block, at, NUMBER.COUNT);
    this.#words = new Int32Array(block, at + NUMBER.COUNT * 8, SLOT_WORD.COUNT);
    const segments = at + NUMBER.COUNT * 8 + SLOT_WORD.COUNT * 4;
    this.#segments = new Uint32Array(block, segments, BLOCK_SEGMENTS_MAX * 2);
  }

  get drive(): number {
    return this.#words[SLOT_WORD.DRIVE] as number;
  }

  get status(): BlockStatus {
    return STATUSES[this.#words[SLOT_WORD.STATUS] as number] ?? 'io-error';
  }
  set status(status: BlockStatus) {
    this.#words[SLOT_WORD.STATUS] = STATUSES.indexOf(status);
  }

  /** Segments must be views of `memory`, the one that both threads share. */
  write(drive: number, request: QueueRequest, memory: ArrayBufferLike): void {
    this.#words[SLOT_WORD.DRIVE] = drive;
    this.#words[SLOT_WORD.KIND] = KINDS.indexOf(request.kind);
    if (request.kind === 'flush' || request.kind === 'eject') return;
    this.#numbers[NUMBER.OFFSET] = request.offsetBytes;
    if (request.kind === 'discard' || request.kind === 'write-zeroes') {
      this.#numbers[NUMBER.LENGTH] = request.lengthBytes;
      if (request.kind === 'write-zeroes' && request.mayDiscard) {
        this.#words[SLOT_WORD.KIND] = KINDS.indexOf('unmap-zeroes');
      }
      return;
    }
    const { segments } = request;
    assert(segments.length <= BLOCK_SEGMENTS_MAX, 'controllers keep to the limit of segments');
    this.#words[SLOT_WORD.SEGMENTS] = segments.length;
    for (let index = 0; index < segments.length; index += 1) {
      const segment = segments[index] as Uint8Array;
      assert(segment.buffer === memory, 'segments lie in the memory that both threads share');
      this.#segments[2 * index] = segment.byteOffset;
      this.#segments[2 * index + 1] = segment.length;
    }
  }

  read(memory: ArrayBufferLike): QueueRequest {
    const kind = KINDS[this.#words[SLOT_WORD.KIND] as number];
    const offsetBytes = this.#numbers[NUMBER.OFFSET] as number;
    const lengthBytes = this.#numbers[NUMBER.LENGTH] as number;
    switch (kind) {
      case 'flush':
      case 'eject':
        return { kind };
      case 'discard':
        return { kind, offsetBytes, lengthBytes };
      case 'write-zeroes':
      case 'unmap-zeroes':
        return {
          kind: 'write-zeroes',
          offsetBytes,
          lengthBytes,
          mayDiscard: kind === 'unmap-zeroes',
        };
      default: {
        assert(kind !== undefined, 'a submitted slot holds a request');
        const segments = Array.from(
          { length: this.#words[SLOT_WORD.SEGMENTS] as number },
          (_, i) => {
            const [at, length] = [this.#segments[2 * i], this.#segments[2 * i + 1]];
            return new Uint8Array(memory, at, length);
          },
        );
        return { kind, offsetBytes, segments };
      }
    }
  }
}
