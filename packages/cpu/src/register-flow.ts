import { assert } from '@umbra/base';

/** A set of registers: bit n = general register n, and FLAGS_BIT. */
type Mask = number;

/** The bit of the arithmetic flags in a mask of registers. */
export const FLAGS_BIT = 1 << 16;

/** A place that stores registers to the state block, or loads them from it. */
export type TransferPoint =
  | {
      readonly kind: 'store';
      readonly block: number;
      /** What the block changed so far, and whether what was changed before it counts too. */
      readonly own: Mask;
      readonly inherits: boolean;
    }
  | { readonly kind: 'load'; readonly segment: Segment };

/** Code of a block between two places that load everything anew. */
interface Segment {
  readonly block: number;
  /** Read before they are written here. */
  used: Mask;
  written: Mask;
  /** What was written at the first store that also covers what was changed before the block. */
  writtenAtStore: Mask | undefined;
}

/** Where emission of a block stands; kept while blocks within it are emitted. */
export interface FlowPosition {
  readonly segment: Segment;
  readonly dirty: Mask;
  readonly inherits: boolean;
}

/**
 * Follows which registers of a region differ from the state block and which are needed, so that
 * every way out stores, and every way in loads, no more than it must. The builder reports what it
 * emits; solve() then knows the masks.
 */
export class RegisterFlow {
  readonly #segments: Segment[][];
  readonly #edges: { from: number; to: number; own: Mask; inherits: boolean }[] = [];
  readonly #dirtyAt: Mask[];
  readonly #liveAt: Mask[];
  #liveAfter = new Map<Segment, Mask>();
  #position: FlowPosition;

  constructor(blockCount: number) {
    this.#segments = Array.from({ length: blockCount }, () => []);
    this.#dirtyAt = new Array<Mask>(blockCount).fill(0);
    this.#liveAt = new Array<Mask>(blockCount).fill(0);
    this.#position = { segment: this.#newSegment(0), dirty: 0, inherits: true };
    this.#segments[0] = [];
  }

  #newSegment(block: number): Segment {
    const segment = { block, used: 0, written: 0, writtenAtStore: undefined };
    this.#segments[block]?.push(segment);
    return segment;
  }

  /** Emission of a block begins. */
  begin(block: number): void {
    this.#position = { segment: this.#newSegment(block), dirty: 0, inherits: true };
  }

  get position(): FlowPosition {
    return this.#position;
  }
  /** Emission goes on where it stood. */
  resume(position: FlowPosition): void {
    this.#position = position;
  }

  use(mask: Mask): void {
    const { segment } = this.#position;
    segment.used |= mask & ~segment.written;
  }

  write(mask: Mask): void {
    const { segment, dirty, inherits } = this.#position;
    segment.written |= mask;
    this.#position = { segment, dirty: dirty | mask, inherits };
  }

  /** A place from which on the state block must hold everything. */
  store(): TransferPoint {
    const { segment, dirty, inherits } = this.#position;
    if (inherits) segment.writtenAtStore ??= segment.written;
    return { kind: 'store', block: segment.block, own: dirty, inherits };
  }

  /** The state block holds everything now, and locals are as before. */
  noteClean(): void {
    this.#position = { segment: this.#position.segment, dirty: 0, inherits: false };
  }

  /** A place where the state block may have changed: locals are loaded anew. */
  load(): TransferPoint {
    const segment = this.#newSegment(this.#position.segment.block);
    this.#position = { segment, dirty: 0, inherits: false };
    return { kind: 'load', segment };
  }

  /** Control may go on in another block of the region from here. */
  edge(to: number): void {
    const { segment, dirty, inherits } = this.#position;
    this.#edges.push({ from: segment.block, to, own: dirty, inherits });
  }

  solve(): void {
    for (let changed = true; changed; ) {
      changed = false;
      for (const { from, to, own, inherits } of this.#edges) {
        const old = this.#dirtyAt[to] as Mask;
        const mask = old | own | (inherits ? (this.#dirtyAt[from] as Mask) : 0);
        changed ||= mask !== old;
        this.#dirtyAt[to] = mask;
      }
    }
    for (let changed = true; changed; ) {
      changed = false;
      for (let block = this.#segments.length - 1; block >= 0; block--) {
        const live = this.#liveBefore(block);
        changed ||= live !== this.#liveAt[block];
        this.#liveAt[block] = live;
      }
    }
  }

  #liveBefore(block: number): Mask {
    let live = 0;
    for (const { from, to } of this.#edges) {
      if (from === block) live |= this.#liveAt[to] as Mask;
    }
    const segments = this.#segments[block] as Segment[];
    for (const segment of segments.toReversed()) {
      live = segment.used | (live & ~segment.written);
      if (segment.writtenAtStore !== undefined)
        live |= (this.#dirtyAt[block] as Mask) & ~segment.writtenAtStore;
      this.#liveAfter.set(segment, live);
      // Everything is in the state block before a load.
      if (segment !== segments[0]) live = 0;
    }
    return live;
  }

  /** Registers to load when the region is entered. */
  get atEntry(): Mask {
    return this.#liveAt[0] as Mask;
  }

  /** Registers to store or to load at a place; only after solve(). */
  maskAt(point: TransferPoint): Mask {
    if (point.kind === 'store')
      return point.own | (point.inherits ? (this.#dirtyAt[point.block] as Mask) : 0);
    const mask = this.#liveAfter.get(point.segment);
    assert(mask !== undefined, 'the flow was solved');
    return mask;
  }
}
