import type { BlockInfo } from '@umbra/core';

/** What the host wants done with a drive. */
export type MediaCommand =
  | { readonly kind: 'insert'; readonly info: BlockInfo }
  /** As by the button at the drive: the guest may have locked it. */
  | { readonly kind: 'eject' }
  | { readonly kind: 'remove' };

const KINDS = ['none', 'insert', 'eject', 'remove'] as const;
const FLAG = { READ_ONLY: 1 << 0, CAN_DISCARD: 1 << 1, WRITE_CACHE: 1 << 2 } as const;
/** One double (the size) and two words (the command; flags with the queue depth above them). */
const ENTRY_BYTES = 16;
const DEPTH_SHIFT = 8;

/** Room for one command per drive. */
export function createMailboxBlock(drives: number): SharedArrayBuffer {
  return new SharedArrayBuffer(drives * ENTRY_BYTES);
}

/** Commands for drives on their way to the processor's thread. A later one replaces the former. */
export class MediaMailbox {
  readonly #sizes: Float64Array;
  readonly #words: Int32Array;
  readonly #count: number;

  constructor(block: SharedArrayBuffer) {
    this.#sizes = new Float64Array(block);
    this.#words = new Int32Array(block);
    this.#count = block.byteLength / ENTRY_BYTES;
  }

  post(drive: number, command: MediaCommand): void {
    const word = 4 * drive + 2;
    if (command.kind === 'insert') {
      const { sizeBytes, isReadOnly, canDiscard, hasWriteCache, queueDepthMax } = command.info;
      this.#sizes[2 * drive] = sizeBytes;
      this.#words[word + 1] =
        (isReadOnly ? FLAG.READ_ONLY : 0) |
        (canDiscard ? FLAG.CAN_DISCARD : 0) |
        (hasWriteCache ? FLAG.WRITE_CACHE : 0) |
        (queueDepthMax << DEPTH_SHIFT);
    }
    Atomics.store(this.#words, word, KINDS.indexOf(command.kind));
  }

  /** Takes all commands out. */
  take(onCommand: (drive: number, command: MediaCommand) => void): void {
    for (let drive = 0; drive < this.#count; drive += 1) {
      const word = 4 * drive + 2;
      const kind = KINDS[Atomics.exchange(this.#words, word, 0)] ?? 'none';
      if (kind === 'insert') onCommand(drive, { kind, info: this.#info(drive) });
      else if (kind !== 'none') onCommand(drive, { kind });
    }
  }

  #info(drive: number): BlockInfo {
    const flags = this.#words[4 * drive + 3] ?? 0;
    return {
      sizeBytes: this.#sizes[2 * drive] ?? 0,
      isReadOnly: (flags & FLAG.READ_ONLY) !== 0,
      canDiscard: (flags & FLAG.CAN_DISCARD) !== 0,
      hasWriteCache: (flags & FLAG.WRITE_CACHE) !== 0,
      queueDepthMax: flags >> DEPTH_SHIFT,
    };
  }
}
