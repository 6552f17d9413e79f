import type { BlockBackend, BlockInfo, BlockRequest, BlockStatus } from '@umbra/core';

interface Waiting {
  readonly request: BlockRequest;
  readonly onDone: (status: BlockStatus) => void;
}

/** A backend that keeps back what exceeds its queue depth, for controllers with deeper queues. */
export class QueuedBackend implements BlockBackend {
  readonly #backend: BlockBackend;
  readonly #waiting: Waiting[] = [];
  #underWay = 0;

  constructor(backend: BlockBackend) {
    this.#backend = backend;
  }

  get info(): BlockInfo {
    return this.#backend.info;
  }

  submit(request: BlockRequest, onDone: (status: BlockStatus) => void): void {
    if (this.#underWay >= this.info.queueDepthMax) {
      this.#waiting.push({ request, onDone });
      return;
    }
    this.#underWay++;
    this.#backend.submit(request, (status) => {
      this.#underWay--;
      const next = this.#waiting.shift();
      if (next !== undefined) this.submit(next.request, next.onDone);
      onDone(status);
    });
  }
}
