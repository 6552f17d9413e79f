import { BLOCK_SEGMENTS_MAX, type GuestMemory } from '@umbra/core';
import * as z from 'zod';
import type { MemoryRange } from '../sector-transfer.ts';
import { count, word } from '../state.ts';

/** Flags of a descriptor. [VIRTIO] §2.7.5 */
const DESCRIPTOR = { NEXT: 1 << 0, WRITE: 1 << 1, INDIRECT: 1 << 2, BYTES: 16 } as const;
/** Flags of the available ring. [VIRTIO] §2.7.6 */
const AVAILABLE_NO_INTERRUPT = 1 << 0;
const RING_HEAD_BYTES = 4;
const USED_BYTES = 8;
export const QUEUE_SIZE_MAX = 256;
/** Descriptors of one chain: all segments of a request, its header and its status. */
const CHAIN_MAX = BLOCK_SEGMENTS_MAX + 2;
const INDEX_MASK = 0xffff;

/** Ring features that the driver accepted. */
export interface RingFeatures {
  readonly hasIndirect: boolean;
  readonly hasEventIndex: boolean;
}

/** Buffers that the driver has made available together. */
export interface Chain {
  /** Names the chain when it is given back. */
  readonly head: number;
  readonly readable: readonly MemoryRange[];
  readonly writable: readonly MemoryRange[];
}

export const VirtqueueState = z.strictObject({
  size: z.int().min(0).max(QUEUE_SIZE_MAX),
  isEnabled: z.boolean(),
  descriptors: count,
  available: count,
  used: count,
  nextAvailable: word,
  nextUsed: word,
  /** The index of the used ring when the driver was last interrupted, or could have been. */
  signalledUsed: word,
  underWay: z.array(word).max(QUEUE_SIZE_MAX),
});
export type VirtqueueState = z.infer<typeof VirtqueueState>;

/** A split virtqueue in guest memory, from the device's side. [VIRTIO] §2.7 */
export class Virtqueue {
  readonly #memory: GuestMemory;
  /** Heads of chains that were taken and not yet given back. */
  readonly #underWay = new Set<number>();
  #state: Omit<VirtqueueState, 'underWay'> = initialQueue();
  features: RingFeatures = { hasIndirect: false, hasEventIndex: false };

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** Size, addresses and whether it is in use, as the driver sets them. */
  get setup(): Pick<VirtqueueState, 'size' | 'isEnabled' | 'descriptors' | 'available' | 'used'> {
    return this.#state;
  }

  get underWayCount(): number {
    return this.#underWay.size;
  }

  configure(setup: Partial<typeof this.setup>): void {
    Object.assign(this.#state, setup);
  }

  /**
   * The next chain that the driver made available; undefined when there is none. A ring that makes
   * no sense is `broken`.
   */
  take(): Chain | 'broken' | undefined {
    const state = this.#state;
    if (!state.isEnabled) return undefined;
    const index = this.#memory.read16(state.available + 2);
    if (index === state.nextAvailable) {
      if (!this.features.hasEventIndex) return undefined;
      // The driver need not tell of anything before this; what it adds meanwhile is seen now.
      this.#memory.write16(state.used + RING_HEAD_BYTES + USED_BYTES * state.size, index);
      if (this.#memory.read16(state.available + 2) === index) return undefined;
    }
    if (((index - state.nextAvailable) & INDEX_MASK) > state.size) return 'broken';
    const slot = state.nextAvailable & (state.size - 1);
    const head = this.#memory.read16(state.available + RING_HEAD_BYTES + 2 * slot);
    if (head >= state.size || this.#underWay.has(head)) return 'broken';
    const chain = this.#walk(head);
    if (chain === 'broken') return 'broken';
    state.nextAvailable = (state.nextAvailable + 1) & INDEX_MASK;
    this.#underWay.add(head);
    return chain;
  }

  /** Gives a chain back, of whose writable part `written` bytes were used; whether to interrupt. */
  give(head: number, written: number): boolean {
    if (!this.#underWay.delete(head)) return false;
    const state = this.#state;
    const slot = state.nextUsed & (state.size - 1);
    const element = state.used + RING_HEAD_BYTES + USED_BYTES * slot;
    this.#memory.write32(element, head);
    this.#memory.write32(element + 4, written);
    state.nextUsed = (state.nextUsed + 1) & INDEX_MASK;
    this.#memory.write16(state.used + 2, state.nextUsed);
    return this.#wantsInterrupt();
  }

  /** Chains that were under way when the state was saved, as the driver described them. */
  *resumed(): Generator<Chain> {
    for (const head of this.#underWay) {
      const chain = this.#walk(head);
      if (chain !== 'broken') yield chain;
    }
  }

  reset(): void {
    this.#state = initialQueue();
    this.#underWay.clear();
  }

  save(): VirtqueueState {
    return { ...this.#state, underWay: [...this.#underWay] };
  }

  restore(state: VirtqueueState): void {
    const { underWay, ...rest } = state;
    this.#state = rest;
    this.#underWay.clear();
    for (const head of underWay) this.#underWay.add(head);
  }

  /** [VIRTIO] §2.7.7.2, §2.7.10 */
  #wantsInterrupt(): boolean {
    const state = this.#state;
    if (!this.features.hasEventIndex) {
      return (this.#memory.read16(state.available) & AVAILABLE_NO_INTERRUPT) === 0;
    }
    const event = this.#memory.read16(state.available + RING_HEAD_BYTES + 2 * state.size);
    const passed = (state.nextUsed - event - 1) & INDEX_MASK;
    const isWanted = passed < ((state.nextUsed - state.signalledUsed) & INDEX_MASK);
    state.signalledUsed = state.nextUsed;
    return isWanted;
  }

  #walk(head: number): Chain | 'broken' {
    const { descriptors, size } = this.#state;
    const readable: MemoryRange[] = [];
    const writable: MemoryRange[] = [];
    let [table, tableSize, index] = [descriptors, size, head];
    let isIndirect = false;
    for (let length = 0; length < CHAIN_MAX; length++) {
      const at = table + DESCRIPTOR.BYTES * index;
      const address = this.#read64(at);
      const bytes = this.#memory.read32(at + 8);
      const flags = this.#memory.read16(at + 12);
      if ((flags & DESCRIPTOR.INDIRECT) !== 0) {
        const entries = bytes / DESCRIPTOR.BYTES;
        const isAllowed = this.features.hasIndirect && !isIndirect && Number.isInteger(entries);
        if (!isAllowed || entries === 0 || (flags & DESCRIPTOR.NEXT) !== 0) return 'broken';
        [table, tableSize, index] = [address, entries, 0];
        isIndirect = true;
        continue;
      }
      const range = { address, length: bytes };
      if ((flags & DESCRIPTOR.WRITE) !== 0) writable.push(range);
      // What the device reads comes before what it writes.
      else if (writable.length > 0) return 'broken';
      else readable.push(range);
      if ((flags & DESCRIPTOR.NEXT) === 0) return { head, readable, writable };
      index = this.#memory.read16(at + 14);
      if (index >= tableSize) return 'broken';
    }
    return 'broken';
  }

  #read64(address: number): number {
    return this.#memory.read32(address + 4) * 2 ** 32 + this.#memory.read32(address);
  }
}

function initialQueue(): Omit<VirtqueueState, 'underWay'> {
  return {
    size: QUEUE_SIZE_MAX,
    isEnabled: false,
    descriptors: 0,
    available: 0,
    used: 0,
    nextAvailable: 0,
    nextUsed: 0,
    signalledUsed: 0,
  };
}
