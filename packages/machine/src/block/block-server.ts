// The end of the block queue on the thread that reaches the host's files.

import type { BlockBackend } from '@umbra/core';
import { QueueView, WORD } from './block-queue.ts';

/** Carries out what arrives in the queue, for as long as the machine runs. */
export class BlockServer {
  readonly #view: QueueView;
  readonly #memory: SharedArrayBuffer;
  readonly #backends: (BlockBackend | undefined)[];
  readonly #onCompletion: () => void;
  readonly #onEject: (drive: number) => void;
  #taken = 0;
  #isOpen = true;

  /**
   * `backends` by drive number. `onCompletion` wakes the processor; `onEject` hears that the guest
   * took a medium out.
   */
  constructor(options: {
    block: SharedArrayBuffer;
    slotCount: number;
    memory: SharedArrayBuffer;
    backends: readonly (BlockBackend | undefined)[];
    onCompletion: () => void;
    onEject: (drive: number) => void;
  }) {
    this.#view = new QueueView(options.block, options.slotCount);
    this.#memory = options.memory;
    this.#backends = [...options.backends];
    this.#onCompletion = options.onCompletion;
    this.#onEject = options.onEject;
    void this.#serve();
  }

  /** Another medium for a drive; requests for the former end as they may. */
  replace(drive: number, backend: BlockBackend | undefined): void {
    this.#backends[drive] = backend;
  }

  /** Takes nothing more out of the queue. */
  close(): void {
    this.#isOpen = false;
    Atomics.notify(this.#view.words, WORD.SUBMITTED);
  }

  async #serve(): Promise<void> {
    const { words } = this.#view;
    while (this.#isOpen) {
      const submitted = Atomics.load(words, WORD.SUBMITTED);
      if (submitted === this.#taken) {
        // Flag first, then look again: the other side looks at the flag after it submitted.
        Atomics.store(words, WORD.SERVER_WAITS, 1);
        const outcome = Atomics.waitAsync(words, WORD.SUBMITTED, submitted);
        if (outcome.async) await outcome.value;
        continue;
      }
      this.#start(this.#view.submission(this.#taken));
      this.#taken = (this.#taken + 1) | 0;
    }
  }

  #start(index: number): void {
    const slot = this.#view.slot(index);
    const { drive } = slot;
    const request = slot.read(this.#memory);
    const complete = (status: typeof slot.status): void => {
      slot.status = status;
      this.#view.pushCompletion(index);
      this.#onCompletion();
    };
    if (request.kind === 'eject') {
      this.#backends[drive] = undefined;
      this.#onEject(drive);
      complete('ok');
      return;
    }
    const backend = this.#backends[drive];
    if (backend === undefined) complete('io-error');
    else backend.submit(request, complete);
  }
}
