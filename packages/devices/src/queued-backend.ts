import type { BlockBackend, BlockInfo, BlockRequest, BlockStatus } from '@umbra/core';

interface Waiting {
  readonly request: BlockRequest;
  readonly onDone: (status: BlockStatus) => void;
}

/**
 * A backend that keeps back what exceeds its queue depth. A reset of its controller calls nothing
 * back from the disk: what was under way still is, and counts. So what a guest asks for between
 * many resets waits here, and is dropped at the next one.
 */
export class QueuedBackend implements BlockBackend {
  readonly #backend: BlockBackend;
  readonly #depthMax: number;
  readonly #waiting: Waiting[] = [];
  #underWay = 0;

  /** `depthMax` 1 is for controllers that have one buffer for all requests. */
  constructor(backend: BlockBackend, depthMax = backend.info.queueDepthMax) {
    this.#backend = backend;
    this.#depthMax = Math.min(depthMax, backend.info.queueDepthMax);
  }

  get info(): BlockInfo {
    return this.#backend.info;
  }

  submit(request: BlockRequest, onDone: (status: BlockStatus) => void): void {
    if (this.#underWay >= this.#depthMax) {
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

  /** Forgets what has not begun: the controller has lost interest. `onDone` is not called. */
  dropWaiting(): void {
    this.#waiting.length = 0;
  }
}
