import { unreachable } from '@umbra/base';
import {
  type BlockBackend,
  type BlockInfo,
  type BlockRequest,
  type BlockStatus,
  SECTOR_BYTES,
} from '@umbra/core';
import { StorageError } from './errors.ts';
import type { DiskImage } from './image.ts';
import { totalBytes } from './segments.ts';

/** Requests of one disk that may be under way at once, where its controller takes as many. */
const QUEUE_DEPTH_MAX = 64;
const RETRY_AFTER_MS = 1000;

/** What a disk's backend is made of, and whom it tells what its guest cannot be told. */
export interface ImageBackendOptions {
  readonly image: DiskImage;
  readonly queueDepthMax?: number;
  /**
   * Called with the reason when the host has no room left and requests begin to wait, and with
   * undefined when the last of them is done. The machine should stand still in between.
   */
  readonly onStall: (reason: StorageError | undefined) => void;
  /** Called for every request that ends with `io-error`. */
  readonly onError: (error: StorageError) => void;
  /** How long waiting requests wait before they are tried again. */
  readonly retryAfterMs?: number;
}

interface Pending {
  readonly request: BlockRequest;
  readonly onDone: (status: BlockStatus) => void;
}

/**
 * A disk image as the backend of a controller. A write for which the host has no room is kept and
 * repeated until there is room: the guest sees a slow disk, and loses nothing.
 */
export class ImageBackend implements BlockBackend {
  readonly info: BlockInfo;
  readonly #image: DiskImage;
  readonly #onStall: (reason: StorageError | undefined) => void;
  readonly #onError: (error: StorageError) => void;
  readonly #retryAfterMs: number;
  readonly #waiting: Pending[] = [];
  #underWayCount = 0;
  /** Requests that have waited for room and are not done yet. */
  #stalledCount = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #onIdle: (() => void) | undefined;
  #isClosed = false;

  constructor(options: ImageBackendOptions) {
    const { image, queueDepthMax = QUEUE_DEPTH_MAX, retryAfterMs = RETRY_AFTER_MS } = options;
    this.#image = image;
    this.#onStall = options.onStall;
    this.#onError = options.onError;
    this.#retryAfterMs = retryAfterMs;
    this.info = {
      sizeBytes: image.sizeBytes,
      isReadOnly: image.isReadOnly,
      canDiscard: image.canDiscard,
      hasWriteCache: true,
      queueDepthMax,
    };
  }

  submit(request: BlockRequest, onDone: (status: BlockStatus) => void): void {
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) {
      queueMicrotask(() => onDone(refusal));
      return;
    }
    this.#underWayCount += 1;
    void this.#run({ request, onDone }, false);
  }

  /** Tries the requests again that wait for room on the host. */
  retry(): void {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    for (const pending of this.#waiting.splice(0)) void this.#run(pending, true);
  }

  /** Ends what is under way (what waits for room with `no-space`), then closes the image. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.retry();
    if (this.#underWayCount > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await this.#image.close();
  }

  #refusalOf(request: BlockRequest): BlockStatus | undefined {
    const { sizeBytes, isReadOnly, queueDepthMax } = this.info;
    if (this.#isClosed || this.#underWayCount >= queueDepthMax) return 'io-error';
    if (request.kind === 'flush') return undefined;
    const lengthBytes = 'segments' in request ? totalBytes(request.segments) : request.lengthBytes;
    const end = request.offsetBytes + lengthBytes;
    const isAligned = request.offsetBytes % SECTOR_BYTES === 0 && lengthBytes % SECTOR_BYTES === 0;
    if (!isAligned || request.offsetBytes < 0 || !(end <= sizeBytes)) return 'out-of-range';
    return isReadOnly && request.kind !== 'read' ? 'read-only' : undefined;
  }

  async #run(pending: Pending, hasWaited: boolean): Promise<void> {
    let status: BlockStatus;
    try {
      await this.#perform(pending.request);
      status = 'ok';
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      if (error.code === 'HOST_FULL' && !this.#isClosed) {
        this.#wait(pending, hasWaited, error);
        return;
      }
      status = statusOf(error);
      if (status === 'io-error') this.#onError(error);
    }
    this.#underWayCount -= 1;
    if (hasWaited) {
      this.#stalledCount -= 1;
      if (this.#stalledCount === 0) this.#onStall(undefined);
    }
    pending.onDone(status);
    if (this.#underWayCount === 0) this.#onIdle?.();
  }

  #perform(request: BlockRequest): Promise<void> {
    switch (request.kind) {
      case 'read':
        return this.#image.read(request.offsetBytes, request.segments);
      case 'write':
        return this.#image.write(request.offsetBytes, request.segments);
      case 'flush':
        return this.#image.flush();
      case 'discard':
        return this.#image.discard(request.offsetBytes, request.lengthBytes);
      case 'write-zeroes': {
        const { offsetBytes, lengthBytes, mayDiscard } = request;
        return this.#image.writeZeroes(offsetBytes, lengthBytes, mayDiscard);
      }
      default:
        return unreachable(request);
    }
  }

  #wait(pending: Pending, hasWaited: boolean, reason: StorageError): void {
    this.#waiting.push(pending);
    if (!hasWaited) {
      this.#stalledCount += 1;
      if (this.#stalledCount === 1) this.#onStall(reason);
    }
    this.#retryTimer ??= setTimeout(() => this.retry(), this.#retryAfterMs);
  }
}

function statusOf(error: StorageError): BlockStatus {
  switch (error.code) {
    case 'HOST_FULL':
      return 'no-space';
    case 'READ_ONLY':
      return 'read-only';
    case 'OUT_OF_RANGE':
      return 'out-of-range';
    default:
      return 'io-error';
  }
}
